// One picture, large, and all that is known of it.

import { DETAIL, contentUrl, gql, srcset } from "./api.js";
import { normal } from "./curate.js";
import { button, h, hear, icon, isTyping, set, tell } from "./dom.js";
import { suggestTags } from "./find.js";
import { FAVOURITE } from "./grid.js";
import { wishOf } from "./make.js";
import { notify } from "./notices.js";
import { go, hrefOf, route } from "./route.js";
import { showBytes, showTime, t } from "./text.js";
import { Viewer } from "./viewer.js";

/** @typedef {import("./api.js").Image} Image */

const ONE = `query($guid: ID!) { image(guid: $guid) { ${DETAIL}
  generation { guid images { guid prompt width height thumbhash } } } }`;
const FORMATS = ["original", "png", "jpeg", "webp", "avif"];

/**
 * Copy text; without a safe origin there is no clipboard to write to but the old one.
 * @param {string} text
 * @param {string} said
 */
async function copy(text, said) {
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

export class Details extends HTMLElement {
  constructor() {
    super();
    /** @type {Image | null} */
    this.item = null;
    /** @type {import("./grid.js").Grid | null} */
    this.grid = null;
    this.viewer = new Viewer((step) => this.step(step));
    this.previous = button({ words: t("previous"), look: "left", only: true, class: "round previous", onclick: () => this.step(-1) });
    this.next = button({ words: t("next"), look: "right", only: true, class: "round next", onclick: () => this.step(1) });
    this.closer = button({ words: t("close"), look: "close", only: true, class: "round closer", onclick: () => this.leave() });
    this.facts = h("div", { class: "facts", tabindex: 0, role: "group", "aria-label": t("details") });
    this.dialog = h("dialog", { class: "details", "aria-label": t("details"), "aria-modal": "true" }, h("div", { class: "view" }, this.viewer.element, this.previous, this.next, this.closer), this.facts);
    this.isPushed = false;
    /** @type {HTMLElement | null} */
    this.focusBefore = null;
  }

  connectedCallback() {
    this.append(this.dialog);
    hear("route", () => this.follow());
    hear("tagged", ({ guid, tags }) => {
      if (guid !== this.item?.guid || !this.item) return;
      this.item = { ...this.item, tags };
      this.showTags();
    });
    hear("hidden", (guids) => this.item && guids.includes(this.item.guid) && this.dialog.open && this.leave());
    document.addEventListener("keydown", (event) => this.keys(event));
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** Open what the URL says, or close. */
  async follow() {
    const guid = route().image;
    if (!guid) {
      this.shut();
      return;
    }
    if (this.item?.guid === guid && this.dialog.open) return;
    const known = this.grid?.list?.find(guid)?.item;
    if (known) this.show(known);
    try {
      const { image } = await gql(ONE, { guid });
      if (route().image !== guid) return;
      if (image) this.show(image);
      else {
        notify(t("error:image-gone"), { isError: true });
        go({ image: "" }, { replace: true });
      }
    } catch (error) {
      tell("failure", error);
    }
  }

  /** @param {string} guid */
  open(guid) {
    this.isPushed = true;
    go({ image: guid }, { state: { isDetails: true } });
  }

  leave() {
    if (this.isPushed || history.state?.isDetails) history.back();
    else go({ image: "" }, { replace: true });
  }

  shut() {
    this.isPushed = false;
    if (!this.dialog.open) return;
    const guid = this.item?.guid;
    this.dialog.close();
    this.item = null;
    tell("details", false);
    if (guid) {
      this.grid?.reveal(guid);
      (this.grid?.tiles.get(guid)?.link ?? this.focusBefore)?.focus({ preventScroll: true });
    }
  }

  /** @param {1 | -1} step */
  async step(step) {
    const { item, grid } = this;
    if (!item || !grid?.list) return;
    const other = await grid.list.neighbour(item.guid, step);
    if (!other || this.item !== item) return;
    grid.relayout();
    go({ image: other.guid }, { replace: true });
  }

  /** Delete what is shown, and show what is beside it. */
  async remove() {
    const { item, grid } = this;
    if (!item) return;
    const other = (await grid?.list?.neighbour(item.guid, 1)) ?? (await grid?.list?.neighbour(item.guid, -1));
    if (this.item !== item) return;
    if (other) go({ image: other.guid }, { replace: true });
    else this.leave();
    tell("delete", [item]);
  }

  /** @param {KeyboardEvent} event */
  keys(event) {
    if (!this.dialog.open || !this.item || document.querySelector("dialog:modal")) return;
    if (event.key === "Escape") {
      if (isTyping(event.target)) /** @type {HTMLElement} */ (event.target).blur();
      else this.leave();
      event.preventDefault();
    }
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const { viewer } = this;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      Delete: () => this.remove(),
      f: () => tell("favourite", [/** @type {Image} */ (this.item).guid]),
      c: () => copy(/** @type {Image} */ (this.item).prompt, t("prompt-copied")),
      "+": () => viewer.zoomTo(viewer.scale * 1.5),
      "-": () => viewer.zoomTo(viewer.scale / 1.5),
      0: () => viewer.reset(),
      1: () => viewer.zoomTo(viewer.natural),
      t: () => this.facts.querySelector("input")?.focus(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** @param {Image & {generation?: any}} item */
  show(item) {
    const isNew = item.guid !== this.item?.guid;
    this.item = item;
    this.viewer.show(item, this.grid?.tiles.get(item.guid)?.image);
    if (isNew || item.generation) this.fill(item);
    if (!this.dialog.open) {
      this.focusBefore = /** @type {HTMLElement} */ (document.activeElement);
      this.dialog.show();
      tell("details", true);
      this.closer.focus({ preventScroll: true });
    }
    if (isNew) this.facts.scrollTop = 0;
    this.prepare(item);
  }

  /**
   * Have the neighbours at hand, and say where there are none.
   * @param {Image} item
   */
  async prepare(item) {
    for (const step of /** @type {const} */ ([1, -1])) {
      const other = await this.grid?.list?.neighbour(item.guid, step).catch(() => null);
      if (this.item?.guid !== item.guid) return;
      const control = step > 0 ? this.next : this.previous;
      control.disabled = !other;
      if (other) {
        const ahead = new Image();
        ahead.sizes = this.viewer.image.sizes;
        ahead.srcset = srcset(other, 2560);
      }
    }
  }

  /** @param {Image & {generation?: any}} item */
  fill(item) {
    const { prompt, revisedPrompt } = item;
    const siblings = (item.generation?.images ?? []).filter((/** @type {Image} */ one) => one.guid !== item.guid);
    this.tags = h("ul", { class: "tags" });
    this.star = button({ words: t("favourite"), look: "star", onclick: () => tell("favourite", [item.guid]) });
    const list = h("datalist", { id: "tags-for-image" });
    const tag = h("input", { "aria-label": t("tag-image"), placeholder: t("tag-hint"), autocomplete: "off" });
    suggestTags(tag, list);
    const tagging = h("form", { class: "tagging", novalidate: true }, icon("tag"), tag, list);
    tagging.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = normal(tag.value);
      if (!name) return;
      tag.value = "";
      tell("tag", { guids: [item.guid], addTags: [name] });
    });
    const formats = h("div", { popover: "auto", id: "formats", class: "sheet menu" }, ...FORMATS.map((format) =>
      h("a", { href: `${contentUrl(item.guid)}?download=1${format === "original" ? "" : `&format=${format}`}`, download: "" }, format === "original" ? t("original", item.contentType.replace("image/", "").toUpperCase(), showBytes(item.byteSize)) : format.toUpperCase())));
    this.facts.replaceChildren(
      h("p", { class: prompt.length > 280 ? "prompt long" : "prompt" }, prompt),
      revisedPrompt && revisedPrompt !== prompt ? h("details", { class: "revised" }, h("summary", {}, t("revised")), h("p", {}, revisedPrompt)) : "",
      h(
        "div",
        { class: "deeds" },
        button({ words: t("copy-prompt"), look: "copy", class: "half", onclick: () => copy(prompt, t("prompt-copied")) }),
        h("span", { class: "split half" }, h("a", { class: "button", href: `${contentUrl(item.guid)}?download=1`, download: "" }, icon("down"), h("span", {}, t("download"))), button({ words: t("formats"), look: "more", only: true, popovertarget: "formats" })),
        button({ words: t("again"), look: "redo", class: "half", onclick: () => this.again(item) }),
        button({ words: t("change"), look: "brush", class: "half", onclick: () => this.reuse(item) }),
        this.star,
        button({ words: t("share"), look: "link", onclick: () => copy(new URL(hrefOf({ ...blank, image: item.guid }), location.href).href, t("link-copied")) }),
        button({ words: t("delete"), look: "trash", class: "danger", onclick: () => this.remove() }),
      ),
      formats,
      this.tags,
      tagging,
      this.describe(item),
      siblings.length ? h("section", { class: "siblings" }, h("h2", {}, t("siblings")), h("div", {}, ...siblings.map((/** @type {Image} */ one) => this.sibling(one)))) : "",
    );
    this.showTags();
  }

  /** @param {Image} one */
  sibling(one) {
    const follow = (/** @type {Event} */ event) => {
      event.preventDefault();
      go({ image: one.guid }, { replace: true });
    };
    return h("a", { href: hrefOf({ ...route(), image: one.guid }), onclick: follow }, h("img", { alt: one.prompt, srcset: srcset(one, 320), sizes: "96px", loading: "lazy" }));
  }

  /** @param {Image} item */
  describe(item) {
    const facts = [
      [t("model"), item.model],
      [t("dimensions"), `${item.width} × ${item.height}`],
      [t("created"), showTime(item.createdAt)],
      [t("file"), `${item.contentType.replace("image/", "").toUpperCase()}, ${showBytes(item.byteSize)}`],
      ...Object.entries(item.parameters).map(([name, value]) => [t("parameter", name), typeof value === "object" ? JSON.stringify(value) : String(value)]),
      item.hasContentCredentials && [t("credentials"), t("credentials-there")],
    ].filter((each) => Array.isArray(each));
    return h("dl", { class: "known" }, ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  /** @param {Image} item */
  again(item) {
    this.leave();
    tell("draw", wishOf(item));
  }

  /** @param {Image} item */
  reuse(item) {
    this.leave();
    setTimeout(() => tell("reuse", item), 60);
  }

  showTags() {
    const { item } = this;
    if (!item || !this.tags || !this.star) return;
    this.star.setAttribute("aria-pressed", String(item.tags.includes(FAVOURITE)));
    this.tags.hidden = !item.tags.length;
    this.tags.replaceChildren(
      ...item.tags.map((tag) =>
        h("li", { class: "chip" },
          h("a", { href: hrefOf({ ...blank, tags: [tag] }), onclick: (/** @type {Event} */ event) => { event.preventDefault(); go({ ...blank, tags: [tag] }); } }, tag),
          button({ words: t("remove-tag", tag), look: "close", only: true, class: "bare", onclick: () => tell("tag", { guids: [item.guid], removeTags: [tag] }) }),
        ),
      ),
    );
    set(this.tags, "aria-label", t("tags"));
  }
}

/** A route with nothing in it. */
const blank = { q: "", model: "", form: "", size: "", type: "", tags: [], from: "", to: "", image: "" };

customElements.define("pixy-details", Details);
