// Signing in by the real API: a fixed code for the seeded people, the outbox's code for anybody else.

import { complain, show } from "/web/view.js";

const TRIES = 3;

/** The profile of whoever this tab is: `person` is a seeded one with a code, or null for a form. */
export async function signIn(session, person) {
  const known = session.token ? await profile(session) : null;
  if (known) return known;
  if (person?.code) await byFixedCode(session, person);
  else await byForm(session);
  return session.get("/api/auth/profile");
}

async function profile(session) {
  try {
    return await session.get("/api/auth/profile");
  } catch (error) {
    if (error.status === 0 || error.status >= 429) throw error;
    session.forget();
    return null;
  }
}

/** Only the newest code of a number counts, and another tab may just have asked for one. */
async function byFixedCode(session, { phoneNumber, code }) {
  for (let attempt = 1; ; attempt += 1) {
    await session.sendCode(phoneNumber);
    try {
      return await session.verify(phoneNumber, code);
    } catch (error) {
      if (error.code !== "OTP_INVALID" || attempt === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
    }
  }
}

async function byForm(session) {
  show("signing-in");
  const { phoneNumber } = await step("ask-code", ({ phoneNumber }) => session.sendCode(phoneNumber));
  let isNew = false;
  await step("give-code", async ({ otpCode }) => (isNew = await session.verify(phoneNumber, otpCode)));
  if (!isNew) return;
  await step("register", (person) => session.register({ ...person, age: Number(person.age), phoneNumber }));
}

/** Show one form until what it asks for has worked; resolves with its values. */
function step(id, send) {
  const form = document.getElementById(id);
  form.hidden = false;
  form.querySelector("input").focus();
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(form));
      const button = form.querySelector("button");
      button.disabled = true;
      try {
        await send(values);
        complain();
        form.hidden = true;
        resolve(values);
      } catch (error) {
        complain(error);
      } finally {
        button.disabled = false;
      }
    };
  });
}
