/** What is shown of amounts, times and words, in the user's own language where the browser knows it. */

const locale = globalThis.navigator?.languages ?? ["en"];

/** An order's statuses, as the API names them. */
export const STATUSES = [
  "placed",
  "confirmed",
  "part_paid",
  "paid",
  "held",
  "in_fulfilment",
  "part_shipped",
  "shipped",
  "part_delivered",
  "delivered",
  "completed",
  "return_requested",
  "return_approved",
  "part_returned",
  "returned",
  "refund_due",
  "refunded",
  "cancelled",
];

/** Write money exactly: the amount is a decimal text, and stays one. */
export function money({ amount, currency }) {
  try {
    return new Intl.NumberFormat(locale, { style: "currency", currency }).format(amount);
  } catch {
    return `${amount} ${currency}`; // a currency that the browser does not know
  }
}

export const number = (value) => new Intl.NumberFormat(locale).format(value);

export const time = (value) =>
  value && new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(value));

export const clock = (value) =>
  new Intl.DateTimeFormat(locale, { timeStyle: "medium" }).format(new Date(value));

/** Write a day without a time zone, such as 2026-11-22. */
export const day = (value) =>
  new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${value}T00:00:00Z`));

export const month = (value) =>
  new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", timeZone: "UTC" }).format(
    new Date(`${value}-01T00:00:00Z`),
  );

const UNITS = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [0, "second"],
];

/** Write how long something is ago: "3 s ago", in the user's language. */
export function ago(ms) {
  const passed = Math.max(0, ms); // two clocks differ
  const [length, unit] = UNITS.find(([least]) => passed >= least);
  const count = Math.floor(passed / (length || 1_000));
  // Less than a second is "now"; a day stays one, and does not become "yesterday".
  const numeric = count === 0 ? "auto" : "always";
  return new Intl.RelativeTimeFormat(locale, { style: "short", numeric }).format(-count, unit);
}

/** Write a word of the API for people: "part_paid" is "Part paid". */
export const words = (name) => {
  const text = name.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
  return text.charAt(0).toUpperCase() + text.slice(1);
};

const places = (amount) => (amount.split(".")[1] ?? "").length;

function scaled(amount, digits) {
  const [whole, part = ""] = amount.replace("-", "").split(".");
  const value = BigInt(whole + part.padEnd(digits, "0"));
  return amount.startsWith("-") ? -value : value;
}

/** Add decimal texts exactly. */
export function sum(amounts) {
  const digits = Math.max(0, ...amounts.map(places));
  const total = amounts.reduce((all, amount) => all + scaled(amount, digits), 0n);
  if (digits === 0) return `${total}`;
  const text = `${total < 0n ? -total : total}`.padStart(digits + 1, "0");
  return `${total < 0n ? "-" : ""}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** Subtract one decimal text from another exactly. */
export const minus = (amount, other) =>
  sum([amount, other.startsWith("-") ? other.slice(1) : `-${other}`]);

/** Compare a decimal text with zero. */
export const isPositive = (amount) => /[1-9]/.test(amount) && !amount.startsWith("-");
