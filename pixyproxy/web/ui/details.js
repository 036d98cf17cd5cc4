// One picture, large, the way to those beside it, and its place in the URL.

import { DETAIL, gql, srcset } from "./api.js";
import { button, h, hear, isTyping, tell } from "./dom.js";
import { copy, Facts } from "./facts.js";
import { notify } from "./notices.js";
import { go, route } from "./route.js";
import { t } from "./text.js";
import { Viewer } from "./viewer.js";

/** @typedef {import("./api.js").Image} Image */

const ONE = `query($guid: ID!) { image(guid: $guid) { ${DETAIL}
  generation { guid images { guid prompt width height thumbhash } } } }`;
export class Details extends HTMLElement {
  constructor() {
    super();
    /** @type {Image | null} */
    this.item = null;
    /** @type {import("./grid.js").Grid | null} */
    this.grid = null;
    this.viewer = new Viewer((step) => this.step(step));
    this.previous = button({
      words: t("previous"),
      look: "left",
      only: true,
      class: "round previous",
      onclick: () => this.step(-1),
    });
    this.next = button({
      words: t("next"),
      look: "right",
      only: true,
      class: "round next",
      onclick: () => this.step(1),
    });
    this.closer = button({
      words: t("close"),
      look: "close",
      only: true,
      class: "round closer",
      onclick: () => this.leave(),
    });
    this.facts = new Facts({
      again: (item) => this.again(item),
      reuse: (item) => this.reuse(item),
      remove: () => this.remove(),
    });
    this.dialog = h(
      "dialog",
      { class: "details", "aria-label": t("details"), "aria-modal": "true" },
      h("div", { class: "view" }, this.viewer.element, this.previous, this.next, this.closer),
      this.facts.element,
    );
    this.isPushed = false;
    this.isLeaving = false;
    /** What it was opened with: going back from it moves nothing. */
    this.opened = "";
    /** @type {HTMLElement | null} */
    this.focusBefore = null;
  }

  connectedCallback() {
    this.append(this.dialog);
    hear("route", () => this.follow());
    hear("tagged", ({ guid, tags }) => {
      if (guid !== this.item?.guid || !this.item) return;
      this.item = { ...this.item, tags };
      this.facts.item = this.item;
      this.facts.showTags();
    });
    hear(
      "hidden",
      (guids) => this.item && guids.includes(this.item.guid) && this.dialog.open && this.leave(),
    );
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
    // Going back takes a moment: twice would leave the page's own search too.
    if (this.isLeaving) return;
    this.isLeaving = true;
    if (this.isPushed || history.state?.isDetails) history.back();
    else go({ image: "" }, { replace: true });
  }

  shut() {
    this.isPushed = false;
    this.isLeaving = false;
    if (!this.dialog.open) return;
    const guid = this.item?.guid;
    this.dialog.close();
    this.item = null;
    tell("details", false);
    if (guid) {
      if (guid !== this.opened) this.grid?.reveal(guid);
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
    const other =
      (await grid?.list?.neighbour(item.guid, 1)) ?? (await grid?.list?.neighbour(item.guid, -1));
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
      t: () => this.facts.element.querySelector("input")?.focus(),
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
    if (isNew) this.facts.fill(item);
    else this.facts.complete(item);
    if (!this.dialog.open) {
      this.focusBefore = /** @type {HTMLElement} */ (document.activeElement);
      this.dialog.show();
      this.opened = item.guid;
      tell("details", true);
      this.closer.focus({ preventScroll: true });
    }
    if (isNew) this.facts.element.scrollTop = 0;
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

  /** @param {Image} item */
  again(item) {
    this.leave();
    tell("draw", item);
  }

  /** @param {Image} item */
  reuse(item) {
    this.leave();
    setTimeout(() => tell("reuse", item), 60);
  }
}

customElements.define("pixy-details", Details);
