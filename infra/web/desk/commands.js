/**
 * What can be done to an order: each command with its form, when it makes sense, and what it changes
 * at once on the screen.
 *
 * `possible` only spares the user commands that would be refused: the order's rules are the API's,
 * and its answer counts. `optimistic` changes a copy of the order as the command will, as far as that
 * is known before.
 */

import { isPositive, minus, sum } from "./text.js";

const ofLine = (order, id) => order.lines.find((line) => `${line.line_id}` === `${id}`);
const ofPayment = (order, id) => order.payments.find((payment) => payment.payment_id === id);
const ofShipment = (order, id) => order.shipments.find((shipment) => shipment.shipment_id === id);
const ofReturn = (order, id) => order.returns.find((each) => each.return_id === id);

const isCancelled = (order) => order.units.kept === 0 && order.units.returned === 0;
const isPlaced = (order) => order.confirmed_at === null && !isCancelled(order);
const toShip = (line) => line.ordered - line.cancelled - line.shipped;
const comingBack = (order, lineId) =>
  order.returns
    .filter((each) => ["requested", "approved"].includes(each.state))
    .flatMap((each) => each.items)
    .filter((item) => item.line_id === lineId)
    .reduce((all, item) => all + item.quantity, 0);
const toReturn = (order, line) => line.delivered - line.returned - comingBack(order, line.line_id);
const openAuthorizations = (order) =>
  sum(
    order.payments
      .filter((payment) => !payment.declined)
      .map((payment) => minus(payment.authorized.amount, payment.captured.amount)),
  );
const toAuthorize = (order) => minus(order.balance.owed.amount, openAuthorizations(order));
const toRefund = (payment) => minus(payment.captured.amount, payment.refunded.amount);

/** A short id of a part, which the API lets its clients choose. */
const newId = (kind) => () => `${kind}-${crypto.randomUUID().slice(0, 8)}`;

const quantity = (label, initial) => ({ name: "quantity", label, kind: "number", initial });
const reason = { name: "reason", label: "Reason", kind: "text" };
const inMoney = (name, label, initial = () => "") => ({ name, label, kind: "money", initial });
const text = (name, label, more = {}) => ({ name, label, kind: "text", ...more });
const optional = (name, label, more = {}) => text(name, label, { isOptional: true, ...more });

/** Leave out what was left empty. */
export const given = (values) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined));

export const amount = (value, order) => ({ amount: value, currency: order.currency });
const whole = (value) => (/^\d+$/.test(value) ? Number(value) : value);
const items = (chosen) =>
  Object.entries(chosen ?? {})
    .filter(([, item]) => item.quantity !== "" && item.quantity !== "0")
    .map(([lineId, item]) => ({ line_id: Number(lineId), ...item, quantity: whole(item.quantity) }));

export const ADDRESS = [
  text("name", "Name", { autocomplete: "name" }),
  text("street", "Street", { autocomplete: "street-address" }),
  text("city", "City", { autocomplete: "address-level2" }),
  optional("region", "Region", { autocomplete: "address-level1" }),
  optional("postal_code", "Postal code", { autocomplete: "postal-code" }),
  text("country", "Country (two letters)", { autocomplete: "country" }),
];
export const addressOf = given;

export const NEW_LINE = [
  text("sku", "SKU"),
  optional("name", "Name"),
  quantity("Quantity", () => "1"),
  inMoney("unit_price", "Unit price"),
  optional("discount", "Discount (0 to 1)"),
  optional("tax_rate", "Tax rate (0 to 1)"),
];
export const lineOf = (values, order) => ({
  ...given(values),
  quantity: whole(values.quantity),
  unit_price: amount(values.unit_price ?? "", order),
});

/**
 * @typedef {object} Command
 * @property {string} name of the API's operation
 * @property {string} label
 * @property {string[]} scopes of which one suffices
 * @property {"order" | "line" | "payment" | "shipment" | "return"} on what of the order it is offered at
 * @property {(order: any, id: any) => boolean} possible
 * @property {[string, (id: any) => string]} route method, and the path after the order's
 * @property {any[]} [fields]
 * @property {string} [prefix] of the fields in the body, as a JSON pointer
 * @property {(values: any, order: any) => object} [body]
 * @property {(order: any, values: any, id: any) => void} [optimistic]
 * @property {boolean} [isGrave] it is asked once more
 */

const WRITE = ["write", "sell", "operate"];
const SELL = ["sell", "operate"];
const OPERATE = ["operate"];

/** @type {Command[]} */
export const COMMANDS = [
  {
    name: "confirm_order",
    label: "Confirm order",
    scopes: WRITE,
    on: "order",
    possible: isPlaced,
    route: ["POST", () => "/confirm"],
    optimistic: (order) => {
      order.confirmed_at = new Date().toISOString();
      order.status = "confirmed";
    },
  },
  {
    name: "add_order_line",
    label: "Add a line",
    scopes: SELL,
    on: "order",
    possible: isPlaced,
    route: ["POST", () => "/lines"],
    fields: NEW_LINE,
    body: lineOf,
  },
  {
    name: "change_line_quantity",
    label: "Change quantity",
    scopes: WRITE,
    on: "line",
    possible: (order, id) => isPlaced(order) && ofLine(order, id).ordered > ofLine(order, id).cancelled,
    route: ["PUT", (id) => `/lines/${id}/quantity`],
    fields: [quantity("Quantity", (order, id) => `${ofLine(order, id).ordered}`)],
    body: (values) => ({ quantity: whole(values.quantity) }),
    optimistic: (order, values, id) => {
      ofLine(order, id).ordered = whole(values.quantity);
    },
  },
  {
    name: "remove_order_line",
    label: "Remove line",
    scopes: WRITE,
    on: "line",
    possible: (order) => isPlaced(order) && order.lines.length > 1,
    route: ["DELETE", (id) => `/lines/${id}`],
    optimistic: (order, _, id) => {
      order.lines = order.lines.filter((line) => line !== ofLine(order, id));
    },
  },
  {
    name: "apply_coupon",
    label: "Apply a coupon",
    scopes: SELL,
    on: "order",
    possible: (order) => isPlaced(order) && order.coupon === null,
    route: ["PUT", () => "/coupon"],
    fields: [
      text("code", "Code"),
      optional("percent_off", "Percent off"),
      { ...inMoney("amount_off", "or amount off"), isOptional: true },
    ],
    body: (values, order) => ({
      ...given({ ...values, amount_off: "" }),
      ...(values.amount_off ? { amount_off: amount(values.amount_off, order) } : {}),
    }),
  },
  {
    name: "remove_coupon",
    label: "Remove coupon",
    scopes: WRITE,
    on: "order",
    possible: (order) => isPlaced(order) && order.coupon !== null,
    route: ["DELETE", () => "/coupon"],
    optimistic: (order) => {
      order.coupon = null;
    },
  },
  {
    name: "change_shipping_address",
    label: "Change shipping address",
    scopes: WRITE,
    on: "order",
    possible: (order) => order.shipments.length === 0 && !isCancelled(order),
    route: ["PUT", () => "/shipping-address"],
    fields: ADDRESS.map((field) => ({
      ...field,
      initial: (order) => order.shipping_address[field.name] ?? "",
    })),
    prefix: "/address",
    body: (values) => ({ address: addressOf(values) }),
    optimistic: (order, values) => {
      order.shipping_address = { ...order.shipping_address, ...values };
    },
  },
  {
    name: "hold_order",
    label: "Hold",
    scopes: OPERATE,
    on: "order",
    possible: (order) => order.held === null && order.units.kept > order.units.shipped,
    route: ["POST", () => "/hold"],
    fields: [reason],
    body: given,
    optimistic: (order, values) => {
      order.held = { since: new Date().toISOString(), reason: values.reason };
      order.status = "held";
    },
  },
  {
    name: "release_order",
    label: "Release",
    scopes: OPERATE,
    on: "order",
    possible: (order) => order.held !== null,
    route: ["POST", () => "/release"],
    optimistic: (order) => {
      order.held = null;
    },
  },
  {
    name: "authorize_payment",
    label: "Authorise a payment",
    scopes: SELL,
    on: "order",
    possible: (order) => order.confirmed_at !== null && isPositive(toAuthorize(order)),
    route: ["POST", () => "/payments"],
    fields: [
      text("payment_id", "Payment id", { initial: newId("pay") }),
      text("method", "Method", { initial: () => "card" }),
      inMoney("amount", "Amount", toAuthorize),
    ],
    body: (values, order) => ({ ...values, amount: amount(values.amount, order) }),
    optimistic: (order, values) => {
      const none = amount("0", order);
      order.payments.push({
        payment_id: values.payment_id,
        method: values.method,
        authorized: amount(values.amount, order),
        captured: none,
        refunded: none,
        declined: false,
      });
    },
  },
  {
    name: "capture_payment",
    label: "Capture",
    scopes: SELL,
    on: "payment",
    possible: (order, id) => {
      const payment = ofPayment(order, id);
      return !payment.declined && isPositive(minus(payment.authorized.amount, payment.captured.amount));
    },
    route: ["POST", (id) => `/payments/${encodeURIComponent(id)}/capture`],
    fields: [
      inMoney("amount", "Amount", (order, id) => {
        const payment = ofPayment(order, id);
        return minus(payment.authorized.amount, payment.captured.amount);
      }),
    ],
    body: (values, order) => ({ amount: amount(values.amount, order) }),
    optimistic: (order, values, id) => {
      const payment = ofPayment(order, id);
      payment.captured = amount(sum([payment.captured.amount, values.amount]), order);
    },
  },
  {
    name: "decline_payment",
    label: "Decline",
    scopes: SELL,
    on: "payment",
    possible: (order, id) => {
      const payment = ofPayment(order, id);
      return !payment.declined && !isPositive(payment.captured.amount);
    },
    route: ["POST", (id) => `/payments/${encodeURIComponent(id)}/decline`],
    fields: [reason],
    body: given,
    optimistic: (order, _, id) => {
      ofPayment(order, id).declined = true;
    },
  },
  {
    name: "start_fulfilment",
    label: "Start fulfilment",
    scopes: OPERATE,
    on: "order",
    possible: (order) =>
      order.confirmed_at !== null &&
      order.fulfilment === null &&
      order.held === null &&
      !isPositive(order.balance.owed.amount) &&
      order.units.to_ship > 0,
    route: ["POST", () => "/fulfilment"],
    fields: [optional("warehouse", "Warehouse")],
    body: given,
    optimistic: (order, values) => {
      order.fulfilment = { started_at: new Date().toISOString(), warehouse: values.warehouse || null };
      order.status = "in_fulfilment";
    },
  },
  {
    name: "ship_items",
    label: "Ship items",
    scopes: OPERATE,
    on: "order",
    possible: (order) => order.fulfilment !== null && order.held === null && order.lines.some((l) => toShip(l) > 0),
    route: ["POST", () => "/shipments"],
    fields: [
      text("shipment_id", "Shipment id", { initial: newId("ship") }),
      text("carrier", "Carrier"),
      optional("tracking_number", "Tracking number"),
      { name: "items", label: "Items", kind: "items", most: (_, line) => toShip(line), isAll: true },
    ],
    body: (values) => ({ ...given(values), items: items(values.items) }),
    optimistic: (order, values) => {
      const sent = items(values.items);
      order.shipments.push({
        ...values,
        items: sent,
        state: "shipped",
        shipped_at: new Date().toISOString(),
        delivered_at: null,
        signed_by: null,
      });
      for (const item of sent) ofLine(order, item.line_id).shipped += item.quantity;
    },
  },
  {
    name: "deliver_shipment",
    label: "Delivered",
    scopes: OPERATE,
    on: "shipment",
    possible: (order, id) => ofShipment(order, id).state === "shipped",
    route: ["POST", (id) => `/shipments/${encodeURIComponent(id)}/deliver`],
    fields: [optional("signed_by", "Signed by")],
    body: given,
    optimistic: (order, values, id) => {
      const shipment = ofShipment(order, id);
      Object.assign(shipment, { state: "delivered", signed_by: values.signed_by || null });
      for (const item of shipment.items) ofLine(order, item.line_id).delivered += item.quantity;
    },
  },
  {
    name: "report_lost_shipment",
    label: "Lost",
    scopes: OPERATE,
    on: "shipment",
    isGrave: true,
    possible: (order, id) => ofShipment(order, id).state === "shipped",
    route: ["POST", (id) => `/shipments/${encodeURIComponent(id)}/lost`],
    optimistic: (order, _, id) => {
      ofShipment(order, id).state = "lost";
    },
  },
  {
    name: "cancel_line",
    label: "Cancel units",
    scopes: WRITE,
    on: "line",
    possible: (order, id) => order.completed_at === null && toShip(ofLine(order, id)) > 0,
    route: ["POST", (id) => `/lines/${id}/cancel`],
    fields: [quantity("Units", (order, id) => `${toShip(ofLine(order, id))}`), reason],
    body: (values) => ({ ...values, quantity: whole(values.quantity) }),
    optimistic: (order, values, id) => {
      ofLine(order, id).cancelled += whole(values.quantity);
    },
  },
  {
    name: "cancel_order",
    label: "Cancel order",
    scopes: WRITE,
    on: "order",
    isGrave: true,
    possible: (order) => order.units.shipped === 0 && !isCancelled(order) && order.completed_at === null,
    route: ["POST", () => "/cancel"],
    fields: [reason],
    body: given,
    optimistic: (order) => {
      order.status = "cancelled";
      for (const line of order.lines) line.cancelled = line.ordered;
    },
  },
  {
    name: "complete_order",
    label: "Complete",
    scopes: OPERATE,
    on: "order",
    possible: (order) =>
      order.completed_at === null &&
      order.units.delivered > 0 &&
      order.units.delivered === order.lines.reduce((all, line) => all + line.ordered - line.cancelled, 0) &&
      !isPositive(order.balance.owed.amount) &&
      !isPositive(order.balance.due_back.amount),
    route: ["POST", () => "/complete"],
    optimistic: (order) => {
      order.status = "completed";
    },
  },
  {
    name: "request_return",
    label: "Request a return",
    scopes: WRITE,
    on: "order",
    possible: (order) => order.lines.some((line) => toReturn(order, line) > 0),
    route: ["POST", () => "/returns"],
    fields: [
      text("return_id", "Return id", { initial: newId("return") }),
      { name: "items", label: "Items", kind: "items", most: toReturn, hasReason: true },
    ],
    body: (values) => ({ ...values, items: items(values.items) }),
    optimistic: (order, values) => {
      order.returns.push({
        return_id: values.return_id,
        items: items(values.items),
        requested_at: new Date().toISOString(),
        state: "requested",
        received: [],
      });
    },
  },
  {
    name: "approve_return",
    label: "Approve",
    scopes: OPERATE,
    on: "return",
    possible: (order, id) => ofReturn(order, id).state === "requested",
    route: ["POST", (id) => `/returns/${encodeURIComponent(id)}/approve`],
    optimistic: (order, _, id) => {
      ofReturn(order, id).state = "approved";
    },
  },
  {
    name: "reject_return",
    label: "Reject",
    scopes: OPERATE,
    on: "return",
    possible: (order, id) => ofReturn(order, id).state === "requested",
    route: ["POST", (id) => `/returns/${encodeURIComponent(id)}/reject`],
    fields: [reason],
    body: given,
    optimistic: (order, _, id) => {
      ofReturn(order, id).state = "rejected";
    },
  },
  {
    name: "receive_return",
    label: "Received",
    scopes: OPERATE,
    on: "return",
    possible: (order, id) => ofReturn(order, id).state === "approved",
    route: ["POST", (id) => `/returns/${encodeURIComponent(id)}/receive`],
    fields: [
      {
        name: "items",
        label: "What really came",
        kind: "items",
        most: (order, line, id) =>
          ofReturn(order, id)
            .items.filter((item) => item.line_id === line.line_id)
            .reduce((all, item) => all + item.quantity, 0),
        isAll: true,
      },
    ],
    body: (values) => ({ items: items(values.items) }),
    optimistic: (order, values, id) => {
      Object.assign(ofReturn(order, id), { state: "received", received: items(values.items) });
    },
  },
  {
    name: "refund_payment",
    label: "Refund",
    scopes: SELL,
    on: "payment",
    possible: (order, id) => isPositive(order.balance.due_back.amount) && isPositive(toRefund(ofPayment(order, id))),
    route: ["POST", () => "/refunds"],
    fields: [
      text("refund_id", "Refund id", { initial: newId("refund") }),
      inMoney("amount", "Amount", (order, id) => {
        const due = order.balance.due_back.amount;
        const left = toRefund(ofPayment(order, id));
        return isPositive(minus(due, left)) ? left : due;
      }),
      reason,
    ],
    body: (values, order, id) => ({ ...values, payment_id: id, amount: amount(values.amount, order) }),
    optimistic: (order, values, id) => {
      const payment = ofPayment(order, id);
      payment.refunded = amount(sum([payment.refunded.amount, values.amount]), order);
    },
  },
  {
    name: "add_note",
    label: "Add a note",
    scopes: WRITE,
    on: "order",
    possible: () => true,
    route: ["POST", () => "/notes"],
    fields: [{ name: "text", label: "Note", kind: "long" }],
    body: given,
    optimistic: (order, values) => {
      order.notes.push({ at: new Date().toISOString(), actor: "you", text: values.text });
    },
  },
];

/** @returns {Command} */
export const commandNamed = (name) => COMMANDS.find((command) => command.name === name);

/** Return the commands that make sense now, at the order itself or at one of its parts. */
export const possible = (session, order, on, id = null) =>
  COMMANDS.filter(
    (command) => command.on === on && session.may(...command.scopes) && command.possible(order, id),
  );

/** Return what a form of the command starts with. */
export const initialValues = (command, order, id) =>
  Object.fromEntries(
    (command.fields ?? []).map((field) => [
      field.name,
      field.kind === "items" ? initialItems(field, order, id) : (field.initial?.(order, id) ?? ""),
    ]),
  );

function initialItems(field, order, id) {
  const chosen = {};
  for (const line of order.lines) {
    const most = field.most(order, line, id);
    if (most <= 0) continue;
    chosen[line.line_id] = { quantity: field.isAll ? `${most}` : "", ...(field.hasReason ? { reason: "" } : {}) };
  }
  return chosen;
}
