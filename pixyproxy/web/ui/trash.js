// The trash: what was deleted and can still be restored. Its files are not served: a picture is
// known again by its ThumbHash and its prompt.

import { gql, portions } from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, h, tell } from "./dom.js";
import { notify } from "./notices.js";
import { t } from "./text.js";
import { paint } from "./thumbhash.js";

/** Whether the service has a trash. */
export const HAS_TRASH = document.documentElement.dataset.trash === "there";

const DAY_MS = 864e5;
const TRASH = `query($after: String) { trash(first: 60, after: $after) {
  totalCount pageInfo { hasNextPage endCursor }
  nodes { guid prompt width height thumbhash keptUntil }
} }`;
const RESTORE =
  "mutation($guids: [ID!]!) { result: restoreImages(guids: $guids) { done failed { guid code } } }";
const PURGE =
  "mutation($guids: [ID!]!) { result: purgeImages(guids: $guids) { done failed { guid code } } }";
const EMPTY = "mutation { emptyTrash }";

/** @typedef {{guid: string, prompt: string, width: number, height: number,
 *   thumbhash: string | null, keptUntil: string}} Trashed */

class TrashView {
  constructor() {
    /** @type {Map<string, {row: HTMLElement, box: HTMLInputElement}>} */
    this.rows = new Map();
    /** @type {string | null} */
    this.place = null;
    this.total = 0;
    this.told = h("p", { role: "status", class: "told" });
    this.list = h("ul", { class: "trashed", onchange: () => this.show() });
    this.more = button({
      words: t("trash-more"),
      class: "plain",
      hidden: true,
      onclick: () => this.load(),
    });
    this.all = h("input", { type: "checkbox" });
    this.all.addEventListener("change", () => {
      for (const { box } of this.rows.values()) box.checked = this.all.checked;
      this.show();
    });
    this.restorer = button({
      words: t("restore"),
      look: "redo",
      class: "primary",
      onclick: () => this.restore(),
    });
    this.purger = new Careful("purge", "purge-sure", () => this.purge());
    this.emptier = new Careful("trash-empty", "trash-empty-sure", () => this.empty());
    this.bar = h(
      "div",
      { class: "deeds-of-trash", role: "group", "aria-label": t("selection") },
      h("label", {}, this.all, h("span", {}, t("select-all"))),
      this.restorer,
      this.purger.button,
      this.emptier.button,
    );
  }

  open() {
    openDialog(t("trash"), "box trash", this.told, this.list, this.more, this.bar);
    this.show();
    return this.load();
  }

  get selected() {
    return [...this.rows].filter(([, { box }]) => box.checked).map(([guid]) => guid);
  }

  async load() {
    try {
      const { trash } = await gql(TRASH, { after: this.place });
      this.place = trash.pageInfo.endCursor ?? this.place;
      this.more.hidden = !trash.pageInfo.hasNextPage;
      this.total = trash.totalCount;
      for (const image of trash.nodes) this.add(image);
      this.show();
    } catch (error) {
      tell("failure", error);
    }
  }

  /** @param {Trashed} image */
  add(image) {
    if (this.rows.has(image.guid)) return;
    const canvas = h("canvas", { "aria-hidden": "true" });
    if (image.thumbhash) paint(image.thumbhash, canvas);
    canvas.style.aspectRatio = `${image.width} / ${image.height}`;
    const box = h("input", { type: "checkbox" });
    const days = Math.max(1, Math.ceil((Date.parse(image.keptUntil) - Date.now()) / DAY_MS));
    const words = h("span", {}, image.prompt);
    const row = h(
      "li",
      {},
      h("label", {}, box, canvas, words, h("small", {}, t("days-left", days))),
    );
    this.rows.set(image.guid, { row, box });
    this.list.append(row);
  }

  show() {
    const count = this.selected.length;
    this.told.textContent = this.rows.size ? t("in-trash", this.total) : t("trash-nothing");
    this.bar.hidden = !this.rows.size;
    this.all.checked = count > 0 && count === this.rows.size;
    this.restorer.disabled = count === 0;
    this.purger.rest(count === 0);
    this.emptier.rest(false);
  }

  /**
   * @param {string} mutation
   * @returns {Promise<string[]>} to which it was done
   */
  async change(mutation) {
    /** @type {string[]} */
    const done = [];
    try {
      for (const guids of portions(this.selected)) {
        const { result } = await gql(mutation, { guids });
        done.push(...result.done);
        if (result.failed.length) notify(t("not-done", result.failed.length), { isError: true });
        // What could not be done to them: they are not in the trash any more.
        for (const guid of guids) this.drop(guid);
      }
    } catch (error) {
      tell("failure", error);
    }
    await this.fill();
    return done;
  }

  /** @param {string} guid */
  drop(guid) {
    if (!this.rows.has(guid)) return;
    this.rows.get(guid)?.row.remove();
    this.rows.delete(guid);
    this.total--;
  }

  /** Have something in sight, if there is more. */
  async fill() {
    if (!this.rows.size && !this.more.hidden) await this.load();
    this.show();
  }

  async restore() {
    const done = await this.change(RESTORE);
    if (!done.length) return;
    notify(t("restored", done.length));
    tell("restored", done);
  }

  async purge() {
    const done = await this.change(PURGE);
    if (done.length) notify(t("purged", done.length));
  }

  async empty() {
    try {
      const { emptyTrash } = await gql(EMPTY);
      for (const guid of [...this.rows.keys()]) this.drop(guid);
      this.more.hidden = true;
      notify(t("purged", emptyTrash));
    } catch (error) {
      tell("failure", error);
    }
    this.show();
  }
}

/** A button whose deed cannot be undone: it asks once more, in its own words. */
class Careful {
  /**
   * @param {string} words
   * @param {string} sure
   * @param {() => void} run
   */
  constructor(words, sure, run) {
    this.words = words;
    this.isSure = false;
    this.button = button({
      words: t(words),
      look: "trash",
      onclick: () => {
        if (this.isSure) run();
        else this.say(sure, true);
      },
      onblur: () => this.say(words, false),
    });
  }

  /**
   * @param {string} words
   * @param {boolean} isSure
   */
  say(words, isSure) {
    this.isSure = isSure;
    this.button.classList.toggle("sure", isSure);
    if (this.button.lastElementChild) this.button.lastElementChild.textContent = t(words);
  }

  /** @param {boolean} isDisabled */
  rest(isDisabled) {
    this.say(this.words, false);
    this.button.disabled = isDisabled;
  }
}

/** Show what is in the trash. */
export function showTrash() {
  return new TrashView().open();
}
