// Deleting, with ten seconds to think again.

import { Failure, gql, portions } from "./api.js";
import { hear, tell } from "./dom.js";
import { tellOthers } from "./live.js";
import { notify } from "./notices.js";
import { t } from "./text.js";

/** @typedef {import("./api.js").Image} Image */

const UNDO_MS = 10_000;
const WAITING = "pixyproxy-deleting";
const GONE = ["image-gone", "image-not-found"];
const DELETE =
  "mutation($guids: [ID!]!) { deleteImages(guids: $guids) { done failed { guid code } } }";

export class Deletion {
  /** @param {import("./grid.js").Grid} grid */
  constructor(grid) {
    this.grid = grid;
    /** @type {string[]} what a page that was loaded anew had taken away */
    this.resumed = [];
    hear("delete", (images) => this.remove(images));
    hear("gone", (guids) => this.forget(guids));
    hear("elsewhere:deleted", (guids) => this.forget(guids));
    hear("elsewhere:restored", (images) => this.putBack(images));
    this.resume();
  }

  /**
   * Take images away, and delete them in ten seconds, unless it is undone.
   * @param {Image[]} images
   */
  remove(images) {
    if (!images.length) return;
    this.wait(images, Date.now() + UNDO_MS);
    tellOthers(
      "deleted",
      images.map((image) => image.guid),
    );
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
    const removeNotice = notify(t("deleted", images.length), {
      lasts: left,
      action: { words: t("undo"), run: undo },
    });
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
      const failed = deleteImages.failed.filter(
        (/** @type {any} */ one) => !GONE.includes(one.code),
      );
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
}

const waiting = {
  /** @returns {{images: Image[], until: number}[]} */
  get: () => JSON.parse(sessionStorage.getItem(WAITING) ?? "[]"),
  /** @param {{images: Image[], until: number}[]} all */
  put: (all) => sessionStorage.setItem(WAITING, JSON.stringify(all)),
};
