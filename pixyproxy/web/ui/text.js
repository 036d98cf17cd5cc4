// The texts, in the language that the service chose by what the browser prefers.

export const language = document.documentElement.lang;

/** @type {Record<string, any>} */
const texts = (await import(`./text-${language}.js`)).default;

/**
 * A text by its name; some take values.
 * @param {string} name
 * @param {...any} values
 * @returns {string}
 */
export function t(name, ...values) {
  const text = texts[name];
  if (text === undefined) throw new Error(`no text is called ${name}`);
  return typeof text === "function" ? text(...values) : text;
}

/**
 * The text of an error's code, where there is one.
 * @param {string} code
 * @returns {string | undefined}
 */
export function textOfError(code) {
  return texts[`error:${code}`];
}

const number = new Intl.NumberFormat(language);
const time = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const longDay = new Intl.DateTimeFormat(language, {
  weekday: "long",
  day: "numeric",
  month: "long",
});
const fullDay = new Intl.DateTimeFormat(language, {
  day: "numeric",
  month: "long",
  year: "numeric",
});
const month = new Intl.DateTimeFormat(language, { month: "short" });

/** @param {number} value */
export const showNumber = (value) => number.format(value);
/** @param {string} moment */
export const showTime = (moment) => time.format(new Date(moment));
/** @param {Date} date */
export const showMonth = (date) => month.format(date);

/** @param {number} bytes */
export function showBytes(bytes) {
  const [size, unit] = bytes < 1e6 ? [bytes / 1e3, "kilobyte"] : [bytes / 1e6, "megabyte"];
  const digits = { maximumFractionDigits: size < 10 ? 1 : 0 };
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit,
    unitDisplay: "short",
    ...digits,
  }).format(size);
}

/**
 * The day of a moment where the reader is, such as 2026-11-28.
 * @param {string | Date} moment
 */
export function dayOf(moment) {
  const date = new Date(moment);
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/**
 * A day in words.
 * @param {string} day
 */
export function showDay(day) {
  const date = new Date(`${day}T12:00:00`);
  const now = new Date();
  if (day === dayOf(now)) return t("today");
  if (day === dayOf(new Date(now.getTime() - 864e5))) return t("yesterday");
  return (date.getFullYear() === now.getFullYear() ? longDay : fullDay).format(date);
}
