// Every event of the AsyncAPI document, drawn: its fields, its example, its answer.

const MOST_CHOICES = 8;

export function make(name, className = "", text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

/** Draw both lists; `use(name)` puts a client's example into the composer. */
export function drawEvents({ components: { messages } }, use) {
  for (const [id, message] of Object.entries(messages)) {
    const way = id.startsWith("client-") ? "client" : "server";
    if (id.startsWith("ack-")) continue;
    const ack = way === "client" ? messages[`ack-${message.name}`] : null;
    document.getElementById(way).append(event(id, message, ack, use));
  }
}

export function drawCodes({ "x-close-codes": codes }) {
  const rows = codes.map(({ code, meaning, then }) => {
    const row = make("tr");
    row.id = `close-${code}`;
    row.append(make("td", "number", code), make("td", "", plain(meaning)), make("td", "", plain(then)));
    return row;
  });
  document.getElementById("codes").replaceChildren(...rows);
}

/** Hide what does not have the text in its name or summary. */
export function find(text) {
  const wanted = text.trim().toLowerCase();
  for (const card of document.querySelectorAll(".event")) {
    card.hidden = !card.querySelector("summary").textContent.toLowerCase().includes(wanted);
  }
}

/** Open the event of this name, or of this id, and go there. */
export function reveal(name) {
  const card = ["", "client-", "server-"].map((way) => document.getElementById(way + name)).find((one) => one?.matches("details"));
  if (!card) return;
  card.open = true;
  card.scrollIntoView();
}

function event(id, message, ack, use) {
  const card = make("details", "card event");
  card.id = id;
  const head = make("summary");
  head.append(make("code", "", message.name), make("span", "quiet", plain(message.summary)));
  if (message["x-in-call"]) head.append(make("span", "pill", "in a call, even late"));
  if (message["x-volatile"]) head.append(make("span", "pill", "not numbered"));
  const body = make("div", "body");
  body.append(fields(message.payload.properties.data));
  for (const { payload } of message.examples) body.append(make("h4", "", "Example"), make("pre", "", pretty(payload)));
  if (ack) body.append(make("h4", "", "Its answer"), make("pre", "", pretty(ack.examples[0].payload)));
  if (ack) body.append(useButton(message.name, use));
  card.append(head, body);
  return card;
}

function useButton(name, use) {
  const button = make("button", "", "Use it above");
  button.type = "button";
  button.addEventListener("click", () => use(name));
  return button;
}

function fields(schema) {
  const rows = [...rowsOf(schema, "")];
  if (!rows.length) return make("p", "quiet", "No data.");
  const table = make("table");
  const head = make("tr");
  for (const title of ["Field", "Type", ""]) head.append(make("th", "", title));
  table.append(make("thead"), make("tbody"));
  table.tHead.append(head);
  table.tBodies[0].append(...rows);
  const scroll = make("div", "scroll");
  scroll.append(table);
  return scroll;
}

function* rowsOf(schema, prefix) {
  for (const [key, one] of Object.entries(schema.properties ?? {})) {
    const row = make("tr");
    const name = make("td");
    name.append(make("code", "", `${prefix}${key}`));
    const needed = schema.required?.includes(key) ? "always" : "optional";
    row.append(name, make("td", "", typeOf(one)), make("td", "quiet", [needed, ...limits(one)].join(", ")));
    yield row;
    yield* rowsOf(one.type === "array" ? (one.items ?? {}) : one, one.type === "array" ? `${prefix}${key}[].` : `${prefix}${key}.`);
  }
}

function typeOf({ type, format, items }) {
  const names = [type ?? "anything"].flat().map((name) => (name === "array" && items?.type ? `array of ${items.type}s` : name));
  return names.join(" or ") + (format ? ` (${format})` : "");
}

function limits({ maxLength, minimum, maximum, maxItems, pattern, enum: choices, description }) {
  const many = choices?.length > MOST_CHOICES;
  return [
    choices && (many ? `one of ${choices.length} codes` : `one of ${choices.join(", ")}`),
    maxLength && `at most ${maxLength} characters`,
    maxItems && `at most ${maxItems}`,
    minimum !== undefined && `from ${minimum}`,
    maximum !== undefined && `to ${maximum}`,
    pattern,
    description,
  ].filter(Boolean);
}

const pretty = (value) => JSON.stringify(value, null, 1).replace(/\n\s*/g, " ");
export const plain = (text) => text.replaceAll("`", "");
