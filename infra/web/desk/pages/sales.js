/** Sales by days and months, and what sells best. */

import { useContext, useEffect } from "../../vendor/hooks.js";
import { Chart } from "../chart.js";
import { LiveList } from "../live.js";
import { Age, Context, Heading, html, Money, Table, Trouble, useList, useLive } from "../parts.js";
import { day, month, number, sum } from "../text.js";
import { Search } from "./orders.js";

const FIELDS = [
  { name: "from", label: "From", kind: "text", type: "date" },
  { name: "to", label: "and before", kind: "text", type: "date" },
  { name: "currency", label: "Currency", kind: "text" },
  {
    name: "by",
    label: "By",
    kind: "choice",
    choices: [
      ["", "day"],
      ["month", "month"],
    ],
  },
  {
    name: "order_by",
    label: "Products by",
    kind: "choice",
    choices: [
      ["", "quantity"],
      ["revenue", "revenue"],
    ],
  },
];
const AMOUNTS = ["gross", "discounts", "tax", "shipping", "cancelled", "returned", "refunded", "net"];

/** Add days to months, exactly. */
function byMonth(items) {
  const months = new Map();
  for (const item of items) {
    const key = `${item.day.slice(0, 7)} ${item.currency}`;
    months.set(key, [...(months.get(key) ?? []), item]);
  }
  return [...months].map(([key, days]) => ({
    day: key.slice(0, 7),
    currency: days[0].currency,
    orders: days.reduce((all, each) => all + each.orders, 0),
    items: days.reduce((all, each) => all + each.items, 0),
    ...Object.fromEntries(
      AMOUNTS.map((name) => [
        name,
        { amount: sum(days.map((each) => each[name].amount)), currency: days[0].currency },
      ]),
    ),
  }));
}

/** The page of `#/sales?…`. */
export function SalesPage({ parameters }) {
  const context = useContext(Context);
  const { from, to, currency, by, order_by } = parameters;
  const key = JSON.stringify(parameters);
  const sales = useLive(() => new LiveList(context, "/sales/daily", { from, to, currency }), [key]);
  const products = useList(
    () => new LiveList(context, "/sales/products", { from, to, currency, order_by, limit: 20 }),
    [key],
  );
  useEffect(() => {
    sales?.loadAll();
  }, [sales]);
  const items = sales === null ? [] : by === "month" ? byMonth(sales.items) : sales.items;
  return html`
    <${Heading} title="Sales" />
    <${Search} fields=${FIELDS} parameters=${parameters} at="sales" />
    ${sales && html`<${Days} sales=${sales} items=${items} isMonths=${by === "month"} />`}
    ${products && html`<${Products} list=${products} />`}
  `;
}

function Days({ sales, items, isMonths }) {
  const currencies = [...new Set(items.map((item) => item.currency))];
  const when = isMonths ? month : day;
  return html`<section aria-labelledby="days" aria-busy=${sales.isLoading}>
    <h2 id="days">${isMonths ? "Months" : "Days"}</h2>
    <${Age} freshness=${sales.freshness} />
    <${Trouble} problem=${sales.problem} />
    ${currencies.map((currency) => {
      const of = items.filter((item) => item.currency === currency);
      const lines = ["gross", "net"].map((name) => ({
        label: `${name}, ${currency}`,
        values: of.map((item) => Number(item[name].amount)),
      }));
      const days = of.map((item) => (isMonths ? `${item.day}-01` : item.day));
      return html`<${Chart} key=${currency} days=${days} lines=${lines} label=${`Gross and net sales in ${currency}; the table has them`} />`;
    })}
    ${items.length > 0 &&
    html`<${Table}
      labelledBy="days"
      head=${[isMonths ? "Month" : "Day", "Orders", "Units", ...AMOUNTS]}
      numbers=${["Orders", "Units", ...AMOUNTS]}
      isTall=${true}
    >
      ${items.map(
        (item) => html`<tr key=${`${item.day} ${item.currency}`}>
          <th scope="row">${when(item.day)}</th>
          <td class="number">${number(item.orders)}</td>
          <td class="number">${number(item.items)}</td>
          ${AMOUNTS.map((name) => html`<td class="number" key=${name}><${Money} of=${item[name]} /></td>`)}
        </tr>`,
      )}
    <//>`}
    ${sales.freshness !== null && items.length === 0 && html`<p>Nothing was sold then.</p>`}
  </section>`;
}

function Products({ list }) {
  return html`<section aria-labelledby="products">
    <h2 id="products">What sells best</h2>
    <${Age} freshness=${list.freshness} />
    <${Trouble} problem=${list.problem} />
    ${list.items.length > 0 &&
    html`<${Table}
      labelledBy="products"
      head=${["SKU", "Quantity", "Sold", "Cancelled", "Returned", "Revenue"]}
      numbers=${["Quantity", "Sold", "Cancelled", "Returned", "Revenue"]}
    >
      ${list.items.map(
        (item) => html`<tr key=${`${item.sku} ${item.currency}`}>
          <th scope="row"><bdi>${item.sku}</bdi></th>
          <td class="number">${number(item.quantity)}</td>
          <td class="number">${number(item.sold)}</td>
          <td class="number">${number(item.cancelled)}</td>
          <td class="number">${number(item.returned)}</td>
          <td class="number"><${Money} of=${item.revenue} /></td>
        </tr>`,
      )}
    <//>`}
  </section>`;
}
