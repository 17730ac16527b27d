/** Orders: an operator finds any of them, a customer sees their own. */

import { useContext, useEffect, useState } from "../../vendor/hooks.js";
import { LiveList } from "../live.js";
import {
  Age,
  Context,
  Fields,
  Heading,
  html,
  Money,
  More,
  Status,
  Table,
  Trouble,
  useList,
} from "../parts.js";
import { go, linkTo } from "../routes.js";
import { number, STATUSES, time, words } from "../text.js";

const status = {
  name: "status",
  label: "Status",
  kind: "choice",
  choices: [["", "any"], ...STATUSES.map((name) => [name, words(name)])],
};
const from = { name: "from", label: "Placed from", kind: "text", type: "date" };
const to = { name: "to", label: "and before", kind: "text", type: "date" };
const OWN = [status, from, to];
const ALL = [
  { name: "q", label: "Words", kind: "text", type: "search" },
  status,
  from,
  to,
  { name: "customer_id", label: "Customer", kind: "text" },
  { name: "sku", label: "SKU", kind: "text" },
  { name: "currency", label: "Currency", kind: "text" },
  { name: "min_total", label: "Total from", kind: "money" },
  { name: "max_total", label: "Total to", kind: "money" },
  {
    name: "order_by",
    label: "Sorted by",
    kind: "choice",
    choices: [
      ["", "newest first"],
      ["total", "largest total first"],
    ],
  },
];
const REFRESH_MS = 15_000;

/** A day is the user's own: the API takes a moment. */
const moment = (value) => (value ? new Date(`${value}T00:00`).toISOString() : "");

/** The page of `#/orders?…`. */
export function OrdersPage({ parameters }) {
  const { session } = useContext(Context);
  const isOperator = session.may("operate");
  const path = isOperator ? "/orders" : `/customers/${encodeURIComponent(session.customerId ?? "")}/orders`;
  return html`
    <${Heading} title=${isOperator ? "Orders" : "My orders"} />
    <${Search} fields=${isOperator ? ALL : OWN} parameters=${parameters} />
    <${OrderList} path=${path} parameters=${parameters} hasNames=${isOperator} />
  `;
}

/** The filters, which are in the page's address: it can be kept, and gone back to. */
export function Search({ fields, parameters, at = "orders" }) {
  const [values, setValues] = useState(parameters);
  const known = JSON.stringify(parameters);
  useEffect(() => setValues(parameters), [known]);
  const send = (event) => {
    event.preventDefault();
    go(linkTo(at, values));
  };
  return html`<form class="search" role="search" onSubmit=${send}>
    <${Fields} fields=${fields} values=${values} errors=${[]} onChange=${(change) => setValues({ ...values, ...change })} />
    <p class="buttons">
      <button type="submit" class="main">Find</button>
      <button type="button" onClick=${() => go(linkTo(at))}>All</button>
    </p>
  </form>`;
}

/** Orders in a table, more of them as one comes near its end. */
export function OrderList({ path, parameters, hasNames = false }) {
  const context = useContext(Context);
  const asked = { ...parameters, from: moment(parameters.from), to: moment(parameters.to) };
  const list = useList(() => new LiveList(context, path, asked), [path, JSON.stringify(asked)], {
    refresh: REFRESH_MS,
  });
  if (list === null) return null;
  return html`<section aria-label="Found" aria-busy=${list.isLoading}>
    <${Age} freshness=${list.freshness} />
    <${Trouble} problem=${list.problem} />
    ${list.items.length > 0 &&
    html`<${Table}
      label="Orders"
      head=${["Order", "Status", "Placed", "Customer", ...(hasNames ? ["To"] : []), "Units", "Total"]}
      numbers=${["Units", "Total"]}
    >
      ${list.items.map(
        (order) => html`<tr key=${order.order_id}>
          <th scope="row">
            <a href=${`#/orders/${order.order_id}`}><bdi>${order.reference ?? order.order_id.slice(-8)}</bdi></a>
          </th>
          <td><${Status} of=${order.status} /></td>
          <td>${time(order.placed_at)}</td>
          <td><bdi>${order.customer_id}</bdi></td>
          ${hasNames && html`<td><bdi>${order.shipping_name}</bdi>, <bdi>${order.shipping_city}</bdi></td>`}
          <td class="number">${number(order.item_count)}</td>
          <td class="number"><${Money} of=${order.total} /></td>
        </tr>`,
      )}
    <//>`}
    ${list.freshness !== null && list.items.length === 0 && list.next === null && html`<p>No order was found.</p>`}
    <${More} list=${list} />
  </section>`;
}
