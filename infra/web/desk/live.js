/**
 * What is on the screen, kept up to date: an order that is followed and changed, and lists.
 *
 * An order on the screen is the last one that the service has answered, with the session's own changes
 * that it does not have yet. Those are pending: sent, accepted, or in conflict with another's change.
 * What is refused is taken back.
 */

import { Problem } from "./api.js";
import { commandNamed } from "./commands.js";

/** Tells whoever shows it that something has changed. */
class Shown {
  #listeners = new Set();

  /** Call `listener` at each change; return what ends that. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed() {
    for (const listener of this.#listeners) listener();
  }
}

/** Whether the service can be reached, as the page says it at its top. */
export class Connection extends Shown {
  /** @type {Map<object, {reason: Error, retryAt: number}>} who waits, and for what */
  #waiting = new Map();

  /** Return what to give the client as `onWaiting`, for one that asks. */
  of(asker) {
    return (waiting) => {
      if (waiting === null) this.#waiting.delete(asker);
      else this.#waiting.set(asker, waiting);
      this.changed();
    };
  }

  /** Why something waits, and until when; null: nothing does. */
  get trouble() {
    return [...this.#waiting.values()].at(-1) ?? null;
  }
}

const keptAs = (orderId) => `outgoing ${orderId}`;

/** One order, followed and changed. */
export class LiveOrder extends Shown {
  order = null;
  freshness = null;
  /** Why there is no order to show. */
  problem = null;
  /** Own changes that the order does not have yet, in the order in which they were made. */
  pending = [];
  /** Own changes that were refused, until the user has read why. */
  refused = [];
  #ended = new AbortController();
  #last = Promise.resolve();
  /** What the session's last command has made of it. */
  #ownVersion = 0;

  constructor({ api, connection, storage = sessionStorage }, orderId) {
    super();
    Object.assign(this, { api, connection, storage, orderId });
    this.path = `/orders/${encodeURIComponent(orderId)}`;
  }

  /** Follow it; what was sent before the page was loaded anew is sent again, and happens once. */
  start() {
    for (const entry of this.#kept()) this.#queue(entry).catch(() => {});
    const signal = this.#ended.signal;
    this.api
      .follow(this.path, {
        signal,
        onAnswer: (answer) => this.#take(answer),
        onWaiting: this.connection.of(this),
      })
      .catch((error) => {
        if (signal.aborted) return;
        this.connection.of(this)(null);
        this.problem = error;
        this.changed();
      });
  }

  stop() {
    this.#ended.abort();
    this.connection.of(this)(null);
  }

  /** The order with the pending changes. */
  get shown() {
    if (this.order === null || this.pending.length === 0) return this.order;
    const copy = structuredClone(this.order);
    for (const { name, values, part, state } of this.pending) {
      if (state === "conflict") continue;
      try {
        commandNamed(name).optimistic?.(copy, values, part);
      } catch {
        // What it changes is gone: another's change was first. The answer will say so.
      }
    }
    return copy;
  }

  /**
   * Change it: at once on the screen, and by a command.
   *
   * @param {string} name of the command
   * @param {any} values of its form
   * @param {any} part of the order, by its id
   * @param {string} key names this wish: sent twice, it happens once
   * @throws {Problem} it was refused because of its fields, which the form shows
   */
  change(name, values, part, key) {
    if (this.pending.some((entry) => entry.key === key)) return Promise.resolve();
    return this.#queue({ key, name, values, part, seen: this.order.version, state: "sending" });
  }

  /** After another's change: do it all the same, or leave it. */
  decide(entry, isToBeDone) {
    this.#drop(entry);
    if (!isToBeDone) return this.changed();
    // The user has been told of that version, also where the read model does not have it yet.
    const seen = Math.max(this.order.version, entry.current ?? 0);
    const anew = { ...entry, key: crypto.randomUUID(), seen, state: "sending" };
    return this.#queue(anew).catch(() => {});
  }

  /** Forget a refusal that was read. */
  read(refusal) {
    this.refused = this.refused.filter((each) => each !== refusal);
    this.changed();
  }

  #queue(entry) {
    this.pending.push(entry);
    this.#keep();
    this.changed();
    // One after the other: each is meant for what the ones before have made of the order.
    const sent = this.#last.then(() => this.#send(entry));
    this.#last = sent.catch(() => {});
    return sent;
  }

  async #send(entry) {
    const command = commandNamed(entry.name);
    const [method, path] = command.route;
    entry.seen = Math.max(entry.seen, this.#ownVersion);
    this.#keep();
    try {
      const answer = await this.api.command(method, this.path + path(entry.part), {
        body: command.body?.(entry.values, this.order ?? entry.order, entry.part) ?? null,
        ifVersion: entry.seen,
        key: entry.key,
        onWaiting: this.connection.of(entry),
      });
      this.#ownVersion = answer.version;
      Object.assign(entry, { state: "accepted", version: answer.version });
      this.#settle();
    } catch (error) {
      this.connection.of(entry)(null);
      await this.#refuse(entry, command, error);
    } finally {
      this.#keep();
      this.changed();
    }
  }

  async #refuse(entry, command, error) {
    if (error instanceof Problem && error.status === 412) {
      const meanwhile = await this.#since(entry.seen);
      Object.assign(entry, { state: "conflict", meanwhile, current: error.currentVersion });
      return;
    }
    this.#drop(entry);
    if (error instanceof Problem && error.errors.length > 0) throw error;
    this.refused.push({ label: command.label, error, entry });
  }

  /** Return what has happened to the order since a version that the user has seen. */
  async #since(version) {
    try {
      const events = [];
      let cursor = null;
      do {
        const { body } = await this.api.query(`${this.path}/history`, {
          parameters: { limit: 100, cursor },
          wait: 2,
          patience: 10_000,
        });
        events.push(...body.items.filter((item) => item.version > version));
        cursor = body.next_cursor;
      } while (cursor !== null);
      return events;
    } catch {
      return []; // that it has changed is said all the same
    }
  }

  #take({ body, freshness }) {
    if (body !== null) {
      // An answer that comes from an older connection must not take anything back.
      if (this.order === null || body.version >= this.order.version) this.order = body;
    }
    this.freshness = freshness;
    this.problem = null;
    this.#settle();
    this.changed();
  }

  /** Forget pending changes that the order has. */
  #settle() {
    const has = (entry) => entry.state === "accepted" && entry.version <= (this.order?.version ?? 0);
    this.pending = this.pending.filter((entry) => !has(entry));
  }

  #drop(entry) {
    this.pending = this.pending.filter((each) => each !== entry);
    this.#keep();
  }

  #keep() {
    const unanswered = this.pending.filter((entry) => entry.state === "sending");
    if (unanswered.length === 0) {
      this.storage.removeItem(keptAs(this.orderId));
    } else {
      const order = this.order && { currency: this.order.currency };
      const kept = unanswered.map((entry) => ({ ...entry, order: entry.order ?? order }));
      this.storage.setItem(keptAs(this.orderId), JSON.stringify(kept));
    }
  }

  #kept() {
    try {
      return JSON.parse(this.storage.getItem(keptAs(this.orderId)) ?? "[]");
    } catch {
      return [];
    }
  }
}

/** Days of sales go on from a day, other lists by a cursor. */
function nextOf({ next_cursor: cursor, next_from: from }) {
  if (cursor) return { cursor };
  return from ? { from } : null;
}

/** A list that is read page by page, or an answer without pages. */
export class LiveList extends Shown {
  items = [];
  /** The whole first answer, for what it has besides items. */
  body = null;
  freshness = null;
  problem = null;
  isLoading = false;
  /** Whether there is more than the first page. */
  isContinued = false;
  /** What asks for the next page; null: there is none. */
  next = null;
  #ended = new AbortController();

  /**
   * @param {object} context
   * @param {string} path
   * @param {Record<string, any>} parameters
   */
  constructor({ api, connection }, path, parameters = {}) {
    super();
    Object.assign(this, { api, connection, path, parameters });
  }

  /** Read it from its begin; what is shown stays until the answer is there. */
  async load() {
    await this.#read({ cursor: null }, (body) => {
      this.body = body;
      this.items = body.items ?? [];
      this.isContinued = false;
    });
  }

  /** Read all of it. */
  async loadAll() {
    await this.load();
    while (this.next !== null && this.problem === null) await this.more();
  }

  /** Read one more page. */
  async more() {
    if (this.next === null || this.isLoading) return;
    await this.#read(this.next, (body) => {
      this.items = [...this.items, ...body.items];
      this.isContinued = true;
    });
  }

  stop() {
    this.#ended.abort();
    this.connection.of(this)(null);
  }

  async #read(place, take) {
    this.isLoading = true;
    this.changed();
    try {
      const { body, freshness } = await this.api.query(this.path, {
        parameters: { ...this.parameters, ...place },
        wait: 2,
        patience: Number.POSITIVE_INFINITY,
        signal: this.#ended.signal,
        onWaiting: this.connection.of(this),
      });
      take(body);
      this.next = nextOf(body);
      this.freshness = freshness;
      this.problem = null;
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.connection.of(this)(null);
      this.problem = error;
    } finally {
      this.isLoading = false;
      this.changed();
    }
  }
}
