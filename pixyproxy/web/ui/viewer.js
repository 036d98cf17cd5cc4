// A picture that can be zoomed and moved: by wheel, keys, mouse and fingers.

import { contentUrl, srcset } from "./api.js";
import { h } from "./dom.js";
import { paint } from "./thumbhash.js";

const MOST = 8;
const SWIPE_PX = 60;

export class Viewer {
  /** @param {(step: 1 | -1) => void} swipe */
  constructor(swipe) {
    this.swipe = swipe;
    this.image = h("img", { alt: "", draggable: "false", decoding: "async" });
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h("div", { class: "stage" }, this.canvas, this.image);
    /** @type {import("./api.js").Image | null} */
    this.item = null;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    /** @type {Map<number, {x: number, y: number}>} */
    this.fingers = new Map();
    this.image.addEventListener("load", () => this.element.classList.add("loaded"));
    this.image.addEventListener("dblclick", (event) =>
      this.zoomTo(this.scale > 1 ? 1 : this.natural, event),
    );
    this.element.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoomTo(this.scale * Math.exp(-event.deltaY / 400), event);
      },
      { passive: false },
    );
    this.element.addEventListener("pointerdown", (event) => this.press(event));
    this.element.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"])
      this.element.addEventListener(name, (event) =>
        this.release(/** @type {PointerEvent} */ (event)),
      );
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  /**
   * @param {import("./api.js").Image} item
   * @param {HTMLImageElement} [small] the same picture, where it has come already
   */
  show(item, small) {
    const isOther = item.guid !== this.item?.guid;
    this.item = item;
    if (!isOther) return;
    this.element.classList.remove("loaded");
    this.canvas.hidden = false;
    if (small?.complete && small.naturalWidth) {
      this.canvas.width = small.naturalWidth;
      this.canvas.height = small.naturalHeight;
      this.canvas.getContext("2d")?.drawImage(small, 0, 0, small.naturalWidth, small.naturalHeight);
    } else if (item.thumbhash) paint(item.thumbhash, this.canvas);
    else this.canvas.hidden = true;
    this.image.alt = item.prompt;
    this.image.srcset = "";
    this.reset();
    this.fit();
    this.image.srcset = srcset(item, 2560);
  }

  /** Give the picture all the room that there is, and no more than its own size. */
  fit() {
    if (!this.item) return;
    const { clientWidth, clientHeight } = this.element;
    const ratio = Math.min(1, clientWidth / this.item.width, clientHeight / this.item.height);
    const width = Math.max(1, Math.round(this.item.width * ratio));
    const height = Math.max(1, Math.round(this.item.height * ratio));
    for (const { style } of [this.image, this.canvas])
      Object.assign(style, { width: `${width}px`, height: `${height}px` });
    this.image.sizes = `${width}px`;
    /** How far in one pixel of the picture is one of the screen. */
    this.natural = Math.max(2, 1 / ratio);
    this.apply();
  }

  natural = 2;

  reset() {
    this.scale = 1;
    this.x = this.y = 0;
    this.apply();
  }

  /**
   * @param {number} scale
   * @param {{clientX: number, clientY: number}} [at]
   */
  zoomTo(scale, at) {
    const next = Math.min(MOST, Math.max(1, scale));
    const box = this.element.getBoundingClientRect();
    const cx = (at?.clientX ?? box.left + box.width / 2) - box.left - box.width / 2;
    const cy = (at?.clientY ?? box.top + box.height / 2) - box.top - box.height / 2;
    this.x = cx - ((cx - this.x) * next) / this.scale;
    this.y = cy - ((cy - this.y) * next) / this.scale;
    this.scale = next;
    if (next === 1) this.x = this.y = 0;
    // From here on the widest that there is in good quality; the file itself is the link's.
    if (next > 1.2 && this.item) this.image.sizes = `${Math.ceil(this.item.width)}px`;
    if (next > 2 && this.item && this.item.width > 2560)
      this.image.srcset = `${contentUrl(this.item.guid)} ${this.item.width}w`;
    this.apply();
  }

  apply() {
    this.image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.element.classList.toggle("zoomed", this.scale > 1);
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button) return;
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.start = { x: event.clientX, y: event.clientY };
    if (this.scale > 1 || this.fingers.size > 1) this.element.setPointerCapture(event.pointerId);
  }

  start = { x: 0, y: 0 };

  /** @param {PointerEvent} event */
  move(event) {
    const last = this.fingers.get(event.pointerId);
    if (!last) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this.fingers.size === 2) {
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const ratio =
          Math.hypot(now.x - other.x, now.y - other.y) /
          Math.hypot(last.x - other.x, last.y - other.y);
        this.zoomTo(this.scale * ratio, {
          clientX: (now.x + other.x) / 2,
          clientY: (now.y + other.y) / 2,
        });
      }
    } else if (this.scale > 1) {
      this.x += now.x - last.x;
      this.y += now.y - last.y;
      this.apply();
    }
    this.fingers.set(event.pointerId, now);
  }

  /** @param {PointerEvent} event */
  release(event) {
    const wasOne = this.fingers.size === 1;
    this.fingers.delete(event.pointerId);
    const across = event.clientX - this.start.x;
    if (
      event.type === "pointerup" &&
      event.pointerType === "touch" &&
      wasOne &&
      this.scale === 1 &&
      Math.abs(across) > SWIPE_PX &&
      Math.abs(event.clientY - this.start.y) < SWIPE_PX
    ) {
      this.swipe(across < 0 ? 1 : -1);
    }
  }
}
