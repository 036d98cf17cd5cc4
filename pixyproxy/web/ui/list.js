// The list of images: pages by cursors, of which those far from what is seen keep their form alone.

import { DETAIL, gql } from "./api.js";
import { dayOf } from "./text.js";

/** @typedef {import("./api.js").Image} Image */
/** @typedef {import("./layout.js").Layout} Layout */

const SIZE = 100;
const CONNECTION = `query($filter: ImageFilter, $first: Int, $after: String, $last: Int, $before: String) {
  imageConnection(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    pageInfo { hasNextPage hasPreviousPage }
    edges { cursor node { ${DETAIL} } }
  }
}`;
const PLACE = `query($filter: ImageFilter) {
  imageConnection(filter: $filter, first: 1) { edges { cursor } }
}`;
const COUNT = `query($filter: ImageFilter) {
  imageConnection(filter: $filter, first: 0) { totalCount totalCountIsEstimate }
}`;

/** A part of the list. Without `items` it has to be asked for again. */
export class Page {
  /** @param {Image[]} items */
  constructor(items) {
    /** @type {Image[] | null} */
    this.items = items;
    this.start = /** @type {string} */ (items[0]?.cursor);
    this.end = /** @type {string} */ (items.at(-1)?.cursor);
    /** @type {Layout | null} */
    this.layout = null;
    this.top = 0;
    /** @type {Promise<void> | null} */
    this.filling = null;
    this.note();
  }

  /** Keep what the layout needs of the items. */
  note() {
    const items = /** @type {Image[]} */ (this.items ?? []);
    this.ratios = Float32Array.from(items, ({ width, height }) =>
      Math.min(Math.max(width / height, 0.4), 3.2),
    );
    this.days = items.map((item) => dayOf(item.createdAt));
    this.layout = null;
  }

  get count() {
    return /** @type {Float32Array} */ (this.ratios).length;
  }
}

export class ImageList {
  /** @param {Record<string, any>} filter GraphQL's ImageFilter */
  constructor(filter) {
    this.filter = filter;
    /** @type {Page[]} */
    this.pages = [];
    this.atTop = true;
    this.atEnd = false;
    /** @type {Promise<any> | null} what is being loaded at either end */
    this.loading = null;
    /** @type {Set<string>} what was deleted here, though the service may still have it */
    this.hidden = new Set();
    this.aborter = new AbortController();
  }

  /** Stop loading: another list takes its place. */
  close() {
    this.aborter.abort();
  }

  /** @param {Record<string, any>} slice */
  async ask(slice) {
    const options = { signal: this.aborter.signal };
    const { imageConnection } = await gql(CONNECTION, { filter: this.filter, ...slice }, options);
    const items = imageConnection.edges.map((/** @type {any} */ edge) => ({
      ...edge.node,
      cursor: edge.cursor,
    }));
    return { items: /** @type {Image[]} */ (items), ...imageConnection.pageInfo };
  }

  /** @param {Image[]} items */
  visible(items) {
    return this.hidden.size ? items.filter((item) => !this.hidden.has(item.guid)) : items;
  }

  /**
   * Load the first page, or the one after a place.
   * @param {string | null} [after]
   */
  async open(after = null) {
    const { items, hasNextPage } = await this.ask({ first: SIZE, after });
    this.atTop = after === null;
    this.atEnd = !hasNextPage;
    this.pages = items.length ? [new Page(this.visible(items))] : [];
    if (this.pages[0]) {
      this.pages[0].start = /** @type {string} */ (items[0].cursor);
      this.pages[0].end = /** @type {string} */ (items.at(-1)?.cursor);
    }
  }

  /**
   * Load at one end of the list, unless something is being loaded there.
   * @param {() => Promise<void>} load
   */
  async once(load) {
    if (this.loading) return false;
    this.loading = load().finally(() => {
      this.loading = null;
    });
    await this.loading;
    return true;
  }

  /** Load the page below. */
  more() {
    return this.once(async () => {
      const after = this.pages.at(-1)?.end ?? null;
      const { items, hasNextPage } = await this.ask({ first: SIZE, after });
      this.atEnd = !hasNextPage;
      this.add(items, (page) => this.pages.push(page));
    });
  }

  /** Load the page above. */
  before() {
    return this.once(async () => {
      const before = this.pages[0].start;
      const { items, hasPreviousPage } = await this.ask({ last: SIZE, before });
      this.atTop = !hasPreviousPage;
      this.add(items, (page) => this.pages.unshift(page));
    });
  }

  /**
   * @param {Image[]} items
   * @param {(page: Page) => void} put
   */
  add(items, put) {
    if (!items.length) return;
    const page = new Page(this.visible(items));
    page.start = /** @type {string} */ (items[0].cursor);
    page.end = /** @type {string} */ (items.at(-1)?.cursor);
    put(page);
  }

  /**
   * Ask for what is newer than the top. Returns it, the newest first; it is not in the list yet.
   * @returns {Promise<Image[]>}
   */
  async newer() {
    if (!this.atTop) return [];
    const before = this.pages[0]?.start;
    const { items } = await this.ask(before ? { last: SIZE, before } : { first: SIZE });
    return this.visible(items);
  }

  /** @param {Image[]} items what is newer than the top, the newest first */
  prepend(items) {
    const known = new Set(this.pages[0]?.items?.map((item) => item.guid));
    const fresh = items.filter((item) => !known.has(item.guid));
    if (!fresh.length) return;
    const page = this.pages[0];
    if (page?.items && page.count < SIZE) {
      page.items.unshift(...fresh);
      page.start = /** @type {string} */ (fresh[0].cursor);
      page.note();
    } else {
      this.pages.unshift(new Page(fresh));
    }
  }

  /**
   * Load a page again that was dropped.
   * @param {Page} page
   */
  fill(page) {
    page.filling ??= (async () => {
      try {
        const at = this.pages.indexOf(page);
        const slice =
          at > 0
            ? { first: SIZE, after: this.pages[at - 1].end }
            : { last: SIZE, before: this.pages[1]?.start };
        const items = /** @type {Image[]} */ ((await this.ask(slice)).items);
        const from = items.findIndex((item) => item.cursor === page.start);
        const to = items.findIndex((item) => item.cursor === page.end);
        page.items = this.visible(items.slice(Math.max(from, 0), to < 0 ? undefined : to + 1));
        if (page.items.length !== page.count) page.note();
      } finally {
        page.filling = null;
      }
    })();
    return page.filling;
  }

  /** @param {string} guid */
  find(guid) {
    for (const page of this.pages) {
      const at = page.items?.findIndex((item) => item.guid === guid) ?? -1;
      if (at >= 0 && page.items) return { page, at, item: page.items[at] };
    }
    return null;
  }

  /**
   * The image beside another one, loaded if need be.
   * @param {string} guid
   * @param {1 | -1} step
   * @returns {Promise<Image | null>}
   */
  async neighbour(guid, step) {
    const found = this.find(guid);
    if (!found) return null;
    let { page, at } = found;
    for (at += step; ; ) {
      if (!page.items) await this.fill(page);
      const item = page.items?.[at];
      if (item) return item;
      let next = this.pages[this.pages.indexOf(page) + step];
      if (!next) {
        if (step > 0 ? this.atEnd : this.atTop) return null;
        await this.loading;
        if (!this.pages[this.pages.indexOf(page) + step])
          await (step > 0 ? this.more() : this.before());
        next = this.pages[this.pages.indexOf(page) + step];
        if (!next) return null;
      }
      page = next;
      if (!page.items) await this.fill(page);
      at = step > 0 ? 0 : page.count - 1;
    }
  }

  /** @param {Iterable<string>} guids */
  hide(guids) {
    for (const guid of guids) {
      this.hidden.add(guid);
      const found = this.find(guid);
      if (!found) continue;
      found.page.items?.splice(found.at, 1);
      found.page.note();
    }
  }

  /**
   * Take back what was hidden.
   * @param {Image[]} images
   */
  show(images) {
    for (const image of images) {
      this.hidden.delete(image.guid);
      const page =
        this.pages.find((one) => one.items?.some((item) => item.createdAt <= image.createdAt)) ??
        this.pages.at(-1);
      if (!page) {
        this.pages.push(new Page([image]));
        continue;
      }
      if (!page.items || page.items.some((item) => item.guid === image.guid)) continue;
      const at = page.items.findIndex((item) => item.createdAt <= image.createdAt);
      page.items.splice(at < 0 ? page.items.length : at, 0, image);
      page.note();
    }
  }

  /** How many there are in all. @returns {Promise<{totalCount: number, totalCountIsEstimate: boolean}>} */
  async count() {
    return (await gql(COUNT, { filter: this.filter }, { signal: this.aborter.signal }))
      .imageConnection;
  }
}

/**
 * The place of the first image that meets a filter.
 * @param {Record<string, any>} filter
 * @returns {Promise<string | null>}
 */
export async function placeOf(filter) {
  return (await gql(PLACE, { filter })).imageConnection.edges[0]?.cursor ?? null;
}
