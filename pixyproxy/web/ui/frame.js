// Selecting by drawing a frame with the mouse.

import { h, isTyping } from "./dom.js";

const DRAG_PX = 8;
const EDGE_PX = 60;
const STEP_PX = 24;

/** @param {import("./curate.js").Curator} curator */
export function selectByFrame(curator) {
  const { grid } = curator;
  const frame = h("div", { class: "marquee", hidden: true });
  grid.append(frame);

  /**
   * @param {{left: number, right: number, top: number, bottom: number}} area in the document
   * @param {Set<string>} before what was selected
   */
  function mark(area, before) {
    Object.assign(frame.style, {
      left: `${area.left}px`,
      top: `${area.top - grid.offsetTop}px`,
      width: `${area.right - area.left}px`,
      height: `${area.bottom - area.top}px`,
    });
    frame.hidden = false;
    const box = grid.getBoundingClientRect();
    for (const [guid, { element }] of grid.tiles) {
      const tile = element.getBoundingClientRect();
      const isAcross = tile.left - box.left < area.right && tile.right - box.left > area.left;
      const isIn = isAcross && tile.top + scrollY < area.bottom && tile.bottom + scrollY > area.top;
      curator.set(guid, isIn || before.has(guid));
    }
    curator.show();
  }

  /** @param {PointerEvent} event */
  function begin(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.button || event.pointerType === "touch" || isTyping(target)) return;
    if (target.closest("button, .card, .selection")) return;
    const box = grid.getBoundingClientRect();
    const start = { x: event.clientX - box.left, y: event.clientY + scrollY };
    const before = new Set(curator.selected);
    let isDragging = false;
    const move = (/** @type {PointerEvent} */ at) => {
      const end = { x: at.clientX - box.left, y: at.clientY + scrollY };
      if (!isDragging && Math.hypot(end.x - start.x, end.y - start.y) < DRAG_PX) return;
      isDragging = true;
      const area = {
        left: Math.min(start.x, end.x),
        right: Math.max(start.x, end.x),
        top: Math.min(start.y, end.y),
        bottom: Math.max(start.y, end.y),
      };
      mark(area, before);
      if (at.clientY > innerHeight - EDGE_PX) scrollBy(0, STEP_PX);
      if (at.clientY < EDGE_PX) scrollBy(0, -STEP_PX);
    };
    const swallow = (/** @type {Event} */ click) => {
      click.preventDefault();
      click.stopPropagation();
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      frame.hidden = true;
      if (!isDragging) return;
      // The click that ends a drag opens nothing.
      addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, true), 0);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  grid.parentElement?.addEventListener("pointerdown", begin);
}
