// Calls the service by openapi-fetch and the types that openapi-typescript has made.
// Arguments: the service's origin and a key. Prints what came of it as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };

const [origin, key] = process.argv.slice(2);
const client = createClient<paths>({
  baseUrl: origin,
  headers: { Authorization: `Bearer ${key}` },
});

function given<T>(answer: { data?: T; response: Response }): T {
  if (answer.data === undefined) throw new Error(`${answer.response.status}`);
  return answer.data;
}
const hex = (bytes: ArrayBuffer) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
type Detail = components["schemas"]["ImageDetail"];
type Generation = components["schemas"]["Generation"];

const made = given(
  await client.POST("/image", { body: { prompt: "a red fox", size: "96x64" } }),
) as Detail;
const queued = given(
  await client.POST("/image", {
    params: { header: { Prefer: "respond-async" } },
    body: { prompt: "a whale", size: "64x64" },
  }),
) as Generation;
const path = { guid: made.guid };
const events: string = given(
  await client.GET("/generation/{guid}/events", {
    params: { path: { guid: queued.guid } },
    parseAs: "text",
  }),
);
const changed: Detail = given(
  await client.PATCH("/image/{guid}", { params: { path }, body: { add_tags: ["winter"] } }),
);
const found: Detail[] = given(
  await client.GET("/image/search", {
    params: { query: { query: "fox", tag: ["winter"], orientation: "landscape" } },
  }),
);
const original: ArrayBuffer = given(
  await client.GET("/image/{guid}/content", { params: { path }, parseAs: "arrayBuffer" }),
);
const small: ArrayBuffer = given(
  await client.GET("/image/{guid}/content", {
    params: { path, query: { width: 32, format: "png" } },
    parseAs: "arrayBuffer",
  }),
);
const missing = await client.GET("/image/{guid}", { params: { path: { guid: "none" } } });
const problem: components["schemas"]["Problem"] | undefined = missing.error;
const now = given(
  await client.GET("/generation/{guid}", { params: { path: { guid: queued.guid } } }),
);
const faults: components["schemas"]["FieldFault"][] = now.error?.errors ?? [];
console.log(
  JSON.stringify({
    code: problem?.code,
    events: events.split("event: generation").length - 1,
    faults: faults.length,
    finished: now.status,
    found: found.some((image) => image.guid === made.guid),
    listed: given(await client.GET("/image")).length > 1,
    original: hex(await crypto.subtle.digest("SHA-256", original)) === made.sha256,
    small: hex(small.slice(0, 4)),
    tags: changed.tags,
  }),
);
