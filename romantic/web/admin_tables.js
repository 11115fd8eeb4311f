// What every view is built of: elements, tables that become cards on a phone, times in words.

export const find = (id) => document.getElementById(id);

/** An element with a class and children; text is text, never markup. */
export function make(name, className = "", ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A table whose cells know the heading they stand under: on a phone each row is a card. */
export function table(headings, rows, caption) {
  const head = make("tr", "", ...headings.map((heading) => Object.assign(make("th", "", heading), { scope: "col" })));
  const body = rows.map((cells) => make("tr", "", ...cells.map((cell, at) => {
    const item = make("td", "", cell ?? "");
    item.dataset.label = headings[at];
    return item;
  })));
  return make("table", "cards", make("caption", "hidden", caption), make("thead", "", head), make("tbody", "", ...body));
}

export function pill(text, state = "") {
  const element = make("span", "pill", text);
  element.dataset.state = state;
  return element;
}

/** "3 min ago", with the exact time to hover or to have read out. */
export function ago(text) {
  const at = new Date(text);
  const element = make("time", "", inWords((Date.now() - at) / 1000) + " ago");
  element.dateTime = text;
  element.title = at.toLocaleString();
  return element;
}

export function inWords(seconds) {
  for (const [length, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.round(seconds))} s`;
}

export const short = (id) => (id ? id.slice(0, 8) : "");

/** A score from 1 to 5 by the steps of ITU-T G.107: colour and word. */
export function quality(mos) {
  if (mos === null) return pill("not measured");
  const [state, word] = mos >= 4 ? ["good", "good"] : mos >= 3.6 ? ["fair", "fair"] : ["poor", "poor"];
  return pill(`${mos.toFixed(1)} ${word}`, state);
}
