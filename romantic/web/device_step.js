// The step of the connection check that concerns this machine: is there a camera and a microphone, and may we?

import { ADVICE } from "/web/advice.js";
import { fine, limited, Trouble, within } from "/web/steps.js";

const PROMPT_SECONDS = 60;

const REASONS = {
  NotAllowedError: ["The browser was not allowed to use them.", ADVICE.notAllowed],
  NotReadableError: ["They do not start.", ADVICE.busyDevice],
  NotFoundError: ["The browser finds none.", ADVICE.noMicrophone],
};

async function openDevices(_notes, tell) {
  if (!navigator.mediaDevices) throw new Trouble("This page may not ask for them.", ADVICE.insecure);
  const kinds = (await navigator.mediaDevices.enumerateDevices()).map((device) => device.kind);
  if (!kinds.includes("audioinput")) throw new Trouble("There is no microphone.", ADVICE.noMicrophone);
  const video = kinds.includes("videoinput");
  tell("The browser may ask for your permission now.");
  const asked = navigator.mediaDevices.getUserMedia({ audio: true, video });
  asked.then(stop, () => {}); // also when the answer comes after we have gone on
  try {
    await within(asked, PROMPT_SECONDS, "Nobody answered the browser's question.", ADVICE.noAnswerToPrompt);
  } catch (error) {
    throw REASONS[error.name] ? new Trouble(...REASONS[error.name]) : error;
  }
  return video ? fine("Both start.") : limited("The microphone starts; there is no camera.", ADVICE.noCamera);
}

const stop = (stream) => stream.getTracks().forEach((track) => track.stop());

export const DEVICE_STEP = { id: "devices", title: "Camera and microphone", needs: [], run: openDevices };
