// What is said to whoever moderates: done, refused, or that the session is over.

import { Refusal } from "/admin/admin_api.js";
import { find } from "/admin/admin_tables.js";

let over = () => {};

/** Called with a sentence when the server no longer knows the session. */
export function whenOver(act) {
  over = act;
}

export function say(text) {
  find("said").textContent = text;
  find("said").hidden = !text;
  find("failed").hidden = true;
}

function complain(error) {
  if (!(error instanceof Refusal)) throw error;
  const isInside = find("sign-in").hidden;
  if (error.status === 401 && isInside) return over("Your fifteen minutes are over. Sign in again.");
  find("failed").textContent = error.inWords;
  find("failed").hidden = false;
  find("said").hidden = true;
}

/** The same act, whose refusals are said. */
export const trying = (act) => async (...given) => {
  try {
    return await act(...given);
  } catch (error) {
    return complain(error);
  }
};
