/** The texts in English. */

const s = (/** @type {number} */ count) => (count === 1 ? "" : "s");

export default {
  again: "Repeat",
  any: "Any",
  auto: "Automatic",
  away: "Offline",
  cancel: "Cancel",
  change: "Reuse prompt",
  "clear-filters": "Clear all",
  close: "Close",
  compare: "Compare",
  "compare-line": "Where one picture ends and the other begins",
  "copy-prompt": "Copy prompt",
  created: "Created",
  credentials: "Credentials",
  "credentials-there": "C2PA content credentials in the file",
  dates: "Dates",
  "days-left": (/** @type {number} */ n) => `${n} day${s(n)} left`,
  delete: "Delete",
  deleted: (/** @type {number} */ n) => (n === 1 ? "Picture deleted" : `${n} pictures deleted`),
  deselect: "Clear selection",
  details: "Details",
  dimensions: "Dimensions",
  dismiss: "Dismiss",
  download: "Download",
  drawing: (/** @type {string} */ prompt) => `Drawing: ${prompt}`,
  extra: "Other parameters",
  "extra-hint": "More: seed=7",
  "extra-twice": (/** @type {string} */ name) => `The parameter ${name} is there twice.`,
  "extra-wrong": (/** @type {string} */ line) =>
    `Write each parameter on a line of its own, such as seed=7, not: ${line}`,
  favourite: "Favorite",
  file: "File",
  filters: "Filters",
  "filters-set": "Filters that are set",
  "forget-key": "Forget the API key",
  form: "Shape",
  format: "Format",
  formats: "Other formats",
  found: (/** @type {string} */ n, /** @type {boolean} */ isEstimate) =>
    `${isEstimate ? "About " : ""}${n} found`,
  fresh: (/** @type {number} */ n) => `${n} new`,
  from: "From",
  "from-day": (/** @type {string} */ day) => `From ${day}`,
  generate: "Generate",
  images: (/** @type {number | string} */ n) => `${n} image${s(Number(n))}`,
  "images-of-all": "All images",
  "in-trash": (/** @type {number} */ n) =>
    `${n} deleted picture${s(n)}. What is here can be restored until its time is over.`,
  kept: (/** @type {string} */ n) => `${n} kept`,
  key: "API key",
  "key-go": "Open",
  "key-hint": "This service asks for a key. It is kept in this tab only, until you close it.",
  "key-title": "Sign in",
  "key-wrong": "This key does not open it. Check it and try again.",
  keys: "Shortcuts",
  "keys-list": `/ | search
n | write a prompt
Ctrl Enter | draw it
← → ↑ ↓ | go from picture to picture
Enter | open a picture
Esc | close, or clear the selection
f | favorite
x | select
Shift ← → ↑ ↓ | select several
Ctrl A | select all in sight
Delete | delete
Ctrl z | undo the deletion
+ - 0 1 | zoom in, out, fit, full size
c | copy the prompt
t | add a tag
? | these keys`,
  landscape: "Landscape",
  "link-copied": "Link copied",
  make: "Draw a picture",
  model: "Model",
  n: "How many",
  next: "Next picture",
  "not-done": (/** @type {number} */ n) => `With ${n} picture${s(n)} it could not be done.`,
  "nothing-found": "Nothing matches. Try fewer words, a beginning like fox*, or clear the filters.",
  "nothing-yet": "Nothing here yet. Describe a picture below, and it will be kept here for good.",
  notices: "Notices",
  option: (/** @type {string} */ name, /** @type {string} */ value) =>
    (name === "outputFormat"
      ? value.toUpperCase()
      : ({ auto: "Automatic", hd: "HD", xhigh: "Very high", max: "Maximum" }[value] ??
        value[0].toUpperCase() + value.slice(1))) +
    (name === "background" ? " background" : name === "quality" ? " quality" : ""),
  original: (/** @type {string} */ type, /** @type {string} */ size) =>
    `Original (${type}, ${size})`,
  parameter: (/** @type {string} */ name) =>
    ({
      size: "Size asked for",
      quality: "Quality",
      style: "Style",
      background: "Background",
      output_format: "Output format",
      output_compression: "Compression",
      moderation: "Moderation",
    })[name] ?? name,
  portrait: "Portrait",
  previous: "Previous picture",
  prompt: "Prompt",
  "prompt-copied": "Prompt copied",
  "prompt-hint": "Describe a picture …",
  "prompt-missing": "Describe what to draw first.",
  purge: "Delete for good",
  "purge-sure": "Really delete for good?",
  purged: (/** @type {number} */ n) => `${n} picture${s(n)} deleted for good`,
  queue: "Being drawn",
  "remove-filter": (/** @type {string} */ filter) => `Remove filter ${filter}`,
  "remove-tag": (/** @type {string} */ tag) => `Remove tag ${tag}`,
  restore: "Restore",
  restored: (/** @type {number} */ n) => `${n} picture${s(n)} restored`,
  retry: "Try again",
  revised: "As the model rewrote it",
  search: "Search",
  "search-grammar": `red fox | both words, in any order
fox* | words that begin so
"red fox" | these words in a row
fox -snow | not where snow is
猫 | characters of Chinese and Japanese
a GUID | just this picture`,
  "search-help": "How to search",
  "search-hint": "Search prompts",
  select: "Select",
  "select-all": "All",
  selected: (/** @type {number} */ n) => `${n} selected`,
  selection: "Selection",
  share: "Link",
  siblings: "From the same prompt",
  size: "Size",
  "size:any": "Size",
  "size:custom": "Other size …",
  skip: "Go to the prompt",
  square: "Square",
  "status:CANCELLED": "Cancelled.",
  "status:FAILED": "It could not be drawn.",
  "status:QUEUED": "Waiting for its turn",
  "status:REFUSED": "The model refused this prompt. Rephrase it.",
  "status:RUNNING": (/** @type {number} */ n, /** @type {number} */ seconds) =>
    `Drawing${n > 1 ? ` ${n} images` : ""} … ${seconds} s`,
  "status:SUCCEEDED": "Not all images could be drawn.",
  "status:UNKNOWN": "No answer came. It may have been charged for; a late answer is still kept.",
  tag: "Tag",
  "tag-hint": "Add a tag",
  "tag-image": "Tag this picture",
  "tag-selection": "Tag the selection",
  tagged: (/** @type {number} */ n, /** @type {string} */ tag) =>
    `${n} picture${s(n)} tagged ${tag}`,
  tags: "Tags",
  to: "To",
  "to-day": (/** @type {string} */ day) => `Until ${day}`,
  "to-newest": "To the newest",
  today: "Today",
  trash: "Trash",
  "trash-empty": "Empty the trash",
  "trash-empty-sure": "Really delete all for good?",
  "trash-more": "Show more",
  "trash-nothing": "Nothing is in the trash.",
  undo: "Undo",
  waiting: (/** @type {string} */ prompt) => `Waiting to be drawn: ${prompt}`,
  yesterday: "Yesterday",
  zip: "Download",
  zipping: (/** @type {number} */ n) => `Packing ${n} picture${s(n)} …`,
  "quality:any": "Quality",
  "style:any": "Style",
  "background:any": "Background",
  "outputFormat:any": "Format",
  quality: "Quality",
  style: "Style",
  background: "Background",
  outputFormat: "Format",
  "error:offline": "PixyProxy does not answer. What you see is kept; trying again …",
  "error:internal-error": "Something went wrong in the service. Its log has the details.",
  "error:image-gone": "This picture was deleted.",
  "error:overloaded": "The queue is full. Nothing was paid; try again in a while.",
  "error:generator-busy":
    "The model is busy: its rate limit is reached. Nothing was paid; try again in a while.",
  "error:generator-account":
    "The model's server refuses this service's account or model. Its operator must look after it; trying again does not help.",
  "error:generator-unavailable": "The model's server is away. Try again later.",
  "error:generator-timeout":
    "The model gave no answer in time. It may have charged for the picture; if it comes late, it is kept.",
  "error:bad-generator-response": "The model's answer held no picture that can be used.",
  "error:prompt-rejected": "The model refused this prompt. Rephrase it.",
  "error:storage-full":
    "The disk is full: nothing more can be kept until its operator makes room. Nothing was paid.",
  "error:database-unavailable": "The database does not answer. Try again later.",
  "error:image-store-unavailable": "The store of images does not answer. Try again later.",
};
