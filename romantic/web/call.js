// One call from a browser's side: the room on the socket, the peer-to-peer leg, and the monitor beside it.
// Perfect negotiation as in the WebRTC specification: the caller offers and is impolite, the callee gives way.

import { Monitor } from "/web/monitor.js";
import { Sampler, read } from "/web/stats.js";

const DISCONNECTED_MS = 4000;
const POLITE_WAIT_MS = 2000;
const CONNECT_MS = 25_000;

export class Call {
  #socket;
  #stream;
  #peer = null;
  #early = [];
  #work = Promise.resolve();
  #ack = null;
  #sampler = new Sampler();
  #healing = null;
  #deadline = null;
  #connectedAt = null;
  #stoppedAt = null;
  /** What the page hooks up: the remote stream, every change of state, and the path that never came up. */
  onremote = () => {};
  onchange = () => {};
  onunreachable = () => {};

  constructor({ socket, callId, roomId, stream }) {
    this.#socket = socket;
    this.#stream = stream;
    this.callId = callId;
    this.roomId = roomId;
    this.monitor = new Monitor(socket, callId, () => this.#report());
  }

  /** Take the seat, at first or after a lost socket; what was said meanwhile comes with the ack. */
  async join() {
    this.#ack = await this.#socket.ask("join-room", { roomId: this.roomId });
    const { participants, pending, shouldOffer } = this.#ack;
    if (shouldOffer && participants.length && !this.isConnected) this.#do(() => this.#offer({ iceRestart: true }));
    for (const { event, data } of pending) this.take(event, data);
    return this.#ack;
  }

  /** An event of the room: those of other calls are somebody else's. */
  take(event, data) {
    const handlers = {
      "user-joined": () => this.#ack?.shouldOffer && this.#offer({ iceRestart: true }),
      "webrtc-offer": () => this.#offered(describe("offer", data.offer)),
      "webrtc-answer": () => this.#answered(describe("answer", data.answer)),
      "ice-candidate": () => this.#candidates(data.candidate),
    };
    if (data.callId === this.callId && handlers[event]) this.#do(handlers[event]);
  }

  get isConnected() {
    return this.#peer?.connectionState === "connected";
  }

  get states() {
    return { connection: this.#peer?.connectionState ?? "new", ice: this.#peer?.iceConnectionState ?? "new" };
  }

  /** This browser's own clock: from the first media path to the end. A claim, never billed. */
  get ownSeconds() {
    if (this.#connectedAt === null) return 0;
    return Math.floor(((this.#stoppedAt ?? performance.now()) - this.#connectedAt) / 1000);
  }

  /** Numbers of the path now, null before there is one. */
  async sample() {
    return this.#peer ? this.#sampler.sample(this.#peer) : null;
  }

  close() {
    this.#stoppedAt ??= performance.now();
    this.monitor.close();
    this.#discard();
  }

  /** One thing after another, as the frames came: a candidate never overtakes its offer. */
  #do(job) {
    this.#work = this.#work.then(job).catch((error) => console.info("call:", error.message));
  }

  #connect() {
    const peer = (this.#peer = new RTCPeerConnection({ iceServers: this.#ack.iceServers }));
    for (const track of this.#stream.getTracks()) peer.addTrack(track, this.#stream);
    peer.ontrack = ({ streams }) => this.onremote(streams[0]);
    peer.onicecandidate = ({ candidate }) => this.#send("ice-candidate", { candidate });
    peer.onconnectionstatechange = () => this.#changed(peer);
    peer.oniceconnectionstatechange = () => this.#changed(peer);
    this.#deadline ??= setTimeout(() => this.#connectedAt === null && this.onunreachable(), CONNECT_MS);
    return peer;
  }

  #discard() {
    clearTimeout(this.#healing);
    clearTimeout(this.#deadline);
    this.#deadline = this.#healing = null;
    this.#peer?.close();
    this.#peer = null;
    this.#early = [];
  }

  async #offer({ iceRestart = false } = {}) {
    const peer = this.#peer ?? this.#connect();
    if (peer.signalingState === "have-remote-offer") return;
    await peer.setLocalDescription(await peer.createOffer({ iceRestart }));
    await this.#socket.ask("webrtc-offer", { roomId: this.roomId, offer: peer.localDescription });
  }

  async #offered(offer) {
    const isGlare = this.#peer?.signalingState === "have-local-offer";
    if (isGlare && !this.#ack.polite) return;
    if (this.#startedOver(offer)) this.#discard();
    const peer = this.#peer ?? this.#connect();
    await peer.setRemoteDescription(offer); // rolls an offer of our own back
    await this.#addEarly(peer);
    await peer.setLocalDescription();
    await this.#socket.ask("webrtc-answer", { roomId: this.roomId, answer: peer.localDescription });
  }

  async #answered(answer) {
    if (this.#peer?.signalingState !== "have-local-offer") return; // to an offer that was replaced
    if (this.#startedOver(answer)) {
      this.#discard();
      await this.#offer();
      return;
    }
    await this.#peer.setRemoteDescription(answer);
    await this.#addEarly(this.#peer);
  }

  /** Whether the other page was reloaded: its descriptions have another origin than the ones before. */
  #startedOver(description) {
    const before = this.#peer?.remoteDescription;
    return Boolean(before) && origin(before.sdp) !== origin(description.sdp);
  }

  async #candidates(candidate) {
    const several = (Array.isArray(candidate) ? candidate : [candidate]).filter(Boolean);
    this.#early.push(...several.map((one) => (typeof one === "string" ? { candidate: one, sdpMLineIndex: 0 } : one)));
    if (this.#peer?.remoteDescription) await this.#addEarly(this.#peer);
  }

  async #addEarly(peer) {
    const early = this.#early.splice(0);
    for (const candidate of early) {
      await peer.addIceCandidate(candidate).catch(() => {}); // of an offer that was given up
    }
  }

  #send(event, data) {
    this.#socket.emit(event, { roomId: this.roomId, ...data });
  }

  #changed(peer) {
    if (this.#peer !== peer) return;
    if (this.isConnected) this.#connectedAt ??= performance.now();
    const sample = { connected: this.isConnected, iceConnectionState: peer.iceConnectionState };
    this.#socket.emit("call-stats", { callId: this.callId, sample });
    this.#heal(peer);
    this.onchange(this.states);
  }

  /** A path that broke gets an ICE restart, from the caller first so that the two do not collide. */
  #heal(peer) {
    clearTimeout(this.#healing);
    const waits = { failed: 0, disconnected: DISCONNECTED_MS };
    const wait = waits[peer.iceConnectionState];
    if (wait === undefined) return;
    const patience = wait + (this.#ack.polite ? POLITE_WAIT_MS : 0);
    this.#healing = setTimeout(() => this.#do(() => this.#offer({ iceRestart: true })), patience);
  }

  async #report() {
    if (!this.#peer?.remoteDescription) return {};
    const { rx, tx } = await read(this.#peer);
    const { rttMs, lossPct, jitterMs, pair } = this.#sampler.latest ?? {};
    return { rx, tx, q: { rttMs, lossPct, jitterMs, pair } };
  }
}

const describe = (type, sdp) => (typeof sdp === "string" ? { type, sdp } : sdp);
const origin = (sdp) => /^o=\S+ (\S+)/m.exec(sdp)?.[1];
