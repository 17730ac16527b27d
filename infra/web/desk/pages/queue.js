/** The work queue: what waits for whom, and since when. */

import { useContext } from "../../vendor/hooks.js";
import { LiveList } from "../live.js";
import { Age, Context, Heading, html, Money, More, Table, Trouble, useList } from "../parts.js";
import { ago, number, words } from "../text.js";

const REFRESH_MS = 10_000;

/** The page of `#/queue` and `#/queue/<stage>`. */
export function QueuePage({ stage }) {
  const context = useContext(Context);
  const list = useList(() => new LiveList(context, "/work-queue", { stage }), [stage], { refresh: REFRESH_MS });
  const title = stage ? `Work queue: ${words(stage).toLowerCase()}` : "Work queue";
  return html`
    <${Heading} title=${title} />
    ${list && html`<${Age} freshness=${list.freshness} /><${Trouble} problem=${list.problem} />`}
    ${list?.body &&
    html`<ul class="stages">
      ${list.body.stages.map(
        (each) => html`<li key=${each.stage}>
          <a href=${`#/queue/${each.stage}`} aria-current=${each.stage === stage ? "page" : undefined}>
            <strong>${words(each.stage)}</strong> <span class="count">${number(each.waiting)}</span>
          </a>
          <p class="small">${words(each.meaning)}</p>
          ${each.oldest_age_seconds !== null && html`<p class="small">The oldest: ${ago(each.oldest_age_seconds * 1000)}</p>`}
        </li>`,
      )}
    </ul>`}
    ${stage &&
    list &&
    html`<section aria-label="Waiting" aria-busy=${list.isLoading}>
      ${list.items.length > 0 &&
      html`<${Table}
        label="Orders that wait"
        head=${["Order", "Customer", "Waiting since", "Units", "Amount"]}
        numbers=${["Units", "Amount"]}
      >
        ${list.items.map(
          (item) => html`<tr key=${item.order_id}>
            <th scope="row">
              <a href=${`#/orders/${item.order_id}`}><bdi>${item.reference ?? item.order_id.slice(-8)}</bdi></a>
            </th>
            <td><bdi>${item.customer_id}</bdi></td>
            <td>${ago(item.age_seconds * 1000)}</td>
            <td class="number">${item.units === null ? "–" : number(item.units)}</td>
            <td class="number"><${Money} of=${item.amount} /></td>
          </tr>`,
        )}
      <//>`}
      ${list.freshness !== null && list.items.length === 0 && html`<p>Nothing waits here.</p>`}
      <${More} list=${list} />
    </section>`}
  `;
}
