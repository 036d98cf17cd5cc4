// What is known of one picture, and what can be done with it.

import { contentUrl, srcset } from "./api.js";
import { normal } from "./curate.js";
import { button, h, icon, set, tell } from "./dom.js";
import { suggestTags } from "./find.js";
import { notify } from "./notices.js";
import { go, hrefOf, route } from "./route.js";
import { showBytes, showTime, t } from "./text.js";
import { FAVOURITE } from "./tile.js";

/** @typedef {import("./api.js").Image} Image */

const FORMATS = ["original", "png", "jpeg", "webp", "avif"];

/**
 * Copy text; without a safe origin there is no clipboard to write to but the old one.
 * @param {string} text
 * @param {string} said
 */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "unseen" });
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  notify(said, { lasts: 2500 });
}

/** A route with nothing in it. */
const blank = {
  q: "",
  model: "",
  form: "",
  size: "",
  type: "",
  tags: [],
  from: "",
  to: "",
  image: "",
};

export class Facts {
  /** @param {{again: (item: Image) => void, reuse: (item: Image) => void, remove: () => void}} deeds */
  constructor(deeds) {
    this.deeds = deeds;
    this.element = h("div", {
      class: "facts",
      tabindex: 0,
      role: "group",
      "aria-label": t("details"),
    });
    this.siblings = h("section", { class: "siblings", hidden: true });
    /** @type {Image | null} */
    this.item = null;
  }

  /** @param {Image & {generation?: any}} item */
  fill(item) {
    this.item = item;
    const { prompt, revisedPrompt } = item;
    this.tags = h("ul", { class: "tags" });
    this.star = button({
      words: t("favourite"),
      look: "star",
      onclick: () => tell("favourite", [item.guid]),
    });
    const list = h("datalist", { id: "tags-for-image" });
    const tag = h("input", {
      "aria-label": t("tag-image"),
      placeholder: t("tag-hint"),
      autocomplete: "off",
    });
    suggestTags(tag, list);
    const tagging = h("form", { class: "tagging", novalidate: true }, icon("tag"), tag, list);
    tagging.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = normal(tag.value);
      if (!name) return;
      tag.value = "";
      tell("tag", { guids: [item.guid], addTags: [name] });
    });
    const formats = h(
      "div",
      { popover: "auto", id: "formats", class: "sheet menu" },
      ...FORMATS.map((format) =>
        h(
          "a",
          {
            href: `${contentUrl(item.guid)}?download=1${format === "original" ? "" : `&format=${format}`}`,
            download: "",
          },
          format === "original"
            ? t(
                "original",
                item.contentType.replace("image/", "").toUpperCase(),
                showBytes(item.byteSize),
              )
            : format.toUpperCase(),
        ),
      ),
    );
    this.element.replaceChildren(
      h("p", { class: prompt.length > 280 ? "prompt long" : "prompt" }, prompt),
      revisedPrompt && revisedPrompt !== prompt
        ? h(
            "details",
            { class: "revised" },
            h("summary", {}, t("revised")),
            h("p", {}, revisedPrompt),
          )
        : "",
      h(
        "div",
        { class: "deeds" },
        button({
          words: t("copy-prompt"),
          look: "copy",
          class: "half",
          onclick: () => copy(prompt, t("prompt-copied")),
        }),
        h(
          "span",
          { class: "split half" },
          h(
            "a",
            { class: "button", href: `${contentUrl(item.guid)}?download=1`, download: "" },
            icon("down"),
            h("span", {}, t("download")),
          ),
          button({ words: t("formats"), look: "more", only: true, popovertarget: "formats" }),
        ),
        button({
          words: t("again"),
          look: "redo",
          class: "half",
          onclick: () => this.deeds.again(item),
        }),
        button({
          words: t("change"),
          look: "brush",
          class: "half",
          onclick: () => this.deeds.reuse(item),
        }),
        this.star,
        button({
          words: t("share"),
          look: "link",
          onclick: () =>
            copy(
              new URL(hrefOf({ ...blank, image: item.guid }), location.href).href,
              t("link-copied"),
            ),
        }),
        button({
          words: t("delete"),
          look: "trash",
          class: "danger",
          onclick: () => this.deeds.remove(),
        }),
      ),
      formats,
      this.tags,
      tagging,
      this.describe(item),
      this.siblings,
    );
    this.showTags();
    this.complete(item);
  }

  /**
   * Add what is known only once it was asked for; what is typed meanwhile stays.
   * @param {Image & {generation?: any}} item
   */
  complete(item) {
    const siblings = (item.generation?.images ?? []).filter(
      (/** @type {Image} */ one) => one.guid !== item.guid,
    );
    this.siblings.hidden = !siblings.length;
    const links = siblings.map((/** @type {Image} */ one) => this.sibling(one));
    this.siblings.replaceChildren(h("h2", {}, t("siblings")), h("div", {}, ...links));
  }

  /** @param {Image} one */
  sibling(one) {
    const follow = (/** @type {Event} */ event) => {
      event.preventDefault();
      go({ image: one.guid }, { replace: true });
    };
    return h(
      "a",
      { href: hrefOf({ ...route(), image: one.guid }), onclick: follow },
      h("img", { alt: one.prompt, srcset: srcset(one, 320), sizes: "96px", loading: "lazy" }),
    );
  }

  /** @param {Image} item */
  describe(item) {
    const facts = [
      [t("model"), item.model],
      [t("dimensions"), `${item.width} × ${item.height}`],
      [t("created"), showTime(item.createdAt)],
      [
        t("file"),
        `${item.contentType.replace("image/", "").toUpperCase()}, ${showBytes(item.byteSize)}`,
      ],
      ...Object.entries(item.parameters).map(([name, value]) => [
        t("parameter", name),
        typeof value === "object" ? JSON.stringify(value) : String(value),
      ]),
      item.hasContentCredentials && [t("credentials"), t("credentials-there")],
    ].filter((each) => Array.isArray(each));
    return h(
      "dl",
      { class: "known" },
      ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    );
  }

  showTags() {
    const { item } = this;
    if (!item || !this.tags || !this.star) return;
    this.star.setAttribute("aria-pressed", String(item.tags.includes(FAVOURITE)));
    this.tags.hidden = !item.tags.length;
    this.tags.replaceChildren(
      ...item.tags.map((tag) =>
        h(
          "li",
          { class: "chip" },
          h(
            "a",
            {
              href: hrefOf({ ...blank, tags: [tag] }),
              onclick: (/** @type {Event} */ event) => {
                event.preventDefault();
                go({ ...blank, tags: [tag] });
              },
            },
            tag,
          ),
          button({
            words: t("remove-tag", tag),
            look: "close",
            only: true,
            class: "bare",
            onclick: () => tell("tag", { guids: [item.guid], removeTags: [tag] }),
          }),
        ),
      ),
    );
    set(this.tags, "aria-label", t("tags"));
  }
}
