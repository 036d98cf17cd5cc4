"""Sketches of the land: hills, mountains, dunes, woods and flowers."""

import math
from itertools import pairwise

from pixyproxy.service.providers.sketching.canvas import (
    WHITE,
    Point,
    Polygon,
    curve,
    ellipse,
    mix,
    rectangle,
    stroke,
)
from pixyproxy.service.providers.sketching.scene import Scene


def hills(scene: Scene, y: float, rise: float, nearness: float, *, layers: int) -> None:
    """Rolling hills from `y` down, the first at this nearness (0 to 1)."""
    step = (scene.height - y) / (layers + 0.6)
    light = scene.palette.light
    for i in range(layers):
        depth = nearness + (1 - nearness) * i / max(1, layers - 1) * 0.9
        colour = scene.floor(depth)
        line = scene.ridge(y + i * step, rise * (1 + 0.3 * i), 3.2 - 0.5 * i)
        foot = scene.haze(colour, 0.3 * (1 - depth))
        scene.canvas.paint([scene.below(line)], mix(colour, light, 0.16), colour, foot)
        scene.canvas.paint([stroke(line, 0.012)], light, opacity=0.14, blur=0.006)
        if scene.grounds == ["mountain"]:
            _grove(scene, line, depth)


def _grove(scene: Scene, line: list[Point], nearness: float) -> None:
    rng, size = scene.rng, 0.05 + 0.13 * nearness
    colour = scene.palette.land(min(1, nearness + 0.2))
    trees: list[Polygon] = []
    for _ in range(round(2 * max(1, scene.width))):
        middle = rng.randrange(len(line))
        for _ in range(9):
            x, y = line[min(max(round(rng.gauss(middle, 5)), 0), len(line) - 1)]
            trees += _pine(scene, x, y + size * 0.1, size * rng.uniform(0.5, 1.1))
    scene.canvas.paint(trees, mix(colour, scene.palette.light, 0.12), colour)


def mountains(scene: Scene) -> None:
    """Ranges with a lit and a shaded side, and snow on the far ones."""
    snowy = scene.plan.has("snow")
    ranges = ((0.05, 0.38, 0.36, True), (0.28, 0.31, 0.46, True), (0.52, 0.24, 0.34, snowy))
    for i, (nearness, rise, span, snow) in enumerate(ranges):
        base = scene.horizon + 0.05 + 0.02 * i
        _range(scene, base, rise * scene.scale, span, nearness, snow=snow)


def _range(
    scene: Scene, base: float, rise: float, span: float, nearness: float, *, snow: bool
) -> None:
    rng, light = scene.rng, scene.palette.light
    knots: list[Point] = []  # valley, peak, valley, ...
    x = -span * rng.random()
    while x < scene.width + span:
        knots.append((x, base - rise * rng.uniform(0.16, 0.4)))
        knots.append((x + span * rng.uniform(0.4, 0.6), base - rise * rng.uniform(0.65, 1.15)))
        x += span * rng.uniform(0.75, 1.2)
    knots.append((x, base - rise * 0.2))
    edges = [scene.rough(a, b, rise * 0.09) for a, b in pairwise(knots)]
    line = [point for edge in edges for point in edge]
    colour = scene.palette.land(nearness)
    foot = scene.haze(colour, 0.75 - 0.5 * nearness)
    area = [*line, (line[-1][0], base + 0.03), (line[0][0], base + 0.03)]
    shades: list[Polygon] = []
    caps: list[Polygon] = []
    for i in range(1, len(knots) - 1, 2):
        peak, up, down = knots[i], edges[i - 1], edges[i]
        away = 1 if scene.light[0] < peak[0] else -1
        slope = down if away > 0 else up[::-1]
        spine = scene.rough((peak[0] - away * span * 0.06, base), peak, rise * 0.16)
        shades.append([*slope, (slope[-1][0], base), *spine])
        caps.append(_cap(scene, up, down, peak[1] + (base - peak[1]) * rng.uniform(0.26, 0.36)))
    scene.canvas.paint([area], mix(colour, light, 0.12), colour, foot)
    if snow:
        white = mix(light, foot, 0.1), mix(light, foot, 0.35)
        scene.canvas.paint(caps, *white, opacity=0.9, clip=[area])
    shade = mix(colour, scene.palette.near, 0.55)
    scene.canvas.paint(shades, shade, foot, opacity=0.45, clip=[area])


def _cap(scene: Scene, up: list[Point], down: list[Point], snow_line: float) -> list[Point]:
    left = [point for point in up if point[1] < snow_line]
    right = [point for point in down if point[1] < snow_line]
    first, last = left[0][0], right[-1][0]
    zigzag = []
    for step in range(1, 6):
        swing = (0.16 if step % 2 else -0.1) * scene.rng.uniform(0.5, 1)
        zigzag.append((last + (first - last) * step / 6, snow_line + (last - first) * swing))
    return [*left, *right, *zigzag]


def dunes(scene: Scene) -> None:
    """Dunes with a lit and a shaded side."""
    light, near = scene.palette.light, scene.palette.near
    for i, place in enumerate(scene.rng.sample((0.2, 0.42, 0.6, 0.82), 4)):
        y = scene.horizon + 0.03 + (scene.height - scene.horizon) * i / 4
        rise, x = 0.05 + 0.045 * i, scene.width * place
        colour = scene.palette.land(0.1 + 0.16 * i)
        left, right = -0.05, scene.width + 0.05
        crest = (x, y - rise)
        up = curve((left, y + 0.05), (x * 0.5, y + 0.04), (x - 0.12, y - rise * 0.9), crest)
        down = curve(crest, (x + 0.12, y - rise * 0.5), (x + 0.3, y + 0.03), (right, y + 0.02))
        spine = curve(crest, (x + 0.2, y + 0.06), (x - 0.35, y + 0.14), (x + 0.25, scene.height))
        area = scene.below(up + down[1:])
        lee = [*down, (right, scene.height + 0.02), *spine[::-1]]
        sand = mix(colour, light, 0.5), mix(colour, light, 0.12), mix(colour, near, 0.3)
        scene.canvas.paint([area], *sand)
        shade = mix(colour, near, 0.75)
        scene.canvas.paint([lee], shade, mix(shade, colour, 0.7), opacity=0.62, clip=[area])
        scene.canvas.paint([stroke(spine, 0.005)], light, opacity=0.25, blur=0.003)


def forest(scene: Scene) -> None:
    """Rows of trees with mist between them and a clearing in front, or a row on a shore."""
    rng, autumn = scene.rng, scene.plan.has("autumn")
    count = 2 if scene.watery else 4
    for i in range(count):
        nearest = i == count - 1 and not scene.watery
        nearness = 0.12 + 0.86 * i / (count - 1)
        y = scene.horizon - 0.03
        if not scene.watery:
            y += 0.05 + (scene.height - scene.horizon) * (i / count) ** 1.2
        size = scene.scale * (0.1 + 0.1 * i + 0.03 * i * i) * (0.75 if autumn else 1)
        line = scene.ridge(y, 0.05, 3)
        colour, floor = scene.palette.land(nearness), scene.floor(nearness)
        low = scene.haze(colour, 0.65 * (1 - nearness))
        trees: list[Polygon] = []
        x = -size
        while x < scene.width + size:
            _, foot = min(line, key=lambda point: abs(point[0] - x))
            if not nearest or abs(x / scene.width - 0.5) > 0.16:  # noqa: PLR2004  the clearing
                grow = _leafy if autumn else _pine
                trees += grow(scene, x, foot + size * 0.05, size * rng.uniform(0.65, 1.15))
            x += size * rng.uniform(0.16, 0.42) * (1.5 if autumn else 1)
        scene.canvas.paint([scene.below(line)], mix(floor, low, 0.4), floor)
        crown = scene.palette.light if not autumn else scene.palette.accent
        scene.canvas.paint(trees, mix(colour, crown, 0.4 if autumn else 0.1), colour, low)
        if not nearest:
            mist = rectangle(-0.2, y - 0.02, scene.width + 0.2, y + size * 0.3)
            scene.canvas.paint([mist], scene.palette.sky[2], opacity=0.34, blur=size * 0.2)


def _pine(scene: Scene, x: float, y: float, size: float) -> list[Polygon]:
    rng, tiers = scene.rng, 7
    right: list[Point] = []
    for tier in range(1, tiers + 1):
        t = tier / tiers
        half, drop = size * 0.2 * t * rng.uniform(0.85, 1.15), -size * (1 - t * 0.9)
        right += [(half, drop), (half * 0.5, drop - size * 0.015)]
    left = [(-dx * rng.uniform(0.85, 1.1), dy) for dx, dy in reversed(right)]
    tree = [(x + dx, y + dy) for dx, dy in [(0, -size), *right, *left]]
    return [tree, rectangle(x - size * 0.02, y - size * 0.12, x + size * 0.02, y + size * 0.1)]


def _leafy(scene: Scene, x: float, y: float, size: float) -> list[Polygon]:
    rng = scene.rng
    crown: list[Polygon] = []
    for _ in range(12):
        cx, cy = x + size * rng.gauss(0, 0.1), y - size * rng.uniform(0.42, 0.95)
        crown.append(ellipse(cx, cy, size * rng.uniform(0.08, 0.15), steps=20))
    return [*crown, stroke([(x, y + size * 0.1), (x, y - size * 0.6)], size * 0.05, size * 0.02)]


def flowers(scene: Scene) -> None:
    """Flowers in grass, larger towards the viewer."""
    rng, width, height = scene.rng, scene.width, scene.height
    accent, near = scene.palette.accent, scene.palette.near
    coats = scene.plan.colours or (accent, mix(accent, WHITE, 0.55), scene.palette.light)
    top = scene.horizon + (height - scene.horizon) * 0.42
    stems: list[Polygon] = []
    petals: list[list[Polygon]] = [[] for _ in coats]
    hearts: list[Polygon] = []
    count = round(70 * width)
    for k in range(count):
        t = (k / count) ** 0.8
        x, y = rng.uniform(0, width), top + (height - top) * t * 1.05
        r = 0.004 + 0.028 * t**1.8 * rng.uniform(0.6, 1.1)
        stem = curve((x + rng.uniform(-1, 1) * r, y + r * 5), (x, y + r * 2), (x, y), steps=6)
        stems.append(stroke(stem, r * 0.2, r * 0.12))
        turn = rng.uniform(0, 6)
        for petal in range(6):
            a = turn + petal * math.pi / 3
            px, py = x + math.cos(a) * r * 0.6, y + math.sin(a) * r * 0.45
            petals[k % len(coats)].append(ellipse(px, py, r * 0.5, r * 0.3, turn=a, steps=12))
        hearts.append(ellipse(x, y, r * 0.3, r * 0.24, steps=12))
    for _ in range(round(150 * width)):
        x, y, t = rng.uniform(0, width), height + 0.01, rng.random()
        tip = (x + rng.uniform(-0.04, 0.04), y - 0.04 - 0.08 * t)
        stems.append(stroke(curve((x, y), (x, y - 0.05 * t), tip, steps=6), 0.006, 0.001))
    scene.canvas.paint(stems, mix(near, scene.palette.land(0.3), 0.3), near, opacity=0.9)
    dim = 0.35 if scene.plan.time == "night" else 0
    for coat, painted in zip(coats, petals, strict=True):
        colour = mix(coat, near, dim)
        scene.canvas.paint(painted, mix(colour, WHITE, 0.15), colour)
    scene.canvas.paint(hearts, mix(mix(scene.palette.light, (250, 190, 60), 0.6), near, dim))
