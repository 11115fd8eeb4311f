"use strict";

const body = document.getElementById("messages");

async function show() {
  const answer = await fetch("/dev/outbox.json");
  const { data } = await answer.json();
  if (!data.messages.length) return;
  body.replaceChildren(...data.messages.map((message) => {
    const row = document.createElement("tr");
    for (const text of [message.at, message.to, message.channel, message.code]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
}

show();
setInterval(show, 1000);
