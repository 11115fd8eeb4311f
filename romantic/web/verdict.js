// The word above all steps of the connection check: the worst of them decides, and says what to do first.

/** {state, title, words} of all steps; without UDP a relay carries the call. `figures` are the server's, if it has any. */
export function judge(results, figures) {
  const of = (id) => results.find((one) => one.id === id);
  const isRelayed = of("relay").state === "ok";
  const failed = results.filter(({ id, state }) => state === "fail" && !(id === "udp" && isRelayed));
  const weak = results.filter(({ state }) => state === "warn");
  const say = ({ title, words, advice }) => `${title}: ${words} ${advice}`;
  if (failed.length) return { state: "fail", title: "Something stands in the way of calls", words: say(failed[0]) };
  if (isRelayed && of("udp").state === "fail") {
    return { state: "warn", title: "Calls work from here by the relay", words: say(of("udp")) };
  }
  if (weak.length === 1 && weak[0].id === "network" && figures?.verdict === "inconclusive") {
    return { state: "warn", title: "Calls probably work from here", words: say(weak[0]) };
  }
  if (weak.length) return { state: "warn", title: "Calls work from here, with limits", words: say(weak[0]) };
  return { state: "ok", title: "Calls work from here", words: "Every step that could be tried works." };
}
