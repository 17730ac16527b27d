// Amounts are decimal texts: they are added, compared and written exactly.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, isPositive, minus, money, sum, words } from "../../infra/web/desk/text.js";

test("amounts are added and subtracted exactly", () => {
  assert.equal(sum([]), "0");
  assert.equal(sum(["0.10", "0.20"]), "0.30");
  assert.equal(sum(["1", "-2.005"]), "-1.005");
  assert.equal(sum(["-0.05", "0.02"]), "-0.03");
  assert.equal(sum(["9007199254740993.01", "0.01"]), "9007199254740993.02");
  assert.equal(minus("505.18", "505.18"), "0.00");
  assert.equal(minus("1.000", "-0.001"), "1.001");
  assert.equal(minus("1000", "1"), "999");
});

test("only what is more than nothing is positive", () => {
  assert.deepEqual(["0", "0.00", "-0.01", "0.01", "10"].map(isPositive), [false, false, false, true, true]);
});

test("money is written with its currency's digits, however large it is", () => {
  assert.match(money({ amount: "12.30", currency: "EUR" }), /12.30/);
  assert.match(money({ amount: "1234", currency: "JPY" }), /1,?234/);
  assert.match(money({ amount: "1.234", currency: "KWD" }), /1.234/);
  assert.match(money({ amount: "9007199254740993.01", currency: "EUR" }), /993.01/);
  assert.equal(money({ amount: "1.00", currency: "??" }), "1.00 ??");
});

test("names become words, and times are ago", () => {
  assert.deepEqual(["part_paid", "OrderConfirmed", "held"].map(words), ["Part paid", "Order confirmed", "Held"]);
  assert.match(ago(3_200), /3 sec/);
  assert.deepEqual([ago(-200), ago(900)], ["now", "now"]);
  assert.match(ago(7_300_000), /2 hr/);
});
