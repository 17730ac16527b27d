// An order on the screen and its pending changes, with a service that answers when it is told to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem, Unreachable } from "../../infra/web/desk/api.js";
import { Connection, LiveList, LiveOrder } from "../../infra/web/desk/live.js";

const ORDER = {
  order_id: "o1",
  version: 3,
  currency: "EUR",
  status: "placed",
  confirmed_at: null,
  notes: [],
  lines: [{ line_id: 1, ordered: 2, cancelled: 0, shipped: 0 }],
};
const FRESH = { readModel: "order_details", age: 0, receivedAt: 0, isStale: false, parked: 0 };

const soon = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A client of which each command waits for its answer, and that is fed with the order's versions. */
function world(kept = new Map()) {
  const commands = [];
  const api = {
    command: (method, path, options) =>
      new Promise((resolve, reject) => {
        commands.push({ method, path, ...options, accept: resolve, refuse: reject });
      }),
    follow: async (path, { onAnswer, signal }) => {
      api.feed = (body) => onAnswer({ body, freshness: FRESH });
      await new Promise((resolve, reject) => {
        api.failWith = reject;
        signal.addEventListener("abort", resolve);
      });
    },
    query: async (path) => ({ body: api.answers[path], freshness: FRESH }),
    answers: {},
  };
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  const connection = new Connection();
  const live = new LiveOrder({ api, connection, storage }, "o1");
  live.start();
  return { api, commands, live, kept, connection };
}

const problem = (status, body = {}) => new Problem(status, body, new Headers());

test("a change is on the screen at once, and settled when the order has it", async () => {
  const { api, commands, live } = world();
  api.feed(ORDER);
  live.change("change_line_quantity", { quantity: "5" }, 1, "k1");
  await soon();
  assert.equal(live.order.lines[0].ordered, 2);
  assert.equal(live.shown.lines[0].ordered, 5);
  assert.equal(live.pending[0].state, "sending");
  const [{ method, path, ifVersion, key, body }] = commands;
  assert.deepEqual([method, path, ifVersion, key], ["PUT", "/orders/o1/lines/1/quantity", 3, "k1"]);
  assert.deepEqual(body, { quantity: 5 });
  commands[0].accept({ version: 4 });
  await soon();
  assert.equal(live.pending[0].state, "accepted");
  api.feed(null); // the same, only younger
  assert.equal(live.pending.length, 1);
  api.feed({ ...ORDER, version: 4, lines: [{ ...ORDER.lines[0], ordered: 5 }] });
  assert.deepEqual(live.pending, []);
  assert.equal(live.shown, live.order);
});

test("an answer may be behind the order that is shown already", async () => {
  const { api, commands, live } = world();
  api.feed(ORDER);
  live.change("confirm_order", {}, null, "k1");
  await soon();
  api.feed({ ...ORDER, version: 4, status: "confirmed" });
  commands[0].accept({ version: 4 });
  await soon();
  assert.deepEqual(live.pending, []);
  api.feed(ORDER); // of an older answer
  assert.equal(live.order.version, 4);
});

test("what is refused is taken back, with the reason", async () => {
  const { api, commands, live } = world();
  api.feed(ORDER);
  live.change("confirm_order", {}, null, "k1");
  await soon();
  assert.equal(live.shown.status, "confirmed");
  commands[0].refuse(problem(409, { detail: "no" }));
  await soon();
  assert.equal(live.shown.status, "placed");
  assert.deepEqual(live.refused.map(({ label, error }) => [label, error.message]), [["Confirm order", "no"]]);
  live.read(live.refused[0]);
  assert.deepEqual(live.refused, []);
});

test("wrong fields are the form's", async () => {
  const { api, commands, live } = world();
  api.feed(ORDER);
  const change = live.change("add_note", { text: "" }, null, "k1");
  await soon();
  commands[0].refuse(problem(422, { errors: [{ pointer: "/text", detail: "is empty" }] }));
  await assert.rejects(change, (error) => error.errors.length === 1);
  assert.deepEqual([live.pending, live.refused], [[], []]);
});

test("changes are sent one after the other, each for what the one before has made", async () => {
  const { api, commands, live } = world();
  api.feed(ORDER);
  live.change("add_note", { text: "a" }, null, "k1");
  live.change("add_note", { text: "b" }, null, "k2");
  live.change("add_note", { text: "b" }, null, "k2"); // a double click
  await soon();
  assert.equal(commands.length, 1);
  assert.deepEqual(live.shown.notes.map((note) => note.text), ["a", "b"]);
  commands[0].accept({ version: 4 });
  await soon();
  assert.equal(commands.length, 2);
  assert.equal(commands[1].ifVersion, 4);
});

test("one that fails does not keep the next from being sent", async () => {
  const { api, commands, live } = world();
  api.feed(ORDER);
  live.change("add_note", { text: "a" }, null, "k1");
  live.change("add_note", { text: "b" }, null, "k2");
  await soon();
  commands[0].refuse(new Unreachable(new Error("x")));
  await soon();
  assert.equal(commands.length, 2);
  assert.equal(live.refused.length, 1);
});

test("on another's change the user is told what happened, and decides", async () => {
  const { api, commands, live } = world();
  api.feed(ORDER);
  api.answers["/orders/o1/history"] = { items: [{ version: 3 }, { version: 4 }, { version: 5 }], next_cursor: null };
  live.change("confirm_order", {}, null, "k1");
  await soon();
  commands[0].refuse(problem(412, { current_version: 5 }));
  await soon();
  await soon();
  const [entry] = live.pending;
  assert.equal(entry.state, "conflict");
  assert.deepEqual(entry.meanwhile.map((event) => event.version), [4, 5]);
  assert.equal(live.shown.status, "placed");
  live.decide(entry, true);
  await soon();
  assert.equal(commands.length, 2);
  assert.equal(commands[1].ifVersion, 5); // of which the user was told, though the order is behind
  assert.notEqual(commands[1].key, "k1");
  commands[1].refuse(problem(412, { current_version: 6 }));
  await soon();
  await soon();
  live.decide(live.pending[0], false);
  assert.deepEqual(live.pending, []);
});

test("what was sent before a reload is sent again, with the same key and version", async () => {
  const first = world();
  first.api.feed(ORDER);
  first.live.change("authorize_payment", { payment_id: "p", method: "card", amount: "1.00" }, null, "k1");
  await soon();
  const { api, commands, live, kept } = world(first.kept);
  await soon();
  assert.deepEqual([commands[0].key, commands[0].ifVersion], ["k1", 3]);
  assert.deepEqual(commands[0].body.amount, { amount: "1.00", currency: "EUR" });
  commands[0].accept({ version: 4 });
  await soon();
  api.feed({ ...ORDER, version: 4 });
  assert.deepEqual([live.pending, kept.size], [[], 0]);
});

test("what is pending for a part that is gone spoils nothing", async () => {
  const { api, live } = world();
  api.feed(ORDER);
  live.change("change_line_quantity", { quantity: "5" }, 1, "k1");
  api.feed({ ...ORDER, version: 4, lines: [] });
  assert.deepEqual(live.shown.lines, []);
});

test("what may not be seen is a problem, and trouble is said as long as it lasts", async () => {
  const { api, live, connection } = world();
  connection.of(live)({ reason: new Unreachable(), retryAt: 5 });
  assert.equal(connection.trouble.retryAt, 5);
  api.failWith(problem(404, { detail: "not there" }));
  await soon();
  assert.equal(live.problem.message, "not there");
  assert.equal(connection.trouble, null);
});

test("a list goes on where it ended, and keeps what it has when the service fails", async () => {
  const asked = [];
  const pages = [
    { items: [1, 2], next_cursor: "c" },
    { items: [3], next_cursor: null },
  ];
  const api = {
    query: async (_, { parameters }) => {
      asked.push(parameters.cursor);
      const body = pages.shift();
      if (body === undefined) throw problem(503);
      return { body, freshness: FRESH };
    },
  };
  const list = new LiveList({ api, connection: new Connection() }, "/orders", { q: "x" });
  await list.load();
  await list.more();
  await list.more();
  assert.deepEqual([list.items, list.next, asked], [[1, 2, 3], null, [null, "c"]]);
  await list.load();
  assert.equal(list.problem.status, 503);
  assert.deepEqual(list.items, [1, 2, 3]);
  list.stop();
});
