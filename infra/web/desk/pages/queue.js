/** The work queue: what waits for whom, and since when. */

import { useContext, useEffect } from "../../vendor/hooks.js";
import { LiveList } from "../live.js";
import { Age, Context, Heading, html, Money, More, Trouble, useLive } from "../parts.js";
import { ago, number, words } from "../text.js";

const REFRESH_MS = 10_000;

/** The page of `#/queue` and `#/queue/<stage>`. */
export function QueuePage({ stage }) {
  const context = useContext(Context);
  const list = useLive(() => new LiveList(context, "/work-queue", { stage }), [stage]);
  useEffect(() => {
    if (list === null) return undefined;
    list.load();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible" && list.items.length <= 20) list.load();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [list]);
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
      html`<div class="wide" tabindex="0" role="group" aria-label="Orders that wait">
        <table>
          <thead>
            <tr>
              <th scope="col">Order</th>
              <th scope="col">Customer</th>
              <th scope="col">Waiting since</th>
              <th scope="col" class="number">Units</th>
              <th scope="col" class="number">Amount</th>
            </tr>
          </thead>
          <tbody>
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
          </tbody>
        </table>
      </div>`}
      ${list.freshness !== null && list.items.length === 0 && html`<p>Nothing waits here.</p>`}
      <${More} list=${list} />
    </section>`}
  `;
}
