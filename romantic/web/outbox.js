// The outbox: asks once a second, newest first; a click copies the code.

const ASK_MS = 1000;
const list = document.getElementById("messages");
let shown = "";

async function show() {
  const answer = await fetch("/dev/outbox.json").catch(() => null);
  document.getElementById("away").hidden = Boolean(answer?.ok);
  if (!answer?.ok) return;
  const { messages } = (await answer.json()).data;
  const now = JSON.stringify(messages);
  if (now === shown) return; // leave the focus where it is
  shown = now;
  document.getElementById("none").hidden = messages.length > 0;
  list.replaceChildren(...messages.map(card));
}

function card({ to, at, channel, platform, code, subject, text }) {
  const item = make("li", "card", "");
  const about = make("div", "", "");
  const when = make("span", "when quiet", `${[channel, platform].filter(Boolean).join(", ")}, ${new Date(at).toLocaleTimeString()}`);
  about.append(make("span", "to", to), when);
  if (!code) {
    about.append(make("strong", "", subject), make("p", "text", text));
    item.append(about);
    return item;
  }
  const button = make("button", "", code);
  button.title = "Copy the code";
  button.dataset.testid = "code";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code);
    when.textContent = "copied";
  });
  item.append(about, button);
  return item;
}

function make(name, className, text) {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

async function showMoods(answer) {
  if (!answer.ok) return;
  const { moods, choices } = (await answer.json()).data;
  document.getElementById("moods").replaceChildren(...Object.entries(moods).map(([provider, mood]) => {
    const label = make("label", "", provider);
    const select = make("select", "", "");
    select.append(...choices.map((choice) => new Option(choice, choice, false, choice === mood)));
    select.dataset.testid = `mood-${provider}`;
    select.addEventListener("change", () => fetch(`/dev/moods/${provider}/${select.value}`, { method: "PUT" }));
    label.append(select);
    return label;
  }));
}

fetch("/dev/moods.json").then(showMoods);
show();
setInterval(show, ASK_MS);
