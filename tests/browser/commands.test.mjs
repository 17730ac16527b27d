// The desk's commands are the API's: every one of them, by the same method and path.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { COMMANDS, initialValues } from "../../infra/web/desk/commands.js";
import { STATUSES } from "../../infra/web/desk/text.js";

const document = JSON.parse(await readFile(new URL("../../docs/api/openapi.json", import.meta.url)));

const operations = new Map(
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => ["post", "put", "delete"].includes(method))
      .map(([method, operation]) => [operation.operationId, { method, path, operation }]),
  ),
);

test("each is a command of the API, and there once", () => {
  const names = COMMANDS.map((command) => command.name);
  for (const name of names) assert.ok(operations.has(name), name);
  assert.equal(new Set(names).size, names.length);
  // Placing an order has a page of its own.
  assert.equal(names.length, 25);
});

test("each is sent where the API takes it, to those whom it lets", () => {
  for (const { name, route, scopes } of COMMANDS) {
    const { method, path, operation } = operations.get(name);
    assert.equal(route[0].toLowerCase(), method, name);
    const part = path.match(/\{(?!order_id)(\w+)\}/)?.[0] ?? null;
    const expected = path.replace("/orders/{order_id}", "");
    assert.equal(decodeURIComponent(route[1](part)), expected, name);
    const needed = operation.security.flatMap((each) => Object.values(each)).flat();
    assert.deepEqual([...scopes].map((scope) => `orders:${scope}`).sort(), [...needed].sort(), name);
  }
});

const schemas = document.components.schemas;

test("the statuses to choose from are the API's", () => {
  assert.deepEqual([...STATUSES].sort(), [...schemas.OrderStatus.enum].sort());
});

function schemasOf({ $ref, oneOf }) {
  if ($ref) return schemasOf(schemas[$ref.split("/").at(-1)]);
  return oneOf ? oneOf.flatMap(schemasOf) : [arguments[0]];
}

test("a body has the fields that the API asks for, and no other", () => {
  const items = { 1: { quantity: "1" } };
  const order = { currency: "EUR", lines: [] };
  for (const { name, fields = [], body } of COMMANDS) {
    const content = operations.get(name).operation.requestBody?.content["application/json"];
    const isOptional = fields.every((field) => field.isOptional);
    assert.equal(content !== undefined || isOptional, true, name);
    if (content === undefined || (body === undefined && isOptional)) continue;
    const values = Object.fromEntries(fields.map((field) => [field.name, field.kind === "items" ? items : "1"]));
    const sent = body(values, order, "p1");
    const possible = schemasOf(content.schema);
    const names = new Set(possible.flatMap((schema) => Object.keys(schema.properties)));
    for (const field of Object.keys(sent)) assert.ok(names.has(field), `${name} sends ${field}`);
    for (const field of possible.flatMap((schema) => schema.required ?? [])) {
      assert.ok(field in sent || name === "apply_coupon", `${name} does not send ${field}`);
    }
  }
});

test("a form begins with what there is, and sends what is asked for", () => {
  const line = { line_id: 1, sku: "28", ordered: 5, cancelled: 1, shipped: 1, delivered: 1, returned: 0 };
  const order = {
    currency: "EUR",
    lines: [line],
    returns: [],
    payments: [],
    balance: { owed: { amount: "12.30" } },
    shipping_address: { name: "M", region: null },
  };
  const by = (name) => COMMANDS.find((command) => command.name === name);
  const shipping = initialValues(by("ship_items"), order, null);
  assert.deepEqual(shipping.items, { 1: { quantity: "3" } });
  assert.deepEqual(by("ship_items").body({ ...shipping, shipment_id: "s", carrier: "DHL" }, order), {
    shipment_id: "s",
    carrier: "DHL",
    items: [{ line_id: 1, quantity: 3 }],
  });
  const returning = initialValues(by("request_return"), order, null);
  assert.deepEqual(returning.items, { 1: { quantity: "", reason: "" } });
  assert.deepEqual(by("request_return").body({ return_id: "r", items: { 1: { quantity: "1", reason: "x" } } }), {
    return_id: "r",
    items: [{ line_id: 1, quantity: 1, reason: "x" }],
  });
  assert.equal(initialValues(by("authorize_payment"), order, null).amount, "12.30");
  // What is no number is the service's to refuse, at its field.
  assert.deepEqual(by("change_line_quantity").body({ quantity: "two" }), { quantity: "two" });
  assert.equal(initialValues(by("change_shipping_address"), order, null).region, "");
});
