// One probe of this network, as any app may do it: gather, offer a data channel, echo the server's packets.
// The server measures and judges; what this end sees of each step is told as it happens.

import { read } from "/web/stats.js";

export const PACKETS = 100;
const GATHER_MS = 4000; // a STUN server that is silent until then will not speak any more

export class Probe {
  #peer;
  #channel;
  #heard = new Set();
  /** Steps that have come, as promises: they never come where the path ends before. */
  reached;
  secured;
  opened;
  /** Called with the number of different packets echoed so far. */
  onpacket = () => {};

  constructor(iceServers) {
    this.#peer = new RTCPeerConnection({ iceServers });
    this.#channel = this.#peer.createDataChannel("probe", { ordered: false, maxRetransmits: 0 });
    this.#channel.onmessage = ({ data }) => this.#echo(data);
    this.reached = this.#when("iceconnectionstatechange", (peer) => ["connected", "completed"].includes(peer.iceConnectionState));
    this.secured = this.#when("connectionstatechange", (peer) => peer.connectionState === "connected");
    this.opened = new Promise((resolve) => (this.#channel.onopen = resolve));
  }

  /** Gather all candidates first: a browser stops asking STUN servers as soon as a pair is found. */
  async gather() {
    await this.#peer.setLocalDescription();
    const isComplete = this.#when("icegatheringstatechange", (peer) => peer.iceGatheringState === "complete");
    await Promise.race([isComplete, new Promise((resolve) => setTimeout(resolve, GATHER_MS))]);
    return this.candidates;
  }

  /** What was gathered: [{kind: "host|srflx|relay", protocol, address}]; a browser may hide addresses by names. */
  get candidates() {
    const lines = this.#peer.localDescription?.sdp.match(/^a=candidate:.*$/gm) ?? [];
    return lines.map((line) => {
      const [, , protocol, , address, , , kind] = line.split(" ");
      return { kind, protocol: protocol.toLowerCase(), address };
    });
  }

  get sdp() {
    return this.#peer.localDescription.sdp;
  }

  async accept(sdp) {
    await this.#peer.setRemoteDescription({ type: "answer", sdp });
  }

  /** The pair in use, as `stats.js` reads it. */
  path() {
    return read(this.#peer);
  }

  close() {
    this.#peer.close();
  }

  /** {"t":"e","n":0,"x":pad} comes back with `c`: how many have come. */
  #echo(text) {
    const { t, n, x } = JSON.parse(text);
    if (t !== "e" || this.#heard.has(n)) return;
    this.#heard.add(n);
    const echo = JSON.stringify({ t, n, c: this.#heard.size, x });
    if (this.#channel.readyState === "open") this.#channel.send(echo);
    this.onpacket(this.#heard.size);
  }

  #when(event, holds) {
    return new Promise((resolve) => {
      const look = () => holds(this.#peer) && resolve();
      this.#peer.addEventListener(event, look);
      look();
    });
  }
}
