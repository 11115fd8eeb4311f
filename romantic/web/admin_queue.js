// The queue of reports, the one that is open, and the decision about it.

import * as api from "/admin/admin_api.js";
import { DECISIONS, OPEN, option, show as showReport, showMessages } from "/admin/admin_report.js";
import { say, trying } from "/admin/admin_say.js";
import { find, make } from "/admin/admin_tables.js";

const PAGE = 50;

let queue = [];
let open = null; // the report on the right, with its people
let decision = null;

export async function load() {
  queue = [];
  close();
  find("queue").replaceChildren();
  await loadMore();
  find("queue").focus();
}

async function loadMore() {
  const status = find("filter").value;
  const page = Math.floor(queue.length / PAGE) + 1; // what was decided has left this list and the server's
  const { reports, pagination } = await api.get("/reports", { status, limit: PAGE, page });
  const fresh = reports.filter((one) => !queue.some((known) => known.id === one.id));
  queue.push(...fresh);
  find("queue").append(...fresh.map(option));
  find("nothing").hidden = queue.length > 0;
  find("unchosen").hidden = queue.length === 0 || open !== null;
  find("more").hidden = !pagination.hasNext;
  if (status === "pending") find("pending").textContent = pagination.total || "";
  if (!selected() && queue.length) select(0);
}

find("filter").addEventListener("change", trying(load));
find("more").addEventListener("click", trying(loadMore));

const selected = () => find("queue").querySelector('[aria-selected="true"]');

function select(at) {
  const item = find("queue").children[at];
  if (!item) return;
  selected()?.setAttribute("aria-selected", "false");
  item.setAttribute("aria-selected", "true");
  find("queue").setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}

const place = () => [...find("queue").children].indexOf(selected());

find("queue").addEventListener("click", ({ target }) => {
  const item = target.closest("li");
  if (!item) return;
  select([...find("queue").children].indexOf(item));
  openReport();
});

export const openReport = trying(async () => {
  const id = selected()?.dataset.id;
  if (!id) return;
  const found = await api.get(`/reports/${id}`);
  if (selected()?.dataset.id !== id) return; // moved on meanwhile
  open = found;
  cancel();
  say("");
  showReport(found, readMessages);
  find("reports").dataset.open = "true";
  find("report").hidden = false;
  find("unchosen").hidden = true;
  const isWaiting = OPEN.includes(found.report.status);
  find("decisions").replaceChildren(...(isWaiting ? DECISIONS.map(decisionButton) : []));
  find("report").focus({ preventScroll: true });
  find("report").scrollIntoView({ block: "nearest" });
});

function decisionButton(one, at) {
  const button = make("button", one.action === "ban" ? "bad" : "", make("kbd", "", String(at + 1)), ` ${one.label}`);
  button.type = "button";
  button.dataset.testid = `decide-${one.action}`;
  button.setAttribute("aria-keyshortcuts", String(at + 1));
  button.addEventListener("click", () => choose(at));
  return button;
}

export const readMessages = trying(async () => {
  if (!open?.report.messageCount || !find("show-messages")) return;
  const of = open;
  const { messages } = await api.get(`/reports/${of.report.id}/messages`);
  if (of !== open) return; // another report was opened meanwhile
  showMessages(of.report, messages);
  document.querySelector("#about .conversation").focus();
});

/** No report is open. */
export function close() {
  open = null;
  cancel();
  delete find("reports").dataset.open;
  find("report").hidden = true;
  find("unchosen").hidden = queue.length === 0;
}

find("back").addEventListener("click", back);

/** The form of a decision, by its place among the five. */
export function choose(at) {
  if (!open || !OPEN.includes(open.report.status)) return;
  decision = DECISIONS[at];
  const form = find("decide");
  form.hidden = false;
  find("decide-title").textContent = `${decision.verb} ${open.report.reportedName}?`;
  find("confirm").textContent = decision.label;
  find("confirm").className = decision.action === "ban" ? "bad" : "primary";
  find("days-label").hidden = form.days.disabled = decision.action !== "suspend";
  form.reason.focus();
  form.scrollIntoView({ block: "nearest" });
}

function cancel() {
  decision = null;
  find("decide").hidden = true;
  find("decide").reset();
}

find("cancel").addEventListener("click", back);

find("decide").addEventListener("submit", trying(async (event) => {
  event.preventDefault();
  const [{ report }, { action, status, done }] = [open, decision];
  const body = { status, action, adminNotes: event.target.reason.value, version: report.version };
  if (action === "suspend") body.days = Number(event.target.days.value);
  find("confirm").disabled = true;
  try {
    await api.put(`/reports/${report.id}`, body);
  } catch (error) {
    if (error.code === "REPORT_DECIDED") await openReport();
    throw error;
  } finally {
    find("confirm").disabled = false;
  }
  leave(report.id);
  say(`${done}: ${report.reportedName}.`);
}));

/** The decided report leaves the queue; the next one is selected. */
function leave(id) {
  const at = place();
  find(`report-${id}`)?.remove();
  queue = queue.filter((one) => one.id !== id);
  close();
  select(Math.min(at, queue.length - 1));
  const left = Number(find("pending").textContent) - 1;
  if (find("filter").value === "pending") find("pending").textContent = left > 0 ? left : "";
  find("nothing").hidden = queue.length > 0;
  find("queue").focus();
}

/** The next or the previous report; an open one is read at once. */
export function move(by) {
  select(place() + by);
  if (open) openReport();
}

/** One step back: from the decision to the report, from the report to the queue. */
export function back() {
  if (decision) {
    cancel();
    find("report").focus();
  } else if (open) {
    close();
    find("queue").focus();
  }
}

export const isOpen = () => open !== null;
export const isDeciding = () => decision !== null;
