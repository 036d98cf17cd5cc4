// Mounts GraphiQL: with this service's examples, the key, and subscriptions over its WebSocket.

export {};

const { React, ReactDOM, GraphiQL, GraphiQLPluginExplorer, graphqlWs } = /** @type {any} */ (
  window
);

const KEY = "pixyproxy-key";
const endpoint = new URL("graphql", location.href).href;
const field = /** @type {HTMLInputElement} */ (document.getElementById("key"));
field.value = sessionStorage.getItem(KEY) ?? "";
field.addEventListener("input", () => {
  if (field.value) sessionStorage.setItem(KEY, field.value);
  else sessionStorage.removeItem(KEY);
});
const label = /** @type {HTMLElement} */ (field.closest("label"));
label.hidden = document.documentElement.dataset.key !== "needed";

/** @returns {Record<string, string>} */
const credentials = () => (field.value ? { Authorization: `Bearer ${field.value}` } : {});

const EXAMPLES = [
  `# Have something drawn, and wait until it is kept.
mutation Generate {
  generateImage(prompt: "a lighthouse at night", size: "1024x1024") {
    guid
    url
    width
    height
  }
}
`,
  `# Find what is kept: whole words, beginnings*, "phrases", -exclusions.
query Search {
  imageConnection(first: 10, filter: { query: "lighthouse" }) {
    totalCount
    edges {
      cursor
      node { guid prompt model tags createdAt url(width: 320) }
    }
  }
}
`,
  `# Have something drawn without waiting; follow it with the GUID of the answer.
mutation Submit {
  submitGeneration(prompt: "a red fox in the snow", n: 2) {
    guid
    status
  }
}
`,
  `# Each change of a generation, as it happens.
subscription Follow($guid: ID!) {
  generation(guid: $guid) {
    status
    error { code message }
    images { guid url }
  }
}
`,
  `# Delete an image for good.
mutation Delete($guid: ID!) {
  deleteImage(guid: $guid) {
    guid
    filename
  }
}
`,
];

const ownFetch = (/** @type {string} */ url, /** @type {RequestInit} */ options) =>
  fetch(url, {
    ...options,
    headers: { ...credentials(), .../** @type {any} */ (options.headers) },
  });
const wsClient = graphqlWs.createClient({
  url: endpoint.replace(/^http/, "ws"),
  connectionParams: credentials,
});
const fetcher = GraphiQL.createFetcher({ url: endpoint, fetch: ownFetch, wsClient });

function Page() {
  const [query, setQuery] = React.useState(EXAMPLES[0]);
  const explorer = GraphiQLPluginExplorer.useExplorerPlugin({
    query,
    onEdit: setQuery,
    showAttribution: false,
  });
  const needsGuid = JSON.stringify({ guid: "" });
  return React.createElement(GraphiQL, {
    fetcher,
    query,
    onEditQuery: setQuery,
    plugins: [explorer],
    defaultTabs: EXAMPLES.map((each) => ({
      query: each,
      variables: each.includes("$guid") ? needsGuid : undefined,
    })),
    defaultEditorToolsVisibility: "variables",
    shouldPersistHeaders: false,
    isHeadersEditorEnabled: true,
    storage: storageOf(sessionStorage),
  });
}

/**
 * What is typed stays in this tab.
 * @param {Storage} storage
 */
function storageOf(storage) {
  return {
    getItem: (/** @type {string} */ name) => storage.getItem(name),
    setItem: (/** @type {string} */ name, /** @type {string} */ value) =>
      storage.setItem(name, value),
    removeItem: (/** @type {string} */ name) => storage.removeItem(name),
    clear: () => storage.clear(),
    get length() {
      return storage.length;
    },
  };
}

ReactDOM.render(React.createElement(Page), document.getElementById("page"));
