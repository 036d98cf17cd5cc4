// The keys of the list.

import { showHelp } from "./dialogs.js";
import { isTyping, tell } from "./dom.js";

/**
 * @typedef {{grid: import("./grid.js").Grid, curator: import("./curate.js").Curator,
 *   deletion: import("./deletion.js").Deletion, search: () => void, write: () => void,
 *   isAway: () => boolean}} Parts
 */

/**
 * Move the focus in the grid.
 * @param {Parts} parts
 * @param {string} arrow
 * @param {boolean} isSelecting
 */
function moveFocus({ grid, curator }, arrow, isSelecting) {
  const tiles = [...grid.tiles.values()].map((tile) => ({
    tile,
    box: tile.element.getBoundingClientRect(),
  }));
  const current = tiles.find(({ tile }) => tile.link === document.activeElement);
  const middle = (/** @type {DOMRect} */ box) => box.left + box.width / 2;
  let next;
  if (!current)
    next = tiles
      .filter(({ box }) => box.bottom > 90)
      .sort((a, b) => a.box.top - b.box.top || a.box.left - b.box.left)[0];
  else if (arrow === "ArrowLeft" || arrow === "ArrowRight") {
    const order = tiles.sort((a, b) => a.box.top - b.box.top || a.box.left - b.box.left);
    next = order[order.indexOf(current) + (arrow === "ArrowLeft" ? -1 : 1)];
  } else {
    const isDown = arrow === "ArrowDown";
    const beyond = tiles.filter(({ box }) =>
      isDown ? box.top > current.box.top + 4 : box.top < current.box.top - 4,
    );
    const distance = (/** @type {DOMRect} */ box) =>
      Math.abs(box.top - current.box.top) * 4 + Math.abs(middle(box) - middle(current.box));
    next = beyond.sort((a, b) => distance(a.box) - distance(b.box))[0];
  }
  if (!next) return;
  if (isSelecting && current) {
    if (!curator.selected.has(current.tile.item.guid)) curator.toggle(current.tile.item.guid);
    curator.extendTo(next.tile.item.guid);
  }
  next.tile.link.focus({ preventScroll: true });
  const { top, bottom } = next.box;
  if (top < 100) scrollBy({ top: top - 140, behavior: "instant" });
  else if (bottom > innerHeight - 170)
    scrollBy({ top: bottom - innerHeight + 200, behavior: "instant" });
}

/**
 * The image whose tile has the focus.
 * @param {Parts} parts
 */
function focused({ grid }) {
  return [...grid.tiles.values()].find((tile) => tile.link === document.activeElement)?.item;
}

/**
 * What single keys do.
 * @param {Parts} parts
 * @returns {Record<string, () => void>}
 */
function actionsOf(parts) {
  const { grid, curator } = parts;
  return {
    "/": parts.search,
    n: parts.write,
    "?": showHelp,
    Escape: () => curator.clear(),
    Delete: () => {
      const item = focused(parts);
      const images = curator.selected.size ? curator.images() : item ? [item] : [];
      const beside =
        item &&
        [...grid.tiles.values()].find(
          (tile) =>
            tile.link.parentElement === document.activeElement?.parentElement?.nextElementSibling,
        );
      tell("delete", images);
      beside?.link.focus({ preventScroll: true });
    },
    f: () => {
      const item = focused(parts);
      if (curator.selected.size) curator.favourite([...curator.selected]);
      else if (item) curator.favourite([item.guid]);
    },
    x: () => {
      const item = focused(parts);
      if (item) curator.toggle(item.guid);
    },
  };
}

/** @param {Parts} parts */
export function listenToKeys(parts) {
  const { grid, curator } = parts;
  const actions = actionsOf(parts);
  document.addEventListener("keydown", (event) => {
    if (parts.isAway() || document.querySelector("dialog:modal") || isTyping(event.target)) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "z" && parts.deletion.undos.length) parts.deletion.undos.at(-1)?.();
      else if (event.key === "a" && !event.shiftKey)
        for (const tile of grid.tiles.values())
          curator.selected.has(tile.item.guid) || curator.toggle(tile.item.guid);
      else return;
      event.preventDefault();
    } else if (event.key.startsWith("Arrow") && !event.altKey) {
      event.preventDefault();
      moveFocus(parts, event.key, event.shiftKey);
    } else if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  });
}
