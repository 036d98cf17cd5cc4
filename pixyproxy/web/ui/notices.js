// What the page has to say: for a while, at the edge, read out by screen readers.

import { button, h, hear } from "./dom.js";
import { t } from "./text.js";

const SHOWN_MS = 6000;

const statuses = h("div", { role: "status", class: "notices-of-status" });
const alerts = h("div", { role: "alert", class: "notices-of-alert" });
export const notices = h(
  "section",
  { class: "notices", "aria-label": t("notices") },
  alerts,
  statuses,
);

/**
 * @param {string} text
 * @param {{isError?: boolean, lasts?: number, action?: {words: string, run: () => void}}} [options]
 * @returns {() => void} takes it away
 */
export function notify(text, { isError = false, lasts = SHOWN_MS, action } = {}) {
  const region = isError ? alerts : statuses;
  for (const other of region.querySelectorAll(".notice")) {
    if (other.firstElementChild?.textContent === text) other.remove();
  }
  const remove = () => notice.remove();
  const notice = h(
    "div",
    { class: isError ? "notice error" : "notice" },
    h("p", {}, text),
    action &&
      button({
        words: action.words,
        class: "plain",
        onclick: () => {
          remove();
          action.run();
        },
      }),
    isError &&
      button({ words: t("dismiss"), look: "close", only: true, class: "bare", onclick: remove }),
  );
  region.append(notice);
  if (Number.isFinite(lasts)) setTimeout(remove, isError ? 2 * lasts : lasts);
  return remove;
}

hear("failure", (error) => notify(error.message, { isError: true }));

/** @type {(() => void) | null} */
let away = null;
hear("connection", (isThere) => {
  document.documentElement.classList.toggle("offline", !isThere);
  if (isThere) {
    away?.();
    away = null;
  } else away ??= notify(t("error:offline"), { lasts: Infinity });
});
