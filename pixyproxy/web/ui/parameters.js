// Parameters as they are kept, and those for models that nobody here knows, written in lines.

import { parseJson } from "./api.js";
import { t } from "./text.js";

/** What the service has an argument of its own for. */
const ARGUMENTS = [
  "size",
  "quality",
  "style",
  "background",
  "output_format",
  "output_compression",
  "moderation",
  "complexity",
  "frame_count",
  "frame_duration_ms",
];
/** What else is no parameter for a model that nobody knows. */
const OTHERS = ["prompt", "model", "n", "partial_images", "extra", "asked_for"];
const NAME = /^[A-Za-z_][\w.-]*$/;

/** @typedef {Record<string, any>} Parameters */

/** @param {string} name */
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/**
 * The arguments that ask for what was kept.
 * @param {Parameters} kept
 * @returns {Parameters}
 */
export function argumentsOf(kept) {
  const there = ARGUMENTS.filter((name) => kept[name] !== undefined);
  return Object.fromEntries(there.map((name) => [camel(name), kept[name]]));
}

/**
 * What was kept that the service does not know.
 * @param {Parameters} kept
 * @returns {Parameters}
 */
export function extraOf(kept) {
  const known = new Set([...ARGUMENTS, ...OTHERS]);
  const there = Object.entries(kept).filter(([name]) => NAME.test(name) && !known.has(name));
  return Object.fromEntries(there);
}

/** @param {string} text */
function read(text) {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/**
 * Read lines of `name=value`, whose values are JSON or else text. Throws an Error in words.
 * @param {string} lines
 * @returns {Parameters}
 */
export function readLines(lines) {
  const found = new Map();
  for (const line of lines.split("\n").map((each) => each.trim())) {
    if (!line) continue;
    const at = line.indexOf("=");
    const name = line.slice(0, at).trim();
    if (at < 0 || !NAME.test(name)) throw new Error(t("extra-wrong", line));
    if (found.has(name)) throw new Error(t("extra-twice", name));
    found.set(name, read(line.slice(at + 1).trim()));
  }
  return Object.fromEntries(found);
}

/**
 * Write parameters in lines, as readLines reads them.
 * @param {Parameters} parameters
 */
export function writeLines(parameters) {
  const isPlain = (/** @type {any} */ value) =>
    typeof value === "string" &&
    value === value.trim() &&
    !/[\r\n]/.test(value) &&
    read(value) === value;
  return Object.entries(parameters)
    .map(([name, value]) => `${name}=${isPlain(value) ? value : JSON.stringify(value)}`)
    .join("\n");
}
