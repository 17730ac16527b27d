/** The order desk: signing in, the navigation, and which page is shown. */

import { useEffect, useReducer } from "../vendor/hooks.js";
import { render } from "../vendor/preact.js";
import { OrdersApi } from "./api.js";
import { Connection } from "./live.js";
import { CustomerPage, CustomersPage } from "./pages/customers.js";
import { HealthPage } from "./pages/health.js";
import { OrderPage } from "./pages/order.js";
import { OrdersPage } from "./pages/orders.js";
import { PlacePage } from "./pages/place.js";
import { QueuePage } from "./pages/queue.js";
import { SalesPage } from "./pages/sales.js";
import { ConnectionBar, Context, Heading, html } from "./parts.js";
import { useRoute } from "./routes.js";
import { Session } from "./session.js";

const LINKS = [
  ["orders", "Orders", ["read"]],
  ["place", "Place an order", ["sell", "operate"]],
  ["queue", "Work queue", ["operate"]],
  ["customers", "Customers", ["operate"]],
  ["sales", "Sales", ["operate"]],
  ["health", "Read models", ["operate"]],
];

function pageOf({ parts, parameters }, session) {
  const [name, id] = parts;
  const isOperator = session.may("operate");
  if (name === "orders" && id) return html`<${OrderPage} id=${id} key=${id} />`;
  if (name === "place" && session.may("sell", "operate")) return html`<${PlacePage} />`;
  if (name === "customers" && id && (isOperator || id === session.customerId)) {
    return html`<${CustomerPage} id=${id} key=${id} />`;
  }
  if (isOperator && name === "customers") return html`<${CustomersPage} parameters=${parameters} />`;
  if (isOperator && name === "queue") return html`<${QueuePage} stage=${id || null} key=${id} />`;
  if (isOperator && name === "sales") return html`<${SalesPage} parameters=${parameters} />`;
  if (isOperator && name === "health") return html`<${HealthPage} />`;
  if (name === "" || name === "orders") return html`<${OrdersPage} parameters=${parameters} />`;
  return html`<${Heading} title="There is no such page" /><p><a href="#/orders">Go to the orders</a></p>`;
}

function Desk({ context }) {
  const { session, connection } = context;
  const route = useRoute();
  const [, again] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    session.listeners.add(again);
    return () => session.listeners.delete(again);
  }, [session]);
  const here = route.parts[0] || "orders";
  const links = LINKS.filter(([, , scopes]) => session.may(...scopes));
  return html`<${Context.Provider} value=${context}>
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header>
      <p class="name"><a href="#/orders">Order desk</a></p>
      <nav aria-label="Pages">
        <ul>
          ${links.map(
            ([name, label]) =>
              html`<li key=${name}><a href=${`#/${name}`} aria-current=${name === here ? "page" : undefined}>${label}</a></li>`,
          )}
        </ul>
      </nav>
      <p class="who">
        <bdi>${session.name}</bdi> <button type="button" onClick=${() => session.signOut()}>Sign out</button>
      </p>
    </header>
    <${ConnectionBar} connection=${connection} />
    ${session.isExpired &&
    html`<div class="connection" role="alert">
      <p>
        Your sign-in has ended. Nothing that you have typed is lost.${" "}
        <button type="button" class="main" onClick=${() => session.signInBeside()}>Sign in again</button>
      </p>
    </div>`}
    <main id="main" tabindex="-1">${pageOf(route, session)}</main>
  <//>`;
}

/** The address is the page's: the link must not change it. */
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function Welcome({ session, error }) {
  return html`<main>
    <${Heading} title="Order desk" />
    ${error && html`<div class="problem" role="alert"><p>${error.message}</p></div>`}
    <p>Follow and change orders.</p>
    <p><button type="button" class="main" onClick=${() => session.signIn()}>Sign in</button></p>
  </main>`;
}

async function start() {
  const place = document.getElementById("desk");
  place.replaceChildren();
  const show = (what) => render(what, place);
  const response = await fetch("desk/config.json");
  if (!response.ok) throw new Error(`The desk has no configuration: ${response.status}.`);
  const session = new Session(await response.json());
  try {
    if (await session.takeAnswer()) return;
  } catch (error) {
    show(html`<${Welcome} session=${session} error=${error} />`);
    return;
  }
  if (!session.isSignedIn) {
    show(html`<${Welcome} session=${session} error=${null} />`);
    return;
  }
  const api = new OrdersApi({
    base: session.config.api,
    accessToken: () => session.accessToken(),
    renew: () => session.expired(),
    storage: sessionStorage,
  });
  show(html`<${Desk} context=${{ api, session, connection: new Connection() }} />`);
}

start().catch((error) => {
  document.getElementById("desk").textContent = `The order desk could not be started: ${error.message}`;
});
