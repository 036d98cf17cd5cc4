// The page: its parts, and what passes between them.

import { beginSession, key } from "./api.js";
import { Curator } from "./curate.js";
import { Deletion } from "./deletion.js";
import { Details } from "./details.js";
import { askForKey, compare, showHelp } from "./dialogs.js";
import { button, h, hear, icon, tell } from "./dom.js";
import { Finder } from "./find.js";
import { Grid } from "./grid.js";
import { listenToKeys } from "./keyboard.js";
import { ImageList, placeOf } from "./list.js";
import { tellOthers } from "./live.js";
import { Maker } from "./make.js";
import { notices } from "./notices.js";
import { Queue } from "./queue.js";
import { Rail } from "./rail.js";
import { filterOf, route, searchOf, startOf } from "./route.js";
import { dayOf, showNumber, t } from "./text.js";
import { HAS_TRASH, showTrash } from "./trash.js";

const AT_TOP_PX = 80;

key.ask = askForKey;
history.scrollRestoration = "manual";

const grid = new Grid();
const queue = new Queue();
const maker = new Maker();
const finder = new Finder();
const rail = new Rail();
const details = new Details();
details.grid = grid;

const count = h("p", { class: "count", role: "status" });
const empty = h("div", { class: "empty", hidden: true }, icon("brush"), h("p"));
const fresh = button({
  words: "",
  look: "send",
  class: "fresh",
  hidden: true,
  onclick: () => toTop(),
});
const jumped = button({
  words: t("to-newest"),
  look: "send",
  class: "fresh",
  hidden: true,
  onclick: () => open(null),
});
const help = button({
  words: t("keys"),
  look: "help",
  only: true,
  class: "bare",
  onclick: showHelp,
});
const bin =
  HAS_TRASH &&
  button({ words: t("trash"), look: "trash", only: true, class: "bare bin", onclick: showTrash });
const header = h(
  "header",
  { class: "top" },
  h(
    "a",
    { class: "brand", href: "./", onclick: home },
    h("span", { class: "mark", "aria-hidden": "true" }),
    "PixyProxy",
  ),
  finder,
  h("div", { class: "corner" }, h("span", { class: "away" }, t("away")), count, bin, help),
);
const main = h(
  "main",
  { id: "images", tabindex: -1 },
  h("h1", { class: "unseen" }, t("images-of-all")),
  finder.chips,
  queue,
  empty,
  grid,
);

document.body.replaceChildren(
  h("a", { class: "skip", href: "#prompt" }, t("skip")),
  header,
  main,
  rail,
  maker,
  details,
  notices,
);
maker.prompt.id = "prompt";
const curator = new Curator(grid);
const deletion = new Deletion(grid);
main.append(fresh, jumped, curator.bar);

/** @type {import("./api.js").Image[]} what has come and is not shown yet */
let waiting = [];
let isLooking = false;
let shownSearch = "";

/** @param {Event} event */
function home(event) {
  event.preventDefault();
  if (searchOf(route()) !== location.pathname || route().image) {
    history.pushState(null, "", location.pathname);
    tell("route");
  }
  open(null);
}

/**
 * Show the list of the URL's search, from its top or from a place on.
 * @param {string | null} after
 * @param {number} [offset] where the place is in the window
 */
async function open(after, offset = 0) {
  const now = route();
  shownSearch = searchOf(now);
  grid.list?.close();
  waiting = [];
  const list = new ImageList(filterOf(now));
  for (const image of [...deletion.resumed, ...pending()]) list.hidden.add(image);
  try {
    await list.open(after);
    if (after && !list.pages.length) await list.open();
  } catch (error) {
    if (/** @type {Error} */ (error).name !== "AbortError") tell("failure", error);
    return;
  }
  if (searchOf(route()) !== shownSearch) return;
  grid.show(list);
  scrollTo({ top: after ? grid.offsetTop - offset - 80 : 0, behavior: "instant" });
  showState();
  const { totalCount, totalCountIsEstimate } = await list
    .count()
    .catch(() => ({ totalCount: 0, totalCountIsEstimate: false }));
  if (grid.list !== list) return;
  total = totalCount;
  isEstimate = totalCountIsEstimate;
  showState();
}

let total = 0;
let isEstimate = false;

/** The images that are about to be deleted, in this tab. */
function pending() {
  return grid.list ? [...grid.list.hidden] : [];
}

/**
 * Show images again that were taken out of the trash.
 * @param {string[]} guids
 */
function comeBack(guids) {
  for (const guid of guids) grid.list?.hidden.delete(guid);
  deletion.resumed = deletion.resumed.filter((guid) => !guids.includes(guid));
  restore();
}

function showState() {
  const { list } = grid;
  const isEmpty = Boolean(list?.atTop && list.atEnd && !grid.loaded().length);
  empty.hidden = !isEmpty || !queue.hidden;
  const words = /** @type {HTMLElement} */ (empty.lastElementChild);
  words.textContent = isEmpty ? t(finder.isFiltering ? "nothing-found" : "nothing-yet") : "";
  count.textContent =
    isEmpty || !total
      ? ""
      : t(finder.isFiltering ? "found" : "kept", showNumber(total), isEstimate);
  fresh.hidden = waiting.length === 0;
  if (fresh.lastElementChild) fresh.lastElementChild.textContent = t("fresh", waiting.length);
  jumped.hidden = !list || list.atTop || !fresh.hidden;
  document.documentElement.classList.toggle("searching", finder.isFiltering);
}

/** Ask for what has come, and show it where nobody is looking further down. */
async function look() {
  const { list } = grid;
  if (!list || isLooking || !list.atTop) return;
  isLooking = true;
  try {
    const newer = await list.newer();
    if (grid.list !== list) return;
    const known = new Set(waiting.map((image) => image.guid));
    const added = newer.filter((image) => !known.has(image.guid));
    if (!added.length) return;
    waiting = newer;
    total += added.length;
    if (scrollY < AT_TOP_PX && !details.isOpen) bringIn();
    showState();
  } catch {
    // The next time may be better.
  } finally {
    isLooking = false;
  }
}

function bringIn() {
  if (!waiting.length || !grid.list) return;
  grid.list.prepend(waiting);
  waiting = [];
  grid.glide();
  grid.relayout();
  showState();
}

function toTop() {
  if (grid.list && !grid.list.atTop) open(null);
  else {
    bringIn();
    scrollTo({ top: 0, behavior: "instant" });
  }
}

/** @param {string} day */
async function jump(day) {
  const filter = { ...filterOf(route()), createdBefore: startOf(day, 1) };
  const place = await placeOf(filter).catch((error) => tell("failure", error));
  if (!place || !grid.list) return;
  // The list goes on after a place: the one before it is its own neighbour above.
  const { items } = await grid.list.ask({ last: 1, before: place });
  await open(items[0]?.cursor ?? null);
}

hear("jump", jump);
hear("look", look);
hear("arrived", look);
hear("queue", showState);
hear("hidden", (guids) => {
  total -= guids.length;
  showState();
});
hear("shown", (images) => {
  total += images.length;
  showState();
});
hear("restored", (guids) => {
  comeBack(guids);
  tellOthers("back", guids);
});
hear("elsewhere:back", comeBack);
hear("tag", ({ guids, ...change }) => curator.tag(guids, change));
hear("compare", compare);
hear("draw", (image) => maker.again(image));
hear("submitted", (generation) => {
  queue.begin(generation);
  if (!details.isOpen) toTop();
});
hear("details", (isOpen) => {
  for (const part of [header, main, rail, maker]) part.inert = isOpen;
  document.documentElement.classList.toggle("looking", isOpen);
  if (!isOpen && scrollY < AT_TOP_PX) bringIn();
});
hear("route", () => {
  if (searchOf(route()) !== shownSearch) restore();
});
hear("rest", () => {
  const anchor = grid.anchor();
  const item = anchor && grid.list?.find(anchor.guid)?.item;
  if (item) rail.mark(dayOf(item.createdAt));
  if (scrollY < AT_TOP_PX) bringIn();
  if (anchor && !details.isOpen) keepPlace(anchor);
});

/**
 * Remember in the history where the list is.
 * @param {{guid: string, cursor?: string, offset: number}} anchor
 */
async function keepPlace({ guid, offset }) {
  const { list } = grid;
  const before = scrollY < AT_TOP_PX ? null : await list?.neighbour(guid, -1).catch(() => null);
  if (grid.list !== list) return;
  history.replaceState({ ...history.state, place: before?.cursor ?? null, offset }, "");
}

/** Open the list where it was left, or at the picture that the URL shows. */
async function restore() {
  const { place, offset } = history.state ?? {};
  const { image } = route();
  if (!place && image) {
    const cursor = await placeOf({ ...filterOf(route()), guid: image }).catch(() => null);
    if (cursor) {
      const { items } = await new ImageList(filterOf(route())).ask({ last: 1, before: cursor });
      await open(items[0]?.cursor ?? null);
      return;
    }
  }
  await open(place ?? null, offset);
}

grid.addEventListener("click", (event) => {
  const link = /** @type {HTMLElement} */ (event.target).closest("a");
  const guid = /** @type {HTMLElement | null} */ (link?.closest(".tile"))?.dataset.guid;
  if (!guid || event.defaultPrevented || event.button) return;
  event.preventDefault();
  details.open(guid);
});

listenToKeys({
  grid,
  curator,
  deletion,
  search: () => finder.input.select(),
  write: () => maker.prompt.focus(),
  isAway: () => details.isOpen,
});

await (key.get() ? beginSession().catch(() => false) : null);
restore().then(() => details.follow());
maker.start().catch((error) => tell("failure", error));
queue.start().catch(() => {});
rail.start().catch(() => {});
