/** Customers: the best first, and one with what they have ordered. */

import { useContext, useEffect } from "../../vendor/hooks.js";
import { LiveList } from "../live.js";
import { Age, Context, Heading, html, Money, More, Trouble, useLive } from "../parts.js";
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
  return html`<div class="wide" tabindex="0" role="group" aria-label="Customers">
    <table>
      <thead>
        <tr>
          ${hasCustomer && html`<th scope="col">Customer</th>`}
          <th scope="col">Currency</th>
          <th scope="col" class="number">Orders</th>
          <th scope="col" class="number">Value</th>
          <th scope="col" class="number">Average</th>
          <th scope="col" class="number">Returns</th>
          <th scope="col" class="number">Refunded</th>
          <th scope="col">First order</th>
          <th scope="col">Last order</th>
        </tr>
      </thead>
      <tbody>
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
      </tbody>
    </table>
  </div>`;
}

/** The page of `#/customers?…`. */
export function CustomersPage({ parameters }) {
  const context = useContext(Context);
  const list = useLive(() => new LiveList(context, "/customers", parameters), [JSON.stringify(parameters)]);
  useEffect(() => {
    list?.load();
  }, [list]);
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
  const summary = useLive(() => new LiveList(context, `${path}/summary`), [path]);
  useEffect(() => {
    summary?.load();
  }, [summary]);
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
