// The steps of the connection check that concern the way of audio and video: addresses, UDP, encryption, packets.
// All but the first three watch one and the same probe.

import { ADVICE } from "/web/advice.js";
import { PACKETS, Probe } from "/web/probe.js";
import { fine, isLocal, limited, Trouble, untried, within } from "/web/steps.js";

const REACH_SECONDS = 8;
const RESULT_SECONDS = 20;
const POLL_MS = 1000;
const TRIES = 4;
const PRIVATE = /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cde]|::1$)|\.local$/i;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const isTurn = (url) => /^turns?:/.test(url);
const urls = (notes) => notes.iceServers.flatMap((server) => server.urls);

async function askForServers(notes) {
  const asked = notes.session.get("/api/calls/ice-servers");
  notes.iceServers = (await within(asked, REACH_SECONDS, "The server does not answer.", ADVICE.wentAway)).iceServers;
  const turn = urls(notes).filter(isTurn).length;
  const words = `${count(urls(notes).length - turn, "STUN server")}, ${count(turn, "TURN server")}.`;
  if (urls(notes).length || isLocal()) return fine(urls(notes).length ? words : "None, and none is needed on one machine.");
  return limited(words, ADVICE.noIceServers);
}

async function gather(notes) {
  const began = performance.now();
  notes.probe?.close();
  notes.probe = new Probe(notes.iceServers);
  const found = await notes.probe.gather();
  notes.gatherMs = Math.round(performance.now() - began);
  notes.candidates = found;
  if (!found.length) throw new Trouble("This browser found no address of its own.", ADVICE.noAddresses);
  const of = (kind) => found.filter((one) => one.kind === kind).length;
  const words = `${of("host")} of this device, ${of("srflx")} by STUN, ${of("relay")} by a relay.`;
  const asksStun = urls(notes).some((url) => !isTurn(url));
  const isPublic = found.some(({ kind, address }) => kind === "host" && !PRIVATE.test(address));
  return asksStun && !of("srflx") && !isPublic ? limited(words, ADVICE.stunSilent) : fine(words);
}

function relay(notes) {
  if (!urls(notes).some(isTurn)) return untried("No relay is configured at this server.");
  const found = notes.candidates.filter(({ kind }) => kind === "relay").length;
  return found ? fine("The relay gave this browser an address.") : limited("The relay gave no address.", ADVICE.turnSilent);
}

/** Offer, over the socket or by REST while it is away; the half minute between two probes is waited for. */
async function reach(notes, tell) {
  const answer = await offer(notes, tell);
  notes.probeId = answer.probeId;
  notes.result = result(notes, answer.probeId);
  notes.result.then((figures) => (notes.figures = figures), () => {}); // a failure is told by the step that waits
  await notes.probe.accept(answer.sdp);
  const blocked = notes.result.then(({ udp }) => udp || Promise.reject(new Trouble("Nothing came through.", ADVICE.udpBlocked)));
  const reached = Promise.race([notes.probe.reached, blocked]);
  await within(reached, REACH_SECONDS, "Nothing came through.", ADVICE.udpBlocked);
  const { pair } = await notes.probe.path();
  return fine(`A path is open${pair ? ` (${pair})` : ""}.`);
}

async function offer(notes, tell) {
  for (let attempt = 1; ; attempt += 1) {
    const { wsRttMs, gatherMs } = notes;
    const body = { sdp: notes.probe.sdp, gatherMs, ...(wsRttMs === undefined ? {} : { wsRttMs }) };
    try {
      if (notes.socket?.isOpen) return await notes.socket.ask("probe-offer", body);
      return await within(notes.session.post("/api/probe", body), REACH_SECONDS, "The server does not answer.", ADVICE.wentAway);
    } catch (error) {
      if (!error.retryAfterMs || attempt === TRIES) throw error;
      await waitFor(error.retryAfterMs, tell);
      await gather(notes); // addresses behind a router do not keep for long
    }
  }
}

async function waitFor(ms, tell) {
  for (let left = Math.ceil(ms / 1000); left > 0; left -= 1) {
    tell(`The server measures once in half a minute: going on in ${left} s.`);
    await sleep(1000);
  }
  tell("", { anew: true });
}

/** By the socket, or asked for: a socket may be lost meanwhile. */
async function result(notes, probeId) {
  const told = new Promise((resolve) => (notes.heard = (data) => data.probeId === probeId && resolve(data)));
  const ends = performance.now() + 1000 * RESULT_SECONDS;
  while (performance.now() < ends) {
    const found = await Promise.race([told, sleep(POLL_MS)]);
    if (found) return found;
    if (notes.socket?.isOpen) continue;
    const { status, result: stored } = await notes.session.get(`/api/probe/${probeId}`);
    if (status === "done") return stored;
  }
  throw new Trouble("The server sent no result.", ADVICE.wentAway);
}

async function encrypt(notes) {
  await within(notes.probe.secured, REACH_SECONDS, "The handshake did not finish.", ADVICE.dtls);
  return fine("Keys are agreed (DTLS).");
}

async function ride(notes, tell) {
  notes.probe.onpacket = (packets) => tell(`${packets} of ${PACKETS} packets echoed.`);
  const early = notes.result.then(() => {});
  await within(Promise.race([notes.probe.opened, early]), REACH_SECONDS, "The data channel did not open.", ADVICE.noPackets);
  const { rttMs, jitterMs, lossPct } = await notes.result;
  if (rttMs === null) throw new Trouble("No packet came back.", ADVICE.noPackets);
  const words = `${PACKETS} packets: ${rttMs} ms there and back, ${jitterMs} ms jitter, ${lossPct} % lost.`;
  if (lossPct >= 12) throw new Trouble(words, ADVICE.lossy);
  return lossPct >= 3 || rttMs > 400 || jitterMs > 40 ? limited(words, ADVICE.lossy) : fine(words);
}

async function quality(notes) {
  const { mos } = await notes.result;
  if (mos === null) return untried("Too little was measured.");
  const words = `${mos} of 5, estimated from delay, jitter and loss (ITU-T G.107).`;
  if (mos < 2.6) throw new Trouble(words, ADVICE.lossy);
  return mos < 3.6 ? limited(words, ADVICE.lossy) : fine(words);
}

const MAPPINGS = {
  none: "no address translation",
  cone: "a router that keeps its address (cone)",
  symmetric: "a router that changes its address (symmetric)",
  unknown: "address translation unknown",
};

const VERDICTS = {
  direct: "Calls go straight from here",
  degraded: "Calls work, with gaps or delay",
  "relay-needed": "Some calls need a relay",
  "udp-blocked": "Nothing comes through by UDP",
  unusable: "Too much is lost for calls",
  inconclusive: "The server could not tell",
};

/** The server's own word for this network. */
async function network(notes, _tell, results) {
  if (!notes.result) return untried("The server was not asked.");
  const { verdict, natMapping, advice } = await notes.result;
  const words = `${VERDICTS[verdict] ?? verdict}; ${MAPPINGS[natMapping] ?? natMapping}.`;
  if (verdict === "direct") return fine(words);
  const hasRelay = results.find(({ id }) => id === "relay").state === "ok";
  if (verdict === "unusable" || (verdict === "udp-blocked" && !hasRelay)) throw new Trouble(words, advice);
  return limited(words, advice);
}

export const PATH_STEPS = [
  { id: "ice", title: "Helpers for a path", needs: ["account"], run: askForServers },
  { id: "gather", title: "Addresses of this device", needs: ["ice"], run: gather },
  { id: "relay", title: "Relay", needs: ["gather"], run: relay },
  { id: "udp", title: "UDP to the server", needs: ["gather"], run: reach },
  { id: "dtls", title: "Encryption", needs: ["udp"], run: encrypt },
  { id: "packets", title: "Data channel", needs: ["dtls"], run: ride },
  { id: "quality", title: "Call quality", needs: ["packets"], run: quality },
  { id: "network", title: "Kind of network", needs: ["gather"], run: network },
];
