"""Sketches of people and bouquets."""

import math

from pixyproxy.service.providers.sketching.backdrop import DARK, Place, backdrop, mirrored
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
from pixyproxy.service.providers.sketching.words import Plan

_SKIN: tuple[Colour, ...] = ((250, 214, 186), (226, 172, 130), (170, 112, 76), (110, 70, 50))
_HAIR: tuple[Colour, ...] = ((40, 30, 36), (92, 54, 36), (206, 150, 74), (168, 72, 44))


def portrait(canvas: Canvas, plan: Plan) -> None:
    """A person with closed eyes."""
    rng, palette = canvas.rng, plan.palette
    backdrop(canvas, plan)
    skin = mix(rng.choice(_SKIN), palette.light, 0.1)
    hair = mix(rng.choice(_HAIR), palette.near, 0.25)
    cloth = plan.colours[0] if plan.colours else palette.accent
    dusk = mix(skin, mix(palette.near, (150, 50, 60), 0.5), 0.38)
    at = Place(canvas.width / 2, canvas.height - 0.56, 0.2)
    foot = (canvas.height - at.y) / at.size + 0.1
    canvas.paint([at(ellipse(0, 0.5, 1.4, 1.9))], palette.near, opacity=0.3, blur=0.06)
    if plan.has("woman") or rng.choice((True, False, False)):
        side = (
            (0, -1.32),
            (1.35, -1.45),
            (1.25, -0.2),
            (1.0, 0.7),
            (1.6, 1.5),
            (0.9, 2.2),
            (0, 1.7),
        )
        canvas.paint([at(mirrored(curve(*side)))], hair, mix(hair, DARK, 0.4))
    neck = at(mirrored([(0.3, 0.4), *curve((0.3, 1.0), (0.35, 1.35), (0.8, 1.5)), (0.8, 1.95)]))
    canvas.paint([neck], dusk, skin)
    shoulder = ((0.62, 1.32), (1.2, 1.42), (1.75, 1.6), (1.9, 2.4), (1.95, foot))
    torso = at(mirrored([*curve((0, 1.78), (0.4, 1.76), (0.62, 1.32)), *curve(*shoulder)]))
    canvas.paint([torso], mix(cloth, WHITE, 0.12), cloth, mix(cloth, palette.near, 0.5))
    outline = mirrored(
        curve((0, -1.0), (0.85, -1.05), (0.86, -0.2), (0.82, 0.7), (0.35, 0.96), (0, 0.96))
    )
    canvas.paint(at.twice(ellipse(-0.72, 0.04, 0.11, 0.18)), dusk)
    chin = at([(x, y + 0.2) for x, y in outline])
    canvas.paint([chin], dusk, opacity=0.6, blur=0.012, clip=[neck])
    face = at(outline)
    canvas.paint([face], mix(skin, WHITE, 0.12), skin)
    canvas.paint([at(ellipse(0.75, 0.2, 0.5, 1.1))], dusk, opacity=0.45, blur=0.03, clip=[face])
    _features(canvas, at, dusk, mix(hair, DARK, 0.4))
    fringe = curve(
        (-0.78, 0.0), (-1.15, -1.25), (-0.4, -1.5), (0.5, -1.5), (1.2, -1.2), (0.78, 0.0)
    )
    fringe += curve(
        (0.72, -0.2), (0.7, -0.6), (0.3, -0.72), (-0.1, -0.5), (-0.7, -0.75), (-0.72, -0.2)
    )
    canvas.paint([at(fringe)], mix(hair, palette.light, 0.22), hair)
    strands = [
        at(stroke(curve((x, -1.1), (x + 0.3, -1.0), (x + 0.45, -0.7)), 0.03, 0.006))
        for x in (-0.5, -0.3, -0.1, 0.1)
    ]
    canvas.paint(strands, palette.light, opacity=0.22, clip=[at(fringe)])


def _features(canvas: Canvas, at: Place, dusk: Colour, dark: Colour) -> None:
    canvas.paint(at.twice(ellipse(-0.42, 0.34, 0.17, 0.11)), (235, 96, 92), opacity=0.4, blur=0.012)
    lash = stroke(curve((0.5, 0.02), (0.34, 0.15), (0.17, 0.04)), 0.05, 0.03)
    brow = stroke(curve((0.56, -0.24), (0.36, -0.36), (0.16, -0.25)), 0.045, 0.05)
    canvas.paint([*at.twice(lash), *at.twice(brow)], dark)
    nose = stroke(curve((0.02, -0.1), (0.1, 0.25), (0.12, 0.36), (-0.03, 0.37)), 0.02, 0.035)
    canvas.paint([at(nose)], dusk)
    mouth = curve((-0.2, 0.58), (-0.08, 0.52), (0, 0.56), (0.08, 0.52), (0.2, 0.58))
    mouth += curve((0.2, 0.58), (0, 0.74), (-0.2, 0.58))
    canvas.paint([at(mouth)], mix(dusk, (200, 50, 70), 0.55))


def bouquet(canvas: Canvas, plan: Plan) -> None:
    """Five large flowers."""
    rng, palette = canvas.rng, plan.palette
    backdrop(canvas, plan)
    rosy = mix(palette.sky[1], (240, 90, 130), 0.5)
    coats = plan.colours or (palette.accent, mix(palette.accent, WHITE, 0.4), rosy)
    leaf = mix((52, 112, 84), palette.near, 0.3)
    middle, foot = canvas.width / 2, canvas.height
    heads = (
        (-0.27, 0.56, 0.12),
        (0.29, 0.52, 0.13),
        (-0.14, 0.76, 0.1),
        (0.15, 0.74, 0.11),
        (0, 0.55, 0.16),
    )
    for dx, rise, _ in heads:
        stem = curve(
            (middle + dx * 0.1, foot + 0.03),
            (middle + dx * 0.2, foot - rise * 0.5),
            (middle + dx, foot - rise),
        )
        canvas.paint([stroke(stem, 0.016, 0.01)], mix(leaf, WHITE, 0.15), leaf)
        for (x, y), side in ((stem[7], -1), (stem[11], 1)):
            tip = (x + side * 0.17, y - 0.13)
            blade = curve((x, y), (x + side * 0.04, y - 0.13), tip)
            blade += curve(tip, (x + side * 0.14, y + 0.02), (x, y))
            canvas.paint([blade], mix(leaf, palette.light, 0.3), leaf)
            canvas.paint([stroke([(x, y), tip], 0.004, 0.001)], palette.light, opacity=0.35)
    for k, (dx, rise, r) in enumerate(heads):
        _bloom(
            canvas, (middle + dx, foot - rise), r * rng.uniform(0.95, 1.1), coats[k % len(coats)]
        )


def _bloom(canvas: Canvas, middle: Point, r: float, coat: Colour) -> None:
    x, y = middle
    turn = canvas.rng.uniform(0, 6)
    shadow = ellipse(x, y + r * 0.15, r)
    canvas.paint([shadow], mix(coat, DARK, 0.6), opacity=0.4, blur=r * 0.15)
    for ring, (reach, count) in enumerate(((1.0, 9), (0.74, 8), (0.5, 7), (0.3, 5))):
        colour = mix(mix(coat, DARK, 0.22), mix(coat, WHITE, 0.5), ring / 3)
        for k in range(count):
            a = turn + ring * 0.4 + 2 * math.pi * k / count
            px, py = x + math.cos(a) * r * reach * 0.55, y + math.sin(a) * r * reach * 0.52
            petal = ellipse(px, py, r * reach * 0.48, r * reach * 0.34, turn=a)
            canvas.paint([petal], mix(colour, WHITE, 0.18), mix(colour, coat, 0.4), opacity=0.93)
    canvas.paint([ellipse(x, y, r * 0.13)], (255, 220, 120), (236, 160, 60))
