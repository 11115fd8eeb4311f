// Live calls, numbers and the audit log.

import * as api from "/admin/admin_api.js";
import { bars, line } from "/admin/admin_plots.js";
import { trying } from "/admin/admin_say.js";
import { ago, find, inWords, make, pill, quality, short, table } from "/admin/admin_tables.js";

const PAGE = 50;

export async function loadCalls() {
  const { calls } = await api.get("/calls/live");
  const rows = calls.map((call) => [
    `${call.callerName} → ${call.receiverName}`,
    call.callType,
    pill(call.status, call.status === "answered" ? "good" : ""),
    inWords((Date.now() - new Date(call.startedAt ?? call.createdAt)) / 1000),
    quality(call.mos),
    call.evidenceLevel ?? "none",
    String(call.coinsCharged),
    make("code", "", short(call.id)),
  ]);
  const headings = ["Who calls whom", "Kind", "State", "For", "Sounds", "Evidence", "Coins", "Call"];
  const nobody = make("p", "quiet", "Nobody calls at this moment.");
  find("calls-table").replaceChildren(rows.length ? table(headings, rows, "Live calls") : nobody);
  find("calls-at").textContent = `${calls.length} at ${new Date().toLocaleTimeString()}, asked every 5 s`;
}

export async function loadNumbers() {
  const [totals, { days }] = await Promise.all([api.get("/statistics"), api.get("/statistics/days", { days: 14 })]);
  const figures = [
    ["People", totals.totalUsers], ["Seen in 24 h", totals.activeUsers], ["Super lovers", totals.totalSuperLovers],
    ["Calls", totals.totalCalls], ["Messages", totals.totalMessages], ["Revenue", totals.totalRevenue],
    ["Reports waiting", totals.pendingReports],
  ];
  find("totals").replaceChildren(...figures.map(([name, value]) =>
    make("div", "card", make("dt", "", name), make("dd", "", Number(value).toLocaleString()))));
  find("plots").replaceChildren(
    bars("Calls a day", days, [["talked", "answered", "first"], ["not answered", "unanswered", "second"], ["failed", "failed", "third"]]),
    line("Estimated MOS of calls", days, "mos", { least: 1, most: 5, digits: 1 }),
    bars("Coins paid for calls a day", days, [["coins", "coinsSpent", "first"]]),
    bars("New people a day", days, [["people", "newUsers", "first"]]),
    bars("Reports a day", days, [["reports", "reports", "third"]]),
  );
  const headings = ["Day", "New people", "Talked", "Not answered", "Failed", "Coins", "MOS", "Reports"];
  const rows = days.map((day) => [
    day.day, day.newUsers, day.answered, day.unanswered, day.failed, day.coinsSpent, day.mos?.toFixed(2) ?? "", day.reports,
  ].map(String));
  find("days").replaceChildren(table(headings, rows, "The last 14 days"));
}

export async function loadAudit(page = 1) {
  const { entries, pagination } = await api.get("/audit-log", { page, limit: PAGE });
  const rows = entries.map((entry) => [
    ago(entry.createdAt),
    entry.operator ? `${entry.operator} (command line)` : entry.actorName ?? short(entry.actorId),
    make("code", "", entry.action),
    `${entry.targetType} ${entry.targetId ? short(entry.targetId) : entry.targetKey.slice(0, 24)}`,
    entry.reason ?? "",
    changes(entry),
  ]);
  const shown = table(["When", "Who", "What", "To whom", "Why", "Changed"], rows, "Audit log, newest first");
  if (page === 1) find("audit-table").replaceChildren(rows.length ? shown : make("p", "quiet", "Nothing was done yet."));
  else find("audit-table").querySelector("tbody").append(...shown.querySelectorAll("tbody tr"));
  find("audit-more").hidden = !pagination.hasNext;
  find("audit-more").onclick = trying(() => loadAudit(page + 1));
}

function changes({ before, after }) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = names.filter((name) => (before[name] ?? null) !== (after[name] ?? null));
  const words = differing.map((name) => `${name}: ${before[name] ?? "–"} → ${after[name] ?? "–"}`).join(", ");
  return words && make("span", "quiet", words);
}
