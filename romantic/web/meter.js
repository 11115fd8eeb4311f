// The server's meter as a person sees it: its own seconds between the server's words, and what they rest on.

import { clock, find, put } from "/web/view.js";

const WORDS = {
  waiting: "starts when both are proven",
  billing: "running",
  resumed: "running",
  suspect: "paused: somebody is silent",
  ended: "stopped",
};

export class MeterView {
  #seconds = 0;
  #since = null;

  constructor() {
    this.#paint("waiting");
    this.#evidence("none");
  }

  /** call-connected: billing starts. `ago` is how long the call has been running, after a reload. */
  connected({ evidence, ago = 0 }) {
    this.#run(ago);
    this.#paint("billing");
    if (evidence) this.#evidence(evidence);
  }

  /** call-meter: the server's word replaces our own seconds. */
  told({ state, billableSeconds, levels }) {
    this.#run(billableSeconds);
    if (state === "suspect" || state === "ended") this.#since = null;
    this.#paint(state === "resumed" ? "billing" : state);
    this.#evidence(Object.values(levels).every((level) => level === "E2") ? "E2" : "E1");
  }

  tick() {
    const own = this.#since === null ? 0 : (performance.now() - this.#since) / 1000;
    put("meter-clock", clock(this.#seconds + own));
    find("meter-clock").dataset.seconds = Math.floor(this.#seconds + own);
  }

  #run(seconds) {
    this.#seconds = seconds;
    this.#since = performance.now();
  }

  #paint(state) {
    find("meter").dataset.state = state;
    put("meter-words", WORDS[state]);
    this.tick();
  }

  #evidence(level) {
    const words = { none: "no evidence yet", E1: "E1: both sockets alive", E2: "E2: both monitors answer" };
    find("evidence").dataset.state = level;
    put("evidence", words[level]);
  }
}
