// AI SDK, by its provider for OpenAI and by its provider for what is compatible.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage } from "ai";

const [provider, baseURL, model, n] = process.argv.slice(2);
const make = { openai: createOpenAI, compatible: createOpenAICompatible }[provider];
const settings = { baseURL, apiKey: "none", name: "pixyproxy" };

try {
  const { images, warnings } = await generateImage({
    model: make(settings).imageModel(model),
    prompt: "a red fox",
    n: Number(n ?? 1),
    size: "1024x1024",
  });
  console.log(JSON.stringify({ images: images.map((image) => image.base64), types: images.map((image) => image.mediaType), warnings }));
} catch (error) {
  const last = error.lastError ?? error;
  console.log(JSON.stringify({ name: error.name, status: last.statusCode, message: last.message }));
}
