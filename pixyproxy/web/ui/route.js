// What is looked for and looked at stands in the URL: a bookmark is a saved search.

import { tell } from "./dom.js";

/** Each parameter of the URL, and what it is in GraphQL's ImageFilter. */
const NAMES = /** @type {const} */ ({
  q: "query",
  model: "model",
  form: "orientation",
  size: "dimensions",
  type: "contentType",
});

/**
 * @typedef {{q: string, model: string, form: string, size: string, type: string, tags: string[],
 *   from: string, to: string, image: string}} Route
 */

/** @returns {Route} */
export function route() {
  const parameters = new URLSearchParams(location.search);
  const one = (/** @type {string} */ name) => parameters.get(name) ?? "";
  return {
    q: one("q"),
    model: one("model"),
    form: one("form"),
    size: one("size"),
    type: one("type"),
    tags: parameters.getAll("tag"),
    from: one("from"),
    to: one("to"),
    image: one("image"),
  };
}

/** @param {Route} to */
export function hrefOf(to) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(to)) {
    if (name === "tags") for (const tag of to.tags) parameters.append("tag", tag);
    else if (value) parameters.set(name, /** @type {string} */ (value));
  }
  const query = parameters.toString();
  return query ? `?${query}` : location.pathname;
}

/** The search that a route stands for, whatever is looked at. @param {Route} to */
export const searchOf = (to) => hrefOf({ ...to, image: "" });

/**
 * Go somewhere. What is not named stays.
 * @param {Partial<Route>} change
 * @param {{replace?: boolean, state?: any}} [options]
 */
export function go(change, { replace = false, state = null } = {}) {
  const href = hrefOf({ ...route(), ...change });
  if (replace) history.replaceState(state ?? history.state, "", href);
  else history.pushState(state, "", href);
  tell("route");
}

/**
 * The beginning of a day where the reader is, or of the one after.
 * @param {string} day
 * @param {number} [later]
 */
export function startOf(day, later = 0) {
  const date = new Date(`${day}T00:00:00`);
  date.setDate(date.getDate() + later);
  return date.toISOString();
}

/**
 * GraphQL's ImageFilter for a route.
 * @param {Route} from
 */
export function filterOf(from) {
  /** @type {Record<string, any>} */
  const filter = {};
  for (const [name, field] of Object.entries(NAMES)) {
    const value = from[/** @type {keyof typeof NAMES} */ (name)];
    if (value) filter[field] = field === "orientation" ? value.toUpperCase() : value;
  }
  if (from.tags.length) filter.tags = from.tags;
  if (isDay(from.from)) filter.createdAfter = startOf(from.from);
  if (isDay(from.to)) filter.createdBefore = startOf(from.to, 1);
  return filter;
}

/** @param {string} text */
const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));

addEventListener("popstate", () => tell("route"));
