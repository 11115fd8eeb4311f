// The demo call: two tabs, two people, one paid call. What each event means for the page.

import { Session } from "/web/api.js";
import { Call } from "/web/call.js";
import { closeCamera, openCamera } from "/web/camera.js";
import { MeterView } from "/web/meter.js";
import { signIn } from "/web/signin.js";
import { Socket } from "/web/socket.js";
import * as view from "/web/view.js";
import { CANCELLED, whatItCost, whyEnded } from "/web/words.js";

const PEOPLE_MS = 3000;
const AS = new URLSearchParams(location.search).get("as");
const MARK = `romantic.call.${AS}`; // the call of this very tab, so that a reload finds its way back

const session = new Session(AS);
const socket = new Socket(session);
let me = null;
let people = [];
let ring = null; // {callId, roomId, callType, other} while it rings here
let now = null; // {call, other, callType, stream} of this tab's call
let meter = null;

const firstName = (person) => person.fullName.split(" ")[0];
const isMine = ({ callId }) => now?.call.callId === callId;

async function start() {
  people = await listPeople();
  const seeded = people.filter((person) => person.as);
  if (!AS) return choose(seeded);
  me = await signIn(session, seeded.find((person) => person.as === AS) ?? null);
  view.showMe(me);
  view.showBalance(me.coins);
  socket.open();
  await showPeople();
  return setInterval(refreshPeople, PEOPLE_MS);
}

function choose(seeded) {
  view.showChoices(seeded);
  view.show("choose");
  view.find("open-both").addEventListener("click", () => setTimeout(() => location.assign("/demo?as=ada")));
}

async function listPeople() {
  return (await session.get("/dev/people.json")).people;
}

async function showPeople() {
  people = await listPeople();
  const others = people.filter((person) => person.id !== me.id);
  view.showPeople([...others].sort((a, b) => Boolean(b.as) - Boolean(a.as)), (...who) => attempt(dial, ...who));
}

function refreshPeople() {
  if (!document.hidden && ["home", "ended"].includes(view.state())) showPeople().catch(() => {});
}

/** Do something for the person at the page; a refusal is shown in its words. */
async function attempt(job, ...rest) {
  view.complain();
  view.say();
  try {
    await job(...rest);
  } catch (error) {
    view.complain(error);
  }
}

async function dial(other, callType) {
  const stream = await openMedia(callType);
  try {
    const begun = await session.post("/api/calls/initiate", { receiverId: other.id, callType });
    enter({ ...begun, callType, other, stream });
  } catch (error) {
    closeCamera(stream);
    throw error;
  }
  view.put("outgoing-title", `Calling ${other.fullName}…`);
  view.put("outgoing-words", other.isOnline ? "" : `${firstName(other)} has no tab open here yet.`);
  view.show("outgoing");
  now.call.monitor.open();
  await join();
}

async function accept() {
  const { callId, roomId, callType, other } = ring;
  const stream = await openMedia(callType);
  try {
    await socket.ask("call-accept", { callId });
  } catch (error) {
    closeCamera(stream);
    stopRinging();
    throw error;
  }
  ring = null;
  enter({ callId, roomId, callType, other, stream });
  now.call.monitor.open();
  await join();
}

async function decline() {
  const { callId, other } = ring;
  await socket.ask("call-reject", { callId });
  stopRinging(`Declined: ${firstName(other)} has every coin back.`);
}

async function openMedia(callType) {
  const { stream, note } = await openCamera({ video: callType === "video", name: me.fullName });
  if (note) view.say(note);
  return stream;
}

function enter({ callId, roomId, stream, other, callType, coinsSpent }) {
  const call = new Call({ socket, callId, roomId, stream });
  call.onremote = (remote) => (document.getElementById("remote").srcObject = remote);
  call.onchange = (states) => view.showPath(null, states);
  call.onunreachable = () => attempt(hangUp, "ice_failed");
  now = { call, stream, other, callType };
  view.put("meter-price", coinsSpent ? `You paid ${view.coins(coinsSpent)} when it rang.` : "");
  sessionStorage.setItem(MARK, callId);
  view.showOther(now.other);
}

async function join() {
  const mine = now;
  const { status } = await mine.call.join();
  if (mine === now && status === "answered") converse();
}

/** The call was answered: pictures, numbers, the meter. */
function converse() {
  if (now.ticker) return;
  meter = new MeterView();
  now.ticker = setInterval(tick, 1000);
  document.getElementById("stage").dataset.type = now.callType;
  document.getElementById("local").srcObject = now.stream;
  for (const kind of ["mic", "camera"]) toggle(kind, true);
  document.getElementById("camera").hidden = now.callType === "audio";
  view.banner();
  view.show("in-call");
}

async function tick() {
  const { call } = now;
  meter.tick();
  view.showBeats(call.monitor);
  const sample = await call.sample();
  if (now?.call === call) view.showPath(sample, call.states);
}

/** By the socket, or by REST while it is away: the same desk, the same numbers. */
async function hangUp(reason = null) {
  const { call } = now;
  now.isLeaving = true;
  const why = reason ? { reason } : {};
  const rest = () => session.post(`/api/calls/${call.callId}/end`, { duration: call.ownSeconds, ...why });
  finish(await socket.ask("call-end", { roomId: call.roomId, ...why }).catch(rest));
}

/** A call ended. Who hangs up here waits for their own answer, which knows the reason best. */
function ended(data) {
  if (isMine(data) && !now.isLeaving) finish(data);
  else if (!now && view.state() === "elsewhere") stopRinging();
}

/** The end card of this tab's call, once. */
function finish(over) {
  if (!now) return;
  const { call, other, stream, ticker } = now;
  now = null;
  clearInterval(ticker);
  call.close();
  closeCamera(stream);
  sessionStorage.removeItem(MARK);
  document.getElementById("remote").srcObject = document.getElementById("local").srcObject = null;
  const why = whyEnded(over, { other: firstName(other), myId: me.id }) + whatItCost(over);
  const title = over.status === "ended" ? `Call with ${other.fullName}` : `No call with ${other.fullName}`;
  view.showEnd({ title, why, over, ownSeconds: call.ownSeconds });
  view.show("ended");
  attempt(showLedger, call.callId);
}

async function showLedger(callId) {
  const { transactions } = await session.get("/api/coins/transactions?limit=20");
  view.showLedger(transactions.filter((entry) => entry.referenceId === callId).reverse());
}

function stopRinging(words = "") {
  ring = null;
  view.show("home");
  view.say(words);
}

function startRinging(call, caller) {
  if (now) return;
  ring = { ...call, other: { ...caller } };
  view.showOther(ring.other);
  view.put("incoming-title", `${ring.other.fullName} is calling`);
  view.put("incoming-words", call.callType === "video" ? "A video call." : "An audio call.");
  view.show("incoming");
  socket.emit("call-ringing", { callId: call.callId });
}

/** The socket is (back) here. The database knows whether there is a call, and so does `activeCall`. */
async function ready({ activeCall }) {
  if (now && activeCall?.callId === now.call.callId) return join();
  if (now) return finish((await session.get(`/api/calls/${now.call.callId}`)).call);
  if (activeCall) return pickUp(activeCall);
  if (["starting", "signing-in", "incoming", "elsewhere"].includes(view.state())) stopRinging();
  return null;
}

/** A call this tab does not know: it rings, it was lost by a reload, or another tab holds it. */
async function pickUp(active) {
  const { call } = await session.get(`/api/calls/${active.callId}`);
  const otherId = active.role === "caller" ? call.receiverId : call.callerId;
  const other = people.find((person) => person.id === otherId) ?? { id: otherId, fullName: "Somebody" };
  const resume = async () => {
    enter({ ...active, other, stream: await openMedia(active.callType) });
    now.call.monitor.open();
    if (active.status === "ringing") view.put("outgoing-title", `Calling ${other.fullName}…`);
    view.show(active.status === "ringing" ? "outgoing" : "in-call");
    await join();
    if (call.startedAt) meter.connected({ ago: Math.max(0, (Date.now() - Date.parse(call.startedAt)) / 1000) });
  };
  if (active.role === "receiver" && active.status === "ringing") return startRinging(active, other);
  if (sessionStorage.getItem(MARK) === active.callId) return resume();
  document.getElementById("take-over").onclick = () => attempt(resume);
  return view.show("elsewhere");
}

function toggle(kind, on) {
  const button = document.getElementById(kind);
  button.setAttribute("aria-pressed", on);
  if (kind === "sound") document.getElementById("remote").muted = !on;
  const kinds = { mic: "audio", camera: "video" };
  for (const track of now?.stream.getTracks() ?? []) if (track.kind === kinds[kind]) track.enabled = on;
}

function listen() {
  socket.on("state", view.showSocket);
  socket.on("*", view.log);
  socket.on("ready", (data) => attempt(ready, data));
  socket.on("balance", ({ balance, delta }) => view.showBalance(balance, delta));
  socket.on("sync", ({ balance }) => balance !== undefined && view.showBalance(balance));
  socket.on("incoming-call", (data) => startRinging(data, data.caller));
  socket.on("call-ringing", (data) => isMine(data) && view.put("outgoing-words", "It rings."));
  socket.on("call-accepted", (data) => isMine(data) && converse());
  socket.on("call-ended", ended);
  socket.on("call-rejected", (data) => ended({ ...data, status: "rejected", endReason: "rejected" }));
  socket.on("call-missed", (data) => ended({ ...data, status: "missed", endReason: "timeout" }));
  socket.on("call-cancelled", ({ callId, reason }) => {
    if (ring?.callId === callId) stopRinging(CANCELLED[reason]?.(firstName(ring.other)));
  });
  for (const event of ["user-joined", "webrtc-offer", "webrtc-answer", "ice-candidate"]) {
    socket.on(event, (data) => now?.call.take(event, data));
  }
  socket.on("monitor-ping", (data) => now?.call.monitor.answerOnSocket(data));
  socket.on("call-connected", (data) => isMine(data) && meter?.connected(data));
  socket.on("call-meter", (data) => isMine(data) && meter?.told(data));
  socket.on("call-quality", (data) => isMine(data) && data.userId === me.id && view.showQuality(data));
  socket.on("peer-reconnecting", (data) => isMine(data) && view.banner(`${who(data)} reconnecting…`));
  socket.on("peer-reconnected", (data) => isMine(data) && view.banner());
  socket.on("call-warning", (data) => isMine(data) && view.banner(`Ends in ${data.secondsLeft} s: ${WARNINGS[data.reason]}.`));
  socket.on("session-revoked", () => view.say("This session was ended. Reload to sign in again."));
}

const WARNINGS = { low_balance: "the coins run out", max_duration: "the longest duration" };
const who = ({ userId }) => (userId === me.id ? "You are" : `${firstName(now.other)} is`);

function wire() {
  const on = (id, job) => document.getElementById(id).addEventListener("click", () => attempt(job));
  on("accept", accept);
  on("decline", decline);
  on("hang-up", () => hangUp());
  on("cancel", () => hangUp());
  on("done", () => view.show("home"));
  for (const kind of ["mic", "camera", "sound"]) {
    const button = document.getElementById(kind);
    button.addEventListener("click", () => toggle(kind, button.getAttribute("aria-pressed") === "false"));
  }
}

listen();
wire();
attempt(start);
