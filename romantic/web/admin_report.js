// One report: what was reported, who the two are, what was decided before, and the decision.

import { ago, find, make, pill, short } from "/admin/admin_tables.js";

/** In the order of the keys 1 to 5; `status` is what the report becomes. */
export const DECISIONS = [
  { action: "none", status: "dismissed", label: "Nothing to do", verb: "Dismiss the report about", done: "Dismissed" },
  { action: "warn", status: "resolved", label: "Warn", verb: "Warn", done: "Warned" },
  { action: "remove_photo", status: "resolved", label: "Remove photo", verb: "Remove the photo of", done: "Photo removed" },
  { action: "suspend", status: "resolved", label: "Suspend", verb: "Suspend", done: "Suspended" },
  { action: "ban", status: "resolved", label: "Ban", verb: "Ban", done: "Banned" },
];
export const OPEN = ["pending", "investigating"];

/** One line of the queue. */
export function option(report) {
  const item = make("li", "card", make("b", "", report.reportedName), make("span", "quiet", report.reason), ago(report.createdAt));
  item.setAttribute("role", "option");
  item.id = `report-${report.id}`;
  item.dataset.testid = "report-option";
  item.dataset.id = report.id;
  item.setAttribute("aria-selected", "false");
  return item;
}

/** Everything about a report but the words of the two. */
export function show({ report, reporter, reported, earlier }, readMessages) {
  const title = make("h1", "", `${report.reportedName}: ${report.reason}`);
  title.id = "report-title";
  find("report").setAttribute("aria-labelledby", "report-title");
  const by = make("p", "quiet", `Reported by ${report.reporterName}, `, ago(report.createdAt), " ", pill(report.status, report.status));
  const words = make("blockquote", "", report.description ?? "No description.");
  words.dataset.testid = "description";
  const people = make("div", "people", person("Reported", reported, report), person("Reporter", reporter, report));
  const parts = [profile(report, reported), people, messages(report, readMessages), before(earlier), decided(report)];
  find("about").replaceChildren(title, by, words, ...parts.filter(Boolean));
}

/** The profile as it was when it was reported. */
function profile(report, reported) {
  const was = report.snapshot.profile ?? {};
  const lines = [["Bio", was.bio], ["Super lover bio", was.superLoverBio], ["Location", was.location], ["Age", was.age]];
  const list = make("dl", "facts");
  for (const [name, value] of lines) if (value) list.append(make("dt", "", name), make("dd", "", String(value)));
  const box = make("div", "profile", make("h2", "", "Profile when it was reported"), photo(was.profileImageUrl, reported), list);
  if (!list.children.length) list.append(make("dd", "quiet", "Nothing but the name."));
  return box;
}

/** Photos of our own origin are shown, others only linked: this page asks nobody else for anything. */
function photo(url, reported) {
  if (!url) return null;
  const at = new URL(url, location.href);
  const isGone = reported.profileImageUrl !== url;
  if (at.origin !== location.origin || isGone) {
    const link = make("a", "quiet", isGone ? "The photo of then has been removed or changed." : "Open the photo");
    if (!isGone) Object.assign(link, { href: at.href, rel: "noreferrer", target: "_blank" });
    return link;
  }
  return Object.assign(make("img"), { src: at.href, alt: `Photo of ${reported.fullName}`, loading: "lazy" });
}

const times = (number) => ["never", "once", "twice"][number] ?? `${number} times`;

function person(side, who, report) {
  const id = side === "Reporter" ? report.reporterId : report.reportedUserId;
  const facts = [
    ["Account", `${who.status}${who.suspendedUntil ? ` until ${new Date(who.suspendedUntil).toLocaleDateString()}` : ""}`],
    ["Here for", ago(who.createdAt).textContent.replace(" ago", "")],
    ["Reported", `${times(who.reportsAbout)}, ${who.reportsOpen} open`],
    ["Warned", times(who.warnings)],
    ["Shut out", times(who.exclusions)],
    ["Has reported", `${times(who.reportsMade)}, ${who.reportsMadeInVain} dismissed`],
    ["Coins", String(who.coins)],
    ["Phone", who.phone ?? "none"],
    ["Id", short(id)],
  ];
  const list = make("dl", "facts");
  for (const [name, value] of facts) list.append(make("dt", "", name), make("dd", "", value));
  const box = make("section", "person", make("h2", "", `${side}: ${who.fullName}, ${who.age}`), list);
  box.dataset.testid = side.toLowerCase();
  return box;
}

function messages(report, read) {
  const box = make("div", "messages");
  box.dataset.testid = "messages";
  if (!report.messageCount) {
    box.append(make("p", "quiet", "They had written nothing to each other."));
    return box;
  }
  const button = make("button", "", `Show their last ${report.messageCount} messages`);
  button.type = "button";
  button.id = "show-messages";
  button.dataset.testid = "show-messages";
  button.setAttribute("aria-keyshortcuts", "m");
  button.addEventListener("click", read);
  box.append(button, make("p", "quiet", "Reading them is written down."));
  return box;
}

/** The conversation; taken-back messages are there too, for they were sent. */
export function showMessages(report, list) {
  const items = list.map((message) => {
    const isReported = message.senderId === report.reportedUserId;
    const text = message.messageText ?? `(${message.messageType})`;
    const head = make("span", "quiet", `${isReported ? report.reportedName : report.reporterName}, `, ago(message.createdAt));
    const item = make("li", isReported ? "theirs" : "", head, make("p", "", text));
    item.dataset.testid = "message";
    return item;
  });
  const log = make("ol", "conversation", ...items);
  log.tabIndex = 0;
  log.setAttribute("aria-label", "Their last messages");
  document.querySelector("#about .messages").replaceChildren(make("h2", "", "Their last messages"), log);
}

function before(earlier) {
  if (!earlier.length) return null;
  const lines = earlier.map((one) => make("li", "", `${one.reason}, by ${one.reporterName}, `, ago(one.createdAt), " ", pill(one.action ?? one.status, one.status)));
  return make("div", "", make("h2", "", "Other reports about them"), make("ul", "earlier", ...lines));
}

function decided(report) {
  if (OPEN.includes(report.status)) return null;
  return make("p", "said", `${report.status}: ${report.action ?? "nothing"}. ${report.adminNotes ?? ""}`);
}
