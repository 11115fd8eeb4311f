// The report of a connection check, for whoever helps: words and figures, and nobody's whole address.

import { duration, STATES } from "/web/ladder.js";

const IPV4 = /(?<![\d./])(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}(?![\d.])/g;
const IPV6 = /(?<![\w:])((?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4})(?![\w:])/gi;

/** Cut to the network: /24 and /48. */
export function withoutAddresses(text) {
  const network = (whole) => whole.split("::")[0].split(":").slice(0, 3).join(":");
  return text.replace(IPV4, "$1.x").replace(IPV6, (whole) => `${network(whole)}::x`);
}

export function report({ verdict, results, notes, at }) {
  const lines = results.map(({ title, state, words, advice, ms }) => {
    const time = ms === null || state === "skip" ? "" : ` (${duration(ms)})`;
    return `${STATES[state][0] || " "} ${title}: ${STATES[state][1]}${time}. ${words}${advice ? `\n    What to do: ${advice}` : ""}`;
  });
  const kinds = (notes.candidates ?? []).map(({ kind, protocol, address }) => `${kind}/${protocol} ${hidden(address)}`);
  const rest = [
    `Probe: ${notes.probeId ?? "none"}`,
    `Figures: ${notes.figures ? JSON.stringify(notes.figures) : "none"}`,
    `Candidates: ${kinds.join(", ") || "none"}`,
    `Browser: ${navigator.userAgent}`,
  ];
  const sum = verdict.words ? `${verdict.title}: ${verdict.words}` : verdict.title;
  const head = [`Romantic connection check of ${location.host}, ${at.toISOString()}`, sum];
  return withoutAddresses([...head, "", ...lines, "", ...rest].join("\n"));
}

const hidden = (address) => (address.endsWith(".local") ? "a hidden address" : address);
