// Prints a line of JSON for each audit of GraphQL over HTTP, run against one server:
//     node audit.mjs http://127.0.0.1:8000/graphql KEY
import { serverAudits } from 'graphql-http';

const [url, key] = process.argv.slice(2);

const fetchFn = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...init.headers, 'x-api-key': key } });

for (const audit of serverAudits({ url, fetchFn })) {
  const { status, reason } = await audit.fn();
  console.log(JSON.stringify({ id: audit.id, name: audit.name, status, reason }));
}
