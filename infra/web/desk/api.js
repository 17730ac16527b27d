/**
 * A client of the Ordering API, for any front end: it needs `fetch` and nothing else.
 *
 * - Commands are sent with an Idempotency-Key, and again with the same one when the answer was lost
 *   or the service is busy: what was asked happens once.
 * - The tokens that commands are answered with travel with every query, so that one sees one's own
 *   changes; queries can wait for them.
 * - Every answer says how old it is.
 *
 * Times are milliseconds where nothing else is said.
 */

const RETRIED = new Set([429, 500, 502, 503, 504]);
const FIRST_DELAY = 500;
const LONGEST_DELAY = 8_000;
const TRIES_OF_A_FAULT = 3;
/** The API takes at most a hundred; orders that were changed longer ago are everywhere by now. */
const MOST_TOKENS = 50;
const LONGEST_WAIT_SECONDS = 20;

/** What the API answers where it does not do what was asked (RFC 9457). */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} body of the answer; API Gateway's own has only a `message`
   * @param {Headers} headers
   */
  constructor(status, body, headers) {
    super(body.detail ?? body.message ?? `The service answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    /** A stable name for programs, such as `version-mismatch`; empty if API Gateway answered. */
    this.code = body.code ?? "";
    this.title = body.title ?? "";
    /** Fields that are wrong, each with a JSON pointer and what is wrong there. */
    this.errors = body.errors ?? [];
    this.currentVersion = body.current_version ?? null;
    this.correlationId = body.correlation_id ?? headers.get("x-correlation-id") ?? "";
    /** Milliseconds until it may be asked again; null: the answer does not say. */
    this.retryAfter = retryAfter(headers);
  }
}

/** There was no answer: the network or the service is not there. */
export class Unreachable extends Error {
  constructor(cause) {
    super("The service cannot be reached.", { cause });
    this.name = "Unreachable";
  }
}

function retryAfter(headers) {
  const seconds = Number.parseFloat(headers.get("retry-after") ?? "");
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}

/**
 * How fresh an answer of a read model is.
 *
 * @typedef {object} Freshness
 * @property {string} readModel what answered
 * @property {number | null} age of the answer when it arrived, by the service's clock; null: unknown
 * @property {number} receivedAt by `Date.now()`
 * @property {boolean} isStale a change that a token names is not in it
 * @property {number} parked orders that could not be brought up to date
 */

/** @param {Response} response @param {number} now @returns {Freshness} */
function freshnessOf(response, now) {
  const { headers } = response;
  const asOf = Date.parse(headers.get("read-model-as-of") ?? "");
  const answered = Date.parse(headers.get("date") ?? "");
  const clock = Number.isNaN(answered) ? now : answered;
  return {
    readModel: headers.get("read-model") ?? "",
    // The Date header has whole seconds, and may be just behind the time that the answer is of.
    age: Number.isNaN(asOf) ? null : Math.max(0, clock - asOf),
    receivedAt: now,
    isStale: headers.get("read-model-stale") === "?1",
    parked: Number.parseInt(headers.get("read-model-parked") ?? "0", 10) || 0,
  };
}

/** The API as one session uses it. */
export class OrdersApi {
  /**
   * @param {object} options
   * @param {string} [options.base] where the API is, without a slash at the end
   * @param {() => string | Promise<string>} options.accessToken
   * @param {() => Promise<void>} [options.renew] gets a new token where the service takes none of the
   *   one that there is; without it that is a problem of status 401
   * @param {Storage | null} [options.storage] keeps the session's tokens over a reload
   * @param {number} [options.patience] how long a command is tried again
   * @param {typeof fetch} [options.fetch]
   * @param {(ms: number, signal?: AbortSignal) => Promise<void>} [options.sleep]
   * @param {() => number} [options.random]
   * @param {() => number} [options.now]
   */
  constructor({
    base = "",
    accessToken,
    renew = null,
    storage = null,
    patience = 60_000,
    fetch = globalThis.fetch.bind(globalThis),
    sleep = sleepFor,
    random = Math.random,
    now = Date.now,
  }) {
    Object.assign(this, { base, accessToken, renew, storage, patience, fetch, sleep, random, now });
    /** @type {Map<string, string>} the newest token of each order, the newest order last */
    this.tokens = new Map(readStored(storage));
  }

  /**
   * Ask for a change; it happens once, however often it has to be sent.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [options]
   * @param {object | null} [options.body]
   * @param {number | null} [options.ifVersion] the version that the change is meant for
   * @param {string} [options.key] names this wish; the same key never does it twice
   * @param {AbortSignal} [options.signal]
   * @param {(waiting: {reason: Error, retryAt: number} | null) => void} [options.onWaiting] is told
   *   while it waits to try again, and null when it goes on
   * @returns {Promise<{orderId: string, version: number, status: string, events: string[]}>}
   * @throws {Problem} the answer is no, or still "later" after `patience`
   * @throws {Unreachable} there is no answer, still after `patience`
   */
  async command(method, path, options = {}) {
    const { body = null, ifVersion = null, key = crypto.randomUUID(), signal } = options;
    const headers = { "idempotency-key": key };
    if (ifVersion !== null) headers["if-match"] = `"${ifVersion}"`;
    if (body !== null) headers["content-type"] = "application/json";
    const send = () =>
      this.#send(method, path, { headers, signal, body: body === null ? null : JSON.stringify(body) });
    const response = await this.#persist(send, { ...options, patience: this.patience });
    const answer = await response.json();
    const token = response.headers.get("consistency-token");
    if (token !== null) this.#remember(answer.order_id, token);
    return {
      orderId: answer.order_id,
      version: answer.version,
      status: answer.status,
      events: answer.events,
    };
  }

  /**
   * Ask a question; the answer has the session's own changes as soon as they are there.
   *
   * @param {string} path
   * @param {object} [options]
   * @param {Record<string, string | number | null | undefined>} [options.parameters] empty ones are
   *   left out
   * @param {number} [options.wait] seconds (at most 20) to wait for the session's own changes, or
   *   with `ifNoneMatch` for another's
   * @param {string | null} [options.ifNoneMatch] the entity tag that is known
   * @param {number} [options.patience] how long it is tried again; a question is soon asked anew
   * @param {AbortSignal} [options.signal]
   * @param {(waiting: {reason: Error, retryAt: number} | null) => void} [options.onWaiting]
   * @returns {Promise<{body: any, etag: string | null, freshness: Freshness}>} `body` is null if
   *   what is known has not changed
   * @throws {Problem | Unreachable} as of `command`
   */
  async query(path, options = {}) {
    const { parameters = {}, wait = 0, ifNoneMatch = null, signal } = options;
    const given = Object.entries(parameters).filter(([, value]) => (value ?? "") !== "");
    const search = new URLSearchParams(given.map(([name, value]) => [name, `${value}`]));
    const headers = {};
    if (this.tokens.size > 0) headers["consistency-token"] = [...this.tokens.values()].join(", ");
    if (wait > 0) headers.prefer = `wait=${Math.min(wait, LONGEST_WAIT_SECONDS)}`;
    if (ifNoneMatch !== null) headers["if-none-match"] = ifNoneMatch;
    const target = given.length > 0 ? `${path}?${search}` : path;
    const send = () => this.#send("GET", target, { headers, signal, cache: "no-store" });
    const response = await this.#persist(send, { patience: 0, ...options });
    return {
      body: response.status === 304 ? null : await response.json(),
      etag: response.headers.get("etag"),
      freshness: freshnessOf(response, this.now()),
    };
  }

  /**
   * Follow one thing: hand over its answer now and whenever it has changed, until the signal ends it.
   *
   * Trouble does not end it: `onWaiting` is told, and it goes on when the service is back. A thing
   * that is not there, or may not be seen, does.
   *
   * @param {string} path of a single resource, which has an ETag
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {(answer: {body: any, etag: string | null, freshness: Freshness}) => void}
   *   options.onAnswer `body` is null if it is as it was, only younger
   * @param {(waiting: {reason: Error, retryAt: number} | null) => void} [options.onWaiting]
   * @throws {Problem}
   */
  async follow(path, { signal, onAnswer, onWaiting = () => {} }) {
    let etag = null;
    while (!signal.aborted) {
      const asked = this.now();
      const answer = await this.query(path, {
        wait: etag === null ? 5 : LONGEST_WAIT_SECONDS,
        ifNoneMatch: etag,
        patience: Number.POSITIVE_INFINITY,
        signal,
        onWaiting,
      });
      const isNew = answer.body !== null;
      if (isNew) etag = answer.etag;
      onAnswer(answer);
      // No place to wait was free: asking again at once would take more than waiting.
      if (!isNew && this.now() - asked < 1_000) await this.sleep(2_000, signal);
    }
  }

  /** Keep an order's token, the newest last. */
  #remember(orderId, token) {
    this.tokens.delete(orderId);
    this.tokens.set(orderId, token);
    while (this.tokens.size > MOST_TOKENS) this.tokens.delete(this.tokens.keys().next().value);
    this.storage?.setItem("tokens", JSON.stringify([...this.tokens]));
  }

  async #send(method, path, options) {
    const headers = { ...options.headers, authorization: `Bearer ${await this.accessToken()}` };
    let response;
    try {
      response = await this.fetch(this.base + path, { ...options, method, headers });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Unreachable(error);
    }
    if (response.ok || response.status === 304) return response;
    throw new Problem(response.status, await problemBody(response), response.headers);
  }

  /** Send until there is an answer that stays the same when it is asked again. */
  async #persist(send, { patience, signal, onWaiting = () => {} }) {
    const until = this.now() + patience;
    for (let tried = 1; ; tried += 1) {
      try {
        const response = await send();
        if (tried > 1) onWaiting(null);
        return response;
      } catch (error) {
        if (signal?.aborted) throw error;
        if (error.status === 401 && this.renew !== null && tried < TRIES_OF_A_FAULT) {
          await this.renew();
          continue;
        }
        if (!isWorthRetrying(error, tried)) throw error;
        const delay = this.#delay(error, tried);
        if (this.now() + delay > until) throw error;
        onWaiting({ reason: error, retryAt: this.now() + delay });
        await this.sleep(delay, signal);
      }
    }
  }

  #delay(error, tried) {
    const backoff = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (tried - 1));
    const least = error instanceof Problem ? (error.retryAfter ?? 0) : 0;
    return least + backoff * (0.5 + this.random() / 2);
  }
}

function isWorthRetrying(error, tried) {
  if (error instanceof Unreachable) return true;
  if (!(error instanceof Problem)) return false;
  if (error.code === "request-in-progress") return true;
  if (error.code === "read-model-behind") return false;
  // A fault of the service itself may be one of this very request.
  if (error.status === 500) return tried < TRIES_OF_A_FAULT;
  return RETRIED.has(error.status);
}

async function problemBody(response) {
  try {
    return (await response.json()) ?? {};
  } catch {
    return {};
  }
}

function readStored(storage) {
  try {
    return JSON.parse(storage?.getItem("tokens") ?? "[]");
  } catch {
    return [];
  }
}

function sleepFor(ms, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, ms);
    if (signal?.aborted) end();
    signal?.addEventListener("abort", end, { once: true });
  });
}
