"""Sketches of the sky: what shines in it, flies in it and falls from it."""

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


def sky(scene: Scene) -> None:
    """Gradient, stars, sun or moon, clouds, and what flies."""
    top, middle, low = scene.palette.sky
    scene.canvas.ground(top, middle, low, bottom=scene.horizon)
    night = scene.plan.time == "night"
    overcast = scene.plan.has("rain", "fog") and not scene.plan.has("sun", "moon")
    if night:
        stars(scene, 260)
    if scene.plan.has("aurora"):
        _aurora(scene)
    if not overcast:
        if night:
            _moon(scene)
        else:
            _sun(scene)
    scene.canvas.clouds(
        mix(low, WHITE, 0 if night else 0.6),
        cells=(2, 6),
        threshold=0.25 if overcast else 0.42,
        opacity=0.25 if night else 0.65,
        bottom=scene.horizon,
    )
    fair = scene.plan.time == "day" and scene.rng.choice((True, True, False))
    if scene.plan.has("cloud") or fair:
        for _ in range(round(3 * scene.width)):
            _cloud(scene)
    if scene.plan.has("balloon"):
        _balloon(scene, scene.width * 0.42, scene.horizon * 0.42, 0.12)
        _balloon(scene, scene.width * 0.74, scene.horizon * 0.24, 0.055)
    elif not night and not overcast:
        _birds(scene)


def stars(scene: Scene, count: int) -> None:
    """Stars of several brightnesses, `count` on a square picture; a few of them sparkle."""
    rng, width, height = scene.rng, scene.width, scene.height
    light = scene.palette.light
    for opacity, size, share in ((0.4, 0.0011, 1.0), (0.8, 0.0016, 0.5), (1, 0.0026, 0.1)):
        spots = [
            ellipse(rng.uniform(0, width), rng.uniform(0, height), size, steps=8)
            for _ in range(round(count * share * width * height))
        ]
        scene.canvas.paint(spots, light, opacity=opacity)
    for _ in range(4):
        x, y = rng.uniform(0, width), rng.uniform(0, height * 0.5)
        r = rng.uniform(0.008, 0.016)
        rays = []
        for ray in range(8):
            reach = r * 0.12 if ray % 2 else r
            angle = ray * math.pi / 4
            rays.append((x + math.cos(angle) * reach, y + math.sin(angle) * reach))
        scene.canvas.glow(x, y, r * 3, light, 0.35)
        scene.canvas.paint([rays], light)


def _aurora(scene: Scene) -> None:
    rng, width, horizon = scene.rng, scene.width, scene.horizon
    for colour in ((94, 242, 178), (120, 200, 255), (190, 120, 255)):
        x0, y0 = rng.uniform(-0.2, 0.1) * width, horizon * rng.uniform(0.4, 0.7)
        knots = [(x0 + width * i / 3, y0 + rng.uniform(-0.3, 0.3) * horizon) for i in range(5)]
        foot = curve(*knots, steps=50)
        top = [(x + 0.06, y - horizon * rng.uniform(0.2, 0.38)) for x, y in foot]
        dim = mix(colour, scene.palette.sky[0], 0.85)
        scene.canvas.paint([foot + top[::-1]], dim, colour, opacity=0.45, blur=0.022)
        edge = mix(colour, WHITE, 0.3)
        scene.canvas.paint([stroke(foot, 0.02)], edge, opacity=0.55, blur=0.014)


def _sun(scene: Scene) -> None:
    x, y = scene.light
    light = scene.palette.light
    low = scene.plan.time in ("sunset", "dawn")
    radius = 0.1 if low else 0.062
    scene.canvas.glow(x, y, radius * 9, light, 0.55)
    scene.canvas.glow(x, y, radius * 3.5, light, 0.6)
    foot = mix(light, scene.palette.accent, 0.35 if low else 0.08)
    scene.canvas.paint([ellipse(x, y, radius)], light, foot)


def _moon(scene: Scene) -> None:
    x, y, radius = scene.light[0], min(scene.light[1], scene.horizon * 0.42), 0.075
    scene.light = (x, y)
    light, dim = scene.palette.light, scene.palette.sky[2]
    scene.canvas.glow(x, y, radius * 7, mix(light, dim, 0.4), 0.5)
    by_lot = scene.rng.choice((True, False)) and not scene.plan.has("full")
    if scene.plan.has("crescent") or by_lot:
        turns = [math.pi * step / 40 for step in range(41)]
        outer = [(x + radius * math.sin(t), y - radius * math.cos(t)) for t in turns]
        inner = [(x + radius * 0.5 * math.sin(t), y - radius * math.cos(t)) for t in turns]
        scene.canvas.paint([outer + inner[::-1]], light)
        return
    disc = ellipse(x, y, radius)
    spots = ((-0.35, -0.3, 0.28), (0.3, 0.15, 0.2), (-0.2, 0.45, 0.16), (0.45, -0.4, 0.12))
    seas = [ellipse(x + radius * dx, y + radius * dy, radius * r) for dx, dy, r in spots]
    scene.canvas.paint([disc], light, mix(light, dim, 0.3))
    scene.canvas.paint(seas, dim, opacity=0.28, blur=0.004, clip=[disc])


def _cloud(scene: Scene) -> None:
    rng = scene.rng
    x, y = rng.uniform(0, scene.width), scene.horizon * rng.uniform(0.12, 0.62)
    span = rng.uniform(0.1, 0.2) * (1.2 - 0.7 * y / scene.horizon)
    puffs = [ellipse(x, y, span, span * 0.13)]
    for i in range(7):
        r = span * (0.36 - 0.075 * abs(i - 3)) * rng.uniform(0.75, 1.15)
        puffs.append(ellipse(x + (i - 3) / 3.4 * span, y - r * 0.35, r))
    above_foot = rectangle(x - span * 2, y - span * 2, x + span * 2, y + span * 0.06)
    _, middle, low = scene.palette.sky
    night = scene.plan.time == "night"
    bright = mix(low, middle, 0.3) if night else mix(scene.palette.light, WHITE, 0.5)
    scene.canvas.paint(
        puffs,
        bright,
        mix(bright, low, 0.5),
        mix(low, middle, 0.35),
        opacity=0.5 if night else 0.86,
        clip=[above_foot],
        blur=0.003,
    )


def _birds(scene: Scene) -> None:
    rng = scene.rng
    x, y = scene.width * rng.uniform(0.2, 0.75), scene.horizon * rng.uniform(0.22, 0.5)
    wings: list[Polygon] = []
    for _ in range(rng.randint(4, 7)):
        bx, by = x + rng.uniform(-0.14, 0.14), y + rng.uniform(-0.06, 0.06)
        s = rng.uniform(0.009, 0.017)
        for side in (-1, 1):
            tip = (bx + side * s, by - s * rng.uniform(0.2, 0.5))
            wing = curve((bx, by), (bx + side * s * 0.5, by - s * 0.8), tip)
            wings.append(stroke(wing, s * 0.22, 0.0005))
    scene.canvas.paint(wings, scene.palette.near, opacity=0.75)


def _balloon(scene: Scene, x: float, y: float, r: float) -> None:
    light, near = scene.palette.light, scene.palette.near
    skin = scene.plan.colours[0] if scene.plan.colours else scene.palette.accent
    angles = [math.pi * (0.86 + 1.28 * step / 40) for step in range(41)]
    hull = [(x + r * math.cos(a), y + r * math.sin(a)) for a in angles]
    hull += [(x + r * 0.22, y + r * 1.3), (x - r * 0.22, y + r * 1.3)]
    paint = scene.canvas.paint
    paint([hull], mix(skin, light, 0.25), skin)
    pale = mix(skin, light, 0.75)
    for share, colour in ((0.72, pale), (0.3, skin)):
        gore = ellipse(x, y + r * 0.1, r * share, r * 1.5)
        paint([gore], mix(colour, light, 0.2), colour, clip=[hull], opacity=0.9)
    shade = ellipse(x + r * 0.75, y + r * 0.2, r * 0.7, r * 1.3)
    paint([shade], near, opacity=0.3, blur=r * 0.2, clip=[hull])
    ropes = [
        stroke([(x + s * r * 0.2, y + r * 1.3), (x + s * r * 0.13, y + r * 1.55)], r * 0.02)
        for s in (-1, 1)
    ]
    basket = rectangle(x - r * 0.15, y + r * 1.53, x + r * 0.15, y + r * 1.78)
    paint([*ropes, basket], mix(near, skin, 0.2))


def weather(scene: Scene) -> None:
    """Fog, snow or rain in front of all."""
    rng, width, height = scene.rng, scene.width, scene.height
    paint, area = scene.canvas.paint, width * height
    if scene.plan.has("fog"):
        scene.canvas.clouds(
            scene.palette.sky[2],
            cells=(2, 4),
            threshold=0.2,
            opacity=0.8,
            top=scene.horizon - 0.3,
            bottom=height + 0.2,
        )
    if scene.plan.has("snow"):
        for size, count, blur in ((0.0025, 260, 0), (0.006, 60, 0.002), (0.013, 14, 0.006)):
            flakes = [
                ellipse(
                    rng.uniform(0, width),
                    rng.uniform(0, height),
                    size * rng.uniform(0.6, 1.2),
                    steps=12,
                )
                for _ in range(round(count * area))
            ]
            paint(flakes, WHITE, opacity=0.75, blur=blur)
    if scene.plan.has("rain"):
        for length, count, opacity in ((0.05, 220, 0.22), (0.1, 90, 0.3)):
            drops: list[Polygon] = []
            for _ in range(round(count * area)):
                x, y = rng.uniform(0, width * 1.1), rng.uniform(-0.1, height)
                drops.append(stroke([(x, y), (x - length * 0.22, y + length)], 0.0008, 0.0022))
            paint(drops, mix(scene.palette.light, WHITE, 0.5), opacity=opacity)
