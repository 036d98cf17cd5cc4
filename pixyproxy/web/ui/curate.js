// Selecting many, tagging them, and taking them home.

import { Failure, gql, MOST, portions, send } from "./api.js";
import { button, h, hear, tell } from "./dom.js";
import { suggestTags } from "./find.js";
import { selectByFrame } from "./frame.js";
import { notify } from "./notices.js";
import { t } from "./text.js";
import { FAVOURITE } from "./tile.js";

/** @typedef {import("./api.js").Image} Image */
/** @typedef {import("./grid.js").Grid} Grid */

const UPDATE = `mutation($guids: [ID!]!, $addTags: [String!], $removeTags: [String!]) {
  updateImages(guids: $guids, addTags: $addTags, removeTags: $removeTags) { done failed { guid code } }
}`;
export class Curator {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    this.selected = grid.selected;
    /** @type {string | null} where a range begins */
    this.pivot = null;
    this.count = h("strong", { role: "status" });
    this.tagList = h("datalist", { id: "tags-for-selection" });
    this.tagInput = h("input", {
      "aria-label": t("tag-selection"),
      placeholder: t("tag-hint"),
      autocomplete: "off",
    });
    suggestTags(this.tagInput, this.tagList);
    this.compare = button({
      words: t("compare"),
      look: "compare",
      onclick: () => tell("compare", this.images()),
    });
    this.bar = h(
      "div",
      { class: "selection", role: "toolbar", "aria-label": t("selection"), hidden: true },
      this.count,
      h(
        "form",
        { class: "tagging", onsubmit: (/** @type {Event} */ event) => this.tagSelection(event) },
        this.tagInput,
        this.tagList,
      ),
      button({
        words: t("favourite"),
        look: "star",
        onclick: () => this.favourite([...this.selected]),
      }),
      this.compare,
      button({ words: t("zip"), look: "down", onclick: () => this.zip() }),
      button({ words: t("delete"), look: "trash", onclick: () => tell("delete", this.images()) }),
      button({
        words: t("deselect"),
        look: "close",
        only: true,
        class: "bare",
        onclick: () => this.clear(),
      }),
    );
    this.listen();
    selectByFrame(this);
  }

  listen() {
    this.grid.addEventListener("click", (event) => this.click(event), true);
    hear("favourite", (guids) => this.favourite(guids));
    hear("hidden", (guids) => {
      for (const guid of guids) this.set(guid, false);
      this.show();
    });
  }

  /** The selected images, in the order of the list. */
  images() {
    return this.grid.loaded().filter((image) => this.selected.has(image.guid));
  }

  /** @param {MouseEvent} event */
  click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const guid = /** @type {HTMLElement | null} */ (target.closest(".tile"))?.dataset.guid;
    if (!guid || target.closest(".star")) return;
    const isPick = Boolean(target.closest(".pick"));
    if (!isPick && !event.shiftKey && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.shiftKey) this.extendTo(guid);
    else this.toggle(guid);
  }

  /** @param {string} guid */
  toggle(guid) {
    this.set(guid, !this.selected.has(guid));
    this.pivot = guid;
    this.show();
  }

  /** @param {string} guid */
  extendTo(guid) {
    const guids = this.grid.loaded().map((image) => image.guid);
    const from = Math.max(0, guids.indexOf(this.pivot ?? guid));
    const to = guids.indexOf(guid);
    for (const each of guids.slice(Math.min(from, to), Math.max(from, to) + 1))
      this.set(each, true);
    this.pivot ??= guid;
    this.show();
  }

  /**
   * @param {string} guid
   * @param {boolean} isSelected
   */
  set(guid, isSelected) {
    if (isSelected) this.selected.add(guid);
    else this.selected.delete(guid);
    this.grid.tiles.get(guid)?.select(isSelected);
  }

  clear() {
    for (const guid of [...this.selected]) this.set(guid, false);
    this.pivot = null;
    this.show();
  }

  show() {
    const { size } = this.selected;
    this.bar.hidden = size === 0;
    document.documentElement.classList.toggle("selecting", size > 0);
    this.count.textContent = size ? t("selected", size) : "";
    this.compare.hidden = size !== 2;
  }

  /**
   * Give images tags, or take them away.
   * @param {string[]} guids
   * @param {{addTags?: string[], removeTags?: string[]}} change
   */
  async tag(guids, { addTags = [], removeTags = [] }) {
    try {
      for (const portion of portions(guids)) {
        const { updateImages } = await gql(UPDATE, { guids: portion, addTags, removeTags });
        for (const guid of updateImages.done) this.retag(guid, addTags, removeTags);
        if (updateImages.failed.length)
          notify(t("not-done", updateImages.failed.length), { isError: true });
      }
      return true;
    } catch (error) {
      tell("failure", error);
      return false;
    }
  }

  /**
   * @param {string} guid
   * @param {string[]} added
   * @param {string[]} removed
   */
  retag(guid, added, removed) {
    const item = this.grid.list?.find(guid)?.item;
    if (!item) return;
    const tags = [...new Set([...item.tags, ...added])]
      .filter((tag) => !removed.includes(tag))
      .sort();
    this.grid.refresh({ ...item, tags });
    tell("tagged", { guid, tags });
  }

  /** @param {Event} event */
  async tagSelection(event) {
    event.preventDefault();
    const tag = normal(this.tagInput.value);
    if (!tag) return;
    const guids = [...this.selected];
    if (await this.tag(guids, { addTags: [tag] })) {
      this.tagInput.value = "";
      notify(t("tagged", guids.length, tag));
    }
  }

  /**
   * Mark as favourites; where all are, no more.
   * @param {string[]} guids
   */
  favourite(guids) {
    const areAll = guids.every((guid) => this.grid.list?.find(guid)?.item.tags.includes(FAVOURITE));
    return this.tag(guids, areAll ? { removeTags: [FAVOURITE] } : { addTags: [FAVOURITE] });
  }

  async zip() {
    const guids = [...this.selected].slice(0, MOST);
    const stop = notify(t("zipping", guids.length), { lasts: Infinity });
    try {
      const answer = await send("image/zip", { guids });
      if (!answer.ok) {
        const problem = await answer.json();
        throw new Failure(problem.code, problem.detail);
      }
      const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1];
      const url = URL.createObjectURL(await answer.blob());
      h("a", { href: url, download: name ?? "pixyproxy.zip" }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      tell("failure", error instanceof Failure ? error : new Failure("offline"));
    } finally {
      stop();
    }
  }
}

/**
 * A tag as the service writes it.
 * @param {string} tag
 */
export const normal = (tag) => tag.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
