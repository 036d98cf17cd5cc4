// The grid: of the list, the rows in sight and a little more are in the document.

import { h, tell } from "./dom.js";
import { layOut } from "./layout.js";
import { showDay } from "./text.js";
import { Pictures, Tile } from "./tile.js";

/** @typedef {import("./api.js").Image} Image */
/** @typedef {import("./list.js").ImageList} ImageList */
/** @typedef {import("./list.js").Page} Page */

const AHEAD_PX = 900;
/** How long new tiles are made for in one frame; the others come in the next. */
const BUDGET_MS = 6;
const POOL = 80;
const PAGES_KEPT = 8;
const EDGE_PX = 100;
const RESTING_MS = 90;
const FAST_PX_PER_MS = 2;

export class Grid extends HTMLElement {
  constructor() {
    super();
    /** @type {ImageList | null} */
    this.list = null;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.headings = new Map();
    /** @type {Set<string>} */
    this.selected = new Set();
    this.measures = { width: 0, gap: 6, rowHeight: 236, headingHeight: 58 };
    this.height = 0;
    this.frame = 0;
    this.lastY = 0;
    this.lastAt = 0;
    this.resting = 0;
    this.isFast = false;
    this.pictures = new Pictures();
    /** @type {Tile[]} what has left the document and can serve again */
    this.pool = [];
    this.deadline = 0;
    this.isUnfinished = false;
  }

  connectedCallback() {
    addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(this);
  }

  /** @param {ImageList} list */
  show(list) {
    this.list = list;
    for (const [guid, tile] of this.tiles) this.drop(guid, tile);
    this.relayout();
  }

  measure() {
    const width = this.clientWidth;
    if (!width || width === this.measures.width) return;
    const isNarrow = width < 600;
    this.keepPlace(() => {
      this.measures = {
        width,
        gap: isNarrow ? 4 : 8,
        rowHeight: isNarrow ? 132 : Math.min(280, 170 + width / 20),
        headingHeight: isNarrow ? 48 : 64,
      };
      for (const page of this.list?.pages ?? []) page.layout = null;
    });
  }

  /**
   * Change the list while what is in the middle of the window stays where it is.
   * @param {() => void} change
   */
  keepPlace(change) {
    const anchor = scrollY > 4 ? this.anchor() : null;
    change();
    this.arrange();
    const found = anchor && this.list?.find(anchor.guid);
    if (found)
      scrollTo({ top: this.offsetOf(found.page, found.at) - anchor.offset, behavior: "instant" });
    this.render();
  }

  relayout() {
    this.arrange();
    this.render();
  }

  /** Lay out the pages that are new or have changed, and put all below one another. */
  arrange() {
    let day = "";
    let top = 0;
    let relaid = false;
    for (const page of this.list?.pages ?? []) {
      if (!page.layout || relaid) {
        const before = page.layout?.lastDay;
        page.layout = layOut(page.ratios ?? [], page.days ?? [], day, this.measures);
        relaid = before !== page.layout.lastDay;
      }
      page.top = top;
      top += page.layout.height;
      day = page.layout.lastDay;
    }
    this.height = top;
    this.style.height = `${top}px`;
  }

  /** What is seen at the top of the window. */
  anchor() {
    const edge = scrollY - this.offsetTop + 80;
    for (const page of this.list?.pages ?? []) {
      if (!page.items || !page.layout || page.top + page.layout.height < edge) continue;
      const row = page.layout.rows.find((one) => page.top + one.y + one.height > edge);
      const item = row && page.items[row.from];
      if (row && item) {
        return {
          guid: item.guid,
          cursor: item.cursor,
          offset: this.offsetTop + page.top + row.y - scrollY,
        };
      }
    }
    return null;
  }

  /**
   * Where an image stands in the document.
   * @param {Page} page
   * @param {number} at
   */
  offsetOf(page, at) {
    const row = page.layout?.rows.find((one) => at < one.to);
    return this.offsetTop + page.top + (row?.y ?? 0);
  }

  /**
   * Scroll until an image is seen, if it is not.
   * @param {string} guid
   */
  reveal(guid) {
    const found = this.list?.find(guid);
    if (!found) return;
    const top = this.offsetOf(found.page, found.at);
    if (top > scrollY - EDGE_PX && top < scrollY + innerHeight - EDGE_PX) return;
    scrollTo({ top: Math.max(0, top - innerHeight / 3), behavior: "instant" });
    this.render();
  }

  schedule() {
    const now = performance.now();
    this.isFast = Math.abs(scrollY - this.lastY) / Math.max(1, now - this.lastAt) > FAST_PX_PER_MS;
    this.lastY = scrollY;
    this.lastAt = now;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.isFast = false;
      this.loadPictures();
      tell("rest");
    }, RESTING_MS);
    this.again();
  }

  again() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  render() {
    if (!this.list || !this.measures.width) return;
    const top = scrollY - this.offsetTop - AHEAD_PX;
    this.deadline = performance.now() + BUDGET_MS;
    this.isUnfinished = false;
    const bottom = scrollY - this.offsetTop + innerHeight + AHEAD_PX;
    const seen = /** @type {Set<string>} */ (new Set());
    const days = /** @type {Set<string>} */ (new Set());
    this.clear(top, bottom);
    this.list.pages.forEach((page, number) => {
      const { layout } = page;
      if (!layout) return;
      if (page.top > bottom || page.top + layout.height < top) {
        const isFar =
          page.top > bottom + PAGES_KEPT * 4000 ||
          page.top + layout.height < top - PAGES_KEPT * 4000;
        if (isFar && number > 0) page.items = null;
        return;
      }
      if (!page.items) {
        this.list?.fill(page).then(
          () => this.relayout(),
          () => {},
        );
        return;
      }
      for (const heading of layout.headings) {
        const y = page.top + heading.y;
        if (y < bottom && y + 100 > top) this.placeHeading(heading.day, y, days);
      }
      for (const row of layout.rows) {
        const y = page.top + row.y;
        if (y > bottom || y + row.height < top) continue;
        this.placeRow(page, row, y, seen);
      }
    });
    if (this.isUnfinished) this.again();
    else for (const [guid, tile] of this.tiles) seen.has(guid) || this.drop(guid, tile);
    for (const [day, heading] of this.headings) {
      if (days.has(day)) continue;
      heading.remove();
      this.headings.delete(day);
    }
    if (!this.isFast) this.loadPictures();
    this.want();
  }

  /**
   * Take out of the document what is not between these heights any more.
   * @param {number} top
   * @param {number} bottom
   */
  clear(top, bottom) {
    for (const [guid, tile] of this.tiles) {
      if (tile.y > top - tile.height && tile.y < bottom + tile.height) continue;
      this.drop(guid, tile);
    }
  }

  /**
   * @param {string} guid
   * @param {Tile} tile
   */
  drop(guid, tile) {
    tile.element.remove();
    this.tiles.delete(guid);
    if (!tile.isLoading && this.pool.length < POOL) this.pool.push(tile);
  }

  /** Load what will soon be seen. */
  want() {
    const { list } = this;
    if (!list || list.loading) return;
    const below = this.offsetTop + this.height - scrollY - innerHeight;
    const above = scrollY - this.offsetTop;
    if (!list.atEnd && below < 3 * innerHeight) {
      list.more().then(
        () => this.list === list && this.relayout(),
        (error) => this.complain(error),
      );
    } else if (!list.atTop && above < 2 * innerHeight && list.pages.length) {
      const first = list.pages[0];
      list.before().then(
        () => this.list === list && this.relayoutAbove(first),
        (error) => this.complain(error),
      );
    }
  }

  /**
   * Lay out what has come above all else: what is seen stays where it is.
   * @param {Page} first what was the first page before
   */
  relayoutAbove(first) {
    const before = first.top;
    this.arrange();
    scrollTo({ top: scrollY + first.top - before, behavior: "instant" });
    this.render();
  }

  /** @param {Error & {code?: string}} error */
  complain(error) {
    if (error.name === "AbortError") return;
    tell("failure", error);
    setTimeout(() => this.want(), 4000);
  }

  /**
   * @param {string} day
   * @param {number} y
   * @param {Set<string>} days
   */
  placeHeading(day, y, days) {
    days.add(day);
    let heading = this.headings.get(day);
    if (!heading) {
      heading = h("h2", {}, showDay(day));
      this.headings.set(day, heading);
      this.append(heading);
    }
    heading.style.transform = `translateY(${y}px)`;
    heading.style.height = `${this.measures.headingHeight}px`;
  }

  /**
   * @param {Page} page
   * @param {import("./layout.js").Row} row
   * @param {number} y
   * @param {Set<string>} seen
   */
  placeRow(page, row, y, seen) {
    let x = 0;
    for (let at = row.from; at < row.to; at++) {
      const item = page.items?.[at];
      if (!item) return;
      const width = /** @type {Float32Array} */ (page.ratios)[at] * row.height;
      seen.add(item.guid);
      let tile = this.tiles.get(item.guid);
      if (!tile) {
        if (performance.now() > this.deadline) {
          this.isUnfinished = true;
          return;
        }
        tile = (this.pool.pop() ?? new Tile()).assign(item);
        this.tiles.set(item.guid, tile);
        tile.select(this.selected.has(item.guid));
        this.append(tile.element);
      } else if (tile.item !== item) tile.update(item);
      tile.place(x, y, width, row.height);
      x += width + this.measures.gap;
    }
  }

  loadPictures() {
    if (this.isFast) return;
    this.pictures.load(this.tiles.values(), scrollY - this.offsetTop + innerHeight / 2);
  }

  /** Let what moves be seen to move, for a moment. */
  glide() {
    this.classList.add("moving");
    setTimeout(() => this.classList.remove("moving"), 400);
  }

  /** @param {Image} item whose tags have changed */
  refresh(item) {
    const found = this.list?.find(item.guid);
    if (found?.page.items) found.page.items[found.at] = { ...item, cursor: found.item.cursor };
    this.tiles.get(item.guid)?.update(item);
  }

  /** The images in the order of the list, as far as they are loaded. */
  loaded() {
    return (this.list?.pages ?? []).flatMap((page) => page.items ?? []);
  }
}

customElements.define("pixy-grid", Grid);
