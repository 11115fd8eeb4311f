// The connection check: runs the ladder step by step, says what to do about each that fails, and what it means.

import { adviceFor } from "/web/advice.js";
import { Session } from "/web/api.js";
import { DEVICE_STEP } from "/web/device_step.js";
import { Ladder, showProgress, showVerdict } from "/web/ladder.js";
import { PATH_STEPS } from "/web/path_steps.js";
import { report } from "/web/report.js";
import { FIRST_STEPS, LAST_STEP } from "/web/steps.js";
import { judge } from "/web/verdict.js";
import * as view from "/web/view.js";

const STEPS = [...FIRST_STEPS, ...PATH_STEPS, DEVICE_STEP, LAST_STEP];
const TICK_MS = 100;
const RUNNING = { state: "running", title: "Checking…", words: "" };
const ASKING = { state: "asking", title: "Waiting for your sign-in", words: "" };
const AS = new URLSearchParams(location.search).get("as");
const again = document.getElementById("again");
let isRunning = false;

/** One run from the first step to the last; what a later step needs of an earlier one is in `notes`. */
async function run() {
  if (isRunning) return;
  isRunning = true;
  again.setAttribute("aria-disabled", "true");
  const notes = { as: AS, session: new Session(AS), heard: () => {} };
  const ladder = new Ladder(STEPS);
  const at = new Date();
  showVerdict(RUNNING);
  for (const step of STEPS) {
    await take(step, notes, ladder);
    sum(ladder.results, notes, at);
  }
  notes.probe?.close();
  notes.socket?.close();
  again.removeAttribute("aria-disabled");
  isRunning = false;
}

/** Take one step, or say why it is not tried. */
async function take({ id, needs, run: job }, notes, ladder) {
  const missing = ladder.results.find((one) => needs.includes(one.id) && !["ok", "warn"].includes(one.state));
  if (missing) return ladder.show(id, { state: "skip", words: `It needs “${missing.title}”.` });
  let began = performance.now();
  ladder.show(id, { state: "running" });
  showProgress(ladder.results);
  const tell = (words, { anew = false } = {}) => {
    if (anew) began = performance.now();
    ladder.show(id, { words });
  };
  const tick = () => {
    if (view.state() !== "signing-in") return ladder.tick(id, performance.now() - began);
    showVerdict(ASKING);
    return ladder.show(id, { state: "asking", words: "Sign in above, and the check goes on." });
  };
  const ticker = setInterval(tick, TICK_MS);
  const outcome = await Promise.resolve().then(() => job(notes, tell, ladder.results)).catch(failure);
  clearInterval(ticker);
  return ladder.show(id, { advice: "", ...outcome, ms: performance.now() - began });
}

/** A trouble brings its advice, a refusal of the server gets one; anything else is a bug of this page. */
function failure(error) {
  const isKnown = error.advice !== undefined || error.status !== undefined;
  const words = isKnown ? (error.inWords ?? error.message) : `This page failed: ${error.message}`;
  return { state: "fail", words, advice: error.advice ?? adviceFor(error) };
}

function sum(results, notes, at) {
  const isOver = results.every(({ state }) => state !== "waiting");
  const verdict = isOver ? judge(results, notes.figures) : RUNNING;
  showProgress(results);
  showVerdict(verdict);
  document.getElementById("report").textContent = report({ verdict, results, notes, at });
}

function choose({ people }) {
  const choices = people.filter((person) => person.as).map((person) => [person.as, `Check as ${person.fullName.split(" ")[0]}`]);
  const items = [...choices, ["me", "Sign in with a number of your own"]].map(([as, words], i) => {
    const link = Object.assign(view.make("a", i ? "button" : "button primary", words, `choose-${as}`), { href: `/demo/check?as=${as}` });
    const item = view.make("li");
    item.append(link);
    return item;
  });
  document.getElementById("choices").replaceChildren(...items);
  view.show("choose");
}

async function copyReport() {
  const text = document.getElementById("report").textContent;
  try {
    await navigator.clipboard.writeText(text);
    view.put("progress", "The report is copied.");
  } catch {
    document.querySelector("details").open = true;
    getSelection().selectAllChildren(document.getElementById("report"));
    view.put("progress", "The report is marked: copy it with Ctrl+C.");
  }
}

again.addEventListener("click", run);
document.getElementById("copy").addEventListener("click", copyReport);
if (AS) {
  view.show("checking");
  run();
} else {
  new Session(null).get("/dev/people.json").then(choose).catch(view.complain);
}
