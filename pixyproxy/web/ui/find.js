// Finding: the search box and its help, filters and the chips that show them.

import { gql } from "./api.js";
import { button, h, hear, icon } from "./dom.js";
import { filterOf, go, route } from "./route.js";
import { showDay, showNumber, t } from "./text.js";

const TAGS = "{ tags(first: 24) { name imageCount } }";
const STATS = "{ stats { entries { model contentType } } }";
const SUGGEST = "query($prefix: String) { tags(first: 8, prefix: $prefix) { name } }";
const FORMS = ["landscape", "portrait", "square"];

/**
 * Have a field suggest the tags that begin like what is typed.
 * @param {HTMLInputElement} input
 * @param {HTMLDataListElement} list
 */
export function suggestTags(input, list) {
  let asked = "";
  input.setAttribute("list", list.id);
  input.addEventListener("input", async () => {
    const prefix = input.value.trim();
    asked = prefix;
    const { tags } = await gql(SUGGEST, { prefix: prefix || null }).catch(() => ({ tags: [] }));
    if (asked === prefix)
      list.replaceChildren(
        ...tags.map((/** @type {any} */ tag) => h("option", { value: tag.name })),
      );
  });
}

export class Finder extends HTMLElement {
  constructor() {
    super();
    this.input = h("input", {
      type: "search",
      "aria-label": t("search"),
      placeholder: t("search-hint"),
      enterkeyhint: "search",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.form = h(
      "form",
      { role: "search", class: "search", novalidate: true },
      icon("search"),
      this.input,
      h("kbd", { "aria-hidden": "true" }, "/"),
      button({
        words: t("search-help"),
        look: "help",
        only: true,
        class: "bare",
        popovertarget: "search-help",
      }),
    );
    this.help = h(
      "div",
      {
        popover: "auto",
        id: "search-help",
        class: "sheet help",
        role: "dialog",
        "aria-label": t("search-help"),
      },
      h("h2", {}, t("search-help")),
      h(
        "dl",
        {},
        ...t("search-grammar")
          .split("\n")
          .flatMap((line) => line.split(" | ").map((part, at) => h(at ? "dd" : "dt", {}, part))),
      ),
    );
    this.panel = h("div", {
      popover: "auto",
      id: "filters",
      class: "sheet filters",
      role: "dialog",
      "aria-label": t("filters"),
    });
    this.opener = button({
      words: t("filters"),
      look: "filter",
      class: "bare filter-opener",
      popovertarget: "filters",
    });
    this.chips = h("div", { class: "chips", role: "group", "aria-label": t("filters-set") });
  }

  connectedCallback() {
    this.append(this.form, this.opener, this.help, this.panel);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      go({ q: this.input.value.trim(), image: "" });
      this.input.select();
    });
    // Emptied by the browser's own cross.
    this.input.addEventListener("search", () => !this.input.value && route().q && go({ q: "" }));
    this.input.addEventListener(
      "keydown",
      (event) => event.key === "Escape" && !this.input.value && this.input.blur(),
    );
    this.panel.addEventListener(
      "beforetoggle",
      (event) => /** @type {ToggleEvent} */ (event).newState === "open" && this.fill(),
    );
    hear("route", () => this.show());
    this.show();
  }

  /** Show what the URL says. */
  show() {
    const now = route();
    this.input.value = now.q;
    const chip = (
      /** @type {string} */ words,
      /** @type {Partial<import("./route.js").Route>} */ without,
    ) =>
      button({
        words,
        look: "close",
        class: "chip",
        "aria-label": t("remove-filter", words),
        onclick: () => go(without),
      });
    const chips = [
      now.model && chip(now.model, { model: "" }),
      now.form && chip(FORMS.includes(now.form) ? t(now.form) : now.form, { form: "" }),
      now.size && chip(now.size.replace("x", " × "), { size: "" }),
      now.type && chip(now.type.replace("image/", "").toUpperCase(), { type: "" }),
      ...now.tags.map((tag) => chip(`#${tag}`, { tags: now.tags.filter((one) => one !== tag) })),
      now.from && chip(t("from-day", showDay(now.from)), { from: "" }),
      now.to && chip(t("to-day", showDay(now.to)), { to: "" }),
    ].filter((each) => each !== "");
    if (chips.length > 1)
      chips.push(
        button({
          words: t("clear-filters"),
          class: "plain",
          onclick: () =>
            go({ model: "", form: "", size: "", type: "", tags: [], from: "", to: "" }),
        }),
      );
    this.chips.replaceChildren(...chips);
    this.chips.hidden = !chips.length;
    this.opener.classList.toggle("set", chips.length > 0);
  }

  get isFiltering() {
    return Object.keys(filterOf(route())).length > 0;
  }

  /** Put what there is into the sheet of filters. */
  async fill() {
    const [{ tags }, { stats }] = await Promise.all([
      gql(TAGS).catch(() => ({ tags: [] })),
      gql(STATS).catch(() => ({ stats: { entries: [] } })),
    ]);
    const now = route();
    const distinct = (/** @type {string} */ name) => [
      ...new Set(stats.entries.map((/** @type {any} */ entry) => entry[name])),
    ];
    const field = (/** @type {string} */ words, /** @type {HTMLElement} */ control, look = "") =>
      h("label", { class: look }, h("span", {}, words), control);
    const choice = (
      /** @type {"model" | "type" | "form"} */ name,
      /** @type {string[][]} */ options,
    ) => {
      const select = h(
        "select",
        { onchange: () => go({ [name]: select.value }) },
        h("option", { value: "" }, t("any")),
        ...options.map(([value, words]) => h("option", { value }, words)),
      );
      select.value = now[name];
      return select;
    };
    const typed = (
      /** @type {"size" | "from" | "to"} */ name,
      /** @type {Record<string, any>} */ properties,
    ) => {
      const input = h("input", {
        value: now[name],
        onchange: () => input.validity.valid && go({ [name]: input.value.trim() }),
        ...properties,
      });
      return input;
    };
    const list = h("datalist", { id: "known-tags" });
    const tag = h("input", { autocomplete: "off" });
    tag.addEventListener("change", () => {
      const name = tag.value.trim();
      tag.value = "";
      if (name && !route().tags.includes(name)) go({ tags: [...route().tags, name] });
    });
    suggestTags(tag, list);
    const cloud = tags.map((/** @type {any} */ each) => {
      const isSet = () => route().tags.includes(each.name);
      const toggle = button({
        words: each.name,
        class: "chip",
        "aria-pressed": String(isSet()),
        onclick: () => {
          go({
            tags: isSet()
              ? route().tags.filter((one) => one !== each.name)
              : [...route().tags, each.name],
          });
          toggle.setAttribute("aria-pressed", String(isSet()));
        },
      });
      toggle.append(h("small", {}, showNumber(each.imageCount)));
      return toggle;
    });
    this.panel.replaceChildren(
      h("h2", {}, t("filters")),
      h(
        "div",
        { class: "fields" },
        field(
          t("model"),
          choice(
            "model",
            distinct("model").map((name) => [name, name]),
          ),
        ),
        field(
          t("format"),
          choice(
            "type",
            distinct("contentType").map((type) => [type, type.replace("image/", "").toUpperCase()]),
          ),
        ),
        field(
          t("form"),
          choice(
            "form",
            FORMS.map((form) => [form, t(form)]),
          ),
        ),
        field(
          t("size"),
          typed("size", { placeholder: "1024x1024", pattern: "[1-9][0-9]{0,5}x[1-9][0-9]{0,5}" }),
        ),
        field(t("from"), typed("from", { type: "date" })),
        field(t("to"), typed("to", { type: "date" })),
        field(t("tag"), tag, "wide"),
        list,
      ),
      cloud.length
        ? h("div", { class: "chips cloud", role: "group", "aria-label": t("tags") }, ...cloud)
        : "",
    );
  }
}

customElements.define("pixy-finder", Finder);
