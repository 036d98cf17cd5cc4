"""What a prompt's words mean for its sketch: motifs, colours and a palette."""

import random
import re
from dataclasses import dataclass

from pixyproxy.service.providers.sketching.canvas import Colour, hexes, mix, oklch

_MOTIFS = {
    "mountain": "mountain peak alp alpine himalaya rocky cliff summit volcano fjord ridge",
    "sea": "sea ocean beach coast wave island harbor harbour lighthouse lagoon shore surf bay "
    "water tropical",
    "lake": "lake river pond reflection fjord",
    "forest": "forest wood woodland tree pine jungle spruce fir taiga grove",
    "city": "city skyline street building skyscraper town urban downtown tower "
    "cyberpunk metropolis architecture village house neon",
    "desert": "desert dune sahara sand canyon oasis camel cactus egypt pyramid savanna mars",
    "meadow": "meadow field garden grass hill valley countryside prairie farm spring lawn park",
    "flower": "flower rose tulip blossom lily orchid daisy sunflower bouquet lotus poppy peony "
    "bloom",
    "snow": "snow snowy winter ice icy arctic frost frozen glacier blizzard christmas",
    "rain": "rain rainy storm stormy thunder thunderstorm drizzle shower monsoon",
    "fog": "fog foggy mist misty haze hazy",
    "night": "night midnight dark nocturnal star starry moonlight moonlit neon aurora",
    "sunset": "sunset dusk evening twilight sundown romantic",
    "dawn": "dawn sunrise morning daybreak",
    "day": "sunny day noon summer bright daylight blue-sky",
    "sun": "sun sunny sunlight sunshine sunset sunrise",
    "moon": "moon moonlight moonlit crescent lunar",
    "star": "star starry constellation",
    "aurora": "aurora borealis",
    "cloud": "cloud cloudy overcast sky",
    "autumn": "autumn fall maple october harvest",
    "lighthouse": "lighthouse beacon",
    "boat": "boat ship sail sailboat yacht sailing regatta",
    "balloon": "balloon airship zeppelin",
    "space": "space planet galaxy nebula cosmos cosmic universe astronaut rocket saturn jupiter "
    "mars orbit spaceship alien asteroid interstellar",
    "crescent": "crescent",
    "ring": "ring ringed saturn",
    "woman": "woman girl queen princess lady",
    "cat": "cat kitten kitty lynx tiger leopard lion panther",
    "dog": "dog puppy corgi hound retriever poodle husky",
    "fox": "fox wolf coyote",
    "bear": "bear panda koala hamster mouse otter raccoon monkey animal creature teddy",
    "rabbit": "rabbit bunny hare",
    "owl": "owl penguin bird parrot robin chick chicken duck eagle raven crow",
    "fish": "fish whale shark dolphin underwater aquarium goldfish reef coral salmon koi",
    "portrait": "portrait face woman man girl boy person king queen self-portrait lady child "
    "model princess prince people selfie",
    "view": "landscape view scenery horizon nature panorama scene wilderness",
}
_MOTIFS_OF = {
    word: frozenset(motif for motif, words in _MOTIFS.items() if word in words.split())
    for words in _MOTIFS.values()
    for word in words.split()
}
_HUES = {  # OKLCH lightness, chroma, hue
    "red": (0.58, 0.21, 27), "crimson": (0.52, 0.2, 20), "scarlet": (0.6, 0.22, 30),
    "orange": (0.72, 0.17, 58), "amber": (0.78, 0.16, 75), "yellow": (0.88, 0.17, 98),
    "gold": (0.8, 0.14, 85), "golden": (0.8, 0.14, 85), "green": (0.62, 0.17, 145),
    "emerald": (0.62, 0.15, 160), "lime": (0.82, 0.2, 128), "teal": (0.6, 0.1, 195),
    "turquoise": (0.76, 0.12, 190), "cyan": (0.78, 0.12, 205), "blue": (0.56, 0.18, 256),
    "azure": (0.68, 0.15, 245), "navy": (0.34, 0.12, 262), "indigo": (0.44, 0.18, 278),
    "purple": (0.5, 0.19, 305), "violet": (0.55, 0.2, 295), "lavender": (0.76, 0.1, 300),
    "magenta": (0.6, 0.24, 335), "pink": (0.76, 0.14, 355), "brown": (0.45, 0.08, 55),
    "black": (0.22, 0.01, 270), "white": (0.95, 0.01, 90), "grey": (0.65, 0.01, 260),
    "gray": (0.65, 0.01, 260), "silver": (0.78, 0.01, 250), "beige": (0.85, 0.05, 80),
}  # fmt: skip
_PALETTES = {
    "day": (
        "2f7fd0 86c5ee e9f5ee fff8d8 8db4cc 245a55 f2a541",
        "3a9bc8 a5dbe2 fbf1d9 fffbe8 86b9b4 1f4f5c ef7d57",
        "5b8fd9 b5d0f0 fdeee2 fffaf0 9aa9d2 33407a f28482",
    ),
    "sunset": (
        "2b2d6e 97508f f7a072 ffe8b0 b0647f 2a1a3e ff6f59",
        "143d59 4f8a8b f6c48e fff0c9 5b7f88 12283a ef6f5a",
        "4a1942 c0476b fdb87d fff1c7 a63d6a 2a0f33 ffd166",
    ),
    "dawn": (
        "6f8fc9 e8b4c8 ffe4c9 fffaea ab95c0 3b3760 f28f8f",
        "7fb2c6 f2cbb8 fff0d4 fffdf2 9db2b8 35555f e8896b",
    ),
    "night": (
        "060a24 14235a 3a4d8f f6f1d5 2b3c78 060a1e 7fd1d8",
        "0a1128 102f4f 2f6f7e fdf6da 1f4a63 050d1c f4a259",
        "120a2e 33205f 7a4b93 fff0d9 45306f 0c0720 f78fb3",
    ),
    "grey": (
        "5a6b7a 93a3ab cfd6d3 f2f2ea 8796a0 24333d d98f4e",
        "48586b 7f8ea1 c5cbd2 f5f3ee 73849a 1d2936 6fb1a8",
    ),
}
# These wear a named colour themselves, so that the rest need not.
_SUBJECTS = frozenset(
    {"cat", "dog", "fox", "bear", "rabbit", "owl", "fish", "portrait", "flower", "boat", "balloon"}
)
_LAND = {
    "desert": "e6b277 8f4428",
    "forest": "86aaa0 0e2e2b",
    "autumn": "ecb066 b3421c",
    "meadow": "9cc08a 2c5f3a",
    "snow": "b9cde4 2c4a66",
}


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one sketch."""

    sky: tuple[Colour, Colour, Colour]
    light: Colour
    far: Colour
    near: Colour
    accent: Colour

    def land(self, nearness: float) -> Colour:
        """The ground's colour at a nearness of 0 (the horizon) to 1 (the viewer's feet)."""
        return mix(self.far, self.near, nearness)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to draw."""

    motifs: frozenset[str]
    colours: tuple[Colour, ...]
    time: str
    palette: Palette

    def has(self, *motifs: str) -> bool:
        """Whether the prompt speaks of any of these."""
        return not self.motifs.isdisjoint(motifs)


def read(prompt: str, rng: random.Random) -> Plan:
    """Understand the prompt as far as its words are known; the rest is drawn by lot."""
    words = re.findall(r"[^\W\d_]+", prompt.lower())
    motifs: set[str] = set()
    for word in words:
        for form in (word, word.removesuffix("s"), word.removesuffix("es")):
            motifs |= _MOTIFS_OF.get(form, frozenset())
    named = tuple(dict.fromkeys(word for word in words if word in _HUES))
    time: str | None = next((t for t in ("night", "sunset", "dawn", "day") if t in motifs), None)
    if "moon" in motifs:
        motifs |= {"full", "crescent"}.intersection(words)
        time = time or "night"
    lot = rng.choice(("day", "day", "sunset", "dawn", "sunset"))
    time = time or ("day" if "sun" in motifs else lot)
    colours = tuple(oklch(*_HUES[name]) for name in named)
    if named and motifs.isdisjoint(_SUBJECTS):
        palette = _coloured([_HUES[name] for name in named], time)
    else:
        palette = _curated(motifs, time, rng)
    return Plan(frozenset(motifs), colours, time, palette)


def _curated(motifs: set[str], time: str, rng: random.Random) -> Palette:
    grey = motifs & {"rain", "fog"} and time == "day"
    top, middle, low, light, far, near, accent = hexes(
        rng.choice(_PALETTES["grey" if grey else time])
    )
    biome = next(
        (name for name in ("snow", "autumn", "desert", "forest", "meadow") if name in motifs), None
    )
    if biome:
        kept = {"day": 0.2, "dawn": 0.4, "sunset": 0.5, "night": 0.8}[time]
        biome_far, biome_near = hexes(_LAND[biome])
        far, near = mix(biome_far, far, kept), mix(biome_near, near, kept)
    return Palette((top, middle, low), light, far, near, accent)


def _coloured(hues: list[tuple[float, float, float]], time: str) -> Palette:
    lightness, chroma, hue = hues[0]
    accent = hues[1] if len(hues) > 1 else (0.75, max(0.04, chroma * 0.8), hue + 150)
    shift = (lightness - 0.62) * 0.45 - {"day": 0, "dawn": -0.02, "sunset": 0.08, "night": 0.36}[
        time
    ]
    steps = ((0.6, 0.9, 0), (0.74, 0.75, 10), (0.92, 0.35, 24), (0.68, 0.7, -6), (0.3, 0.6, -14))
    top, middle, low, far, near = (
        oklch(min(0.97, max(0.08 + 0.1 * light, light + shift)), chroma * share, hue + turn)
        for light, share, turn in steps
    )
    sun = oklch(0.95, 0.06, accent[2] if len(hues) > 1 else hue + 30)
    return Palette((top, middle, low), sun, far, near, oklch(*accent))
