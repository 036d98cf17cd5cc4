"""What sketches are drawn on, and the few means they are drawn with.

Lengths are in units of the picture's short side, so that one composition suits every size.
"""

import math
import random
from collections.abc import Iterable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Colour = tuple[int, int, int]
Point = tuple[float, float]
Polygon = Sequence[Point]

WHITE: Colour = (255, 255, 255)

_SUPERSAMPLING = 2
_BLUR_DETAIL_PX = 4
_NOISE_PX = 192


def hexes(text: str) -> list[Colour]:
    """Colours from words like `ff8800 102030`."""
    return [(int(w[:2], 16), int(w[2:4], 16), int(w[4:], 16)) for w in text.split()]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of `other` (0 to 1) in `one`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def oklch(lightness: float, chroma: float, hue_degrees: float) -> Colour:
    """The sRGB colour of these OKLCH coordinates (https://bottosson.github.io/posts/oklab/)."""
    a = chroma * math.cos(math.radians(hue_degrees))
    b = chroma * math.sin(math.radians(hue_degrees))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3

    def encoded(linear: float) -> int:
        linear = min(max(linear, 0.0), 1.0)
        knee = 0.0031308
        value = 12.92 * linear if linear <= knee else 1.055 * linear ** (1 / 2.4) - 0.055
        return round(255 * value)

    return (
        encoded(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        encoded(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        encoded(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def ellipse(
    x: float, y: float, rx: float, ry: float | None = None, *, turn: float = 0, steps: int = 0
) -> list[Point]:
    """An ellipse around x, y; `turn` in radians; `ry` as `rx` where left out."""
    ry = rx if ry is None else ry
    steps = steps or round(min(180, max(12, 400 * math.sqrt(max(rx, ry)))))
    cos, sin = math.cos(turn), math.sin(turn)
    angles = (2 * math.pi * step / steps for step in range(steps))
    local = ((rx * math.cos(angle), ry * math.sin(angle)) for angle in angles)
    return [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in local]


def rectangle(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """An upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def stroke(points: Polygon, width: float, end_width: float | None = None) -> list[Point]:
    """A brush stroke along `points`, from `width` to `end_width`."""
    end_width = width if end_width is None else end_width
    left: list[Point] = []
    right: list[Point] = []
    last = len(points) - 1
    for i, (x, y) in enumerate(points):
        (x0, y0), (x1, y1) = points[max(i - 1, 0)], points[min(i + 1, last)]
        length = math.hypot(x1 - x0, y1 - y0) or 1
        half = (width + (end_width - width) * i / last) / 2
        dx, dy = -(y1 - y0) / length * half, (x1 - x0) / length * half
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    return left + right[::-1]


def curve(*knots: Point, steps: int = 24) -> list[Point]:
    """A Bézier curve with these control points."""
    degree = len(knots) - 1
    weights = [math.comb(degree, i) for i in range(degree + 1)]
    points: list[Point] = []
    for step in range(steps + 1):
        t = step / steps
        parts = [w * t**i * (1 - t) ** (degree - i) for i, w in enumerate(weights)]
        points.append(
            (
                sum(p * x for p, (x, _) in zip(parts, knots, strict=True)),
                sum(p * y for p, (_, y) in zip(parts, knots, strict=True)),
            )
        )
    return points


class Canvas:
    """A picture in the making.

    On a transparent ground `image` holds colours multiplied by `coverage`; pasting through a mask
    keeps them so, and `finish` divides again: no dark fringes.
    """

    def __init__(
        self, width_px: int, height_px: int, rng: random.Random, *, transparent: bool
    ) -> None:
        self.size = (width_px, height_px)
        self.unit_px = min(width_px, height_px)
        self.width = width_px / self.unit_px
        self.height = height_px / self.unit_px
        self.rng = rng
        self.image = Image.new("RGB", self.size)
        self.coverage = Image.new("L", self.size) if transparent else None

    @property
    def outline(self) -> list[Point]:
        """The whole canvas as a polygon."""
        return rectangle(0, 0, self.width, self.height)

    def ground(self, *stops: Colour, bottom: float | None = None) -> None:
        """Fill all with a vertical gradient that ends at `bottom`; left out if transparent."""
        if self.coverage is None:
            end = round((self.height if bottom is None else bottom) * self.unit_px)
            self.image.paste(stops[-1], (0, 0, *self.size))
            self.image.paste(_gradient(stops, (self.size[0], max(1, end))), (0, 0))

    def paint(
        self,
        polygons: Sequence[Polygon],
        *stops: Colour,
        opacity: float = 1,
        blur: float = 0,
        clip: Sequence[Polygon] = (),
    ) -> None:
        """Fill the polygons together with a colour, or a vertical gradient of several.

        `blur` softens their edges by that length; nothing is painted outside `clip`.
        """
        box = self._box(polygons, margin=2.5 * blur)
        if box is None:
            return
        mask = self._mask(polygons, box, opacity=opacity, blur=blur)
        if clip:
            mask = ImageChops.multiply(mask, self._mask(clip, box))
        self._lay(mask, box, stops)

    def glow(self, x: float, y: float, radius: float, colour: Colour, opacity: float) -> None:
        """A light in the air that fades out at `radius`; left out if transparent."""
        box = self._box([ellipse(x, y, radius)])
        if box is None or self.coverage is not None:
            return
        left, top, right, bottom = box
        u = self.unit_px
        scale = 256 / (2 * radius * u)
        inside = [
            min(max((edge - (middle - radius) * u) * scale, 0), 256)
            for edge, middle in ((left, x), (top, y), (right, x), (bottom, y))
        ]
        source = (inside[0], inside[1], inside[2], inside[3])
        # Pillow's radial gradient is 0 in the middle and 179 at the middle of an edge.
        disc = Image.radial_gradient("L").point(
            [round(opacity * 255 * max(0.0, 1 - i / 179) ** 2) for i in range(256)]
        )
        size = (right - left, bottom - top)
        self._lay(disc.resize(size, Image.Resampling.BILINEAR, box=source), box, (colour,))

    def clouds(
        self,
        colour: Colour,
        *,
        cells: tuple[int, int],
        threshold: float = 0.5,
        opacity: float = 1,
        top: float = 0,
        bottom: float | None = None,
    ) -> None:
        """Soft fractal patches between `top` and `bottom`, fading out towards both.

        `cells` is how many patches across and down, `threshold` (0 to 1) how much stays clear.
        """
        bottom = self.height if bottom is None else bottom
        box = self._box([rectangle(0, top, self.width, bottom)])
        if box is None:
            return
        noise = self._noise(cells)
        clear = 255 * threshold
        noise = noise.point(
            [round(opacity * 255 * _smooth((i - clear) / (256 - clear))) for i in range(256)]
        )
        fade = Image.linear_gradient("L").point(
            [round(255 * _smooth(min(i, 255 - i) / 90)) for i in range(256)]
        )
        noise = ImageChops.multiply(noise, fade.resize(noise.size))
        size = (box[2] - box[0], box[3] - box[1])
        self._lay(noise.resize(size, Image.Resampling.BICUBIC), box, (colour,))

    def mirror(self, horizon: float, colour: Colour, *, share: float) -> None:
        """Reflect what is above `horizon` below it, mixed with `share` of `colour`."""
        y = round(horizon * self.unit_px)
        width, height = self.size
        depth = min(y, height - y)
        if depth <= 0:
            return
        for picture, tint in ((self.image, colour), (self.coverage, 255)):
            if picture is None:
                continue
            upper = picture.crop((0, y - depth, width, y))
            small = upper.resize((width, max(1, depth // 6)), Image.Resampling.BOX)
            flipped = small.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
            flipped = flipped.resize((width, depth), Image.Resampling.BILINEAR)
            flat = Image.new(picture.mode, flipped.size, tint)
            picture.paste(Image.blend(flipped, flat, share), (0, y))

    def finish(self, *, saturation: float = 1) -> Image.Image:
        """The picture with a fine grain, which also hides the steps of gradients."""
        image, alpha = self.image, self.coverage
        if alpha is not None:
            premultiplied = Image.merge("RGBA", (*image.split(), alpha)).tobytes()
            image = Image.frombytes("RGBa", self.size, premultiplied).convert("RGBA").convert("RGB")
        if saturation != 1:
            grey = image.convert("L").convert("RGB")
            image = Image.blend(grey, image, saturation)
        image = ImageChops.add(image, self._grain(), 1, -3)
        if alpha is not None:
            image.putalpha(alpha)
        return image

    def _grain(self) -> Image.Image:
        side = 512
        tile = Image.frombytes("L", (side, side), self.rng.randbytes(side * side))
        tile = tile.point(
            [(0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 6)[i // 16] for i in range(256)]
        )
        grain = Image.new("L", self.size)
        for x in range(0, self.size[0], side):
            for y in range(0, self.size[1], side):
                grain.paste(tile, (x, y))
        return Image.merge("RGB", (grain, grain, grain))

    def _noise(self, cells: tuple[int, int]) -> Image.Image:
        across, down = cells
        size = (_NOISE_PX, _NOISE_PX)
        total: Image.Image | None = None
        for octave in range(4):
            width, height = (min(_NOISE_PX, n * 2**octave + 1) for n in (across, down))
            patch = Image.frombytes("L", (width, height), self.rng.randbytes(width * height))
            patch = patch.resize(size, Image.Resampling.BICUBIC)
            total = (
                patch if total is None else Image.blend(total, patch, 1 / (2 ** (octave + 1) - 1))
            )
        assert total is not None
        return ImageOps.autocontrast(total)

    def _box(
        self, polygons: Iterable[Polygon], margin: float = 0
    ) -> tuple[int, int, int, int] | None:
        xs = [x for polygon in polygons for x, _ in polygon]
        ys = [y for polygon in polygons for _, y in polygon]
        if not xs:
            return None
        u = self.unit_px
        left, top = (max(0, math.floor((min(axis) - margin) * u)) for axis in (xs, ys))
        right = min(self.size[0], math.ceil((max(xs) + margin) * u))
        bottom = min(self.size[1], math.ceil((max(ys) + margin) * u))
        return (left, top, right, bottom) if left < right and top < bottom else None

    def _mask(
        self,
        polygons: Sequence[Polygon],
        box: tuple[int, int, int, int],
        *,
        opacity: float = 1,
        blur: float = 0,
    ) -> Image.Image:
        left, top, right, bottom = box
        size = (right - left, bottom - top)
        blur_px = blur * self.unit_px
        scale: float = _SUPERSAMPLING
        if blur_px > 1:  # what is soft needs few pixels
            scale = min(1, _BLUR_DETAIL_PX / blur_px)
        drawn = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        sx, sy = drawn[0] / size[0], drawn[1] / size[1]
        mask = Image.new("L", drawn)
        draw = ImageDraw.Draw(mask)
        value = round(255 * opacity)
        ux, uy, x0, y0 = self.unit_px * sx, self.unit_px * sy, left * sx, top * sy
        for polygon in polygons:
            draw.polygon([(x * ux - x0, y * uy - y0) for x, y in polygon], fill=value)
        if blur_px > 1:
            mask = mask.filter(ImageFilter.GaussianBlur(blur_px * scale))
            return mask.resize(size, Image.Resampling.BICUBIC) if scale < 1 else mask
        return mask.reduce(_SUPERSAMPLING)

    def _lay(
        self, mask: Image.Image, box: tuple[int, int, int, int], stops: Sequence[Colour]
    ) -> None:
        if len(stops) == 1:
            self.image.paste(stops[0], box, mask)
        else:
            self.image.paste(_gradient(stops, mask.size), box, mask)
        if self.coverage is not None:
            self.coverage.paste(255, box, mask)


def _smooth(share: float) -> float:
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _gradient(stops: Sequence[Colour], size: tuple[int, int]) -> Image.Image:
    if len(stops) == 1:
        return Image.new("RGB", size, stops[0])
    strip = Image.frombytes("RGB", (1, len(stops)), bytes(part for stop in stops for part in stop))
    middles = (0, 0.5, 1, len(stops) - 0.5)
    column = strip.resize((1, size[1]), Image.Resampling.BILINEAR, box=middles)
    return column.resize(size, Image.Resampling.NEAREST)
