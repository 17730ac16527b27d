/** How the read models are: how old, what is parked, what is being built. */

import { useContext } from "../../vendor/hooks.js";
import { LiveList } from "../live.js";
import { Context, Heading, html, Table, Trouble, useList } from "../parts.js";
import { ago, number, words } from "../text.js";

const REFRESH_MS = 3_000;
const BEHIND_SECONDS = 10;

const building = (of) => {
  if (of.is_filled) return `${of.generation}, filled`;
  const expected = of.orders_expected === null ? "" : ` of ${number(of.orders_expected)}`;
  return `${of.generation}: ${number(of.orders_filled)}${expected} orders`;
};

/** The page of `#/health`. */
export function HealthPage() {
  const context = useContext(Context);
  const list = useList(() => new LiveList(context, "/read-models"), [], { refresh: REFRESH_MS });
  return html`
    <${Heading} title="Read models" />
    ${list && html`<${Trouble} problem=${list.problem} />`}
    ${list?.body &&
    html`<${Table}
      label="Read models"
      head=${["Read model", "As of", "Parked orders", "Generation", "Being built"]}
      numbers=${["Parked orders", "Generation"]}
    >
      ${list.items.map(
        (model) => html`<tr key=${model.name}>
          <th scope="row">${words(model.name)}</th>
          <td>
            ${model.age_seconds === null ? "unknown" : ago(model.age_seconds * 1000)}
            ${(model.age_seconds === null || model.age_seconds > BEHIND_SECONDS) && html`<span class="mark">behind</span>`}
          </td>
          <td class="number">
            ${number(model.parked_orders)} ${model.parked_orders > 0 && html`<span class="mark">parked</span>`}
          </td>
          <td class="number">${model.generation ?? "–"}</td>
          <td>${model.building === null ? "–" : building(model.building)}</td>
        </tr>`,
      )}
    <//>`}
  `;
}
