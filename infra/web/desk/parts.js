/** What pages are put together from. */

import { useEffect, useId, useLayoutEffect, useReducer, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { createContext, h } from "../vendor/preact.js";
import { Problem } from "./api.js";
import { initialValues } from "./commands.js";
import { ago, money, number, words } from "./text.js";

export const html = htm.bind(h);

/** What every page works with: `{api, session, connection}`. */
export const Context = createContext(null);

const BEHIND_MS = 10_000;

/** Show again whenever what is shown has changed. */
export function useShown(shown) {
  const [, again] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    if (!shown) return undefined;
    const end = shown.subscribe(again);
    again(); // it may have changed before
    return end;
  }, [shown]);
  return shown;
}

/** Make something for as long as the keys stay the same; its `stop` is called at the end. */
export function useLive(make, keys) {
  const [live, setLive] = useState(null);
  useEffect(() => {
    const made = make();
    setLive(made);
    return () => made.stop();
  }, keys);
  return useShown(live);
}

/**
 * Make a list for as long as the keys stay the same, and read it.
 *
 * With `refresh` it is read anew after so many milliseconds, as long as the window is seen and only
 * the first page is there: further ones would move.
 */
export function useList(make, keys, { refresh = null } = {}) {
  const list = useLive(make, keys);
  useEffect(() => {
    if (list === null) return undefined;
    list.load();
    if (refresh === null) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible" && !list.isLoading && !list.isContinued) list.load();
    }, refresh);
    return () => clearInterval(timer);
  }, [list]);
  return list;
}

/** A table that is scrolled by itself where it is too wide; `head` are its columns' names. */
export function Table({ label, labelledBy, head, numbers = [], isTall = false, children }) {
  return html`<div
    class=${isTall ? "wide tall" : "wide"}
    tabindex="0"
    role="group"
    aria-label=${label}
    aria-labelledby=${labelledBy}
  >
    <table>
      <thead>
        <tr>
          ${head.map(
            (name) => html`<th scope="col" key=${name} class=${numbers.includes(name) ? "number" : undefined}>${name}</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${children}
      </tbody>
    </table>
  </div>`;
}

/** The time now, each second. */
function useNow() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** How old what is shown is, and whether something is missing in it. */
export function Age({ freshness }) {
  const now = useNow();
  if (freshness === null) return null;
  const age = freshness.age === null ? null : freshness.age + (now - freshness.receivedAt);
  return html`<p class="age">
    <span>${age === null ? "Of unknown age" : `As of ${ago(age)}`}</span>
    ${freshness.isStale && html`<span class="mark">Your last change is not in it yet</span>`}
    ${(freshness.age === null || freshness.age > BEHIND_MS) &&
    html`<span class="mark">The read model is behind</span>`}
    ${freshness.parked > 0 &&
    html`<span class="mark">
      ${number(freshness.parked)} ${freshness.parked === 1 ? "order" : "orders"} could not be brought up to date
    </span>`}
  </p>`;
}

export const Status = ({ of }) => html`<span class=${`status ${of}`}>${words(of)}</span>`;
export const Money = ({ of }) => html`<span class="money">${of === null ? "–" : money(of)}</span>`;

/** Why something cannot be shown. */
export function Trouble({ problem }) {
  if (problem === null) return null;
  return html`<div class="problem" role="alert">
    <p>${problem.message}</p>
    ${problem.correlationId && html`<p class="small">Reference: <code>${problem.correlationId}</code></p>`}
  </div>`;
}

/** At the top of the page: that the service is away or busy, and when it is asked again. */
export function ConnectionBar({ connection }) {
  useShown(connection);
  const now = useNow();
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    addEventListener("online", look);
    addEventListener("offline", look);
    return () => {
      removeEventListener("online", look);
      removeEventListener("offline", look);
    };
  }, []);
  const { trouble } = connection;
  let said = "";
  if (!isOnline) said = "You are offline.";
  else if (trouble !== null) {
    const isBusy = trouble.reason.status === 429;
    const seconds = Math.max(0, Math.ceil((trouble.retryAt - now) / 1_000));
    said = `${isBusy ? "The service is busy" : "The service cannot be reached now"}; it is asked again in ${seconds} s.`;
  }
  return html`<div class="connection" role="status">
    ${said && html`<p>${said} What you see is kept, and brought up to date when it is back.</p>`}
  </div>`;
}

let isFirstPage = true;

/** A heading that names the window, and has the focus when one comes from another page. */
export function Heading({ children, title }) {
  const heading = useRef(null);
  useLayoutEffect(() => {
    document.title = `${title} · Order desk`;
  }, [title]);
  useLayoutEffect(() => {
    if (!isFirstPage) heading.current.focus();
    isFirstPage = false;
  }, []);
  return html`<h1 tabindex="-1" ref=${heading}>${children ?? title}</h1>`;
}

/** The end of a list: more of it, as soon as one comes near. */
export function More({ list }) {
  const end = useRef(null);
  useEffect(() => {
    if (end.current === null) return undefined;
    const watching = new IntersectionObserver((seen) => {
      if (seen.some((each) => each.isIntersecting)) list.more();
    });
    watching.observe(end.current);
    return () => watching.disconnect();
  }, [list, list.next]);
  if (list.next === null) return null;
  return html`<p ref=${end}>
    <button type="button" onClick=${() => list.more()} disabled=${list.isLoading}>
      ${list.isLoading ? "Loading …" : "Show more"}
    </button>
  </p>`;
}

const pointersOf = (field) => {
  if (field.kind === "money") return [`/${field.name}`, `/${field.name}/amount`];
  return [`/${field.name}`];
};

/** Return the errors that are of a field, by where they point. */
const errorsOf = (field, errors, prefix = "") => {
  const pointers = pointersOf(field).map((pointer) => prefix + pointer);
  return errors.filter(
    ({ pointer }) => pointers.includes(pointer) || (field.kind === "items" && pointer.startsWith(`${pointers[0]}/`)),
  );
};

function Input({ field, value, errors, onValue, order, part }) {
  const id = useId();
  const wrong = errors.length > 0;
  const common = {
    id,
    name: field.name,
    value,
    autocomplete: field.autocomplete ?? "off",
    "aria-invalid": wrong ? "true" : undefined,
    "aria-describedby": wrong ? `${id}-error` : undefined,
    onInput: (event) => onValue(event.target.value),
  };
  const said =
    wrong &&
    html`<p class="error" id=${`${id}-error`}>
      ${errors.map(({ detail }) => html`<span>${detail}</span>`)}
    </p>`;
  if (field.kind === "items") {
    return html`<${Items} field=${field} chosen=${value} onChosen=${onValue} order=${order} part=${part} said=${said} />`;
  }
  if (field.kind === "choice") {
    return html`<div class="field">
      <label for=${id}>${field.label}</label>
      <select ...${common} onChange=${common.onInput}>
        ${field.choices.map(([key, label]) => html`<option value=${key} selected=${key === value}>${label}</option>`)}
      </select>
      ${said}
    </div>`;
  }
  return html`<div class="field">
    <label for=${id}>
      ${field.label}${field.kind === "money" && order && ` (${order.currency})`}
      ${field.isOptional && html`<span class="small"> optional</span>`}
    </label>
    ${field.kind === "long"
      ? html`<textarea rows="3" ...${common}></textarea>`
      : html`<input
          type=${field.type ?? "text"}
          inputmode=${{ number: "numeric", money: "decimal" }[field.kind]}
          dir="auto"
          ...${common}
        />`}
    ${said}
  </div>`;
}

function Items({ field, chosen, onChosen, order, part, said }) {
  const id = useId();
  const lines = order.lines.filter((line) => chosen[line.line_id] !== undefined);
  const set = (lineId, change) => onChosen({ ...chosen, [lineId]: { ...chosen[lineId], ...change } });
  return html`<fieldset class="items" aria-describedby=${said ? `${id}-error` : undefined}>
    <legend>${field.label}</legend>
    ${lines.map((line) => {
      const item = chosen[line.line_id];
      const what = line.name ?? line.sku;
      return html`<div class="item" key=${line.line_id}>
        <label>
          <bdi>${what}</bdi> (of ${number(field.most(order, line, part))})
          <input
            type="text"
            inputmode="numeric"
            autocomplete="off"
            value=${item.quantity}
            onInput=${(event) => set(line.line_id, { quantity: event.target.value })}
          />
        </label>
        ${field.hasReason &&
        html`<label>
          Reason for <bdi>${what}</bdi>
          <input
            type="text"
            dir="auto"
            autocomplete="off"
            value=${item.reason}
            onInput=${(event) => set(line.line_id, { reason: event.target.value })}
          />
        </label>`}
      </div>`;
    })}
    <div id=${`${id}-error`}>${said}</div>
  </fieldset>`;
}

/** What was typed is kept for the tab: it outlives a reload and a sign-in. */
export function useDraft(name, initial) {
  const [values, setValues] = useState(() => {
    try {
      return JSON.parse(sessionStorage.getItem(`draft ${name}`)) ?? initial();
    } catch {
      return initial();
    }
  });
  const set = (change) => {
    setValues((before) => {
      const after = { ...before, ...change };
      sessionStorage.setItem(`draft ${name}`, JSON.stringify(after));
      return after;
    });
  };
  const clear = () => sessionStorage.removeItem(`draft ${name}`);
  return [values, set, clear];
}

/** Fields with their errors; those that are of no field are said above. */
export function Fields({ fields, values, errors, onChange, order = null, part = null, prefix = "" }) {
  return fields.map(
    (field) =>
      html`<${Input}
        key=${field.name}
        field=${field}
        value=${values[field.name] ?? ""}
        errors=${errorsOf(field, errors, prefix)}
        onValue=${(value) => onChange({ [field.name]: value })}
        order=${order}
        part=${part}
      />`,
  );
}

export const errorsOfNone = (fields, errors, prefix = "") =>
  errors.filter((error) => !fields.some((field) => errorsOf(field, [error], prefix).length > 0));

/** Focus the first field that is wrong. */
export function useFocusOnErrors(form, errors) {
  useEffect(() => {
    if (errors.length > 0) form.current?.querySelector("[aria-invalid], [role=alert]")?.focus();
  }, [errors]);
}

/** A command's own small form; `errors` are of what was sent before. */
export function CommandForm({ live, command, part, errors, onSend, onLeave }) {
  const { shown: order } = live;
  const [draft, setDraft, clearDraft] = useDraft(draftOf(live, command, part), () => ({
    // Names this wish: sent twice, by a double click or a reload, it happens once.
    key: crypto.randomUUID(),
    values: initialValues(command, order, part),
  }));
  const form = useRef(null);
  useFocusOnErrors(form, errors);
  useEffect(() => {
    if (errors.length === 0) form.current?.querySelector("input, textarea, select, button")?.focus();
  }, []);
  const fields = command.fields ?? [];
  const others = errorsOfNone(fields, errors, command.prefix);
  const send = (event) => {
    event.preventDefault();
    clearDraft();
    onSend(draft);
  };
  const leave = () => {
    clearDraft();
    onLeave();
  };
  return html`<form ref=${form} class="command" onSubmit=${send} aria-label=${command.label}>
    ${others.length > 0 &&
    html`<div class="problem" role="alert" tabindex="-1">${others.map(({ detail }) => html`<p>${detail}</p>`)}</div>`}
    <${Fields}
      fields=${fields}
      values=${draft.values}
      errors=${errors}
      onChange=${(change) => setDraft({ values: { ...draft.values, ...change } })}
      order=${order}
      part=${part}
      prefix=${command.prefix ?? ""}
    />
    ${command.isGrave && html`<p>This cannot be taken back.</p>`}
    <p class="buttons">
      <button type="submit" class="main">${command.label}</button>
      <button type="button" onClick=${leave}>Leave it</button>
    </p>
  </form>`;
}

const draftOf = (live, command, part) => `${live.orderId} ${command.name} ${part ?? ""}`;

/** Keep what was refused because of its fields, for its form to come back with: as another wish. */
export function keepDraft(live, command, part, values) {
  const draft = { key: crypto.randomUUID(), values };
  sessionStorage.setItem(`draft ${draftOf(live, command, part)}`, JSON.stringify(draft));
}

/** Text of a problem, for where there is little room. */
export const reasonOf = (error) =>
  error instanceof Problem && error.errors.length > 0
    ? error.errors.map(({ detail }) => detail).join(" ")
    : error.message;
