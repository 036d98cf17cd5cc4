// What is being drawn: everybody's, and what came to grief of what was begun here.

import { gql } from "./api.js";
import { button, h, hear, icon, set, tell } from "./dom.js";
import { follow, tellOthers } from "./live.js";
import { t, textOfError } from "./text.js";

const FIELDS = "guid status prompt model n parameters queuedAt startedAt error { code message }";
const ACTIVE = `{
  running: generations(status: RUNNING, size: 50) { ${FIELDS} }
  queued: generations(status: QUEUED, size: 50) { ${FIELDS} }
}`;
const ONE = `query($guid: ID!) { generation(guid: $guid) { ${FIELDS} } }`;
const KNOWS_PARTIAL = `{ __type(name: "Generation") { fields { name } } }`;
const PARTIAL = "partialImages { index url }";
const POLL_MS = 2500;
const MINE = "pixyproxy-mine";
const MOST_MINE = 40;
const FINAL = new Set(["SUCCEEDED", "REFUSED", "FAILED", "CANCELLED", "UNKNOWN"]);
const RETRIABLE = new Set(["FAILED", "CANCELLED", "UNKNOWN"]);

/** @typedef {{guid: string, status: string, prompt: string, model: string, n: number,
 *   parameters: Record<string, any>, queuedAt: string, startedAt: string | null,
 *   error: {code: string, message: string} | null,
 *   partialImages?: {index: number, url: string}[]}} Generation */

/** The generations that were begun in this browser and may have to be told of. */
const mine = {
  /** @returns {string[]} */
  get: () => JSON.parse(localStorage.getItem(MINE) ?? "[]"),
  /** @param {string[]} guids */
  put: (guids) => localStorage.setItem(MINE, JSON.stringify(guids.slice(-MOST_MINE))),
  /** @param {string} guid */
  add: (guid) => mine.put([...mine.get(), guid]),
  /** @param {string} guid */
  drop: (guid) => mine.put(mine.get().filter((one) => one !== guid)),
};

export class Queue extends HTMLElement {
  constructor() {
    super();
    /** @type {Map<string, Card>} */
    this.cards = new Map();
    this.partial = "";
    this.timer = 0;
  }

  connectedCallback() {
    this.setAttribute("aria-label", t("queue"));
    this.setAttribute("role", "region");
    this.hidden = true;
    hear("elsewhere:submitted", () => this.poll());
    document.addEventListener("visibilitychange", () => document.hidden || this.poll());
  }

  async start() {
    const known = await gql(KNOWS_PARTIAL).catch(() => null);
    if (known?.__type?.fields.some((/** @type {any} */ field) => field.name === "partialImages"))
      this.partial = PARTIAL;
    await this.poll();
    for (const guid of mine.get()) {
      if (this.cards.has(guid)) continue;
      const { generation } = await gql(ONE, { guid }).catch(() => ({ generation: null }));
      if (generation) this.take(generation);
      else mine.drop(guid);
    }
  }

  async poll() {
    clearTimeout(this.timer);
    try {
      if (!document.hidden) {
        const { running, queued } = await gql(ACTIVE);
        for (const generation of [...queued, ...running].reverse()) this.take(generation);
        tell("look");
      }
    } catch {
      // The connection's state is shown; the next time may be better.
    } finally {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.poll(), POLL_MS);
    }
  }

  /**
   * Show a generation that was just begun here.
   * @param {Generation} generation
   */
  begin(generation) {
    mine.add(generation.guid);
    this.take(generation);
    tellOthers("submitted");
  }

  /** @param {Generation} generation */
  take(generation) {
    let card = this.cards.get(generation.guid);
    if (FINAL.has(generation.status)) this.settle(generation, card);
    else {
      if (!card) {
        card = new Card(this, generation);
        this.cards.set(generation.guid, card);
        this.prepend(card.element);
      }
      card.show(generation);
      card.follow();
    }
    this.hidden = this.cards.size === 0;
    tell("queue");
  }

  /**
   * @param {Generation} generation
   * @param {Card} [card]
   */
  settle(generation, card) {
    const { guid, status, error } = generation;
    const isMine = mine.get().includes(guid);
    if (status === "SUCCEEDED" && !error) {
      mine.drop(guid);
      tell("arrived");
      // The picture takes its place first, so that nothing jumps twice.
      if (card) setTimeout(() => this.dismiss(guid), 250);
    } else if (status === "CANCELLED" || !(isMine || card)) {
      this.dismiss(guid);
    } else {
      if (status === "SUCCEEDED") tell("arrived");
      const shown = card ?? new Card(this, generation);
      if (!card) {
        this.cards.set(guid, shown);
        this.prepend(shown.element);
      }
      shown.show(generation);
    }
  }

  /** @param {string} guid */
  dismiss(guid) {
    mine.drop(guid);
    this.cards.get(guid)?.remove();
    this.cards.delete(guid);
    this.hidden = this.cards.size === 0;
    tell("queue");
  }

  /**
   * @param {string} mutation
   * @param {string} guid
   */
  async act(mutation, guid) {
    try {
      const data = await gql(`mutation($guid: ID!) { ${mutation}(guid: $guid) { ${FIELDS} } }`, {
        guid,
      });
      if (mutation === "retryGeneration") this.begin(data[mutation]);
      else this.take(data[mutation]);
      tellOthers("submitted");
    } catch (error) {
      tell("failure", error);
    }
  }
}

class Card {
  /**
   * @param {Queue} queue
   * @param {Generation} generation
   */
  constructor(queue, generation) {
    this.queue = queue;
    this.generation = generation;
    this.isFollowed = false;
    this.bar = h("div", { role: "progressbar", class: "bar" });
    this.state = h("p", { class: "state" });
    this.stage = h("div", { class: "stage" }, icon("brush"));
    this.actions = h("div", { class: "actions" });
    this.element = h(
      "article",
      { class: "card" },
      this.stage,
      h(
        "div",
        { class: "words" },
        h("p", { class: "prompt", title: generation.prompt }, generation.prompt),
        h("div", { class: "line" }, this.state, this.actions),
        this.bar,
      ),
    );
    this.clock = setInterval(() => this.showState(), 1000);
  }

  /** @param {Generation} generation */
  show(generation) {
    this.generation = { ...this.generation, ...generation };
    const { status, error, prompt } = this.generation;
    const isFinal = FINAL.has(status);
    this.element.className = `card ${isFinal ? "failed" : status.toLowerCase()}`;
    this.bar.hidden = isFinal;
    set(this.bar, "aria-label", status === "QUEUED" ? t("waiting", prompt) : t("drawing", prompt));
    set(this.state, "role", isFinal ? "alert" : null);
    this.showState();
    for (const { index, url } of this.generation.partialImages ?? []) this.showPartial(index, url);
    const { guid } = this.generation;
    const wanted = isFinal
      ? [
          RETRIABLE.has(status) &&
            button({
              words: t("retry"),
              class: "plain",
              onclick: () => this.queue.act("retryGeneration", guid),
            }),
          button({
            words: t("change"),
            class: "plain",
            onclick: () => tell("reuse", this.generation),
          }),
          button({
            words: t("dismiss"),
            look: "close",
            only: true,
            class: "bare",
            onclick: () => this.queue.dismiss(guid),
          }),
        ]
      : [
          status === "QUEUED" &&
            button({
              words: t("cancel"),
              class: "plain",
              onclick: () => this.queue.act("cancelGeneration", guid),
            }),
        ];
    const key = `${status} ${error?.code}`;
    if (this.actions.dataset.of !== key)
      this.actions.replaceChildren(...wanted.filter((each) => each !== false));
    this.actions.dataset.of = key;
  }

  showState() {
    const { status, error, startedAt, n } = this.generation;
    let words;
    if (FINAL.has(status)) {
      clearInterval(this.clock);
      words = (error && textOfError(error.code)) ?? error?.message ?? t(`status:${status}`);
    } else if (status === "QUEUED") words = t("status:QUEUED");
    else {
      const seconds = startedAt
        ? Math.max(0, Math.round((Date.now() - Date.parse(startedAt)) / 1000))
        : 0;
      words = t("status:RUNNING", n, seconds);
    }
    if (this.state.textContent !== words) this.state.textContent = words;
  }

  /**
   * @param {number} index
   * @param {string} url
   */
  showPartial(index, url) {
    const { pathname, search } = new URL(url, location.href);
    let image = /** @type {HTMLImageElement | null} */ (
      this.stage.querySelector(`[data-index="${index}"]`)
    );
    if (!image) {
      image = h("img", { alt: "", "data-index": index });
      this.stage.append(image);
    }
    if (image.getAttribute("src") !== pathname + search) image.src = pathname + search;
  }

  follow() {
    if (this.isFollowed) return;
    this.isFollowed = true;
    const { guid } = this.generation;
    follow(
      `subscription($guid: ID!) { generation(guid: $guid) { ${FIELDS} ${this.queue.partial} } }`,
      { guid },
      ({ generation }) => generation && this.queue.take(generation),
      () => {
        this.isFollowed = false;
        // Where the end was not told (the service stopped, say), it is asked for.
        if (!this.queue.cards.has(guid) || FINAL.has(this.generation.status)) return;
        gql(ONE, { guid }).then(
          ({ generation }) => (generation ? this.queue.take(generation) : this.queue.dismiss(guid)),
          () => {},
        );
      },
    );
  }

  remove() {
    clearInterval(this.clock);
    this.element.remove();
  }
}

customElements.define("pixy-queue", Queue);
