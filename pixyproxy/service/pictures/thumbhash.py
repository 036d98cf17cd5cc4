"""ThumbHash: an image in some 25 bytes, to paint while the image itself loads.

The algorithm and its format are Evan Wallace's (https://evanw.github.io/thumbhash/). Low
frequencies of luminance, of two colour differences, and of alpha where there is any, in four bits
each.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import mul

MAX_SIDE = 100
"""The format is made for images of no more pixels a side."""
_UNIT = tuple(value / 255 for value in range(256))


def thumbhash(width: int, height: int, rgba: bytes) -> bytes:
    """Return the hash of an image of at most MAX_SIDE pixels a side, not premultiplied."""
    planes, has_alpha = _planes(rgba)
    longer = max(width, height)
    limit = 5 if has_alpha else 7
    across = max(1, _round(limit * width / longer))
    down = max(1, _round(limit * height / longer))
    size = width, height
    light = _Channel.of(planes[0], size, max(3, across), max(3, down))
    yellow, red = (_Channel.of(plane, size, 3, 3) for plane in planes[1:3])
    channels = [light, yellow, red]
    header = (
        _round(63 * light.mean)
        | _round(31.5 + 31.5 * yellow.mean) << 6
        | _round(31.5 + 31.5 * red.mean) << 12
        | _round(31 * light.scale) << 18
        | has_alpha << 23
        | (down if width > height else across) << 24
        | _round(63 * yellow.scale) << 27
        | _round(63 * red.scale) << 33
        | (width > height) << 39
    )
    hashed = bytearray(header.to_bytes(5, "little"))
    if has_alpha:
        alpha = _Channel.of(planes[3], size, 5, 5)
        channels.append(alpha)
        hashed.append(_round(15 * alpha.mean) | _round(15 * alpha.scale) << 4)
    nibbles = [_round(15 * term) for channel in channels for term in channel.normalised()]
    nibbles += [0] * (len(nibbles) % 2)
    hashed += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return bytes(hashed)


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel's cosine transform: its mean, and the terms that vary."""

    mean: float
    terms: Sequence[float]

    @classmethod
    def of(
        cls, plane: Sequence[float], size: tuple[int, int], across: int, down: int
    ) -> "_Channel":
        width, height = size
        waves = [_wave(frequency, width) for frequency in range(across)]
        rows = [plane[start : start + width] for start in range(0, width * height, width)]
        # Along the rows first, then down the columns of what came of it.
        columns = [[sum(map(mul, row, wave)) for row in rows] for wave in waves]
        mean, *terms = (
            sum(map(mul, columns[x], _wave(y, height))) / (width * height)
            for y in range(down)
            for x in range(across)
            if x * down < across * (down - y)
        )
        return cls(mean, terms)

    @property
    def scale(self) -> float:
        return max(map(abs, self.terms))

    def normalised(self) -> Iterator[float]:
        """Yield the terms from 0 to 1; 0.5 is none."""
        scale = self.scale
        return (0.5 + 0.5 / scale * term if scale else term for term in self.terms)


@cache  # few frequencies, of at most MAX_SIDE lengths
def _wave(frequency: int, length: int) -> Sequence[float]:
    step = math.pi / length * frequency
    return tuple(math.cos(step * (place + 0.5)) for place in range(length))


def _planes(rgba: bytes) -> tuple[tuple[list[float], ...], bool]:
    """Return luminance, yellow-blue, red-green and alpha, over the mean colour; and if alpha is."""
    alphas, *colours = ([_UNIT[value] for value in rgba[channel::4]] for channel in (3, 0, 1, 2))
    has_alpha = min(alphas, default=1.0) < 1
    if has_alpha:
        colours = [_over_mean(values, alphas) for values in colours]
    pixels = list(zip(*colours, strict=True))
    planes = (
        [(red + green + blue) / 3 for red, green, blue in pixels],
        [(red + green) / 2 - blue for red, green, blue in pixels],
        [red - green for red, green, _ in pixels],
        alphas,
    )
    return planes, has_alpha


def _over_mean(values: Sequence[float], alphas: Sequence[float]) -> list[float]:
    """Return a colour's values, with their weighted mean where they are transparent."""
    weight = sum(alphas)
    mean = sum(map(mul, values, alphas)) / weight if weight else 0.0
    return [mean * (1 - alpha) + value * alpha for value, alpha in zip(values, alphas, strict=True)]


def _round(value: float) -> int:
    """Return the nearest integer, halves upwards: as the format's reference does."""
    return math.floor(value + 0.5)
