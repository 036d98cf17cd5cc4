// Calls of the service: GraphQL for what is known, REST for sessions and zip files.

import { tell } from "./dom.js";
import { t, textOfError } from "./text.js";

/** What the service's paths are relative to. */
export const ROOT = new URL(".", location.href).href;
const KEY = "pixyproxy-key";
const NEEDS_KEY = document.documentElement.dataset.key === "needed";
const RENEW_MS = 3600e3;

/** What went wrong, in words for people. */
export class Failure extends Error {
  /**
   * @param {string} code
   * @param {string} [said] what the service said
   */
  constructor(code, said) {
    super(textOfError(code) ?? (said || t("error:internal-error")));
    this.code = code;
  }
}

/** @type {Promise<void> | null} */
let asking = null;

/** The key, kept for this tab alone. */
export const key = {
  get: () => sessionStorage.getItem(KEY),
  /** @type {(isWrong: boolean) => Promise<string>} asks a person; set by the page */
  ask: async () => "",
  /** Forget the key and end the session that it was exchanged for. */
  async forget() {
    sessionStorage.removeItem(KEY);
    await fetch(`${ROOT}session`, { method: "DELETE" });
    location.reload();
  },
};

/** @returns {Record<string, string>} */
const credentials = () => (key.get() ? { Authorization: `Bearer ${key.get()}` } : {});

/** Ask for a key until one is taken; several who need it wait for the same one. */
function askForKey() {
  asking ??= (async () => {
    let isWrong = key.get() !== null;
    for (;;) {
      sessionStorage.setItem(KEY, await key.ask(isWrong));
      if (await beginSession()) break;
      isWrong = true;
    }
    tell("key");
  })().finally(() => {
    asking = null;
  });
  return asking;
}

/** Exchange the key for a cookie: pictures cannot send a key. */
export async function beginSession() {
  const answer = await reach("session", { method: "POST", headers: credentials() });
  return answer.status !== 401;
}

setInterval(() => key.get() && beginSession().catch(() => {}), RENEW_MS);

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function reach(path, options) {
  try {
    const answer = await fetch(ROOT + path, { credentials: "same-origin", ...options });
    tell("connection", true);
    return answer;
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    tell("connection", false);
    throw new Failure("offline");
  }
}

/**
 * Send JSON with the key, and ask for one where it is missing or wrong.
 * @param {string} path
 * @param {any} body
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function send(path, body, options = {}) {
  if (NEEDS_KEY && !key.get()) await askForKey();
  for (;;) {
    const sentWith = key.get();
    const answer = await reach(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...credentials() },
      body: JSON.stringify(body),
      ...options,
    });
    if (answer.status !== 401) return answer;
    if (sentWith === key.get()) await askForKey();
  }
}

/**
 * Parse JSON. Integers that are too long for a number, as seeds may be, keep all their digits:
 * they become what JSON.stringify writes as it was read.
 * @param {string} text
 * @returns {any}
 */
export function parseJson(text) {
  const { parse, rawJSON } = /** @type {any} */ (JSON);
  if (!rawJSON || !/\d{16}/.test(text)) return parse(text);
  return parse(text, (/** @type {string} */ _, /** @type {any} */ value, /** @type {any} */ at) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) ? rawJSON(at.source) : value,
  );
}

/**
 * Run a GraphQL operation. Throws Failure.
 * @param {string} query
 * @param {Record<string, any>} [variables]
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function gql(query, variables, options) {
  const answer = await send("graphql", { query, variables }, options);
  const content = await answer
    .text()
    .then(parseJson)
    .catch(() => ({}));
  const fault = content.errors?.[0];
  if (fault || !content.data)
    throw new Failure(fault?.extensions?.code ?? "internal-error", fault?.message);
  return content.data;
}

/** How many images one call may name. */
export const MOST = 500;

/** @param {string[]} guids */
export function* portions(guids) {
  for (let at = 0; at < guids.length; at += MOST) yield guids.slice(at, at + MOST);
}

/** @param {string} guid */
export const contentUrl = (guid) => `${ROOT}image/${guid}/content`;

const WIDTHS = [160, 320, 480, 640, 960, 1280, 1920, 2560];

/**
 * The picture in several widths.
 * @param {{guid: string, width: number}} image
 * @param {number} [most]
 */
export function srcset(image, most = 1280) {
  const widths = WIDTHS.filter((width) => width < image.width && width <= most);
  if (image.width <= most) widths.push(image.width);
  return widths.map((width) => `${contentUrl(image.guid)}?width=${width} ${width}w`).join(", ");
}

/** What is shown of an image. */
export const DETAIL = `guid prompt width height thumbhash tags createdAt model contentType byteSize
  revisedPrompt parameters hasContentCredentials filename`;

/**
 * @typedef {{guid: string, prompt: string, width: number, height: number, thumbhash: string | null,
 *   tags: string[], createdAt: string, model: string, contentType: string, byteSize: number,
 *   revisedPrompt: string | null, parameters: Record<string, any>,
 *   hasContentCredentials: boolean | null, filename: string, cursor?: string}} Image
 */
