// Dialogs: for the key, for the keys of the keyboard, and for two pictures side by side.

import { key, srcset } from "./api.js";
import { button, h } from "./dom.js";
import { t } from "./text.js";

/**
 * Ask a person for the key.
 * @param {boolean} isWrong whether the last one was
 * @returns {Promise<string>}
 */
export function askForKey(isWrong) {
  return new Promise((resolve) => {
    const input = h("input", {
      type: "password",
      autocomplete: "off",
      required: true,
      id: "key",
      "aria-describedby": "key-hint",
      autofocus: true,
    });
    const form = h(
      "form",
      {},
      h("h2", {}, t("key-title")),
      h(
        "p",
        { id: "key-hint", role: isWrong ? "alert" : null },
        t(isWrong ? "key-wrong" : "key-hint"),
      ),
      h("label", { for: "key" }, t("key")),
      input,
      button({ words: t("key-go"), class: "primary", type: "submit" }),
    );
    const dialog = h("dialog", { class: "box", "aria-label": t("key-title") }, form);
    // Without the key there is nothing to go back to.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = input.value.trim();
      if (!typed) return;
      dialog.close();
      dialog.remove();
      resolve(typed);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

/** Tell what every key does. */
export function showHelp() {
  const lines = t("keys-list")
    .split("\n")
    .map((line) => line.split(" | "));
  openDialog(
    t("keys"),
    "box keys",
    h(
      "dl",
      {},
      ...lines.flatMap(([keys, words]) => [
        h("dt", {}, ...keys.split(" ").map((each) => h("kbd", {}, each))),
        h("dd", {}, words),
      ]),
    ),
    h(
      "p",
      { class: "links" },
      h("a", { href: "graphql" }, "GraphQL"),
      h("a", { href: "docs" }, "REST"),
      key.get() &&
        button({
          words: t("forget-key"),
          look: "key",
          class: "plain",
          onclick: () => key.forget(),
        }),
    ),
  );
}

/**
 * Show two pictures in the same place, with a line between them that can be moved.
 * @param {import("./api.js").Image[]} images
 */
export function compare([one, other]) {
  const picture = (/** @type {import("./api.js").Image} */ image) =>
    h("img", { alt: image.prompt, srcset: srcset(image, 1920), sizes: "80vw" });
  const over = picture(other);
  const line = h("input", {
    type: "range",
    min: 0,
    max: 100,
    value: 50,
    step: 0.5,
    "aria-label": t("compare-line"),
  });
  const stage = h("div", { class: "pair" }, picture(one), over, line);
  const move = () => stage.style.setProperty("--at", `${line.value}%`);
  line.addEventListener("input", move);
  move();
  stage.style.aspectRatio = `${one.width} / ${one.height}`;
  openDialog(
    t("compare"),
    "box compare",
    stage,
    h("div", { class: "captions" }, h("p", {}, one.prompt), h("p", {}, other.prompt)),
  );
}

/**
 * @param {string} title
 * @param {string} look
 * @param {...import("./dom.js").Child} content
 */
export function openDialog(title, look, ...content) {
  const close = () => dialog.close();
  const dialog = h(
    "dialog",
    { class: look, "aria-label": title },
    h(
      "header",
      {},
      h("h2", {}, title),
      button({ words: t("close"), look: "close", only: true, class: "bare", onclick: close }),
    ),
    ...content,
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  document.body.append(dialog);
  dialog.showModal();
}
