// One raw connection of the protocol romantic.v1, as it is: no way back of its own, every frame shown.

const LOST = 4009; // what a browser can say at most: it cannot cut the wire

export class Line {
  #ws = null;
  #token = null;
  /** {sessionId, epoch, seq} of the last connection: what `resume` asks from. */
  place = null;
  onframe = () => {};
  onstate = () => {};

  get isOpen() {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  /** Dial and sign in; with `resume`, ask for what was missed as soon as the server has greeted. */
  connect(token, { resume = false } = {}) {
    this.#ws?.close(1000);
    this.#token = token;
    const address = new URL("/ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const ws = new WebSocket(address, ["romantic.v1", `bearer.${token}`]);
    const before = resume ? this.place : null;
    this.#ws = ws;
    this.onstate({ state: "connecting" });
    ws.onmessage = ({ data }) => this.#ws === ws && this.#receive(data, before);
    ws.onclose = ({ code, reason }) => this.#ws === ws && this.#closed(code, reason);
  }

  /** The text as it is; `eyJ…` stands for this connection's token. */
  send(text) {
    this.onframe({ way: "out", text, frame: parsed(text) });
    this.#ws.send(text.replaceAll("eyJ…", this.#token));
  }

  drop() {
    this.#ws?.close(LOST, "dropped by its page");
  }

  close() {
    this.#ws?.close(1000);
  }

  #receive(text, before) {
    const frame = parsed(text);
    if (frame?.seq !== undefined && this.place) this.place.seq = frame.seq;
    this.onframe({ way: "in", text, frame });
    if (frame?.event === "resumed") this.place = { ...this.place, epoch: frame.data.epoch, seq: frame.data.seq };
    if (frame?.event !== "ready") return;
    const { sessionId, epoch, seq } = frame.data;
    this.place = { sessionId, epoch, seq: before?.epoch === epoch ? before.seq : seq };
    if (before) this.send(JSON.stringify({ event: "resume", data: before, id: "resume" }));
    this.onstate({ state: "open" });
  }

  #closed(code, reason) {
    this.#ws = null;
    this.onstate({ state: "closed", code, reason });
  }
}

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
