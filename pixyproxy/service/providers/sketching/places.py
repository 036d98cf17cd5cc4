"""Sketches of water and cities, and what stands or sails there."""

import math

from pixyproxy.service.providers.sketching.canvas import (
    WHITE,
    Polygon,
    curve,
    ellipse,
    mix,
    rectangle,
    stroke,
)
from pixyproxy.service.providers.sketching.scene import Scene


def water(scene: Scene) -> None:
    """Water that mirrors what stands behind it, with the light's path, and what is on it."""
    y, rng, canvas = scene.horizon, scene.rng, scene.canvas
    depth = scene.height - y
    top, middle, low = scene.palette.sky
    surface = [rectangle(-0.01, y, scene.width + 0.01, scene.height + 0.01)]
    deep = mix(top, scene.palette.near, 0.45)
    if not scene.plan.colours:
        deep = mix(deep, (20, 80, 110), 0.25)
    canvas.paint(surface, mix(low, middle, 0.5), mix(middle, deep, 0.5), deep)
    canvas.mirror(y, deep, share=0.42)
    canvas.paint(surface, middle, deep, deep, opacity=0.42)
    glints: list[Polygon] = []
    for _ in range(170):
        t = rng.random() ** 1.5
        x, half = scene.light[0] + rng.gauss(0, 0.035 + 0.1 * t), 0.012 + 0.05 * t
        flat = 0.0011 + 0.0045 * t
        glints.append(ellipse(x, y + 0.004 + t * depth, half * rng.uniform(0.3, 1), flat, steps=14))
    ripples: list[Polygon] = []
    for _ in range(round(70 * scene.width)):
        x, t = rng.uniform(0, scene.width), rng.random()
        ripples.append(ellipse(x, y + t * depth, 0.02 + 0.09 * t, 0.0008 + 0.003 * t, steps=14))
    canvas.paint(glints, scene.palette.light, opacity=0.62)
    canvas.paint(ripples, mix(low, scene.palette.light, 0.3), opacity=0.2)
    if scene.plan.has("boat"):
        _boat(scene, scene.width * rng.uniform(0.4, 0.6), y + depth * 0.3, 0.2)
    elif "sea" in scene.grounds and rng.choice((True, False)):
        _boat(scene, scene.width * rng.uniform(0.3, 0.7), y + depth * 0.2, 0.07)
    if scene.plan.has("lighthouse"):
        _lighthouse(scene, scene.width * (0.24 if scene.light[0] > scene.width / 2 else 0.76))


def _boat(scene: Scene, x: float, y: float, size: float) -> None:
    near, accent = scene.palette.near, scene.palette.accent
    sail = mix(scene.palette.light, WHITE, 0.4)
    if scene.plan.has("boat") and scene.plan.colours:
        sail = scene.plan.colours[0]

    def at(polygon: Polygon) -> Polygon:
        return [(x + dx * size, y + dy * size) for dx, dy in polygon]

    main = at([*curve((0.03, -1.3), (0.5, -0.7), (0.52, -0.16)), (0.03, -0.16)])
    jib = at([*curve((-0.03, -1.15), (-0.14, -0.6), (-0.42, -0.16)), (-0.03, -0.16)])
    keel = curve((0.45, 0.08), (0, 0.12), (-0.4, 0.08), steps=8)
    hull = at([(-0.55, -0.12), (0.6, -0.12), *keel])
    mast = at(rectangle(-0.012, -1.32, 0.012, 0))
    ghost = [
        [(px, y + (y - py) * 0.8 + size * 0.1) for px, py in part] for part in (main, jib, hull)
    ]
    scene.canvas.paint(ghost, near, sail, opacity=0.25, blur=0.004)
    scene.canvas.paint([main], sail, mix(sail, near, 0.22))
    scene.canvas.paint([jib], mix(sail, accent, 0.45), mix(sail, accent, 0.7))
    scene.canvas.paint([hull, mast], mix(near, accent, 0.15), near)


def _lighthouse(scene: Scene, x: float) -> None:
    near, light, s = scene.palette.near, scene.palette.light, 0.4 * scene.scale
    y = scene.horizon + 0.06
    top, paint = y - s, scene.canvas.paint
    if scene.plan.time != "day":
        for side in (-1, 1):
            beam = [(x, top + 0.02), (x + side * 1.2, top - 0.14), (x + side * 1.2, top + 0.12)]
            paint([beam], light, opacity=0.2, blur=0.015)
    left = scene.rough((x - 0.26, y + 0.02), (x - 0.07, y - 0.07), 0.05)
    right = scene.rough((x + 0.09, y - 0.07), (x + 0.27, y + 0.02), 0.05)
    paint([[(x - 0.3, y + 0.06), *left, *right, (x + 0.32, y + 0.06)]], mix(near, light, 0.2), near)
    head = top + s * 0.1
    tower = [
        (x - s * 0.075, y - 0.05),
        (x - s * 0.05, head),
        (x + s * 0.05, head),
        (x + s * 0.075, y - 0.05),
    ]
    paint([tower], mix(light, WHITE, 0.3), mix(light, near, 0.25))
    bands = [rectangle(x - s, top + s * a, x + s, top + s * (a + 0.13)) for a in (0.2, 0.48, 0.76)]
    paint(bands, scene.plan.colours[0] if scene.plan.colours else (206, 64, 58), clip=[tower])
    paint([rectangle(x + s * 0.015, top, x + s, y)], near, opacity=0.3, clip=[tower])
    scene.canvas.glow(x, top + s * 0.05, s * 0.5, light, 0.7)
    paint([rectangle(x - s * 0.035, top, x + s * 0.035, head)], (255, 236, 170))
    roof = [(x - s * 0.055, top), (x, top - s * 0.08), (x + s * 0.055, top)]
    gallery = rectangle(x - s * 0.07, head - s * 0.01, x + s * 0.07, head + s * 0.012)
    paint([roof, gallery], mix(near, (150, 40, 40), 0.3))


def city(scene: Scene) -> None:
    """Skylines, one behind the other, with windows; a wet street where no water is near."""
    rng, palette, width = scene.rng, scene.palette, scene.width
    ground = scene.horizon
    if not scene.watery:
        ground += (scene.height - ground) * 0.55
    lit = scene.plan.time in ("night", "sunset")
    for i, (nearness, height) in enumerate(((0.05, 0.42), (0.45, 0.34), (0.9, 0.24))):
        colour, rise = palette.land(nearness), scene.scale * height
        foot = ground if scene.watery else ground + i * (scene.height - ground) * 0.12
        houses: list[Polygon] = [rectangle(-0.02, foot - 0.002, width + 0.02, foot)]
        windows: list[Polygon] = []
        x = -0.05
        while x < width:
            wide = rng.uniform(0.045, 0.1)
            centred = math.exp(-(((x / width - 0.5) / 0.4) ** 2))
            top = foot - rise * rng.uniform(0.45, 1.15) * (0.45 + 0.75 * centred)
            houses += _tower(scene, x, top, wide, foot)
            if i > 0:
                windows += _windows(scene, x, top, wide, foot)
            x += wide + rng.uniform(-0.004, 0.012)
        low = scene.haze(colour, 0.5 * (1 - nearness))
        scene.canvas.paint(houses, mix(colour, palette.sky[1], 0.15), colour, low)
        pane = mix(palette.light, (255, 205, 120), 0.5) if lit else mix(palette.sky[2], colour, 0.2)
        scene.canvas.paint(windows, pane, opacity=0.85 if lit else 0.4)
    if not scene.watery:
        y = ground + (scene.height - ground) * 0.24
        street = mix(palette.near, palette.sky[0], 0.25)
        scene.canvas.paint([rectangle(-0.01, y, width + 0.01, scene.height + 0.01)], street)
        scene.canvas.mirror(y, street, share=0.55)


def _tower(scene: Scene, x: float, top: float, wide: float, foot: float) -> list[Polygon]:
    body = rectangle(x, top, x + wide, foot)
    roof = scene.rng.choice(("flat", "flat", "flat", "slope", "step", "spire"))
    if roof == "slope":
        return [[(x, foot), (x, top), (x + wide, top - wide * 0.5), (x + wide, foot)]]
    if roof == "step":
        return [body, rectangle(x + wide * 0.15, top - wide * 0.22, x + wide * 0.85, top)]
    if roof == "spire":
        storey = rectangle(x + wide * 0.25, top - wide * 0.4, x + wide * 0.75, top)
        spire = stroke([(x + wide / 2, top), (x + wide / 2, top - wide * 1.2)], 0.004, 0.001)
        return [body, storey, spire]
    return [body]


def _windows(scene: Scene, x: float, top: float, wide: float, foot: float) -> list[Polygon]:
    columns = max(2, round(wide / 0.015))
    cell = wide / (columns + 0.5)
    found: list[Polygon] = []
    for row in range(int((foot - top - 0.01) / (cell * 1.15))):
        for column in range(columns):
            if scene.rng.choice((True, False, False)):
                left, up = x + cell * (0.42 + column), top + cell * (0.6 + 1.15 * row)
                found.append(rectangle(left, up, left + cell * 0.5, up + cell * 0.62))
    return found
