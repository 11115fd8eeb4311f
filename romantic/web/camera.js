// Camera and microphone, and a drawn stand-in for machines that have none (or with ?camera=drawn).

const WIDTH = 960;
const HEIGHT = 600;
const FRAMES_PER_SECOND = 24;
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** {stream, note}: `note` says in words why the picture is drawn, or is null. */
export async function openCamera({ video, name }) {
  if (new URLSearchParams(location.search).get("camera") === "drawn") {
    return { stream: draw({ video, name }), note: null };
  }
  try {
    const wanted = { audio: SOUND, video: video && { width: { ideal: 640 } } };
    return { stream: await navigator.mediaDevices.getUserMedia(wanted), note: null };
  } catch (error) {
    return { stream: draw({ video, name }), note: reason(error) };
  }
}

/** Stop every track, and what draws. */
export function closeCamera(stream) {
  stream?.getTracks().forEach((track) => track.stop());
  stream?.stopDrawing?.();
}

function reason(error) {
  const why = {
    NotAllowedError: "The browser was not allowed to use camera and microphone",
    NotFoundError: "There is no camera or microphone here",
    NotReadableError: "Another program holds the camera",
  };
  return `${why[error.name] ?? "Camera and microphone did not start"}: a drawn picture stands in.`;
}

function draw({ video, name }) {
  const sound = new AudioContext();
  const quiet = sound.createMediaStreamDestination();
  const stream = new MediaStream(quiet.stream.getAudioTracks());
  let timer = null;
  if (video) {
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    const picture = () => paint(canvas.getContext("2d"), name, performance.now() / 1000);
    picture();
    timer = setInterval(picture, 1000 / FRAMES_PER_SECOND);
    canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks().forEach((track) => stream.addTrack(track));
  }
  stream.stopDrawing = () => {
    clearInterval(timer);
    sound.close();
  };
  return stream;
}

const LOOKS = [
  { sky: ["#2b2350", "#b5527a", "#f7b267"], light: "#ffd9a8", hair: "#3a221c", shirt: "#7a1f4b", skin: "#f0c3a0", long: true },
  { sky: ["#0f2f4a", "#2f7c8c", "#a8dcc5"], light: "#d8fff0", hair: "#5b4636", shirt: "#27415c", skin: "#e8b690", long: false },
  { sky: ["#3b1d52", "#7b4fa3", "#f3a6c8"], light: "#ffe3f1", hair: "#221a2b", shirt: "#2d5d4e", skin: "#c98f68", long: true },
];

/** A person before an evening sky; the first letter decides which. */
function paint(pen, name, seconds) {
  const look = LOOKS[(name.charCodeAt(0) + 1) % LOOKS.length];
  const sky = pen.createLinearGradient(0, 0, WIDTH * 0.3, HEIGHT);
  look.sky.forEach((colour, i) => sky.addColorStop(i / 2, colour));
  pen.fillStyle = sky;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.globalAlpha = 0.14;
  for (let i = 0; i < 14; i += 1) light(pen, look.light, i, seconds);
  pen.globalAlpha = 1;
  person(pen, look, WIDTH / 2 + 7 * Math.sin(seconds * 1.1), HEIGHT + 3 * Math.sin(seconds * 1.7), seconds);
}

function light(pen, colour, i, seconds) {
  const x = WIDTH * (0.5 + 0.5 * Math.sin(i * 2.4 + seconds * 0.11));
  const y = HEIGHT * (0.08 + 0.7 * Math.abs(Math.sin(i * 1.7 + seconds * 0.07)));
  oval(pen, colour, x, y, 22 + 12 * (i % 5));
}

function person(pen, { hair, shirt, skin, long }, x, floor, seconds) {
  if (long) oval(pen, hair, x, floor - 225, 128, 165);
  oval(pen, shirt, x, floor + 40, 225, 200);
  oval(pen, skin, x, floor - 152, 46, 40);
  pen.fillRect(x - 36, floor - 215, 72, 70);
  oval(pen, hair, x, floor - 300, 106, 100);
  oval(pen, skin, x, floor - 265, 86, 102);
  fringe(pen, hair, x, floor - 318);
  const blink = seconds % 4 < 0.15 ? 2 : 9;
  for (const side of [-1, 1]) {
    oval(pen, "#2e1f1b", x + 31 * side, floor - 275, 8, blink);
    oval(pen, "#e5737355", x + 50 * side, floor - 240, 16, 9);
  }
  pen.strokeStyle = "#8f3b36";
  pen.lineWidth = 6;
  pen.lineCap = "round";
  pen.beginPath();
  pen.arc(x, floor - 240, 30, 0.18 * Math.PI, 0.82 * Math.PI);
  pen.stroke();
}

function fringe(pen, colour, x, y) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(x - 90, y + 34);
  pen.quadraticCurveTo(x - 60, y - 70, x + 30, y - 58);
  pen.quadraticCurveTo(x + 86, y - 40, x + 90, y + 34);
  pen.quadraticCurveTo(x + 58, y - 14, x + 18, y - 22);
  pen.quadraticCurveTo(x - 44, y - 16, x - 90, y + 34);
  pen.fill();
}

function oval(pen, colour, x, y, width, height = width) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.ellipse(x, y, width, height, 0, 0, 2 * Math.PI);
  pen.fill();
}
