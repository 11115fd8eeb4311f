// The moderators' endpoints. The token lives in this module and nowhere else: a reload signs out.

/** What the server refuses, in its own words; `status` 0 means that nobody answered. */
export class Refusal extends Error {
  constructor(status, answer) {
    super(answer?.message || "The server does not answer.");
    this.status = status;
    this.code = answer?.error?.code ?? "UNKNOWN";
    this.fields = answer?.error?.fields ?? [];
  }

  /** The message, with what is wrong about each field. */
  get inWords() {
    return [this.message, ...this.fields.map((field) => `${field.path}: ${field.message}`)].join(" ");
  }
}

let token = null;

export function isSignedIn() {
  return token !== null;
}

export async function sendCode(phoneNumber) {
  await send("POST", "/api/auth/send-otp", { phoneNumber });
}

/** The role of whoever signed in. */
export async function signIn(phoneNumber, otpCode) {
  const data = await send("POST", "/api/admin/auth/login", { phoneNumber, otpCode });
  token = data.accessToken;
  return data.role;
}

export async function signOut() {
  try {
    if (token) await send("POST", "/api/admin/auth/logout");
  } finally {
    token = null;
  }
}

/** `path` below /api/admin; `query` without its empty values. */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== "");
  const text = new URLSearchParams(given).toString();
  return send("GET", `/api/admin${path}${text && `?${text}`}`);
}

export function put(path, body) {
  return send("PUT", `/api/admin${path}`, body);
}

async function send(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (token) headers.Authorization = `Bearer ${token}`;
  const request = { method, headers, body: body && JSON.stringify(body), cache: "no-store" };
  const response = await fetch(path, request).catch(() => null);
  if (!response) throw new Refusal(0, null);
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    if (response.status === 401) token = null;
    throw new Refusal(response.status, answer);
  }
  return answer.data ?? {};
}
