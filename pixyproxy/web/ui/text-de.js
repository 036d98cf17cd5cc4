/** The texts in German. */

export default {
  again: "Wiederholen",
  any: "Alle",
  auto: "Automatisch",
  away: "Offline",
  cancel: "Abbrechen",
  change: "Prompt übernehmen",
  "clear-filters": "Alle entfernen",
  close: "Schließen",
  compare: "Vergleichen",
  "compare-line": "Wo ein Bild endet und das andere beginnt",
  "copy-prompt": "Prompt kopieren",
  created: "Entstanden",
  credentials: "Herkunftsnachweis",
  "credentials-there": "C2PA-Nachweis in der Datei",
  dates: "Zeitleiste",
  "days-left": (/** @type {number} */ n) => (n === 1 ? "noch 1 Tag" : `noch ${n} Tage`),
  delete: "Löschen",
  deleted: (/** @type {number} */ n) => (n === 1 ? "Bild gelöscht" : `${n} Bilder gelöscht`),
  deselect: "Auswahl aufheben",
  details: "Einzelheiten",
  dimensions: "Maße",
  dismiss: "Ausblenden",
  download: "Herunterladen",
  drawing: (/** @type {string} */ prompt) => `Wird gezeichnet: ${prompt}`,
  extra: "Weitere Parameter",
  "extra-hint": "Weitere: seed=7",
  "extra-twice": (/** @type {string} */ name) => `Den Parameter ${name} gibt es zweimal.`,
  "extra-wrong": (/** @type {string} */ line) =>
    `Schreiben Sie jeden Parameter in eine eigene Zeile, etwa seed=7, nicht: ${line}`,
  favourite: "Favorit",
  file: "Datei",
  filters: "Filter",
  "filters-set": "Gesetzte Filter",
  "forget-key": "API-Schlüssel vergessen",
  form: "Form",
  format: "Format",
  formats: "Andere Formate",
  found: (/** @type {string} */ n, /** @type {boolean} */ isEstimate) =>
    `${isEstimate ? "Etwa " : ""}${n} gefunden`,
  fresh: (/** @type {number} */ n) => `${n} neu`,
  from: "Von",
  "from-day": (/** @type {string} */ day) => `Ab ${day}`,
  generate: "Zeichnen",
  images: (/** @type {number | string} */ n) => `${n} ${Number(n) === 1 ? "Bild" : "Bilder"}`,
  "images-of-all": "Alle Bilder",
  "in-trash": (/** @type {number} */ n) =>
    `${n} ${n === 1 ? "gelöschtes Bild" : "gelöschte Bilder"}. Was hier liegt, lässt sich wiederherstellen, bis seine Zeit um ist.`,
  kept: (/** @type {string} */ n) => `${n} aufbewahrt`,
  key: "API-Schlüssel",
  "key-go": "Öffnen",
  "key-hint":
    "Dieser Dienst verlangt einen Schlüssel. Er bleibt in diesem Tab, bis Sie ihn schließen.",
  "key-title": "Anmelden",
  "key-wrong": "Dieser Schlüssel passt nicht. Prüfen Sie ihn und versuchen Sie es noch einmal.",
  keys: "Tastenkürzel",
  "keys-list": `/ | suchen
n | einen Prompt schreiben
Strg Enter | zeichnen
← → ↑ ↓ | von Bild zu Bild
Enter | ein Bild öffnen
Esc | schließen oder Auswahl aufheben
f | Favorit
x | auswählen
Umschalt ← → ↑ ↓ | mehrere auswählen
Strg A | alles Sichtbare auswählen
Entf | löschen
Strg z | Löschen rückgängig machen
+ - 0 1 | größer, kleiner, einpassen, volle Größe
c | Prompt kopieren
t | Schlagwort hinzufügen
? | diese Tasten`,
  landscape: "Querformat",
  "link-copied": "Link kopiert",
  make: "Ein Bild zeichnen",
  model: "Modell",
  n: "Anzahl",
  next: "Nächstes Bild",
  "not-done": (/** @type {number} */ n) =>
    `Bei ${n} ${n === 1 ? "Bild" : "Bildern"} ging es nicht.`,
  "nothing-found":
    "Nichts passt. Versuchen Sie weniger Wörter, einen Anfang wie fuchs*, oder entfernen Sie Filter.",
  "nothing-yet": "Noch ist nichts da. Beschreiben Sie unten ein Bild: Es wird hier aufbewahrt.",
  notices: "Hinweise",
  option: (/** @type {string} */ name, /** @type {string} */ value) => {
    if (name === "outputFormat") return value.toUpperCase();
    const words =
      {
        auto: "automatisch",
        low: "niedrig",
        medium: "mittel",
        high: "hoch",
        xhigh: "sehr hoch",
        max: "höchste",
        standard: "Standard",
        hd: "HD",
        vivid: "lebhaft",
        natural: "natürlich",
        transparent: "durchsichtig",
        opaque: "deckend",
      }[value] ?? value;
    const of = { quality: "Qualität: ", style: "Stil: ", background: "Hintergrund: " }[name] ?? "";
    return of + words;
  },
  original: (/** @type {string} */ type, /** @type {string} */ size) =>
    `Original (${type}, ${size})`,
  parameter: (/** @type {string} */ name) =>
    ({
      size: "Verlangte Größe",
      quality: "Qualität",
      style: "Stil",
      background: "Hintergrund",
      output_format: "Dateiformat",
      output_compression: "Kompression",
      moderation: "Moderation",
    })[name] ?? name,
  portrait: "Hochformat",
  previous: "Voriges Bild",
  prompt: "Prompt",
  "prompt-copied": "Prompt kopiert",
  "prompt-hint": "Beschreiben Sie ein Bild …",
  "prompt-missing": "Beschreiben Sie zuerst, was gezeichnet werden soll.",
  purge: "Endgültig löschen",
  "purge-sure": "Wirklich endgültig löschen?",
  purged: (/** @type {number} */ n) => `${n} ${n === 1 ? "Bild" : "Bilder"} endgültig gelöscht`,
  queue: "In Arbeit",
  "remove-filter": (/** @type {string} */ filter) => `Filter ${filter} entfernen`,
  "remove-tag": (/** @type {string} */ tag) => `Schlagwort ${tag} entfernen`,
  restore: "Wiederherstellen",
  restored: (/** @type {number} */ n) => `${n} ${n === 1 ? "Bild" : "Bilder"} wiederhergestellt`,
  retry: "Noch einmal",
  revised: "Wie das Modell ihn umschrieb",
  search: "Suche",
  "search-grammar": `roter fuchs | beide Wörter, in beliebiger Folge
fuchs* | Wörter, die so beginnen
"roter fuchs" | diese Wörter hintereinander
fuchs -schnee | nicht, wo Schnee ist
猫 | chinesische und japanische Zeichen
eine GUID | genau dieses Bild`,
  "search-help": "So wird gesucht",
  "search-hint": "Prompts durchsuchen",
  select: "Auswählen",
  "select-all": "Alle",
  selected: (/** @type {number} */ n) => `${n} ausgewählt`,
  selection: "Auswahl",
  share: "Link",
  siblings: "Aus demselben Prompt",
  size: "Größe",
  "size:any": "Größe",
  "size:custom": "Andere Größe …",
  skip: "Zum Prompt",
  square: "Quadrat",
  "status:CANCELLED": "Abgebrochen.",
  "status:FAILED": "Es konnte nicht gezeichnet werden.",
  "status:QUEUED": "Wartet, bis es an der Reihe ist",
  "status:REFUSED": "Das Modell lehnt diesen Prompt ab. Formulieren Sie ihn anders.",
  "status:RUNNING": (/** @type {number} */ n, /** @type {number} */ seconds) =>
    `${n > 1 ? `${n} Bilder werden` : "Wird"} gezeichnet … ${seconds} s`,
  "status:SUCCEEDED": "Nicht alle Bilder konnten gezeichnet werden.",
  "status:UNKNOWN":
    "Es kam keine Antwort. Vielleicht wurde es berechnet; kommt sie noch, bleibt das Bild erhalten.",
  tag: "Schlagwort",
  "tag-hint": "Schlagwort hinzufügen",
  "tag-image": "Schlagwort für dieses Bild",
  "tag-selection": "Schlagwort für die Auswahl",
  tagged: (/** @type {number} */ n, /** @type {string} */ tag) =>
    `${n} ${n === 1 ? "Bild" : "Bilder"} mit ${tag} versehen`,
  tags: "Schlagwörter",
  to: "Bis",
  "to-day": (/** @type {string} */ day) => `Bis ${day}`,
  "to-newest": "Zu den neuesten",
  today: "Heute",
  trash: "Papierkorb",
  "trash-empty": "Papierkorb leeren",
  "trash-empty-sure": "Wirklich alles endgültig löschen?",
  "trash-more": "Mehr zeigen",
  "trash-nothing": "Der Papierkorb ist leer.",
  undo: "Rückgängig",
  waiting: (/** @type {string} */ prompt) => `Wartet aufs Zeichnen: ${prompt}`,
  yesterday: "Gestern",
  zip: "Herunterladen",
  zipping: (/** @type {number} */ n) => `${n} ${n === 1 ? "Bild wird" : "Bilder werden"} gepackt …`,
  "quality:any": "Qualität",
  "style:any": "Stil",
  "background:any": "Hintergrund",
  "outputFormat:any": "Format",
  quality: "Qualität",
  style: "Stil",
  background: "Hintergrund",
  outputFormat: "Format",
  "error:offline": "PixyProxy antwortet nicht. Was Sie sehen, bleibt; es wird weiter versucht …",
  "error:internal-error": "Im Dienst ging etwas schief. Sein Protokoll weiß mehr.",
  "error:image-gone": "Dieses Bild wurde gelöscht.",
  "error:overloaded": "Die Warteschlange ist voll. Nichts wurde bezahlt; versuchen Sie es später.",
  "error:generator-busy":
    "Das Modell ist ausgelastet. Nichts wurde bezahlt; versuchen Sie es später.",
  "error:generator-account":
    "Der Server des Modells lehnt Konto oder Modell dieses Dienstes ab. Der Betreiber muss sich kümmern.",
  "error:generator-unavailable":
    "Der Server des Modells ist nicht erreichbar. Versuchen Sie es später.",
  "error:generator-timeout":
    "Das Modell antwortete nicht rechtzeitig. Vielleicht hat es das Bild berechnet; kommt es noch, bleibt es erhalten.",
  "error:bad-generator-response": "Die Antwort des Modells enthielt kein brauchbares Bild.",
  "error:prompt-rejected": "Das Modell lehnt diesen Prompt ab. Formulieren Sie ihn anders.",
  "error:storage-full":
    "Der Speicher ist voll: Erst muss der Betreiber Platz schaffen. Nichts wurde bezahlt.",
  "error:database-unavailable": "Die Datenbank antwortet nicht. Versuchen Sie es später.",
  "error:image-store-unavailable": "Der Bildspeicher antwortet nicht. Versuchen Sie es später.",
};
