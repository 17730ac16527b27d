/** One order: everything about it, what happened to it, and every command that its state allows. */

import { useContext, useEffect, useState } from "../../vendor/hooks.js";
import { commandNamed, possible } from "../commands.js";
import { LiveList, LiveOrder } from "../live.js";
import {
  Age,
  CommandForm,
  Context,
  Heading,
  html,
  keepDraft,
  Money,
  More,
  reasonOf,
  Status,
  Table,
  Trouble,
  useLive,
} from "../parts.js";
import { number, time, words } from "../text.js";

const SAID = { sending: "is being sent", accepted: "is done; the page will have it in a moment" };

/** The page of `#/orders/<id>`. */
export function OrderPage({ id }) {
  const context = useContext(Context);
  const live = useLive(() => {
    const made = new LiveOrder(context, id);
    made.start();
    return made;
  }, [id]);
  const title = `Order ${live?.order?.reference ?? id.slice(-8)}`;
  return html`
    <${Heading} title=${title}>Order <bdi>${live?.order?.reference ?? id.slice(-8)}</bdi><//>
    ${live && html`<${Trouble} problem=${live.order === null ? live.problem : null} />`}
    ${live?.order ? html`<${Order} live=${live} key=${id} />` : live?.problem ? null : html`<p>Loading …</p>`}
  `;
}

function Order({ live }) {
  const { session } = useContext(Context);
  const [open, setOpen] = useState(null);
  const order = live.shown;
  const isPending = live.pending.length > 0;
  const send = (command, part, draft) => {
    setOpen(null);
    live.change(command.name, draft.values, part, draft.key).catch((error) => {
      keepDraft(live, command, part, draft.values);
      setOpen({ name: command.name, part, errors: error.errors });
    });
  };
  const choose = (command, part) => {
    if (command.fields || command.isGrave) setOpen({ name: command.name, part, errors: [] });
    else send(command, part, { key: crypto.randomUUID(), values: {} });
  };
  const actions = (on, part = null) =>
    html`<${Actions} session=${session} live=${live} on=${on} part=${part} open=${open} onChoose=${choose}
      onSend=${send} onLeave=${() => setOpen(null)} />`;
  return html`
    <${Age} freshness=${live.freshness} />
    <${Pending} live=${live} />
    <section class=${isPending ? "summary pending" : "summary"} aria-label="Summary">
      <p>
        <${Status} of=${order.status} />${" "}
        ${order.held && html`<span>held since ${time(order.held.since)}: <bdi>${order.held.reason}</bdi></span>`}
      </p>
      <dl>
        <div><dt>Customer</dt><dd>${customerLink(session, order.customer_id)}</dd></div>
        <div><dt>Placed</dt><dd>${time(order.placed_at)}</dd></div>
        ${order.confirmed_at && html`<div><dt>Confirmed</dt><dd>${time(order.confirmed_at)}</dd></div>`}
        ${order.fulfilment && html`<div><dt>In fulfilment</dt><dd>${time(order.fulfilment.started_at)}</dd></div>`}
        ${order.completed_at && html`<div><dt>Completed</dt><dd>${time(order.completed_at)}</dd></div>`}
        ${order.cancelled_at && html`<div><dt>Cancelled</dt><dd>${time(order.cancelled_at)}</dd></div>`}
        <div><dt>Order id</dt><dd><code>${order.order_id}</code></dd></div>
        <div><dt>Version</dt><dd>${order.version}</dd></div>
      </dl>
      ${actions("order")}
    </section>
    <${Lines} order=${order} actions=${actions} />
    <${Amounts} order=${order} />
    <${Payments} order=${order} actions=${actions} />
    <${Shipments} order=${order} actions=${actions} />
    <${Returns} order=${order} actions=${actions} />
    <${Notes} order=${order} />
    <${Addresses} order=${order} />
    <${Timeline} orderId=${live.orderId} version=${live.order.version} />
  `;
}

const customerLink = (session, customerId) =>
  session.customerId === null
    ? html`<a href=${`#/customers/${encodeURIComponent(customerId)}`}><bdi>${customerId}</bdi></a>`
    : html`<bdi>${customerId}</bdi>`;

/** Own changes that are under way, in conflict, or refused. */
function Pending({ live }) {
  return html`<div class="changes" role="status">
    ${live.pending
      .filter((entry) => entry.state !== "conflict")
      .map((entry) => html`<p key=${entry.key} class="change">${commandNamed(entry.name).label}: ${SAID[entry.state]}</p>`)}
    ${live.pending
      .filter((entry) => entry.state === "conflict")
      .map((entry) => html`<${Conflict} key=${entry.key} live=${live} entry=${entry} />`)}
    ${live.refused.map(
      (refusal) => html`<div class="problem" role="alert" key=${refusal.entry.key}>
        <p><strong>${refusal.label}</strong> was refused, and is taken back. ${reasonOf(refusal.error)}</p>
        <button type="button" onClick=${() => live.read(refusal)}>I have read it</button>
      </div>`,
    )}
  </div>`;
}

function Conflict({ live, entry }) {
  return html`<div class="problem" role="alert">
    <p>
      <strong>${commandNamed(entry.name).label}</strong> was not done: the order has changed since you saw it.
    </p>
    <ul>
      ${entry.meanwhile.map(
        (event) => html`<li key=${event.version}>
          ${words(event.event)}, ${time(event.at)}, by <bdi>${event.actor}</bdi>: the order was ${words(event.status).toLowerCase()} then
        </li>`,
      )}
    </ul>
    <p class="buttons">
      <button type="button" class="main" onClick=${() => live.decide(entry, true)}>Do it all the same</button>
      <button type="button" onClick=${() => live.decide(entry, false)}>Leave it</button>
    </p>
  </div>`;
}

function Actions({ session, live, on, part, open, onChoose, onSend, onLeave }) {
  const offered = possible(session, live.shown, on, part);
  const opened = open !== null && open.part === part ? commandNamed(open.name) : null;
  if (opened?.on === on) {
    return html`<${CommandForm}
      key=${`${opened.name} ${part}`}
      live=${live}
      command=${opened}
      part=${part}
      errors=${open.errors}
      onSend=${(draft) => onSend(opened, part, draft)}
      onLeave=${onLeave}
    />`;
  }
  if (offered.length === 0) return null;
  return html`<p class="buttons">
    ${offered.map(
      (command) =>
        html`<button type="button" key=${command.name} onClick=${() => onChoose(command, part)}>${command.label}</button>`,
    )}
  </p>`;
}

function Lines({ order, actions }) {
  return html`<section aria-labelledby="lines">
    <h2 id="lines">Lines</h2>
    <${Table}
      labelledBy="lines"
      head=${["Product", "Price", "Ordered", "Cancelled", "Shipped", "Delivered", "Returned", "Total"]}
      numbers=${["Price", "Ordered", "Cancelled", "Shipped", "Delivered", "Returned", "Total"]}
    >
      ${order.lines.map(
        (line) => html`<tr key=${line.line_id}>
          <th scope="row">
            <bdi>${line.name ?? line.sku}</bdi>
            <span class="small"> <bdi>${line.sku}</bdi></span>
            ${line.discount !== "0" && html`<span class="small"> discount ${line.discount}</span>`}
            ${actions("line", line.line_id)}
          </th>
          <td class="number"><${Money} of=${line.unit_price} /></td>
          <td class="number">${number(line.ordered)}</td>
          <td class="number">${number(line.cancelled)}</td>
          <td class="number">${number(line.shipped)}</td>
          <td class="number">${number(line.delivered)}</td>
          <td class="number">${number(line.returned)}</td>
          <td class="number"><${Money} of=${line.total} /></td>
        </tr>`,
      )}
    <//>
  </section>`;
}

function Amounts({ order }) {
  const { totals, balance } = order;
  const rows = [
    ["Lines", totals.lines],
    ["Discount", totals.discount],
    ["Tax", totals.tax],
    ["Shipping", totals.shipping],
    ["Total", totals.total],
    ["Authorised", balance.authorized],
    ["Captured", balance.captured],
    ["Owed", balance.owed],
    ["Due back", balance.due_back],
    ["Refunded", balance.refunded],
  ];
  return html`<section aria-labelledby="amounts">
    <h2 id="amounts">Amounts</h2>
    ${order.coupon && html`<p>Coupon <bdi>${order.coupon.code}</bdi></p>`}
    <dl class="amounts">
      ${rows.map(([name, of]) => html`<div key=${name}><dt>${name}</dt><dd><${Money} of=${of} /></dd></div>`)}
    </dl>
  </section>`;
}

function Payments({ order, actions }) {
  if (order.payments.length === 0) return null;
  return html`<section aria-labelledby="payments">
    <h2 id="payments">Payments</h2>
    <ul class="cards">
      ${order.payments.map(
        (payment) => html`<li key=${payment.payment_id}>
          <p>
            <bdi>${payment.payment_id}</bdi>, <bdi>${payment.method}</bdi>${payment.declined ? ", declined" : ""}:
            ${" "}authorised <${Money} of=${payment.authorized} />, captured <${Money} of=${payment.captured} />, refunded
            ${" "}<${Money} of=${payment.refunded} />
          </p>
          ${actions("payment", payment.payment_id)}
        </li>`,
      )}
    </ul>
  </section>`;
}

const itemsOf = (order, items) =>
  items.map((item, at) => {
    const line = order.lines.find((each) => each.line_id === item.line_id);
    return html`${at > 0 ? ", " : ""}${number(item.quantity)} × <bdi>${line?.name ?? line?.sku ?? item.line_id}</bdi>${item.reason
        ? html` (<bdi>${item.reason}</bdi>)`
        : ""}`;
  });

function Shipments({ order, actions }) {
  if (order.shipments.length === 0) return null;
  return html`<section aria-labelledby="shipments">
    <h2 id="shipments">Shipments</h2>
    <ul class="cards">
      ${order.shipments.map(
        (shipment) => html`<li key=${shipment.shipment_id}>
          <p>
            <bdi>${shipment.shipment_id}</bdi>, <bdi>${shipment.carrier}</bdi>
            ${shipment.tracking_number && html` <bdi>${shipment.tracking_number}</bdi>`}:
            ${" "}<strong>${words(shipment.state)}</strong>, shipped ${time(shipment.shipped_at)}
            ${shipment.signed_by && html`, signed by <bdi>${shipment.signed_by}</bdi>`}
          </p>
          <p>${itemsOf(order, shipment.items)}</p>
          ${actions("shipment", shipment.shipment_id)}
        </li>`,
      )}
    </ul>
  </section>`;
}

function Returns({ order, actions }) {
  if (order.returns.length === 0) return null;
  return html`<section aria-labelledby="returns">
    <h2 id="returns">Returns</h2>
    <ul class="cards">
      ${order.returns.map(
        (each) => html`<li key=${each.return_id}>
          <p>
            <bdi>${each.return_id}</bdi>: <strong>${words(each.state)}</strong>, requested ${time(each.requested_at)}
          </p>
          <p>${itemsOf(order, each.items)}</p>
          ${actions("return", each.return_id)}
        </li>`,
      )}
    </ul>
    ${order.refunds.length > 0 &&
    html`<h3>Refunds</h3>
      <ul>
        ${order.refunds.map(
          (refund) => html`<li key=${refund.refund_id}>
            <bdi>${refund.refund_id}</bdi>: <${Money} of=${refund.amount} /> of <bdi>${refund.payment_id}</bdi>,
            ${" "}<bdi>${refund.reason}</bdi>
          </li>`,
        )}
      </ul>`}
  </section>`;
}

function Notes({ order }) {
  if (order.notes.length === 0) return null;
  return html`<section aria-labelledby="notes">
    <h2 id="notes">Notes</h2>
    <ul class="cards">
      ${order.notes.map(
        (note, at) => html`<li key=${at}>
          <p class="small">${time(note.at)}, <bdi>${note.actor}</bdi></p>
          <p class="text" dir="auto">${note.text}</p>
        </li>`,
      )}
    </ul>
  </section>`;
}

function Addresses({ order }) {
  const of = (address) =>
    html`<address dir="auto">
      ${[address.name, address.street, [address.postal_code, address.city].filter(Boolean).join(" "), address.region, address.country]
        .filter(Boolean)
        .map((part) => html`<span>${part}</span>`)}
    </address>`;
  return html`<section aria-labelledby="addresses">
    <h2 id="addresses">Addresses</h2>
    <div class="beside">
      <div><h3>Shipping</h3>${of(order.shipping_address)}</div>
      ${order.billing_address && html`<div><h3>Billing</h3>${of(order.billing_address)}</div>`}
    </div>
  </section>`;
}

/** What happened to it, read anew when there is a newer version. */
function Timeline({ orderId, version }) {
  const context = useContext(Context);
  const list = useLive(
    () => new LiveList(context, `/orders/${encodeURIComponent(orderId)}/history`, { limit: 100 }),
    [orderId],
  );
  useEffect(() => {
    list?.load();
  }, [list, version]);
  if (list === null) return null;
  return html`<section aria-labelledby="timeline">
    <h2 id="timeline">Timeline</h2>
    <${Age} freshness=${list.freshness} />
    <${Trouble} problem=${list.problem} />
    <ol class="timeline">
      ${list.items.map(
        (item) => html`<li key=${item.version}>
          <span class="small">${time(item.at)}, <bdi>${item.actor}</bdi></span>
          <span>${words(item.event)}</span>
          ${item.changes.status && html`<${Status} of=${item.changes.status} />`}
          ${detailsOf(item.details)}
        </li>`,
      )}
    </ol>
    <${More} list=${list} />
  </section>`;
}

const detailsOf = (details) => {
  const shown = ["text", "reason", "warehouse", "carrier", "tracking_number", "code", "method"].filter((name) => details[name]);
  if (shown.length === 0) return null;
  return html`<span class="small" dir="auto">${shown.map((name) => details[name]).join(", ")}</span>`;
};

