// The official SDK for Node: generate, stream, and what it makes of time-outs and errors.
import OpenAI from "openai";

const [action, baseURL] = process.argv.slice(2);
const prompt = "a red fox";
const client = new OpenAI({ baseURL, apiKey: "none" });

const actions = {
  async generate() {
    const answer = await client.images.generate({ model: "gpt-image-2", prompt, n: 2 });
    return { created: answer.created, images: answer.data.map((item) => item.b64_json), usage: answer.usage };
  },
  async url() {
    const answer = await client.images.generate({ model: "gpt-image-2", prompt, response_format: "url" });
    return { keys: Object.keys(answer.data[0]).sort(), url: answer.data[0].url };
  },
  async stream() {
    const events = [];
    for await (const event of await client.images.generate({ model: "gpt-image-2", prompt, stream: true })) {
      events.push({ type: event.type, usage: event.usage, image: event.b64_json });
    }
    return events;
  },
  async retry() {
    const patient = client.withOptions({ timeout: 5000, maxRetries: 2 });
    const { data, response } = await patient.images.generate({ model: "gpt-image-2", prompt }).withResponse();
    return { replayed: response.headers.get("idempotency-replayed"), images: data.data.map((item) => item.b64_json) };
  },
  async error() {
    try {
      await client.images.generate({ model: "gpt-image-2", prompt });
    } catch (error) {
      return { name: error.constructor.name, status: error.status, code: error.code, type: error.type, requestID: error.requestID, message: error.message };
    }
  },
  async streamError() {
    try {
      for await (const _ of await client.images.generate({ model: "gpt-image-2", prompt, stream: true }));
    } catch (error) {
      return { name: error.constructor.name, status: error.status, code: error.code };
    }
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids, one: await client.models.retrieve(ids[0]) };
  },
  async variation() {
    try {
      await client.images.createVariation({ image: new File(["x"], "x.png") });
    } catch (error) {
      return { name: error.constructor.name, message: error.message };
    }
  },
};

console.log(JSON.stringify(await actions[action]()));
