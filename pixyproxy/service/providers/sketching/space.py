"""Sketches of outer space."""

import math

from pixyproxy.service.providers.sketching.canvas import (
    WHITE,
    Canvas,
    Colour,
    Point,
    curve,
    ellipse,
    mix,
    stroke,
)
from pixyproxy.service.providers.sketching.scene import Scene
from pixyproxy.service.providers.sketching.sky import stars
from pixyproxy.service.providers.sketching.words import Plan

_VOID: Colour = (5, 5, 18)
_NEBULAE: tuple[Colour, ...] = ((110, 60, 190), (30, 90, 180), (190, 50, 110), (20, 130, 140))


def space(canvas: Canvas, plan: Plan) -> None:
    """A planet and its moons before a nebula."""
    rng, width, height = canvas.rng, canvas.width, canvas.height
    hue, other = rng.choice(_NEBULAE), plan.palette.accent
    if plan.colours:
        hue = plan.colours[0]
        other = plan.colours[-1] if len(plan.colours) > 1 else mix(hue, other, 0.6)
    canvas.ground(mix(hue, _VOID, 0.88), mix(hue, _VOID, 0.76), _VOID)
    shine = mix(other, WHITE, 0.5)
    for colour, clear, opacity in ((hue, 0.3, 0.8), (other, 0.46, 0.6), (shine, 0.58, 0.5)):
        canvas.clouds(
            colour, cells=(3, 3), threshold=clear, opacity=opacity, top=-0.2, bottom=height + 0.2
        )
    stars(Scene(canvas, plan), 420)
    x, y = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.42, 0.56)
    r, tilt = rng.uniform(0.2, 0.26), rng.choice((-1, 1)) * rng.uniform(0.25, 0.45)
    planet, coat = ellipse(x, y, r), mix(other, WHITE, 0.25)
    ringed = plan.has("ring") or rng.choice((True, True, False))
    canvas.glow(x, y, r * 2.1, mix(coat, WHITE, 0.2), 0.5)
    if ringed:
        _ring(canvas, (x, y), r, tilt, coat, front=False)
    canvas.paint([planet], mix(coat, WHITE, 0.35), coat, mix(coat, hue, 0.6))
    for k in range(7):
        level = r * (-0.85 + 0.27 * k + rng.uniform(-0.05, 0.05))
        sag = level + r * 0.14
        band = curve((-r * 1.1, level), (-r * 0.3, sag), (r * 0.3, sag), (r * 1.1, level))
        brush = stroke(_turned(band, (x, y), tilt), r * rng.uniform(0.05, 0.15))
        tint = mix(hue, WHITE, 0.4) if k % 2 else hue
        canvas.paint([brush], tint, opacity=0.4, blur=0.004, clip=[planet])
    _night_side(canvas, x, y, r)
    canvas.glow(x - r * 0.45, y - r * 0.45, r * 0.6, WHITE, 0.35)
    if ringed:
        _ring(canvas, (x, y), r, tilt, coat, front=True)
    for side, share in ((-1, 0.2), (1, 0.11)):
        mx = x + side * r * rng.uniform(1.5, 1.8)
        my = y - side * r * rng.uniform(0.9, 1.3)
        canvas.paint([ellipse(mx, my, r * share)], mix(hue, WHITE, 0.75), mix(hue, WHITE, 0.5))
        _night_side(canvas, mx, my, r * share)


def _night_side(canvas: Canvas, x: float, y: float, r: float) -> None:
    shadow = ellipse(x + r * 0.62, y + r * 0.5, r * 1.12)
    canvas.paint([shadow], _VOID, opacity=0.78, blur=r * 0.22, clip=[ellipse(x, y, r)])


def _turned(points: list[Point], middle: Point, tilt: float) -> list[Point]:
    cos, sin = math.cos(tilt), math.sin(tilt)
    return [(middle[0] + a * cos - b * sin, middle[1] + a * sin + b * cos) for a, b in points]


def _ring(
    canvas: Canvas, middle: Point, r: float, tilt: float, colour: Colour, *, front: bool
) -> None:
    start = 0 if front else math.pi
    angles = [start + math.pi * step / 70 for step in range(71)]
    for reach, wide, opacity in ((1.45, 0.12, 0.5), (1.68, 0.2, 0.75), (1.9, 0.07, 0.4)):
        inner, outer = (
            [(r * edge * math.cos(a), r * edge * 0.27 * math.sin(a)) for a in angles]
            for edge in (reach - wide / 2, reach + wide / 2)
        )
        band = _turned(inner + outer[::-1], middle, tilt)
        canvas.paint([band], mix(colour, WHITE, 0.45), opacity=opacity)
