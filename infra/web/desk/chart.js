/** A chart over time; it reads as a table, too, which the page has beside it. */

import { useEffect, useRef } from "../vendor/hooks.js";
import { html } from "./parts.js";

const HEIGHT = 260;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Draw lines over days.
 *
 * @param {{days: string[], lines: {label: string, values: (number | null)[]}[], label: string}} props
 */
export function Chart({ days, lines, label }) {
  const place = useRef(null);
  useEffect(() => {
    let chart = null;
    let isGone = false;
    let watching = null;
    import("../vendor/uplot.js").then(({ default: UPlot }) => {
      if (isGone) return;
      const colours = [colour("--accent"), colour("--second"), colour("--third")];
      const axis = { stroke: colour("--text"), grid: { stroke: colour("--line") } };
      chart = new UPlot(
        {
          width: place.current.clientWidth,
          height: HEIGHT,
          series: [{}, ...lines.map((line, at) => ({ label: line.label, stroke: colours[at % 3], width: 2 }))],
          axes: [axis, axis],
          legend: { live: false },
          cursor: { drag: { x: false, y: false } },
        },
        [days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1000), ...lines.map((line) => line.values)],
        place.current,
      );
      watching = new ResizeObserver(() => chart.setSize({ width: place.current.clientWidth, height: HEIGHT }));
      watching.observe(place.current);
    });
    return () => {
      isGone = true;
      watching?.disconnect();
      chart?.destroy();
    };
  }, [JSON.stringify(days), JSON.stringify(lines)]);
  return html`<div class="chart" ref=${place} role="img" aria-label=${label}></div>`;
}
