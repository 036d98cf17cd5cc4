// Selecting, tagging, deleting with ten seconds to think again, and taking a selection home.

import { gql, send, Failure } from "./api.js";
import { button, h, hear, isTyping, tell } from "./dom.js";
import { suggestTags } from "./find.js";
import { FAVOURITE } from "./grid.js";
import { tellOthers } from "./live.js";
import { notify } from "./notices.js";
import { t } from "./text.js";

/** @typedef {import("./api.js").Image} Image */
/** @typedef {import("./grid.js").Grid} Grid */

const UNDO_MS = 10_000;
const MOST = 500;
const WAITING = "pixyproxy-deleting";
const DRAG_PX = 8;
const UPDATE = `mutation($guids: [ID!]!, $addTags: [String!], $removeTags: [String!]) {
  updateImages(guids: $guids, addTags: $addTags, removeTags: $removeTags) { done failed { guid code } }
}`;
const DELETE = "mutation($guids: [ID!]!) { deleteImages(guids: $guids) { done failed { guid code } } }";

/** @param {string[]} guids */
function* portions(guids) {
  for (let at = 0; at < guids.length; at += MOST) yield guids.slice(at, at + MOST);
}

export class Curator {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    this.selected = grid.selected;
    /** @type {string | null} where a range begins */
    this.pivot = null;
    this.count = h("strong", { role: "status" });
    this.tagList = h("datalist", { id: "tags-for-selection" });
    this.tagInput = h("input", { "aria-label": t("tag-selection"), placeholder: t("tag-hint"), autocomplete: "off" });
    suggestTags(this.tagInput, this.tagList);
    this.compare = button({ words: t("compare"), look: "compare", onclick: () => tell("compare", this.images()) });
    this.bar = h(
      "div",
      { class: "selection", role: "toolbar", "aria-label": t("selection"), hidden: true },
      this.count,
      h("form", { class: "tagging", onsubmit: (/** @type {Event} */ event) => this.tagSelection(event) }, this.tagInput, this.tagList),
      button({ words: t("favourite"), look: "star", onclick: () => this.favourite([...this.selected]) }),
      this.compare,
      button({ words: t("zip"), look: "down", onclick: () => this.zip() }),
      button({ words: t("delete"), look: "trash", onclick: () => this.remove(this.images()) }),
      button({ words: t("deselect"), look: "close", only: true, class: "bare", onclick: () => this.clear() }),
    );
    this.frame = h("div", { class: "marquee", hidden: true });
    grid.append(this.frame);
    this.listen();
    this.resume();
  }

  listen() {
    this.grid.addEventListener("click", (event) => this.click(event), true);
    this.grid.parentElement?.addEventListener("pointerdown", (event) => this.drag(event));
    hear("favourite", (guids) => this.favourite(guids));
    hear("delete", (images) => this.remove(images));
    hear("gone", (guids) => this.forget(guids));
    hear("elsewhere:deleted", (guids) => this.forget(guids));
    hear("elsewhere:restored", (images) => this.putBack(images));
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
    for (const each of guids.slice(Math.min(from, to), Math.max(from, to) + 1)) this.set(each, true);
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
   * Draw a frame around what is to be selected.
   * @param {PointerEvent} event
   */
  drag(event) {
    if (event.button || event.pointerType === "touch" || isTyping(event.target)) return;
    if (/** @type {HTMLElement} */ (event.target).closest("button, .card, .selection")) return;
    const box = this.grid.getBoundingClientRect();
    const start = { x: event.clientX - box.left, y: event.clientY + scrollY };
    const before = new Set(this.selected);
    let isDragging = false;
    const move = (/** @type {PointerEvent} */ at) => {
      const end = { x: at.clientX - box.left, y: at.clientY + scrollY };
      if (!isDragging && Math.hypot(end.x - start.x, end.y - start.y) < DRAG_PX) return;
      isDragging = true;
      const area = { left: Math.min(start.x, end.x), right: Math.max(start.x, end.x), top: Math.min(start.y, end.y), bottom: Math.max(start.y, end.y) };
      this.mark(area, before);
      if (at.clientY > innerHeight - 40) scrollBy(0, 24);
      if (at.clientY < 80) scrollBy(0, -24);
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      this.frame.hidden = true;
      // The click that ends a drag opens nothing.
      if (isDragging) addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, true), 0);
    };
    const swallow = (/** @type {Event} */ click) => {
      click.preventDefault();
      click.stopPropagation();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  /**
   * @param {{left: number, right: number, top: number, bottom: number}} area in the document
   * @param {Set<string>} before what was selected
   */
  mark(area, before) {
    const top = area.top - this.grid.offsetTop;
    Object.assign(this.frame.style, { left: `${area.left}px`, top: `${top}px`, width: `${area.right - area.left}px`, height: `${area.bottom - area.top}px` });
    this.frame.hidden = false;
    const box = this.grid.getBoundingClientRect();
    for (const [guid, { element }] of this.grid.tiles) {
      const tile = element.getBoundingClientRect();
      const isIn = tile.left - box.left < area.right && tile.right - box.left > area.left && tile.top + scrollY < area.bottom && tile.bottom + scrollY > area.top;
      this.set(guid, isIn || before.has(guid));
    }
    this.show();
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
        if (updateImages.failed.length) notify(t("not-done", updateImages.failed.length), { isError: true });
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
    const tags = [...new Set([...item.tags, ...added])].filter((tag) => !removed.includes(tag)).sort();
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

  /**
   * Take images away, and delete them in ten seconds, unless it is undone.
   * @param {Image[]} images
   */
  remove(images) {
    if (!images.length) return;
    this.wait(images, Date.now() + UNDO_MS);
    tellOthers("deleted", images.map((image) => image.guid));
  }

  /**
   * @param {Image[]} images
   * @param {number} until
   */
  wait(images, until) {
    const guids = images.map((image) => image.guid);
    this.forget(guids);
    const all = waiting.get();
    waiting.put([...all.filter((one) => !guids.includes(one.images[0]?.guid)), { images, until }]);
    const left = Math.max(0, until - Date.now());
    const undo = () => {
      clearTimeout(timer);
      done();
      this.putBack(images);
      tellOthers("restored", images);
    };
    const done = () => {
      waiting.put(waiting.get().filter((one) => one.images[0]?.guid !== guids[0]));
      this.undos = this.undos.filter((one) => one !== run);
    };
    const removeNotice = notify(t("deleted", images.length), { lasts: left, action: { words: t("undo"), run: undo } });
    const run = () => {
      removeNotice();
      undo();
    };
    this.undos.push(run);
    const timer = setTimeout(async () => {
      try {
        await this.destroy(guids);
        done();
      } catch (error) {
        done();
        this.putBack(images);
        tellOthers("restored", images);
        tell("failure", error);
      }
    }, left);
  }

  /** @type {(() => void)[]} the last one undoes what was done last */
  undos = [];

  /** @param {string[]} guids */
  async destroy(guids) {
    for (const portion of portions(guids)) {
      const { deleteImages } = await gql(DELETE, { guids: portion }, { keepalive: true });
      const failed = deleteImages.failed.filter((/** @type {any} */ one) => !["image-gone", "image-not-found"].includes(one.code));
      if (failed.length) throw new Failure(failed[0].code, t("not-done", failed.length));
    }
  }

  /** A page that is loaded anew in those ten seconds goes on. */
  resume() {
    const left = waiting.get();
    waiting.put([]);
    this.resumed = left.flatMap(({ images }) => images.map((image) => image.guid));
    for (const { images, until } of left) setTimeout(() => this.wait(images, until));
  }

  /**
   * Show images no more.
   * @param {string[]} guids
   */
  forget(guids) {
    for (const guid of guids) this.set(guid, false);
    this.show();
    this.grid.list?.hide(guids);
    this.grid.glide();
    this.grid.relayout();
    tell("hidden", guids);
  }

  /** @param {Image[]} images */
  putBack(images) {
    this.grid.list?.show(images);
    this.grid.glide();
    this.grid.relayout();
    tell("shown", images);
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

const waiting = {
  /** @returns {{images: Image[], until: number}[]} */
  get: () => JSON.parse(sessionStorage.getItem(WAITING) ?? "[]"),
  /** @param {{images: Image[], until: number}[]} all */
  put: (all) => sessionStorage.setItem(WAITING, JSON.stringify(all)),
};

/**
 * A tag as the service writes it.
 * @param {string} tag
 */
export const normal = (tag) => tag.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
