// The page of the sockets: connect, send what the document shows or what was made of it, watch, lose the network, return.

import { Session } from "./api.js";
import { Frames } from "./ws_frames.js";
import { Line, parsed } from "./ws_line.js";
import { drawCodes, drawEvents, find, plain, reveal } from "./ws_reference.js";

const isDemo = document.getElementById("page").dataset.demo === "yes";
const the = (id) => document.getElementById(id);
const line = new Line();
const frames = new Frames();
let api = null; // the AsyncAPI document
let people = []; // whom a demo server lets one be
let session = null; // of the demo person, for REST
let token = null;
let nextId = 1; // the same id would get the same answer again
let isLeaving = null; // "drop" or "close", while this page hangs up itself
const seen = {}; // the ids of the examples, and what they are here

async function start() {
  api = await (await fetch("/docs/asyncapi.json")).json();
  drawEvents(api, use);
  drawCodes(api);
  const names = Object.keys(api.components.messages).filter((id) => id.startsWith("client-")).map((id) => id.slice(7));
  the("event").replaceChildren(...names.map((name) => new Option(name, name, false, name === "ping")));
  compose();
  goToEvent();
  document.querySelector(isDemo ? ".demo" : ".paste").hidden = false;
  the("token").disabled = isDemo;
  if (isDemo) await choosePeople();
}

async function choosePeople() {
  people = (await new Session("docs").get("/dev/people.json")).people;
  const known = people.filter((person) => person.code);
  the("who").replaceChildren(...known.map((person) => new Option(person.fullName, person.as)));
}

/** Sign in as the demo person, or take the token that was pasted; it stays in this page. */
async function signIn() {
  if (!isDemo) return the("token").value.trim();
  const me = people.find((person) => person.as === the("who").value);
  session = new Session(`docs.${me.as}`);
  await session.sendCode(me.phoneNumber);
  await session.verify(me.phoneNumber, me.code);
  const other = people.find((person) => person.code && person.id !== me.id) ?? me;
  Object.assign(seen, { A: me.id, B: other.id });
  return session.token;
}

async function connect(event) {
  event.preventDefault();
  say("");
  try {
    token = await signIn();
    line.place = null;
    line.connect(token);
    compose();
  } catch (error) {
    say(error.inWords ?? error.message);
  }
}

function resume() {
  say("");
  line.connect(session?.token ?? token, { resume: true });
}

/** On a demo server the wire is cut at the other end; elsewhere a browser can only leave in a hurry. */
async function drop() {
  if (session) {
    await session.post("/dev/sockets/cut");
    return;
  }
  isLeaving = "drop";
  line.drop();
}

function close() {
  isLeaving = "close";
  line.close();
}

function show({ state, code, reason }) {
  const hasFocus = ["drop", "close", "send"].includes(document.activeElement?.id);
  the("state").dataset.state = state;
  the("state").textContent = { open: "connected", connecting: "connecting…", closed: "not connected" }[state];
  for (const id of ["drop", "close", "send"]) the(id).disabled = state !== "open";
  the("resume").disabled = state !== "closed" || !line.place;
  if (state !== "closed") return;
  if (hasFocus) (line.place ? the("resume") : the("who")).focus(); // what is disabled lets go of the focus
  frames.note(`closed with ${code}${reason ? `: ${reason}` : ""}`);
  say(why(code, reason));
  isLeaving = null;
}

/** The close code in words, and what a client does then. */
function why(code, reason) {
  if (isLeaving === "drop") return `${code}: this page has dropped the connection. A browser cannot cut the wire; the server's side looks the same to a resume.`;
  if (isLeaving === "close") return `${code}: you have closed it.`;
  const known = api["x-close-codes"].find((one) => one.code === code);
  if (!known) return `${code}${reason ? ` (${reason})` : ""}: not a code of this protocol.`;
  return `${code}: ${plain(known.meaning)}. Then: ${plain(known.then)}.`;
}

function heard(one) {
  frames.add(one);
  const { event, id, data } = one.frame ?? {};
  if (one.way === "out") return;
  for (const [short, key] of [["5c1e", "callId"], ["room_5c1e", "roomId"]]) if (data?.[key]) seen[short] = data[key];
  if (event === "resumed") say(data.recovered ? `Resumed: ${data.replayed ?? 0} missed events came again.` : `Not resumed (${data.reason}): load what you need anew.`);
  if (event === "error" && id === "resume") say(data.code === "UNKNOWN_EVENT" ? "Back; this server does not replay what was missed." : `${data.code}: ${data.message}`);
}

/** The example of the chosen event, with the ids of here in place of the shortened ones. */
function compose() {
  const { examples, summary } = api.components.messages[`client-${the("event").value}`];
  const frame = { ...examples[0].payload, id: nextId };
  the("frame").value = JSON.stringify(frame, (_, value) => seen[value] ?? value, 1);
  the("about").textContent = plain(summary);
  judge();
}

/** `/docs/ws#join-room` is a link to the event. */
function goToEvent() {
  reveal(decodeURIComponent(location.hash.slice(1)));
}

function use(name) {
  the("event").value = name;
  compose();
  the("frame").focus();
}

function judge() {
  the("hint").textContent = parsed(the("frame").value) ? "" : "This is no JSON: the server will refuse it.";
}

function send(event) {
  event.preventDefault();
  const frame = parsed(the("frame").value);
  line.send(frame ? JSON.stringify(frame) : the("frame").value);
  if (!Number.isInteger(frame?.id)) return;
  nextId = Math.max(nextId, frame.id + 1);
  the("frame").value = JSON.stringify({ ...frame, id: nextId }, null, 1);
}

function say(words) {
  the("news").hidden = !words;
  the("news").textContent = words;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(frames.lines);
    say("Copied.");
  } catch {
    say("The browser does not let this page copy.");
  }
}

addEventListener("hashchange", goToEvent);
line.onframe = heard;
line.onstate = show;
the("connect").addEventListener("submit", connect);
the("compose").addEventListener("submit", send);
the("event").addEventListener("change", compose);
the("frame").addEventListener("input", judge);
the("filter").addEventListener("input", () => frames.filter(the("filter").value));
the("find").addEventListener("input", () => find(the("find").value));
for (const [id, job] of Object.entries({ drop, resume, close, copy, clear: () => frames.clear() })) {
  the(id).addEventListener("click", () => Promise.resolve(job()).catch((error) => say(error.message)));
}
start().catch((error) => say(error.inWords ?? error.message));
