// What the demo page shows, and in which words. Knows the document and nothing of calls.

const LOGGED = 60;
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
const NOISE = new Set(["ping", "pong", "call-stats", "monitor-beat", "monitor-ping"]);

export const find = (testid) => document.querySelector(`[data-testid="${testid}"]`);
export const put = (testid, text) => (find(testid).textContent = text);

const page = find("page");
const first = { outgoing: "outgoing-title", incoming: "accept", "in-call": "hang-up", ended: "end-title" };

/** Show the sections of one state, and put the keyboard where it is wanted. */
export function show(state) {
  if (page.dataset.state === state) return;
  page.dataset.state = state;
  for (const section of document.querySelectorAll("[data-for]")) {
    section.hidden = !section.dataset.for.split(" ").includes(state);
  }
  if (first[state]) find(first[state]).focus();
}

export const state = () => page.dataset.state;

/** Good news, or none. */
export function say(text = "") {
  find("notice").hidden = !text;
  put("notice", text);
}

/** A refusal in its own words; anything else is a bug of this page and shown as one. */
export function complain(error = null) {
  find("alert").hidden = !error;
  put("alert", error ? (error.inWords ?? `This page failed: ${error.message}`) : "");
}

export function banner(text = "") {
  find("banner").hidden = !text;
  put("banner", text);
}

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`;
export const coins = (count) => `${count} ${count === 1 ? "coin" : "coins"}`;

export function make(name, className = "", text = "", testid = null) {
  const element = Object.assign(document.createElement(name), { className, textContent: text });
  if (testid) element.dataset.testid = testid;
  return element;
}

export function showMe({ fullName }) {
  document.getElementById("me").hidden = false;
  put("me-name", fullName);
  document.title = `${fullName} · Romantic`;
}

export function showBalance(balance, delta = 0) {
  const pill = find("balance");
  pill.textContent = coins(balance);
  pill.dataset.coins = balance;
  pill.classList.remove("changed");
  if (delta) requestAnimationFrame(() => pill.classList.add("changed"));
}

export function showSocket({ state, words }) {
  find("socket").dataset.state = state;
  put("socket", words);
}

export function showOther(person) {
  for (const avatar of document.querySelectorAll('[data-avatar="other"]')) avatar.textContent = initial(person);
  put("other-name", person.fullName);
}

const initial = ({ fullName }) => fullName.slice(0, 1);

/** One card a person, made once and brought up to date, so that the focus stays where it is. */
export function showPeople(people, dial) {
  const list = document.getElementById("people");
  for (const person of people) {
    const card = list.querySelector(`[data-id="${person.id}"]`) ?? list.appendChild(personCard(person, dial));
    card.querySelector(".avatar").dataset.online = person.isOnline;
    card.querySelector(".here").textContent = person.isOnline ? "here now" : "not here";
    const link = card.querySelector("a");
    if (link) link.hidden = person.isOnline;
  }
}

function personCard(person, dial) {
  const card = make("li", "card", "", "person");
  card.dataset.id = person.id;
  card.dataset.name = person.as ?? person.fullName;
  card.append(make("span", "avatar", initial(person)), about(person, make("span", "here quiet")));
  const calls = make("span", "calls");
  for (const [type, label] of [["video", "Video call"], ["audio", "Audio"]]) {
    const button = make("button", type === "video" && person.as ? "primary" : "", label, `call-${type}`);
    button.setAttribute("aria-label", `${label} ${type === "audio" ? "call " : ""}to ${person.fullName}`);
    button.addEventListener("click", () => dial(person, type));
    calls.append(button);
  }
  card.append(calls);
  return card;
}

function about(person, ...more) {
  const text = make("span", "about");
  text.append(make("b", "", person.fullName), make("span", "quiet", person.isSuperLover ? "Super lover" : "Member"), ...more);
  if (!person.as) return text;
  const link = Object.assign(make("a", "quiet", "Open their tab"), { href: `/demo?as=${person.as}`, target: "_blank" });
  link.hidden = true;
  text.append(link);
  return text;
}

/** The people a visitor can be: those whose code is fixed. */
export function showChoices(people) {
  const cards = people.map((person) => {
    const card = make("li", "card");
    const words = person.isSuperLover ? "a super lover: earns half of what her callers pay" : "pays for calls";
    const link = make("a", "button", `Be ${person.fullName.split(" ")[0]}`, `choose-${person.as}`);
    link.href = `/demo?as=${person.as}`;
    const text = make("span", "about");
    text.append(make("b", "", person.fullName), make("span", "quiet", `${words}, has ${coins(person.coins)}`));
    card.append(make("span", "avatar", initial(person)), text, link);
    return card;
  });
  document.getElementById("choices").replaceChildren(...cards);
}

export function showPath(sample, { connection, ice }) {
  find("path").dataset.state = connection;
  put("path-state", connection);
  put("path-ice", ice);
  if (!sample?.pair) return;
  find("path-pair").dataset.pair = sample.pair;
  find("path-rtt").dataset.ms = sample.rttMs ?? "";
  put("path-pair", `${sample.pair} ${sample.protocol ?? ""}`);
  put("path-rtt", sample.rttMs === null ? "–" : `${sample.rttMs} ms`);
  put("path-loss", `${sample.lossPct} %`);
  put("path-jitter", `${sample.jitterMs} ms`);
  put("path-picture", sample.size ? `${sample.size}, ${Math.round(sample.fps)} fps` : "no video");
  put("path-bitrate", `${sample.kbps} kbit/s`);
}

export function showQuality({ level, score }) {
  document.getElementById("quality-label").hidden = find("path-quality").hidden = false;
  put("path-quality", score ? `${level} (${score})` : level);
}

export function showBeats({ beats, via }) {
  put("beats", `${beats} ${beats === 1 ? "beat" : "beats"}${via ? ` over ${via === "udp" ? "UDP" : "the socket"}` : ""}`);
}

export function showEnd({ title, why, over, ownSeconds }) {
  put("end-title", title);
  put("end-why", why);
  put("end-duration", clock(over.duration ?? 0));
  put("end-own", clock(ownSeconds));
  put("end-spent", over.coinsSpent ?? 0);
  put("end-earned", over.coinsEarned ?? 0);
  put("end-refunded", over.refunded ?? 0);
  find("end-duration").dataset.seconds = over.duration ?? 0;
  showLedger([]);
}

export function showLedger(entries) {
  const rows = entries.map((entry) => {
    const row = make("tr", "", "", "entry");
    row.dataset.type = entry.type;
    const sign = entry.type === "spend" ? "−" : "+";
    row.append(make("td", "", new Date(entry.createdAt).toLocaleTimeString([], TIME)), make("td", "", entry.type));
    row.append(make("td", "number", `${sign}${entry.amount}`), make("td", "number", entry.balanceAfter));
    row.append(make("td", "", entry.description ?? ""));
    return row;
  });
  document.getElementById("ledger").replaceChildren(...rows);
  find("ledger").hidden = rows.length === 0;
  document.getElementById("ledger-none").hidden = rows.length > 0;
}

/** The last events each way, without the pulse. */
export function log(data, name, way) {
  if (NOISE.has(name) || !name) return;
  const line = make("li", way);
  line.append(make("b", "", name), ` ${brief(data)}`);
  const list = document.getElementById("log");
  list.prepend(line);
  while (list.children.length > LOGGED) list.lastChild.remove();
}

function brief(data) {
  const short = (key, value) => (typeof value === "string" && value.length > 40 ? `${value.slice(0, 36)}…` : value);
  return JSON.stringify(data, (key, value) => (key === "token" ? "…" : short(key, value)))?.slice(0, 220) ?? "";
}
