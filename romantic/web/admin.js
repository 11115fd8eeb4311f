// The moderators' page: sign in, four views, and a keyboard that reaches everything.

import * as api from "/admin/admin_api.js";
import * as queue from "/admin/admin_queue.js";
import { say, trying, whenOver } from "/admin/admin_say.js";
import { find } from "/admin/admin_tables.js";
import { loadAudit, loadCalls, loadNumbers } from "/admin/admin_views.js";

const VIEWS = { reports: queue.load, calls: loadCalls, numbers: loadNumbers, audit: loadAudit };
const KEYS = { r: "reports", c: "calls", n: "numbers", a: "audit" };
const CALLS_MS = 5000;

let view = null;
let phoneNumber = "";
let watching = null;

function start(text = "") {
  view = null;
  queue.close();
  clearInterval(watching);
  for (const name of Object.keys(VIEWS)) find(name).hidden = true;
  for (const id of ["views", "me", "give-code"]) find(id).hidden = true;
  for (const id of ["sign-in", "ask-code"]) find(id).hidden = false;
  for (const id of ["about", "queue", "calls-table", "audit-table", "plots", "days", "totals"]) find(id).replaceChildren();
  find("give-code").reset();
  say(text);
  find("main").dataset.state = "signed-out";
  find("ask-code").phoneNumber.focus();
}

find("ask-code").addEventListener("submit", trying(async (event) => {
  event.preventDefault();
  phoneNumber = event.target.phoneNumber.value;
  await api.sendCode(phoneNumber);
  find("ask-code").hidden = true;
  find("give-code").hidden = false;
  say("A code is on its way.");
  find("give-code").otpCode.focus();
}));

find("give-code").addEventListener("submit", trying(async (event) => {
  event.preventDefault();
  find("role").textContent = await api.signIn(phoneNumber, event.target.otpCode.value);
  event.target.reset();
  find("sign-in").hidden = true;
  find("views").hidden = find("me").hidden = false;
  say("");
  await go("reports");
}));

find("other-number").addEventListener("click", () => start());
find("sign-out").addEventListener("click", trying(async () => {
  await api.signOut();
  start("Signed out.");
}));

async function go(name) {
  view = name;
  clearInterval(watching);
  find("failed").hidden = true;
  for (const one of Object.keys(VIEWS)) find(one).hidden = one !== name;
  for (const button of find("views").children) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  find("main").dataset.state = name;
  await trying(() => VIEWS[name]())();
  if (name === "calls") watching = setInterval(trying(loadCalls), CALLS_MS);
}

find("views").addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button) go(button.dataset.view);
});

const SINGLE = { j: () => queue.move(1), k: () => queue.move(-1), m: queue.readMessages };
const LISTBOX = { ArrowDown: SINGLE.j, ArrowUp: SINGLE.k, Enter: queue.openReport };

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea, select");
  if (!view || find("keys").open) return;
  if (event.key === "Escape") return queue.back();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && queue.isDeciding()) return find("decide").requestSubmit();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = keyed(event);
  if (!act) return;
  event.preventDefault();
  act();
});

function keyed({ key, target }) {
  if (key in KEYS) return () => go(KEYS[key]);
  if (key === "?") return () => find("keys").showModal();
  if (view !== "reports") return null;
  if (key in SINGLE) return SINGLE[key];
  if (target === find("queue") && key in LISTBOX) return LISTBOX[key];
  return /^[1-5]$/.test(key) && queue.isOpen() ? () => queue.choose(Number(key) - 1) : null;
}

find("help").addEventListener("click", () => find("keys").showModal());

whenOver(start);
start();
