// REST for one tab. Tokens live in sessionStorage, so that two tabs are two people.

/** What the server refuses, in its own words; `code` is stable, `status` 0 means that nobody answered. */
export class Refusal extends Error {
  constructor(status, answer) {
    super(answer?.message || "The server gave no reason.");
    this.status = status;
    this.code = answer?.error?.code ?? "UNKNOWN";
    this.fields = answer?.error?.fields ?? [];
    this.retryAfterMs = answer?.error?.retryAfterMs ?? null;
  }

  /** The message, with what is wrong about each field. */
  get inWords() {
    return [this.message, ...this.fields.map((field) => `${field.path}: ${field.message}`)].join(" ");
  }
}

export class Session {
  #key;
  #tokens;
  #refreshing = null;

  constructor(name) {
    this.#key = `romantic.session.${name}`;
    this.#tokens = JSON.parse(sessionStorage.getItem(this.#key) ?? "null");
  }

  get token() {
    return this.#tokens?.accessToken ?? null;
  }

  get(path) {
    return this.#send("GET", path);
  }

  /** Money moves once, however often the request is sent: every POST has a key of its own. */
  post(path, body = {}) {
    return this.#send("POST", path, body, crypto.randomUUID());
  }

  async sendCode(phoneNumber) {
    return this.post("/api/auth/send-otp", { phoneNumber });
  }

  /** Sign in with a code; true if the number has yet to register. */
  async verify(phoneNumber, otpCode) {
    const data = await this.post("/api/auth/verify-otp", { phoneNumber, otpCode });
    this.#keep(data);
    return data.isNewUser;
  }

  async register(person) {
    this.#keep(await this.post("/api/auth/register", person));
  }

  /** A new access token; many callers share one request. A refused one signs this tab out. */
  refresh() {
    this.#refreshing ??= this.#rotate().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  forget() {
    this.#tokens = null;
    sessionStorage.removeItem(this.#key);
  }

  async #rotate() {
    try {
      const refreshToken = this.#tokens?.refreshToken ?? "none";
      this.#keep(await this.#send("POST", "/api/auth/refresh", { refreshToken }, null, false));
    } catch (error) {
      if (error.status >= 400 && error.status < 429) this.forget();
      throw error;
    }
  }

  #keep({ accessToken, refreshToken }) {
    this.#tokens = { accessToken, refreshToken };
    sessionStorage.setItem(this.#key, JSON.stringify(this.#tokens));
  }

  async #send(method, path, body, key, mayRefresh = true) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    let response;
    try {
      response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    } catch {
      throw new Refusal(0, { message: "The server does not answer. Is it running?" });
    }
    if (response.status === 401 && this.token && mayRefresh) {
      await this.refresh();
      return this.#send(method, path, body, key, false);
    }
    const answer = await response.json().catch(() => null);
    if (!response.ok) throw new Refusal(response.status, answer);
    return answer.data ?? {};
  }
}
