// Numbers and times as the page writes them.

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", timeZone: "UTC",
});

/** A fraction in per cent. */
export function percent(fraction) {
  return `${(fraction * 100).toFixed(3)}%`;
}

/** A fraction with its interval, as text; a dash where there is none. */
export function range(interval) {
  return interval
    ? `${percent(interval.value)} (${(interval.lower * 100).toFixed(3)}\u2013${percent(interval.upper)})`
    : "\u2013";
}

/** A whole number with separators. */
export function count(n) {
  return NUMBER.format(Math.round(n));
}

/** A day such as `Mon 23 Nov`, of seconds since 1970 (UTC). */
export function day(seconds) {
  return DAY.format(new Date(seconds * 1000)).replace(",", "");
}

/** An hour such as `Mon 23 Nov, 10:00`. */
export function hour(seconds) {
  return `${day(seconds)}, ${new Date(seconds * 1000).toISOString().slice(11, 16)}`;
}

/** Labels of an axis from 0 to a top: no more digits than its steps need. */
export function axisPercent(values) {
  const step = values.length > 1 ? (values[1] - values[0]) * 100 : 1;
  const whole = (digits) => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6;
  const digits = [0, 1, 2, 3].find(whole) ?? 4;
  return values.map((value) => `${(value * 100).toFixed(digits)}%`);
}

/** Labels of an axis of counts. */
export function axisCount(values) {
  return values.map((value) => NUMBER.format(value));
}
