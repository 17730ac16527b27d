/** Place an order. */

import { useContext, useEffect, useRef, useState } from "../../vendor/hooks.js";
import { ADDRESS, addressOf, amount, given, lineOf, NEW_LINE } from "../commands.js";
import { Context, errorsOfNone, Fields, Heading, html, useDraft, useFocusOnErrors } from "../parts.js";
import { go } from "../routes.js";

const ORDER = [
  { name: "customer_id", label: "Customer", kind: "text" },
  { name: "currency", label: "Currency (three letters)", kind: "text" },
  { name: "reference", label: "Reference", kind: "text", isOptional: true },
  { name: "shipping_fee", label: "Shipping fee", kind: "money", isOptional: true },
];
const SENT = "outgoing new";
const newLine = () => ({ id: crypto.randomUUID(), quantity: "1" });
const initial = () => ({
  key: crypto.randomUUID(),
  order: { currency: "EUR" },
  lines: [newLine()],
  address: {},
});

function bodyOf({ order, lines, address }) {
  const { shipping_fee: fee, ...others } = order;
  return {
    ...given(others),
    ...(fee ? { shipping_fee: amount(fee, order) } : {}),
    lines: lines.map(({ id, ...line }) => lineOf(line, order)),
    shipping_address: addressOf(address),
  };
}

/** The page of `#/place`. */
export function PlacePage() {
  const { api, connection } = useContext(Context);
  const [draft, setDraft, clearDraft] = useDraft("place", initial);
  const [errors, setErrors] = useState([]);
  const [problem, setProblem] = useState(null);
  const [isSending, setSending] = useState(false);
  const form = useRef(null);
  useFocusOnErrors(form, errors);

  const send = async (sent) => {
    setSending(true);
    setErrors([]);
    setProblem(null);
    sessionStorage.setItem(SENT, JSON.stringify(sent));
    try {
      const options = { body: bodyOf(sent), key: sent.key, onWaiting: connection.of(form) };
      const { orderId } = await api.command("POST", "/orders", options);
      clearDraft();
      go(`#/orders/${orderId}`);
    } catch (error) {
      setErrors(error.errors ?? []);
      setProblem((error.errors ?? []).length > 0 ? null : error);
      // What is sent after a change is another wish.
      setDraft({ key: crypto.randomUUID() });
      setSending(false);
    } finally {
      connection.of(form)(null);
      sessionStorage.removeItem(SENT);
    }
  };
  useEffect(() => {
    // What was sent before the page was loaded anew is sent again, and happens once.
    const sent = sessionStorage.getItem(SENT);
    if (sent !== null) send(JSON.parse(sent));
  }, []);

  const setLine = (at, change) =>
    setDraft({ lines: draft.lines.map((line, each) => (each === at ? { ...line, ...change } : line)) });
  const fields = [...ORDER, { name: "lines", kind: "items" }, { name: "shipping_address", kind: "items" }];
  const others = errorsOfNone(fields, errors);
  return html`
    <${Heading} title="Place an order" />
    <form
      ref=${form}
      class="place"
      aria-label="Order"
      onSubmit=${(event) => {
        event.preventDefault();
        if (!isSending) send(draft);
      }}
    >
      ${(others.length > 0 || problem !== null) &&
      html`<div class="problem" role="alert" tabindex="-1">
        ${others.map(({ detail }) => html`<p>${detail}</p>`)} ${problem && html`<p>${problem.message}</p>`}
      </div>`}
      <div class="fields">
        <${Fields}
          fields=${ORDER}
          values=${draft.order}
          errors=${errors}
          onChange=${(change) => setDraft({ order: { ...draft.order, ...change } })}
        />
      </div>
      ${draft.lines.map(
        (line, at) => html`<fieldset key=${line.id} class="fields">
          <legend>Line ${at + 1}</legend>
          <${Fields}
            fields=${NEW_LINE}
            values=${line}
            errors=${errors}
            prefix=${`/lines/${at}`}
            onChange=${(change) => setLine(at, change)}
          />
          ${draft.lines.length > 1 &&
          html`<button type="button" onClick=${() => setDraft({ lines: draft.lines.filter((each) => each !== line) })}>
            Remove line ${at + 1}
          </button>`}
        </fieldset>`,
      )}
      <p><button type="button" onClick=${() => setDraft({ lines: [...draft.lines, newLine()] })}>Add a line</button></p>
      <fieldset class="fields">
        <legend>Shipping address</legend>
        <${Fields}
          fields=${ADDRESS}
          values=${draft.address}
          errors=${errors}
          prefix="/shipping_address"
          onChange=${(change) => setDraft({ address: { ...draft.address, ...change } })}
        />
      </fieldset>
      <p class="buttons">
        <button type="submit" class="main" disabled=${isSending}>${isSending ? "Being placed …" : "Place order"}</button>
      </p>
    </form>
  `;
}
