/**
 * Signing in: OpenID Connect's authorization code flow with PKCE (RFC 7636), and what a token says.
 *
 * The first time the page goes to the issuer and comes back. When a token has expired in the middle
 * of work, the issuer is opened in a window of its own, so that nothing typed is lost.
 */

const CHANNEL = "signed-in";
const KEPT = "session";
const ASKED = "sign-in";
/** Before a token ends, so that no request is under way with one that has. */
const SPARE_SECONDS = 5;

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const randomText = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

const challengeOf = async (verifier) =>
  base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));

/** What a token claims. It is the API that checks it; the page only shows what it is good for. */
export function claimsOf(token) {
  const part = token.split(".")[1] ?? "";
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Who is signed in, and what they may do. */
export class Session {
  /**
   * @param {{issuer: string, clientId: string, scope: string, scopePrefix: string}} config
   * @param {Storage} storage is the tab's own: another tab is another session
   */
  constructor(config, storage = sessionStorage) {
    this.config = config;
    this.storage = storage;
    this.token = storage.getItem(KEPT);
    this.claims = this.token === null ? {} : claimsOf(this.token);
    /** Told when the token has ended or there is a new one. */
    this.listeners = new Set();
    this.isExpired = false;
    this.renewal = null;
  }

  get isSignedIn() {
    return this.token !== null;
  }

  /** The one customer whose orders are seen; null: everybody's. */
  get customerId() {
    return this.may("operate") ? null : (this.claims.customer_id ?? null);
  }

  get name() {
    return this.claims.customer_id ?? this.claims.sub ?? "";
  }

  /** Whether the token has a scope: read, write, sell or operate. */
  may(...scopes) {
    const given = new Set((this.claims.scope ?? "").split(" "));
    return scopes.some((scope) => given.has(`${this.config.scopePrefix}orders:${scope}`));
  }

  /** Return a token that is valid, after signing in anew if need be. */
  async accessToken() {
    const left = (this.claims.exp ?? 0) - Date.now() / 1000;
    if (this.isExpired || left < SPARE_SECONDS) await this.expired();
    return this.token;
  }

  /** Wait until somebody has signed in again; everything that asks for a token waits for it. */
  expired() {
    this.isExpired = true;
    this.renewal ??= new Promise((resolve) => {
      this.renewed = resolve;
    });
    this.#tell();
    return this.renewal;
  }

  /** Go to the issuer, and come back to where the page is now. */
  async signIn() {
    location.assign(await this.#authorizationUrl(location.hash));
  }

  /** Sign in again in another window; the page stays as it is. */
  async signInBeside() {
    // Opened at once: a window that is opened later would be taken for an unwanted one.
    const beside = open("", "sign-in", "popup,width=480,height=640");
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = async ({ data }) => {
      channel.close();
      await this.#exchange(data);
    };
    if (beside === null) await this.signIn();
    else beside.location = await this.#authorizationUrl("", "beside");
  }

  /** Forget the token, and everything that was kept for the session. */
  signOut() {
    this.storage.clear();
    location.assign(location.pathname);
  }

  /**
   * Take what the issuer has sent back, if it has: at the begin of the page.
   *
   * @returns {Promise<boolean>} whether this window was opened only to sign in
   * @throws {Error} the issuer has refused, or the answer is not to what was asked
   */
  async takeAnswer() {
    const answer = new URLSearchParams(location.search);
    if (!answer.has("state")) return false;
    const [how, state] = answer.get("state").split(".");
    if (how === "beside") {
      const channel = new BroadcastChannel(CHANNEL);
      channel.postMessage({ state, code: answer.get("code"), error: answer.get("error") });
      channel.close();
      close();
      return true;
    }
    const asked = JSON.parse(this.storage.getItem(ASKED) ?? "{}");
    history.replaceState(null, "", location.pathname + (asked.hash ?? ""));
    await this.#exchange({ state, code: answer.get("code"), error: answer.get("error") });
    return false;
  }

  async #authorizationUrl(hash, how = "here") {
    const { authorization_endpoint } = await this.#discover();
    const asked = { state: randomText(), verifier: randomText(), hash };
    this.storage.setItem(ASKED, JSON.stringify(asked));
    const query = new URLSearchParams({
      response_type: "code",
      client_id: this.config.clientId,
      redirect_uri: location.origin + location.pathname,
      scope: this.config.scope,
      state: `${how}.${asked.state}`,
      code_challenge: await challengeOf(asked.verifier),
      code_challenge_method: "S256",
    });
    return `${authorization_endpoint}?${query}`;
  }

  async #exchange({ state, code, error }) {
    const asked = JSON.parse(this.storage.getItem(ASKED) ?? "{}");
    this.storage.removeItem(ASKED);
    if (error) throw new Error(`Signing in was refused: ${error}.`);
    if (!code || state !== asked.state) throw new Error("This is no answer to a sign-in of this page.");
    const { token_endpoint } = await this.#discover();
    const response = await fetch(token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        client_id: this.config.clientId,
        redirect_uri: location.origin + location.pathname,
        code,
        code_verifier: asked.verifier,
      }),
    });
    if (!response.ok) throw new Error(`The issuer answered ${response.status}. Sign in again.`);
    this.token = (await response.json()).access_token;
    this.claims = claimsOf(this.token);
    this.storage.setItem(KEPT, this.token);
    this.isExpired = false;
    this.renewal = null;
    this.renewed?.();
    this.#tell();
  }

  async #discover() {
    const response = await fetch(`${this.config.issuer}/.well-known/openid-configuration`);
    if (!response.ok) throw new Error(`The issuer answered ${response.status}.`);
    return response.json();
  }

  #tell() {
    for (const listener of this.listeners) listener();
  }
}
