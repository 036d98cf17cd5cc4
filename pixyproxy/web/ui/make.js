// The prompt, what the model can be asked for, and the button.

import { gql } from "./api.js";
import { button, h, hear, icon, set, tell } from "./dom.js";
import { argumentsOf, extraOf, readLines, writeLines } from "./parameters.js";
import { t } from "./text.js";

const MODELS = `{ models { name isDefault sizes qualities styles backgrounds outputFormats takesExtra maxPromptChars
  freeSize { minEdge maxEdge maxPixels multipleOf maxAspect } } }`;
const SUBMIT = `mutation($prompt: String!, $model: String, $size: String, $quality: String, $style: String,
    $background: String, $outputFormat: String, $outputCompression: Int, $moderation: String,
    $complexity: String, $frameCount: Int, $frameDurationMs: Int, $extra: JSON, $n: Int!, $id: String) {
  submitGeneration(prompt: $prompt, model: $model, size: $size, quality: $quality, style: $style,
    background: $background, outputFormat: $outputFormat, outputCompression: $outputCompression,
    moderation: $moderation, complexity: $complexity, frameCount: $frameCount,
    frameDurationMs: $frameDurationMs, extra: $extra, n: $n, clientRequestId: $id) {
    guid status prompt model n parameters queuedAt startedAt error { code message }
  }
}`;
const CHOICES = "pixyproxy-choices";
const DRAFT = "pixyproxy-draft";
const MOST = 10;
const CUSTOM = "custom";
/** Forms that people ask for, where a model takes any size. */
const FORMS = ["1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792", "2048x2048"];
/** @type {[string, string][]} an option's name and the list that a model has for it */
const LISTS = [
  ["quality", "qualities"],
  ["style", "styles"],
  ["background", "backgrounds"],
  ["outputFormat", "outputFormats"],
];

/** @typedef {{name: string, sizes: string[] | null, freeSize: any, takesExtra: boolean, maxPromptChars: number, [list: string]: any}} Model */
/** @typedef {{prompt: string, model: string, parameters: Record<string, any>}} Source */

/**
 * Whether a model of free sizes takes this one.
 * @param {any} free
 * @param {string} size
 */
function fits(free, size) {
  const [short, long] = size
    .split("x")
    .map(Number)
    .sort((a, b) => a - b);
  return (
    short >= free.minEdge &&
    long <= free.maxEdge &&
    short * long <= free.maxPixels &&
    short % free.multipleOf === 0 &&
    long % free.multipleOf === 0 &&
    (!free.maxAspect || long <= short * free.maxAspect)
  );
}

/** @param {string} size */
function sizeInWords(size) {
  const [width, height] = size.split("x").map(Number);
  if (!height) return size === "auto" ? t("auto") : size;
  const form = width === height ? "square" : width > height ? "landscape" : "portrait";
  return `${width} × ${height} ${t(form).toLowerCase()}`;
}

export class Maker extends HTMLElement {
  constructor() {
    super();
    /** @type {Model[]} */
    this.models = [];
    /** @type {Record<string, string>} */
    this.chosen = JSON.parse(localStorage.getItem(CHOICES) ?? "{}");
    this.prompt = h("textarea", {
      "aria-label": t("prompt"),
      placeholder: t("prompt-hint"),
      rows: 1,
      spellcheck: "true",
      enterkeyhint: "send",
    });
    this.go = button({ words: t("generate"), look: "send", class: "primary", type: "submit" });
    this.extra = h("textarea", {
      "aria-label": t("extra"),
      title: t("extra"),
      placeholder: t("extra-hint"),
      rows: 1,
      spellcheck: "false",
      autocapitalize: "off",
    });
    this.fault = h("p", { role: "alert", class: "fault" });
    this.options = h("div", { class: "options" });
    /** @type {Record<string, HTMLSelectElement | HTMLInputElement>} */
    this.fields = {};
    this.form = h(
      "form",
      { class: "dock", novalidate: true, "aria-label": t("make") },
      h("div", { class: "line" }, this.prompt, this.go),
      this.options,
      this.fault,
    );
  }

  connectedCallback() {
    this.append(this.form);
    this.prompt.value = sessionStorage.getItem(DRAFT) ?? "";
    this.prompt.addEventListener("input", () => this.grow());
    this.extra.addEventListener("input", () => this.keepExtra(this.extra.value));
    for (const field of [this.prompt, this.extra]) {
      field.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          this.form.requestSubmit();
        } else if (event.key === "Escape") field.blur();
      });
    }
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    hear("reuse", (source) => this.reuse(source));
    this.grow();
  }

  async start() {
    this.models = (await gql(MODELS)).models;
    this.fill();
  }

  grow() {
    sessionStorage.setItem(DRAFT, this.prompt.value);
    this.prompt.style.height = "auto";
    this.prompt.style.height = `${Math.min(this.prompt.scrollHeight, innerHeight / 3)}px`;
    this.fault.textContent = "";
  }

  get model() {
    return this.models.find((model) => model.name === this.chosen.model) ?? this.models[0];
  }

  /** Show the choices of the model that is chosen. */
  fill() {
    const { model } = this;
    if (!model) return;
    this.fields = {};
    this.options.replaceChildren();
    if (this.models.length > 1) {
      this.choose(
        "model",
        this.models.map((each) => [each.name, each.name]),
        model.name,
      );
    } else
      this.options.append(
        h("span", { class: "model", title: t("model") }, icon("brush"), model.name),
      );
    this.chooseSize(model);
    for (const [name, list] of LISTS) {
      if (model[list]?.length > 1)
        this.choose(
          name,
          [
            ["", t(`${name}:any`)],
            ...model[list].map((/** @type {string} */ value) => [value, t("option", name, value)]),
          ],
          this.chosen[name] ?? "",
        );
    }
    const counts = Array.from({ length: MOST }, (_, at) => [String(at + 1), t("images", at + 1)]);
    this.choose("n", counts, this.chosen.n ?? "1");
    if (model.takesExtra) {
      this.options.append(this.extra);
      this.extra.value = this.chosen.extra ?? "";
      this.keepExtra(this.extra.value);
    }
  }

  /** @param {Model} model */
  chooseSize(model) {
    const free = model.freeSize;
    const sizes = [
      ...(model.sizes ?? []),
      ...(free || !model.sizes ? FORMS.filter((size) => !free || fits(free, size)) : []),
    ];
    const own = this.chosen.size ?? "";
    const isCustom = own && !sizes.includes(own) && (free ? fits(free, own) : !model.sizes);
    const named = [...new Set(sizes)].filter((size) => size !== "auto");
    const options = [["", t("size:any")], ...named.map((size) => [size, sizeInWords(size)])];
    if (isCustom) options.push([own, sizeInWords(own)]);
    if (free || !model.sizes) options.push([CUSTOM, t("size:custom")]);
    this.choose("size", options, sizes.includes(own) || isCustom ? own : "");
  }

  /**
   * @param {string} name
   * @param {string[][]} options
   * @param {string} value
   */
  choose(name, options, value) {
    const select = h(
      "select",
      { "aria-label": t(name), title: t(name) },
      ...options.map(([each, words]) => h("option", { value: each }, words)),
    );
    select.value = options.some(([each]) => each === value) ? value : options[0][0];
    select.classList.toggle("set", name !== "n" && select.value !== "");
    select.addEventListener("change", () => {
      if (name === "size" && select.value === CUSTOM) {
        this.askForSize(select);
        return;
      }
      this.keep(name, select.value);
      if (name === "model") this.fill();
    });
    this.fields[name] = select;
    this.options.append(select);
  }

  /**
   * Put a field in the place of the list of sizes.
   * @param {HTMLSelectElement} select
   */
  askForSize(select) {
    const input = h("input", {
      "aria-label": t("size"),
      placeholder: "1280x720",
      inputmode: "text",
      size: 9,
      class: "set",
    });
    const done = () => {
      const size = input.value
        .trim()
        .toLowerCase()
        .replace(/\s*[×x*]\s*/, "x");
      this.keep("size", /^\d+x\d+$/.test(size) ? size : "");
      this.fill();
    };
    input.addEventListener("change", done);
    input.addEventListener("blur", done, { once: true });
    select.replaceWith(input);
    input.focus();
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  keep(name, value) {
    this.chosen[name] = value;
    this.fields[name]?.classList.toggle("set", name !== "n" && value !== "");
    localStorage.setItem(CHOICES, JSON.stringify(this.chosen));
  }

  /** @param {string} lines */
  keepExtra(lines) {
    this.keep("extra", lines);
    this.extra.rows = lines.split("\n").length;
    this.extra.classList.toggle("set", lines !== "");
    this.fault.textContent = "";
  }

  /** What is chosen, of what the model knows. Throws an Error in words. */
  settings() {
    /** @type {Record<string, any>} */
    const settings = { n: Number(this.fields.n?.value ?? 1) };
    for (const name of ["model", "size", ...LISTS.map(([each]) => each)]) {
      if (this.fields[name]?.value) settings[name] = this.fields[name].value;
    }
    if (this.model?.takesExtra) settings.extra = readLines(this.extra.value);
    return settings;
  }

  async submit() {
    const prompt = this.prompt.value;
    if (!prompt.trim()) {
      this.fault.textContent = t("prompt-missing");
      this.prompt.focus();
      return;
    }
    let settings;
    try {
      settings = this.settings();
    } catch (error) {
      this.fault.textContent = /** @type {Error} */ (error).message;
      this.extra.focus();
      return;
    }
    await this.draw({ prompt, ...settings });
  }

  /**
   * Have another picture drawn of the same prompt and settings.
   * @param {Source} source
   */
  async again({ prompt, model, parameters }) {
    const wish = { prompt, model, ...argumentsOf(parameters) };
    const whole = { ...wish, extra: extraOf(parameters) };
    const listed = this.models.find((each) => each.name === model);
    // What a model takes that is not listed is not known here: it is asked, and refuses for free.
    if (listed) await this.draw(listed.takesExtra ? whole : wish);
    else await this.draw(whole, wish);
  }

  /**
   * Have something drawn; where the model does not take the wish, by the one that comes next.
   * @param {Record<string, any>} wish
   * @param {Record<string, any>} [next]
   */
  async draw(wish, next) {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    this.fault.textContent = "";
    set(this.go, "aria-busy", "true");
    try {
      // Under the same name it is paid for once, however often it is sent.
      const ask = () => gql(SUBMIT, { n: 1, ...wish, id });
      const { submitGeneration } = await ask().catch((error) =>
        error.code === "offline" ? ask() : Promise.reject(error),
      );
      tell("submitted", submitGeneration);
    } catch (error) {
      const { code, message } = /** @type {import("./api.js").Failure} */ (error);
      if (next && code === "constraint-violation") await this.draw(next);
      else this.fault.textContent = message;
    } finally {
      set(this.go, "aria-busy", null);
    }
  }

  /**
   * Take over the prompt and the settings of a picture or a generation.
   * @param {Source} source
   */
  reuse({ prompt, model, parameters }) {
    const settings = argumentsOf(parameters);
    this.prompt.value = prompt;
    this.keep("model", model);
    for (const name of ["size", ...LISTS.map(([each]) => each)])
      this.keep(name, String(settings[name] ?? ""));
    this.keep("extra", writeLines(extraOf(parameters)));
    this.fill();
    this.grow();
    this.prompt.focus();
    this.prompt.setSelectionRange(prompt.length, prompt.length);
  }
}

customElements.define("pixy-maker", Maker);
