// One picture of the grid.

import { contentUrl, srcset } from "./api.js";
import { button, h, tell } from "./dom.js";
import { t } from "./text.js";
import { paint } from "./thumbhash.js";

/** @typedef {import("./api.js").Image} Image */

const AT_ONCE = 5;
const RETRIES_MS = [700, 2500, 6000];
/** The tags that mean something here. */
export const FAVOURITE = "favorite";
const SENSITIVE = "sensitive";

/** One picture of the grid. Its elements serve again for another picture. */
export class Tile {
  constructor() {
    this.item = /** @type {Image} */ (/** @type {unknown} */ (null));
    this.image = h("img", { decoding: "async", draggable: "false" });
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.link = h("a", { draggable: "false" }, this.canvas, this.image);
    this.star = button({
      words: t("favourite"),
      look: "star",
      only: true,
      class: "star",
      tabindex: -1,
      onclick: () => tell("favourite", [this.item.guid]),
    });
    this.check = button({
      words: t("select"),
      look: "check",
      only: true,
      class: "pick",
      tabindex: -1,
    });
    this.element = h("div", { class: "tile" }, this.link, this.check, this.star);
    this.image.addEventListener("load", () => {
      this.element.classList.add("loaded");
      this.settle();
    });
    this.image.addEventListener("error", () => {
      this.settle();
      this.retry();
    });
  }

  retries = 0;
  geometry = "";
  y = 0;
  height = 0;
  isLoading = false;
  settle = () => {};

  /** @param {Image} item */
  assign(item) {
    this.retries = 0;
    this.geometry = "";
    this.element.className = "tile";
    this.element.dataset.guid = item.guid;
    this.link.href = `?image=${item.guid}`;
    this.image.removeAttribute("srcset");
    this.image.alt = item.prompt;
    this.canvas.hidden = !item.thumbhash;
    if (item.thumbhash) paint(item.thumbhash, this.canvas);
    this.update(item);
    return this;
  }

  /** @param {Image} item */
  update(item) {
    this.item = item;
    const isFavourite = item.tags.includes(FAVOURITE);
    this.element.classList.toggle("favourite", isFavourite);
    this.element.classList.toggle("sensitive", item.tags.includes(SENSITIVE));
    this.star.setAttribute("aria-pressed", String(isFavourite));
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   */
  place(x, y, width, height) {
    const geometry = `${x} ${y} ${width} ${height}`;
    if (geometry === this.geometry) return;
    this.geometry = geometry;
    this.y = y + height / 2;
    this.height = height;
    const { style } = this.element;
    style.transform = `translate(${x}px, ${y}px)`;
    style.width = `${width}px`;
    style.height = `${height}px`;
    this.image.sizes = `${Math.ceil(width)}px`;
  }

  /** @param {() => void} done once it has come, or will not */
  load(done) {
    this.isLoading = true;
    this.settle = () => {
      this.settle = () => {};
      this.isLoading = false;
      done();
    };
    this.image.srcset = srcset(this.item);
  }

  /** The service may be busy making sizes; or the picture is gone. */
  async retry() {
    const wait = RETRIES_MS[this.retries++];
    const answer = await fetch(contentUrl(this.item.guid), { method: "HEAD" }).catch(() => null);
    if (answer?.status === 404 || answer?.status === 410) tell("gone", [this.item.guid]);
    else if (wait && this.element.isConnected) {
      setTimeout(() => {
        this.image.srcset = "";
        this.image.srcset = srcset(this.item);
      }, wait);
    } else this.element.classList.add("broken");
  }

  /** @param {boolean} isSelected */
  select(isSelected) {
    this.element.classList.toggle("selected", isSelected);
    this.check.setAttribute("aria-pressed", String(isSelected));
  }
}

/** Asks for pictures a few at a time: the service may have to make their sizes first. */
export class Pictures {
  #loading = 0;
  /** @type {Tile[]} */
  #tiles = [];
  #middle = 0;

  /**
   * Ask for the pictures of these tiles, those nearest to a height first.
   * @param {Iterable<Tile>} tiles
   * @param {number} middle
   */
  load(tiles, middle) {
    this.#tiles = [...tiles];
    this.#middle = middle;
    this.#next();
  }

  #next() {
    if (this.#loading >= AT_ONCE) return;
    const waiting = this.#tiles.filter((tile) => tile.element.isConnected && !tile.image.srcset);
    waiting.sort((a, b) => Math.abs(a.y - this.#middle) - Math.abs(b.y - this.#middle));
    for (const tile of waiting.slice(0, AT_ONCE - this.#loading)) {
      this.#loading++;
      tile.load(() => {
        this.#loading--;
        this.#next();
      });
    }
  }
}
