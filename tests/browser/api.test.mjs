// The client module alone: what it sends, what it sends again, and what it says about an answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OrdersApi, Problem, Unreachable } from "../../infra/web/desk/api.js";

const ACCEPTED = { order_id: "o1", version: 2, status: "confirmed", events: ["OrderConfirmed"] };

const answer = (status, body, headers = {}) =>
  new Response(body === null ? null : JSON.stringify(body), { status, headers });
const accepted = (changes = {}) =>
  answer(200, { ...ACCEPTED, ...changes }, { "consistency-token": `${changes.order_id ?? "o1"}:2` });

/** A service that gives its answers one by one, and a clock that only its waits move. */
function service(...answers) {
  const world = { requests: [], slept: [], now: 1_000_000, answers };
  const storage = new Map();
  world.storage = { getItem: (key) => storage.get(key) ?? null, setItem: (key, value) => storage.set(key, value) };
  world.api = new OrdersApi({
    base: "https://api.example",
    accessToken: () => "token",
    storage: world.storage,
    fetch: async (url, options) => {
      world.requests.push({ url, ...options });
      const next = world.answers.shift();
      if (next instanceof Error) throw next;
      return typeof next === "function" ? next() : next;
    },
    sleep: async (ms, signal) => {
      if (signal?.aborted) throw signal.reason;
      world.slept.push(ms);
      world.now += ms;
    },
    random: () => 1,
    now: () => world.now,
  });
  return world;
}

test("a command has a key, a version and a token, and its answer is remembered", async () => {
  const { api, requests, storage } = service(accepted(), answer(200, { items: [] }));
  const result = await api.command("POST", "/orders/o1/confirm", { ifVersion: 1 });
  assert.deepEqual(result, { orderId: "o1", version: 2, status: "confirmed", events: ["OrderConfirmed"] });
  const [{ url, method, headers, body }] = requests;
  assert.equal(`${method} ${url}`, "POST https://api.example/orders/o1/confirm");
  assert.equal(headers.authorization, "Bearer token");
  assert.equal(headers["if-match"], '"1"');
  assert.match(headers["idempotency-key"], /^[0-9a-f-]{36}$/);
  assert.equal(body, null);
  await api.query("/orders", { parameters: { q: "a b", status: "", cursor: null }, wait: 30 });
  assert.equal(requests[1].url, "https://api.example/orders?q=a+b");
  assert.equal(requests[1].headers["consistency-token"], "o1:2");
  assert.equal(requests[1].headers.prefer, "wait=20");
  assert.equal(JSON.parse(storage.getItem("tokens"))[0][1], "o1:2");
});

for (const [what, failure] of [
  ["the network fails", new TypeError("failed")],
  ["the service is away", () => answer(503, { code: "service-unavailable" })],
  ["it is busy", () => answer(429, { message: "Too Many Requests" })],
  ["the first try is still running", () => answer(409, { code: "request-in-progress" })],
  ["it has a fault", () => answer(500, { code: "internal-error" })],
]) {
  test(`when ${what}, the same is sent again with the same key`, async () => {
    const waits = [];
    const { api, requests, slept } = service(failure, failure, accepted());
    const result = await api.command("POST", "/orders/o1/notes", {
      body: { text: "x" },
      onWaiting: (waiting) => waits.push(waiting && waiting.reason.name),
    });
    assert.equal(result.version, 2);
    assert.equal(requests.length, 3);
    assert.equal(new Set(requests.map((each) => each.headers["idempotency-key"])).size, 1);
    assert.equal(new Set(requests.map((each) => each.body)).size, 1);
    assert.deepEqual(slept, [500, 1_000]);
    assert.equal(waits.at(-1), null);
    assert.equal(waits.length, 3);
  });
}

test("it is not asked again before the time that the service names", async () => {
  const busy = () => answer(429, {}, { "retry-after": "7" });
  const { api, slept } = service(busy, accepted());
  await api.command("POST", "/orders/o1/confirm");
  assert.ok(slept[0] >= 7_000);
});

test("what is refused is not sent again", async () => {
  const errors = [{ pointer: "/quantity", detail: "is too large" }];
  for (const [status, code] of [
    [409, "order-already-confirmed"],
    [412, "version-mismatch"],
    [422, "invalid-request"],
    [403, ""],
    [404, "order-not-found"],
  ]) {
    const body = { code, detail: "no", errors, current_version: 5, correlation_id: "c" };
    const { api, requests } = service(answer(status, body));
    await assert.rejects(api.command("POST", "/orders/o1/confirm"), (problem) => {
      assert.ok(problem instanceof Problem);
      assert.deepEqual(
        [problem.status, problem.code, problem.message, problem.errors, problem.currentVersion, problem.correlationId],
        [status, code, "no", errors, 5, "c"],
      );
      return true;
    });
    assert.equal(requests.length, 1);
  }
});

test("patience has an end", async () => {
  const { api, now } = service(...Array(50).fill(new TypeError("failed")));
  await assert.rejects(api.command("POST", "/orders/o1/confirm"), Unreachable);
  const { api: other, requests } = service(...Array(50).fill(() => answer(500, {})));
  await assert.rejects(other.command("POST", "/orders/o1/confirm"), Problem);
  assert.equal(requests.length, 3);
  assert.ok(now > 0);
});

test("an answer that is no JSON is a problem all the same", async () => {
  const { api } = service(new Response("<html>", { status: 404 }));
  await assert.rejects(api.query("/orders/o1"), (problem) => problem.status === 404 && problem.code === "");
});

test("a new token is taken where the service refuses the one there is", async () => {
  const world = service(answer(401, {}), answer(200, {}));
  let renewed = 0;
  world.api.renew = async () => {
    renewed += 1;
  };
  await world.api.query("/orders");
  assert.equal(renewed, 1);
  world.answers.push(answer(401, {}), answer(401, {}), answer(401, {}));
  await assert.rejects(world.api.query("/orders"), (problem) => problem.status === 401);
  assert.equal(renewed, 3);
});

test("an answer says how old it is, by the service's clock", async () => {
  const headers = {
    date: "Mon, 30 Nov 2026 10:00:05 GMT",
    "read-model": "order_details",
    "read-model-as-of": "2026-11-30T10:00:02.500000Z",
    "read-model-stale": "?1",
    "read-model-parked": "3",
    etag: '"4"',
  };
  const { api, now } = service(answer(200, { version: 4 }, headers), answer(200, {}));
  const { body, etag, freshness } = await api.query("/orders/o1");
  assert.deepEqual([body, etag], [{ version: 4 }, '"4"']);
  assert.deepEqual(freshness, { readModel: "order_details", age: 2_500, receivedAt: now, isStale: true, parked: 3 });
  const unknown = await api.query("/orders/o1");
  assert.deepEqual(unknown.freshness, { readModel: "", age: null, receivedAt: now, isStale: false, parked: 0 });
});

test("a question is asked once, and as long as is wanted", async () => {
  const away = () => answer(503, { code: "service-unavailable" });
  const impatient = service(away);
  await assert.rejects(impatient.api.query("/orders"), Problem);
  const patient = service(...Array(30).fill(away), answer(200, {}));
  await patient.api.query("/orders", { patience: Number.POSITIVE_INFINITY });
  assert.equal(patient.requests.length, 31);
  assert.equal(Math.max(...patient.slept), 8_000);
});

test("a thing is followed: each version once, and through trouble", async () => {
  const ended = new AbortController();
  const seen = [];
  const { api, requests } = service(
    answer(200, { version: 1 }, { etag: '"1"' }),
    answer(304, null),
    new TypeError("failed"),
    answer(200, { version: 2 }, { etag: '"2"' }),
    answer(200, { version: 3 }, { etag: '"3"' }),
  );
  await api.follow("/orders/o1", {
    signal: ended.signal,
    onAnswer: ({ body }) => {
      seen.push(body?.version ?? null);
      if (body?.version === 3) ended.abort();
    },
  });
  assert.deepEqual(seen, [1, null, 2, 3]);
  assert.deepEqual(
    requests.map((each) => each.headers["if-none-match"]),
    [undefined, '"1"', '"1"', '"1"', '"2"'],
  );
});

test("what may not be seen is not followed", async () => {
  const { api } = service(answer(404, { code: "order-not-found" }));
  await assert.rejects(
    api.follow("/orders/o1", { signal: new AbortController().signal, onAnswer: () => assert.fail() }),
    (problem) => problem.status === 404,
  );
});

test("tokens outlive a reload, the newest of each order, and are not too many", async () => {
  const { api, storage, answers } = service();
  for (let number = 0; number < 60; number += 1) {
    answers.push(accepted({ order_id: `o${number}` }));
    await api.command("POST", `/orders/o${number}/confirm`);
  }
  answers.push(accepted({ order_id: "o20" }));
  await api.command("POST", "/orders/o20/confirm");
  const again = new OrdersApi({ accessToken: () => "t", storage });
  assert.equal(again.tokens.size, 50);
  assert.equal([...again.tokens.keys()].at(-1), "o20");
  assert.ok(!again.tokens.has("o9"));
  const broken = new OrdersApi({ accessToken: () => "t", storage: { getItem: () => "{" } });
  assert.equal(broken.tokens.size, 0);
});
