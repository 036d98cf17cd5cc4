// Elements and icons are made here, never by parsing text: the policy forbids it.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Make an element. Properties that begin with `on` are listeners, the others attributes.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else set(element, name, value);
  }
  element.append(
    .../** @type {(Node | string)[]} */ (children.filter((child) => child || child === "")),
  );
  return element;
}

/**
 * Set an attribute, or take it away: with null, undefined or false.
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

const PATHS = /** @type {const} */ ({
  brush:
    "M4 20c3 0 5-1 5-3.5A2.5 2.5 0 0 0 4.5 15c-1 1 0 3-2 4 .5.7 1 1 1.500 1ZM9 14 18.500 4.500a1.800 1.800 0 0 1 2.500 2.500L11.500 16.500",
  check: "m5 12.500 4.500 4.500L19 7.500",
  close: "M6 6l12 12M18 6 6 18",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  down: "M12 4v11m0 0 4.500-4.500M12 15l-4.500-4.500M5 20h14",
  filter: "M4 7h16M7 12h10M10 17h4",
  help: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18ZM9.500 9.500a2.500 2.500 0 1 1 3.700 2.200c-.8.5-1.200 1-1.200 1.900M12 16.800v.01",
  key: "M14.500 9.500a4 4 0 1 0-4 4c.6 0 1.100-.1 1.600-.3L14 15h2v2h2v2h3v-3l-6.800-6c.2-.5.300-.9.300-1.500ZM8.700 7.700v.01",
  left: "m14.500 5-7 7 7 7",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700L12 17",
  more: "M6 12v.01M12 12v.01M18 12v.01",
  redo: "M4 12a8 8 0 0 1 13.700-5.600L20 8.700M20 4v4.700h-4.700M20 12a8 8 0 0 1-13.700 5.600L4 15.300M4 20v-4.700h4.700",
  right: "m9.500 5 7 7-7 7",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14ZM20 20l-4-4",
  send: "M12 19V5m0 0-6 6m6-6 6 6",
  star: "m12 4 2.500 5.100 5.600.8-4.100 4 1 5.600-5-2.700-5 2.700 1-5.600-4.100-4 5.600-.8z",
  tag: "M4 4h8l8.500 8.500-8 8L4 12zM8.500 8.500v.01",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7M10.500 11v5M13.500 11v5",
  up: "M12 20V7m0 0-5 5m5-5 5 5M5 3.500h14",
});

/**
 * @param {keyof typeof PATHS} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

/**
 * A button; with `only`, its words are its name and the icon is all that is seen.
 * @param {{words: string, look?: keyof typeof PATHS, only?: boolean, class?: string,
 *   title?: string, onclick?: (event: MouseEvent) => void, [name: string]: any}} options
 */
export function button({ words, look, only = false, ...rest }) {
  const properties = { type: "button", ...rest };
  if (only) Object.assign(properties, { "aria-label": words, title: rest.title ?? words });
  return h("button", properties, look && icon(look), !only && h("span", {}, words));
}

/**
 * Whether keys belong to what is typed in.
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  return (
    target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]")
  );
}

/** Things that happen, told to whoever listens. */
const bus = new EventTarget();

/**
 * @param {string} name
 * @param {any} [detail]
 */
export function tell(name, detail) {
  bus.dispatchEvent(new CustomEvent(name, { detail }));
}

/**
 * @param {string} name
 * @param {(detail: any) => void} listener
 */
export function hear(name, listener) {
  bus.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail));
}
