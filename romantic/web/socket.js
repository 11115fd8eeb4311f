// One WebSocket of the protocol romantic.v1 that comes back by itself: events in, events out, acks as promises.

import { Refusal } from "/web/api.js";

const ACK_MS = 10_000;
const PING_MS = 10_000;
const LONGEST_WAIT_MS = 30_000;
const LOST = 4009; // to the server: this end has heard nothing for too long

/** Close codes after which coming back would not help, and why. */
const STOPS = {
  1000: "The server said goodbye.",
  1003: "The server did not like a binary frame: a bug of this page.",
  1009: "A frame was too big: a bug of this page.",
  4400: "The server did not understand this page: a bug of it.",
  4403: "This account is blocked.",
  4408: "The sign-in took too long.",
  4409: "This person has connected again from the same device.",
  4410: "You were signed out.",
  4429: "This person has too many open tabs. Close one and reload.",
};

export class Socket {
  #session;
  #ws = null;
  #handlers = new Map();
  #waiting = new Map();
  #nextId = 0;
  #failures = 0;
  #timer = null;
  #heardAt = 0;
  #place = null; // {sessionId, epoch, seq}: where in the person's stream this socket is
  #watch;
  #gone = new AbortController();

  /**
   * `session` gives tokens; `on("state", …)` tells {state: "connecting|open|waiting|stopped", words, code}.
   * `on("resumed", …)` tells after a return whether all that was missed has come: {recovered, reason?}.
   */
  constructor(session) {
    this.#session = session;
    addEventListener("online", () => this.#timer && this.open(), { signal: this.#gone.signal });
    this.#watch = setInterval(() => this.#checkLife(), PING_MS / 2);
  }

  get isOpen() {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  /** Call `handler(data)` for each event of this name; "*" hears all, with the name and "in" or "out". */
  on(name, handler) {
    this.#handlers.set(name, [...(this.#handlers.get(name) ?? []), handler]);
  }

  open() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#tell("state", { state: "connecting", words: "Connecting…" });
    const address = new URL("/ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const ws = new WebSocket(address, ["romantic.v1", `bearer.${this.#session.token}`]);
    this.#ws = ws;
    ws.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    ws.onclose = ({ code, reason }) => this.#ws === ws && this.#closed(code, reason);
  }

  /** Send and forget; nothing happens while the socket is away. */
  emit(event, data = {}) {
    if (!this.isOpen) return;
    this.#tell("*", data, event, "out");
    this.#ws.send(JSON.stringify({ event, data }));
  }

  /** Send and wait for the ack; a refusal, a lost socket or silence rejects with a Refusal. */
  ask(event, data = {}) {
    if (!this.isOpen) return Promise.reject(new Refusal(0, { message: "The connection is away for a moment." }));
    const id = `c${(this.#nextId += 1)}`;
    this.#tell("*", data, event, "out");
    this.#ws.send(JSON.stringify({ event, data, id }));
    return new Promise((resolve, reject) => {
      const silence = new Refusal(0, { message: "The server did not answer in time." });
      const timer = setTimeout(() => this.#settle(id, reject, silence), ACK_MS);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  /** Lose the connection, as a tunnel would, and come back. */
  drop() {
    if (!this.#ws) return;
    this.#ws.onclose = this.#ws.onmessage = null;
    this.#ws.close(LOST);
    this.#closed(1006, "");
  }

  /** Leave for good. */
  close() {
    this.#gone.abort();
    clearInterval(this.#watch);
    clearTimeout(this.#timer);
    if (this.#ws) this.#ws.onclose = this.#ws.onmessage = null;
    this.#ws?.close(1000);
    this.#ws = null;
  }

  #receive({ event, data, id, seq }) {
    this.#heardAt = performance.now();
    if (seq !== undefined && this.#place) {
      if (seq <= this.#place.seq) return; // sent again by a resume
      this.#place.seq = seq;
    }
    const waiting = this.#waiting.get(id);
    if (waiting && event === "ack") return this.#settle(id, waiting.resolve, data);
    if (waiting && event === "error") {
      return this.#settle(id, waiting.reject, new Refusal(400, { message: data.message, error: data }));
    }
    if (event === "ready") {
      this.#failures = 0;
      this.#resume(data);
      this.#tell("state", { state: "open", words: "Connected" });
    }
    if (event === "resumed" && !data.recovered) this.#place = { ...this.#place, epoch: data.epoch, seq: data.seq };
    if (event === "token-expiring") this.#renew();
    this.#tell("*", data, event, "in");
    return this.#tell(event, data);
  }

  /** After a return, ask for what was missed; it must be the first frame. */
  async #resume({ sessionId, epoch, seq }) {
    const before = this.#place;
    const goesOn = before?.epoch === epoch;
    this.#place = { sessionId, epoch, seq: goesOn ? Math.min(before.seq, seq) : seq };
    if (!before) return;
    try {
      await this.ask("resume", before);
    } catch (error) {
      if (error.code === "UNKNOWN_EVENT") this.#tell("resumed", { recovered: false, reason: "unsupported" });
    }
  }

  #settle(id, finish, value) {
    clearTimeout(this.#waiting.get(id)?.timer);
    this.#waiting.delete(id);
    finish(value);
  }

  #tell(name, ...values) {
    for (const handler of this.#handlers.get(name) ?? []) handler(...values);
  }

  async #renew() {
    try {
      await this.#session.refresh();
      await this.ask("auth", { token: this.#session.token });
    } catch {
      // The server hangs up with 4401 in time, and the way back asks again.
    }
  }

  /** A browser never sees protocol pings, so a dead network is noticed by asking. */
  #checkLife() {
    if (!this.isOpen) return;
    const silence = performance.now() - this.#heardAt;
    if (silence > PING_MS) this.emit("ping");
    if (silence > 2.5 * PING_MS) this.drop();
  }

  async #closed(code, reason) {
    this.#ws = null;
    for (const [id, { reject }] of [...this.#waiting]) {
      this.#settle(id, reject, new Refusal(0, { message: "The connection broke." }));
    }
    if (STOPS[code]) {
      this.#tell("state", { state: "stopped", words: STOPS[code], code });
      return;
    }
    if (code === 4401 && !(await this.#freshToken())) return;
    this.#failures += 1;
    const wait = this.#wait(code, reason);
    this.#tell("state", { state: "waiting", words: `Reconnecting in ${Math.ceil(wait / 1000)} s`, code });
    this.#timer = setTimeout(() => this.open(), wait);
  }

  async #freshToken() {
    try {
      await this.#session.refresh();
      return true;
    } catch (error) {
      if (error.status === 0 || error.status >= 429) return true; // the server is away: try again later
      this.#tell("state", { state: "stopped", words: "You were signed out.", code: 4401 });
      return false;
    }
  }

  #wait(code, reason) {
    if (code === 4000) return 0;
    if (code === 4012) return Math.random() * 5000;
    if (code === 4029) return Number(/retryAfterMs=(\d+)/.exec(reason)?.[1] ?? 5000);
    const ceiling = Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.#failures);
    return Math.max(500, Math.random() * ceiling);
  }
}
