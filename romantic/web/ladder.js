// The ladder as a person sees it: one line a step with its state in a word, its time, and what to do about it.

import { find, make, put } from "/web/view.js";

/** Glyph and word of each state: the colour only repeats them. */
export const STATES = {
  waiting: ["", "not yet"],
  running: ["…", "running"],
  asking: ["?", "needs you"],
  ok: ["✓", "works"],
  warn: ["!", "with limits"],
  fail: ["✕", "fails"],
  skip: ["–", "not tried"],
};

const DONE = new Set(["ok", "warn", "fail", "skip"]);

export class Ladder {
  #lines = new Map();
  #steps;

  constructor(steps) {
    this.#steps = steps;
    document.getElementById("steps").replaceChildren(...steps.map((step) => this.#line(step)));
  }

  get results() {
    return this.#steps.map(({ id, title }) => ({ id, title, ...this.#lines.get(id).result }));
  }

  /** What is new of a step: {state, words, advice, ms}. */
  show(id, news) {
    const line = this.#lines.get(id);
    Object.assign(line.result, news);
    const { state, words, advice, ms } = line.result;
    const [glyph, word] = STATES[state];
    line.item.dataset.state = state;
    line.mark.textContent = glyph;
    line.state.textContent = word;
    line.words.textContent = words;
    line.time.textContent = state === "skip" || ms === null || ms < 1 ? "" : duration(ms);
    line.advice.hidden = !advice;
    line.advice.textContent = advice ? `What to do: ${advice}` : "";
  }

  tick(id, ms) {
    this.#lines.get(id).time.textContent = duration(ms);
  }

  #line({ id, title }) {
    const item = make("li", "step", "", `step-${id}`);
    const mark = make("span", "mark");
    mark.setAttribute("aria-hidden", "true");
    const head = make("p", "head");
    const [state, time] = [make("span", "pill state", "", `state-${id}`), make("span", "time quiet", "", `time-${id}`)];
    head.append(make("b", "", title), state, time);
    const body = make("div", "body");
    const [words, advice] = [make("p", "words", "", `words-${id}`), make("p", "advice", "", `advice-${id}`)];
    body.append(head, words, advice);
    item.append(mark, body);
    this.#lines.set(id, { item, mark, state, time, words, advice, result: { state: "waiting", words: "", advice: "", ms: null } });
    this.show(id, {});
    return item;
  }
}

/** The word above all steps: the worst of them decides, and says what to do first. */
export function showVerdict({ state, title, words }) {
  const card = find("verdict");
  card.dataset.state = state;
  card.querySelector(".mark").textContent = STATES[state][0];
  put("verdict-title", title);
  put("verdict-words", words);
  document.title = `${title} · Romantic`;
}

/** For ears as well: one sentence at a time. */
export function showProgress(results) {
  const done = results.filter(({ state }) => DONE.has(state)).length;
  const now = results.find(({ state }) => state === "running" || state === "asking");
  put("progress", now ? `Step ${done + 1} of ${results.length}: ${now.title}` : `${done} of ${results.length} steps done`);
}

export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
