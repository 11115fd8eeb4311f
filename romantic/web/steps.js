// The steps of the connection check that concern the server: reach it, sign in, hold a socket, lose it and return.
// A step gets the run's notes and `tell(words)`, and returns {state, words, advice}; what it throws is a failure.

import { ADVICE } from "/web/advice.js";
import { signIn } from "/web/signin.js";
import { Socket } from "/web/socket.js";
import { show } from "/web/view.js";

const ANSWER_SECONDS = 8;
const RETURN_SECONDS = 20;
const PINGS = 5;
const SLOW_MS = 250;

/** A failure with what to do about it. */
export class Trouble extends Error {
  constructor(words, advice) {
    super(words);
    this.advice = advice;
  }
}

export const fine = (words) => ({ state: "ok", words });
export const limited = (words, advice) => ({ state: "warn", words, advice });
export const untried = (words) => ({ state: "skip", words });
export const isLocal = () => ["localhost", "[::1]"].includes(location.hostname) || location.hostname.startsWith("127.");

/** What `promise` gives, or the trouble once the time is over. */
export function within(promise, seconds, words, advice) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Trouble(words, advice)), 1000 * seconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function reachServer() {
  let response, answer;
  try {
    response = await fetch("/health/ready", { cache: "no-store", signal: AbortSignal.timeout(1000 * ANSWER_SECONDS) });
    answer = await response.json();
  } catch {
    throw new Trouble("The server does not answer.", ADVICE.away);
  }
  const checks = answer.data?.checks ?? answer.error?.meta?.checks ?? {};
  const ill = Object.entries(checks).filter(([, state]) => state !== "ok").map((pair) => pair.join(" "));
  if (!response.ok) throw new Trouble(`It answers and is not ready: ${ill.join(", ") || answer.message}.`, ADVICE.notReady);
  if (ill.length) return limited(`It answers, with something missing: ${ill.join(", ")}.`, ADVICE.notReady);
  return fine(`It answers and is ready${location.protocol === "https:" ? ", encrypted" : ""}.`);
}

/** By the token of this tab, a seeded person's fixed code, or a form; a person may take their time for that. */
async function account(notes) {
  const { people } = await within(notes.session.get("/dev/people.json"), ANSWER_SECONDS, "The server does not answer.", ADVICE.away);
  const seeded = people.find((person) => person.as !== null && person.as === notes.as);
  const me = await signIn(notes.session, seeded ?? null);
  show("checking");
  return fine(`Signed in as ${me.fullName.split(" ")[0]}.`);
}

async function openSocket(notes) {
  const socket = new Socket(notes.session);
  const opening = new Promise((resolve, reject) => {
    socket.on("ready", resolve);
    socket.on("state", ({ state, words, code }) => {
      if (state === "stopped") reject(new Trouble(`${words} (${code})`, code === 4401 || code === 4410 ? ADVICE.signedOut : ADVICE.socketStopped));
      if (state === "waiting") reject(new Trouble(`It was refused or cut (${code}).`, ADVICE.socketBlocked));
    });
  });
  socket.on("probe-result", (result) => notes.heard(result));
  try {
    socket.open();
    await within(opening, ANSWER_SECONDS, `No greeting within ${ANSWER_SECONDS} seconds.`, ADVICE.socketBlocked);
  } catch (error) {
    socket.close();
    throw error;
  }
  notes.socket = socket;
  return fine("Open and signed in.");
}

async function roundTrip(notes) {
  const times = [];
  for (let i = 0; i < PINGS; i += 1) {
    const sent = performance.now();
    await notes.socket.ask("ping");
    times.push(performance.now() - sent);
  }
  notes.wsRttMs = Math.round(10 * times.sort((a, b) => a - b)[Math.floor(PINGS / 2)]) / 10;
  const words = `${notes.wsRttMs} ms there and back (the middle of ${PINGS}).`;
  return notes.wsRttMs < SLOW_MS ? fine(words) : limited(words, ADVICE.slow);
}

/** Lose the socket on purpose and see it return, with all that was missed where the server keeps it. */
async function comeBack(notes) {
  const { socket } = notes;
  if (!socket.isOpen) throw new Trouble("The socket was lost before this step.", ADVICE.noReturn);
  const back = new Promise((resolve) => socket.on("resumed", resolve));
  socket.drop();
  const { recovered, reason } = await within(back, RETURN_SECONDS, "It did not come back.", ADVICE.noReturn);
  if (recovered) return fine("Back, and nothing was missed.");
  if (reason === "unsupported") return fine("Back. This server does not replay what was missed; apps load it anew.");
  return fine(`Back, as a new connection (${reason}).`);
}

export const FIRST_STEPS = [
  { id: "server", title: "Server", needs: [], run: reachServer },
  { id: "account", title: "Sign-in", needs: ["server"], run: account },
  { id: "socket", title: "Socket", needs: ["account"], run: openSocket },
  { id: "rtt", title: "Round trip", needs: ["socket"], run: roundTrip },
];
export const LAST_STEP = { id: "resume", title: "Return after a break", needs: ["socket"], run: comeBack };
