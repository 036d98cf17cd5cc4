// LangChain's tool for images, as URLs and as bytes.
import { DallEAPIWrapper } from "@langchain/openai";

const [baseUrl, responseFormat, n] = process.argv.slice(2);
const tool = new DallEAPIWrapper({
  baseUrl,
  apiKey: "none",
  model: "dall-e-3",
  dallEResponseFormat: responseFormat,
  n: Number(n),
});
console.log(JSON.stringify(await tool.invoke("a red fox")));
