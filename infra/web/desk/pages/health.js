/** How the read models are: how old, what is parked, what is being built. */

import { useContext, useEffect } from "../../vendor/hooks.js";
import { LiveList } from "../live.js";
import { Context, Heading, html, Trouble, useLive } from "../parts.js";
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
  const list = useLive(() => new LiveList(context, "/read-models"), []);
  useEffect(() => {
    if (list === null) return undefined;
    list.load();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible" && !list.isLoading) list.load();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [list]);
  return html`
    <${Heading} title="Read models" />
    ${list && html`<${Trouble} problem=${list.problem} />`}
    ${list?.body &&
    html`<div class="wide" tabindex="0" role="group" aria-label="Read models">
      <table>
        <thead>
          <tr>
            <th scope="col">Read model</th>
            <th scope="col">As of</th>
            <th scope="col" class="number">Parked orders</th>
            <th scope="col" class="number">Generation</th>
            <th scope="col">Being built</th>
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>`}
  `;
}
