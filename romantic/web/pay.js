// The pay page: asks once a second, newest first; /dev/pay/{intent} shows one of them.

const ASK_MS = 1000;
const list = document.getElementById("intents");
const wanted = location.pathname.split("/")[3];
let shown = "";

async function show() {
  const answer = await fetch("/dev/pay.json").catch(() => null);
  document.getElementById("away").hidden = Boolean(answer?.ok);
  if (!answer?.ok) return;
  const intents = (await answer.json()).data.intents.filter(({ id }) => !wanted || id === wanted);
  const now = JSON.stringify(intents);
  if (now === shown) return; // leave the focus where it is
  shown = now;
  document.getElementById("none").hidden = intents.length > 0;
  list.replaceChildren(...intents.map(card));
}

function card({ id, amount, currency, state, createdAt }) {
  const item = make("li", "card", "");
  const about = make("div", "", "");
  const when = new Date(createdAt * 1000).toLocaleTimeString();
  about.append(make("span", "to", price(amount, currency)), make("span", "when quiet", `${state}, ${when}`));
  item.append(about);
  item.dataset.state = state;
  if (state !== "paid") item.append(button(id, "pay", "Pay", "good"), button(id, "decline", "Decline", "bad"));
  return item;
}

function button(id, action, text, className) {
  const made = make("button", className, text);
  made.dataset.testid = action;
  made.addEventListener("click", async () => {
    made.disabled = true;
    await fetch(`/dev/pay/${id}/${action}`, { method: "POST" }).catch(() => null);
    made.disabled = false;
    await show();
  });
  return made;
}

function price(amount, currency) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

function make(name, className, text) {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

show();
setInterval(show, ASK_MS);
