// The path to the server's own peer: it pings on a data channel, we answer with the counters of the call.
// What it hears is the evidence by which the meter runs.

const PATIENCE_MS = 2000;
const AGAIN_MS = 1000;

export class Monitor {
  #socket;
  #callId;
  #report;
  #peer = null;
  #heard = 0;
  #heardAt = 0;
  #hasOpened = false;
  #silenceMs = PATIENCE_MS;
  #watch;
  beats = 0;
  via = null;

  /** `report()` gives {rx, tx, q} of the call, or {} before there is one. */
  constructor(socket, callId, report) {
    this.#socket = socket;
    this.#callId = callId;
    this.#report = report;
    this.#watch = setInterval(() => this.#checkLife(), AGAIN_MS);
  }

  /** Offer a channel, or a new one in place of the old; without one the server pings over the socket. */
  async open() {
    this.#discard();
    const peer = (this.#peer = new RTCPeerConnection());
    const channel = peer.createDataChannel("monitor", { ordered: false, maxRetransmits: 0 });
    channel.onmessage = ({ data }) => this.#pinged(channel, JSON.parse(data));
    await peer.setLocalDescription();
    try {
      const offer = { callId: this.#callId, sdp: peer.localDescription.sdp };
      const answer = await this.#socket.ask("monitor-offer", offer);
      this.#silenceMs = Math.max(PATIENCE_MS, 2.5 * answer.pingMs);
      if (this.#peer === peer) await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    } catch {
      if (this.#peer === peer) this.#discard(); // MONITOR_BUSY, or UDP is not for us: beats go over the socket
    }
  }

  /** The same ping over the socket, where UDP to the server does not get through. */
  async answerOnSocket({ callId, n }) {
    if (callId !== this.#callId) return;
    this.#count("ws");
    this.#socket.emit("monitor-beat", { callId, n, c: this.#heard, ...(await this.#report()) });
  }

  close() {
    clearInterval(this.#watch);
    this.#discard();
  }

  async #pinged(channel, { t, n }) {
    if (t !== "ping") return;
    this.#hasOpened = true;
    this.#count("udp");
    const pong = JSON.stringify({ t: "pong", n, c: this.#heard, ...(await this.#report()) });
    if (channel.readyState === "open") channel.send(pong);
  }

  #count(via) {
    this.via = via;
    this.#heard += 1;
    this.beats += 1;
    this.#heardAt = performance.now();
  }

  /** A channel that was open and fell silent is offered anew; one that never opened would not open now. */
  #checkLife() {
    const isSilent = performance.now() - this.#heardAt > this.#silenceMs;
    if (!this.#hasOpened || !isSilent || !this.#socket.isOpen) return;
    this.#hasOpened = false;
    this.open();
  }

  #discard() {
    this.#peer?.close();
    this.#peer = null;
    this.#heard = 0;
  }
}
