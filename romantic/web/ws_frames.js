// The frames of a connection, the newest first: as many as fit, with what is secret in them left out.

const KEPT = 200;
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
const SECRETS = /("(?:sessionId|token|sdp)":")[^"]{4,}"/g;

export class Frames {
  #list = document.getElementById("log");
  #kept = [];
  #total = 0;
  #wanted = "";

  /** {way: "in|out", text, frame}; text that is no JSON has no frame. */
  add({ way, text, frame }) {
    const shown = text.replace(SECRETS, '$1…"');
    const name = frame?.event ?? "(no event)";
    this.#put({ way: frame?.event === "error" ? `${way} bad` : way, name, shown, at: new Date(), size: text.length });
  }

  /** A word of this page between the frames. */
  note(words) {
    this.#put({ way: "note", name: "", shown: words, at: new Date() });
  }

  filter(text) {
    this.#wanted = text.trim().toLowerCase();
    this.#list.replaceChildren(...this.#kept.filter((one) => this.#fits(one)).map(line));
    this.#count();
  }

  clear() {
    this.#kept = [];
    this.#total = 0;
    this.filter(this.#wanted);
  }

  get lines() {
    const frames = this.#kept.filter(({ way }) => way !== "note").reverse();
    return frames.map(({ way, at, shown }) => JSON.stringify({ at: at.toISOString(), way: way.split(" ")[0], frame: shown })).join("\n");
  }

  #put(one) {
    this.#total += 1;
    this.#kept = [one, ...this.#kept].slice(0, KEPT);
    if (this.#fits(one)) this.#list.prepend(line(one));
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
    this.#count();
  }

  #fits({ name }) {
    return !this.#wanted || name.includes(this.#wanted);
  }

  #count() {
    const words = this.#total > KEPT ? `The last ${KEPT} of ${this.#total}.` : `${this.#total} in all.`;
    document.getElementById("count").textContent = this.#total ? words : "No frame yet.";
  }
}

function line({ way, name, shown, at, size }) {
  const item = Object.assign(document.createElement("li"), { className: way });
  const when = Object.assign(document.createElement("span"), { className: "when", textContent: at.toLocaleTimeString([], TIME) });
  if (way === "note") {
    item.append(when, ` ${shown}`);
    return item;
  }
  const arrow = way.startsWith("out") ? "→" : "←";
  const title = Object.assign(document.createElement("b"), { textContent: `${arrow} ${name}` });
  item.append(when, " ", title, ` ${size} B `, shown);
  return item;
}
