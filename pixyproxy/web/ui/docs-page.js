// Mounts Swagger UI over this service's own OpenAPI document; calls carry the key.

export {};

const { SwaggerUIBundle } = /** @type {any} */ (window);

const KEY = "pixyproxy-key";
const field = /** @type {HTMLInputElement} */ (document.getElementById("key"));
field.value = sessionStorage.getItem(KEY) ?? "";
field.addEventListener("input", () => {
  if (field.value) sessionStorage.setItem(KEY, field.value);
  else sessionStorage.removeItem(KEY);
});
const label = /** @type {HTMLElement} */ (field.closest("label"));
label.hidden = document.documentElement.dataset.key !== "needed";

SwaggerUIBundle({
  url: new URL("openapi.json", location.href).href,
  dom_id: "#page",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor: (/** @type {any} */ request) => {
    if (field.value && !request.headers.Authorization && !request.headers["X-API-Key"])
      request.headers.Authorization = `Bearer ${field.value}`;
    return request;
  },
});
