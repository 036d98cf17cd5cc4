// The date rail: all months that there are pictures of, as high as they are many; a click jumps.

import { gql } from "./api.js";
import { h, tell } from "./dom.js";
import { showMonth, showNumber, t } from "./text.js";

const STATS = "{ stats { entries { day imageCount } } }";
const FEWEST = 2;
const AGAIN_MS = 30_000;
const MOST_MONTHS = 30;

export class Rail extends HTMLElement {
  connectedCallback() {
    this.list = h("ol");
    this.append(h("nav", { "aria-label": t("dates") }, this.list));
  }

  /** Ask what there is of each day. */
  async start() {
    this.hidden = true;
    const { stats } = await gql(STATS).catch(() => ({ stats: null }));
    if (!stats) {
      setTimeout(() => this.start(), AGAIN_MS);
      return;
    }
    /** @type {Map<string, {count: number, last: string}>} */
    const months = new Map();
    for (const { day, imageCount } of stats.entries) {
      const month = months.get(day.slice(0, 7)) ?? { count: 0, last: day };
      month.count += imageCount;
      if (day > month.last) month.last = day;
      months.set(day.slice(0, 7), month);
    }
    const all = [...months].sort().reverse();
    this.hidden = all.length < FEWEST;
    const step = Math.ceil(all.length / MOST_MONTHS);
    let year = "";
    this.list?.replaceChildren(
      ...all
        .filter((_, at) => at % step === 0)
        .map(([name, { count, last }]) => {
          const date = new Date(`${name}-15T12:00:00`);
          const isNewYear = name.slice(0, 4) !== year;
          year = name.slice(0, 4);
          const month = h(
            "button",
            {
              type: "button",
              title: t("images", showNumber(count)),
              "data-month": name,
              onclick: () => tell("jump", last),
            },
            `${showMonth(date)}`,
            h("span", {}, ` ${year}`),
          );
          const item = h("li", { class: isNewYear ? "year" : "" }, month);
          item.style.flexGrow = String(Math.max(1, Math.log2(count)));
          return item;
        }),
    );
  }

  /**
   * Mark the month that is seen.
   * @param {string} day
   */
  mark(day) {
    let isFound = false;
    for (const month of this.querySelectorAll("button")) {
      /** @type {boolean} */
      const isThis = !isFound && (month.dataset.month ?? "") <= day.slice(0, 7);
      isFound ||= isThis;
      if (isThis) month.setAttribute("aria-current", "date");
      else month.removeAttribute("aria-current");
    }
  }
}

customElements.define("pixy-rail", Rail);
