/** Customers: the best first, and one with what they have ordered. */

import { useContext } from "../../vendor/hooks.js";
import { LiveList } from "../live.js";
import { Age, Context, Heading, html, Money, More, Table, Trouble, useList } from "../parts.js";
import { number, time } from "../text.js";
import { OrderList, Search } from "./orders.js";

const FIELDS = [
  { name: "q", label: "Part of the customer's id", kind: "text", type: "search" },
  {
    name: "order_by",
    label: "Sorted by",
    kind: "choice",
    choices: [
      ["", "last order"],
      ["orders", "number of orders"],
      ["value", "value, in a currency"],
    ],
  },
  { name: "currency", label: "Currency", kind: "text" },
];

function Summaries({ items, hasCustomer }) {
  return html`<${Table}
    label="Customers"
    head=${[...(hasCustomer ? ["Customer"] : []), "Currency", "Orders", "Value", "Average", "Returns", "Refunded", "First order", "Last order"]}
    numbers=${["Orders", "Value", "Average", "Returns", "Refunded"]}
  >
    ${items.map(
      (item) => html`<tr key=${`${item.customer_id} ${item.currency}`}>
        ${hasCustomer &&
        html`<th scope="row">
          <a href=${`#/customers/${encodeURIComponent(item.customer_id)}`}><bdi>${item.customer_id}</bdi></a>
        </th>`}
        <td>${item.currency}</td>
        <td class="number">${number(item.orders)}</td>
        <td class="number"><${Money} of=${item.lifetime_value} /></td>
        <td class="number"><${Money} of=${item.average} /></td>
        <td class="number">${number(item.returns)}</td>
        <td class="number"><${Money} of=${item.refunded} /></td>
        <td>${time(item.first_order_at)}</td>
        <td>${time(item.last_order_at)}</td>
      </tr>`,
    )}
  <//>`;
}

/** The page of `#/customers?…`. */
export function CustomersPage({ parameters }) {
  const context = useContext(Context);
  const list = useList(() => new LiveList(context, "/customers", parameters), [JSON.stringify(parameters)]);
  return html`
    <${Heading} title="Customers" />
    <${Search} fields=${FIELDS} parameters=${parameters} at="customers" />
    ${list &&
    html`<section aria-label="Found" aria-busy=${list.isLoading}>
      <${Age} freshness=${list.freshness} />
      <${Trouble} problem=${list.problem} />
      ${list.items.length > 0 && html`<${Summaries} items=${list.items} hasCustomer=${true} />`}
      ${list.freshness !== null && list.items.length === 0 && html`<p>No customer was found.</p>`}
      <${More} list=${list} />
    </section>`}
  `;
}

/** The page of `#/customers/<id>`, and a customer's own. */
export function CustomerPage({ id }) {
  const context = useContext(Context);
  const path = `/customers/${encodeURIComponent(id)}`;
  const summary = useList(() => new LiveList(context, `${path}/summary`), [path]);
  return html`
    <${Heading} title=${`Customer ${id}`}>Customer <bdi>${id}</bdi><//>
    ${summary &&
    html`<section aria-label="Summary">
      <${Age} freshness=${summary.freshness} />
      <${Trouble} problem=${summary.problem} />
      ${summary.body && html`<${Summaries} items=${summary.body.currencies} hasCustomer=${false} />`}
    </section>`}
    <h2>Orders</h2>
    <${OrderList} path=${`${path}/orders`} parameters=${{}} />
  `;
}
