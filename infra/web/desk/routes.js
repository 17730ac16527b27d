/** Where the page is: `#/orders/<id>` and the like, with parameters as in `#/orders?status=held`. */

import { useEffect, useState } from "../vendor/hooks.js";

const read = () => {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { parts, parameters: Object.fromEntries(new URLSearchParams(query)) };
};

/** @returns {{parts: string[], parameters: Record<string, string>}} */
export function useRoute() {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** Return the address of a page with those parameters that have a value. */
export function linkTo(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return given.length === 0 ? `#/${path}` : `#/${path}?${new URLSearchParams(given)}`;
}

export const go = (link) => {
  location.hash = link;
};
