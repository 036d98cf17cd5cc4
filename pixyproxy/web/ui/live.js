// What happens elsewhere: generations by a subscription, other tabs of this browser by a channel.

import { key, parseJson, ROOT } from "./api.js";
import { tell } from "./dom.js";

const AGAIN_MS = [500, 1000, 2000, 5000, 10000];
const NORMAL = 1000;

/** @typedef {{query: string, variables: any, next: (data: any) => void, end: (failed: boolean) => void}} Following */

/** @type {Map<string, Following>} */
const followed = new Map();
/** @type {WebSocket | null} */
let socket = null;
let isReady = false;
let failures = 0;
let count = 0;

/** @param {any} message */
const post = (message) => socket?.send(JSON.stringify(message));

/**
 * @param {string} id
 * @param {Following} following
 */
const subscribe = (id, { query, variables }) =>
  post({ id, type: "subscribe", payload: { query, variables } });

function connect() {
  if (socket) return;
  isReady = false;
  socket = new WebSocket(`${ROOT.replace(/^http/, "ws")}graphql`, "graphql-transport-ws");
  socket.addEventListener("open", () => {
    post({
      type: "connection_init",
      payload: key.get() ? { Authorization: `Bearer ${key.get()}` } : {},
    });
  });
  socket.addEventListener("message", ({ data }) => take(parseJson(data)));
  socket.addEventListener("close", ({ code }) => {
    socket = null;
    isReady = false;
    if (!followed.size || code === NORMAL) return;
    setTimeout(connect, AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)]);
  });
}

/** @param {{type: string, id: string, payload: any}} message */
function take({ type, id, payload }) {
  if (type === "connection_ack") {
    isReady = true;
    failures = 0;
    tell("connection", true);
    for (const [each, following] of followed) subscribe(each, following);
  } else if (type === "ping") post({ type: "pong" });
  else if (type === "next") {
    if (payload.data) followed.get(id)?.next(payload.data);
  } else if (type === "complete" || type === "error") {
    const following = followed.get(id);
    followed.delete(id);
    following?.end(type === "error");
    if (!followed.size) socket?.close(NORMAL);
  }
}

/**
 * Follow a subscription until it ends, over one socket for all.
 * @param {string} query
 * @param {any} variables
 * @param {(data: any) => void} next
 * @param {(failed: boolean) => void} end
 */
export function follow(query, variables, next, end) {
  const id = String(++count);
  const following = { query, variables, next, end };
  followed.set(id, following);
  if (isReady && socket?.readyState === WebSocket.OPEN) subscribe(id, following);
  else connect();
}

const channel = new BroadcastChannel("pixyproxy");
channel.addEventListener("message", ({ data }) => tell(`elsewhere:${data.type}`, data.detail));

/**
 * Tell the other tabs.
 * @param {string} type
 * @param {any} [detail]
 */
export function tellOthers(type, detail) {
  channel.postMessage({ type, detail });
}
