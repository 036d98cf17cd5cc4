"""Sketches of animals."""

from pixyproxy.service.providers.sketching.backdrop import DARK, Place, backdrop, mirrored
from pixyproxy.service.providers.sketching.canvas import (
    WHITE,
    Canvas,
    Colour,
    Point,
    Polygon,
    curve,
    ellipse,
    mix,
    stroke,
)
from pixyproxy.service.providers.sketching.words import Plan

_FUR: dict[str, tuple[Colour, ...]] = {
    "cat": ((232, 148, 74), (112, 118, 138), (240, 226, 206)),
    "dog": ((176, 116, 66), (226, 190, 140), (112, 84, 70)),
    "fox": ((222, 104, 48),),
    "bear": ((120, 82, 58), (166, 120, 84), (96, 96, 112)),
    "rabbit": ((214, 200, 190), (168, 140, 120)),
    "owl": ((128, 98, 84), (74, 104, 138), (206, 120, 70)),
}
FURRY = ("cat", "dog", "fox", "bear", "rabbit")
_ROUND_EAR = ellipse(-0.62, -0.6, 0.3), ellipse(-0.62, -0.6, 0.17)
_LONG_EAR = (
    ellipse(-0.34, -1.15, 0.2, 0.68, turn=-0.16),
    ellipse(-0.34, -1.12, 0.1, 0.5, turn=-0.16),
)
_EARS: dict[str, tuple[list[Point], list[Point]]] = {
    "cat": (
        curve((-0.84, 0.0), (-0.8, -0.5), (-0.9, -1.15), (-0.72, -1.1))
        + curve((-0.7, -1.08), (-0.4, -0.9), (-0.12, -0.55)),
        [(-0.7, -0.3), (-0.72, -0.84), (-0.35, -0.58)],
    ),
    "fox": (
        curve((-0.87, 0.0), (-0.85, -0.5), (-0.98, -1.3), (-0.78, -1.26))
        + curve((-0.76, -1.24), (-0.4, -0.95), (-0.1, -0.5)),
        [(-0.72, -0.35), (-0.77, -1.0), (-0.35, -0.58)],
    ),
    "bear": _ROUND_EAR,
    "rabbit": _LONG_EAR,
}
_FLAP = curve((-0.4, -0.72), (-1.2, -0.85), (-1.12, 0.45), (-0.78, 0.42), (-0.62, -0.2))
_HEADS: dict[str, tuple[Point, ...]] = {
    "fox": ((0, -0.72), (0.75, -0.72), (0.9, -0.1), (1.05, 0.22), (0.4, 0.5), (0, 0.72)),
    "cat": ((0, -0.66), (0.7, -0.68), (0.98, -0.1), (1.0, 0.5), (0.5, 0.7), (0, 0.68)),
}
_ROUND_HEAD = ((0, -0.74), (0.75, -0.76), (0.9, -0.1), (1.0, 0.62), (0.5, 0.74), (0, 0.72))


def animal(canvas: Canvas, plan: Plan) -> None:
    """A furry animal that looks at the viewer."""
    kind = next(kind for kind in FURRY if plan.has(kind))
    backdrop(canvas, plan)
    fur = _coat(canvas, plan, kind)
    shade, pale, near = mix(fur, DARK, 0.4), mix(fur, WHITE, 0.78), plan.palette.near
    at = Place(canvas.width / 2, canvas.height - 0.46, 0.25)
    foot = (canvas.height - at.y) / at.size + 0.1
    canvas.paint([at(ellipse(0, 0.9, 1.15, 1.3))], near, opacity=0.35, blur=0.05)
    body = at(mirrored(curve((0.5, 0.3), (1.0, 0.9), (1.05, foot))))
    canvas.paint([body], fur, shade)
    bib = at(ellipse(0, 1.35, 0.46, 0.75))
    canvas.paint([bib], pale, mix(pale, fur, 0.5), blur=0.006, clip=[body])
    if kind in _EARS:
        outer, inner = _EARS[kind]
        canvas.paint(at.twice(outer), shade if kind == "fox" else fur, fur)
        canvas.paint(at.twice(inner), mix(pale, (230, 120, 120), 0.4), opacity=0.85)
    outline = mirrored(curve(*_HEADS.get(kind, _ROUND_HEAD)))
    shadow = at([(x, y + 0.12) for x, y in outline])
    canvas.paint([shadow], DARK, opacity=0.3, blur=0.015, clip=[body])
    head = at(outline)
    canvas.paint([head], mix(fur, WHITE, 0.1), fur, mix(fur, shade, 0.5))
    _markings(canvas, at, head, kind, (fur, shade, pale))
    canvas.paint(
        at.twice(ellipse(-0.56, 0.28, 0.15, 0.1)), (240, 120, 110), opacity=0.35, blur=0.012
    )
    if max(fur) < 110:  # noqa: PLR2004  dark eyes would not show
        canvas.paint(at.twice(ellipse(0.36, -0.08, 0.18, 0.19)), (238, 214, 110), (190, 200, 80))
    _eyes(canvas, at, 0.36, -0.08, 0.135)
    _snout(canvas, at)
    if kind in ("cat", "rabbit", "fox"):
        hairs = [
            stroke(curve((s * 0.3, y), (s * 0.7, y - 0.05), (s * 1.15, y + lift)), 0.016, 0.004)
            for s in (-1, 1)
            for y, lift in ((0.3, -0.1), (0.37, 0.04), (0.43, 0.16))
        ]
        canvas.paint([at(hair) for hair in hairs], mix(pale, WHITE, 0.5), opacity=0.75)
    if kind == "dog":
        canvas.paint(at.twice(_FLAP), mix(fur, shade, 0.35), shade)


def _coat(canvas: Canvas, plan: Plan, kind: str) -> Colour:
    coat = canvas.rng.choice(_FUR[kind])
    if plan.colours:
        coat = plan.colours[0]
    return mix(coat, plan.palette.sky[0], 0.25 if plan.time == "night" else 0)


def _markings(
    canvas: Canvas, at: Place, head: Polygon, kind: str, coats: tuple[Colour, Colour, Colour]
) -> None:
    _, shade, pale = coats
    if kind == "fox":
        cheek = [
            (-1.1, -0.05),
            *curve((-0.9, -0.1), (-0.3, 0.02), (0, 0.42)),
            (0, 0.9),
            (-1.1, 0.9),
        ]
        canvas.paint(at.twice(cheek), pale, clip=[head])
        return
    if kind == "cat":
        stripes = [
            stroke(curve((x, -0.95), (x * 0.9, -0.6), (x * 0.5, -0.38)), 0.1, 0.02)
            for x in (-0.28, 0, 0.28)
        ]
        for y in (-0.02, 0.2):
            cheek = stroke(curve((-1, y), (-0.8, y + 0.04), (-0.62, y + 0.02)), 0.08, 0.01)
            stripes += [cheek, [(-px, py) for px, py in cheek]]
        canvas.paint([at(stripe) for stripe in stripes], shade, opacity=0.7, clip=[head])
    muzzle = [*at.twice(ellipse(-0.16, 0.36, 0.25, 0.2)), at(ellipse(0, 0.2, 0.22, 0.26))]
    canvas.paint(muzzle, pale, clip=[head])


def _snout(canvas: Canvas, at: Place) -> None:
    tip = curve((0.13, 0.2), (0.06, 0.32), (0, 0.33), (-0.06, 0.32), (-0.13, 0.2))
    nose = at([*curve((-0.13, 0.18), (0, 0.1), (0.13, 0.18)), *tip])
    lip = stroke(curve((0, 0.32), (0.02, 0.48), (0.2, 0.43)), 0.03, 0.015)
    canvas.paint([nose, *at.twice(lip)], DARK)


def _eyes(canvas: Canvas, at: Place, x: float, y: float, r: float) -> None:
    canvas.paint(at.twice(ellipse(x, y, r, r * 1.15)), DARK)
    for side in (-x, x):
        lights = [
            ellipse(side - r * 0.3, y - r * 0.4, r * 0.36),
            ellipse(side + r * 0.35, y + r * 0.45, r * 0.16),
        ]
        canvas.paint([at(light) for light in lights], WHITE, opacity=0.95)


def owl(canvas: Canvas, plan: Plan) -> None:
    """An owl on a branch."""
    backdrop(canvas, plan)
    coat, near = _coat(canvas, plan, "owl"), plan.palette.near
    shade, pale = mix(coat, DARK, 0.45), mix(coat, WHITE, 0.75)
    at = Place(canvas.width / 2, canvas.height - 0.47, 0.26)
    canvas.paint([at(ellipse(0.05, 0.35, 0.95, 1.15))], near, opacity=0.35, blur=0.05)
    side = ((0, -0.86), (0.35, -0.86), (0.62, -1.05), (0.86, -1.3), (0.82, -0.4), (1.15, 0.5))
    body = at(mirrored(curve(*side, (0.8, 1.3), (0, 1.3))))
    canvas.paint([body], mix(coat, WHITE, 0.1), coat, shade)
    canvas.paint([at(ellipse(0, 0.62, 0.55, 0.72))], pale, mix(pale, coat, 0.35), clip=[body])
    feathers = [
        at(stroke(curve((x - 0.09, y), (x, y + 0.11), (x + 0.09, y)), 0.035))
        for row, y in enumerate((0.38, 0.58, 0.78, 0.98))
        for x in ((-0.3, 0, 0.3) if row % 2 else (-0.15, 0.15))
    ]
    canvas.paint(feathers, coat, opacity=0.9)
    wing = curve((-0.78, -0.1), (-1.25, 0.5), (-0.9, 1.3), (-0.42, 1.3))
    wing += curve((-0.42, 1.3), (-0.5, 0.6), (-0.78, -0.1))
    canvas.paint(at.twice(wing), coat, shade)
    canvas.paint(at.twice(ellipse(-0.33, -0.36, 0.36)), pale, mix(pale, coat, 0.3))
    canvas.paint(at.twice(ellipse(-0.31, -0.35, 0.24)), (250, 206, 96), (240, 160, 60))
    _eyes(canvas, at, 0.31, -0.35, 0.15)
    beak = [*curve((-0.1, -0.22), (0, -0.3), (0.1, -0.22)), (0, 0.06)]
    canvas.paint([at(beak)], (250, 180, 70), (214, 120, 40))
    reach = canvas.width * 3
    branch = stroke([(-reach, 1.42), (-1, 1.33), (0.4, 1.36), (reach, 1.22)], 0.17)
    canvas.paint([at(branch)], mix(near, (110, 70, 50), 0.4), near)
    toes = [at(ellipse(s * 0.3 + d, 1.3, 0.07, 0.12)) for s in (-1, 1) for d in (-0.13, 0, 0.13)]
    canvas.paint(toes, (240, 170, 70))


def underwater(canvas: Canvas, plan: Plan) -> None:
    """Fish among weeds and bubbles."""
    rng, width, height = canvas.rng, canvas.width, canvas.height
    near = mix(plan.palette.near, (6, 30, 60), 0.7)
    high: Colour = (120, 220, 224)
    low: Colour = (10, 66, 120)
    if plan.time == "night":
        high, low = (30, 90, 140), (4, 16, 44)
    canvas.ground(mix(high, WHITE, 0.3), high, mix(high, low, 0.6), low)
    for k in range(6):
        x = width * (k + rng.random()) / 6
        ray = [
            (x, -0.05),
            (x + 0.09, -0.05),
            (x - 0.2 - rng.random() * 0.2, height),
            (x - 0.5, height),
        ]
        canvas.paint([ray], WHITE, mix(high, WHITE, 0.5), high, opacity=0.13, blur=0.03)
    for depth in (0.35, 0.7, 1.0):
        weeds: list[Polygon] = []
        x, foot = 0.0, height + 0.02
        while x < width:
            reach, sway = rng.uniform(0.12, 0.34) * (1.3 - 0.4 * depth), rng.uniform(-0.1, 0.1)
            knots = ((x, 0.0), (x + sway, 0.5), (x - sway, 0.8), (x + sway, 1.0))
            weed = curve(*((kx, foot - reach * rise) for kx, rise in knots))
            weeds.append(stroke(weed, 0.03, 0.004))
            x += rng.uniform(0.02, 0.12)
        canvas.paint(weeds, mix(mix(high, low, 0.7), near, depth), near, opacity=0.8)
    coats = plan.colours or ((250, 140, 60), plan.palette.accent, (250, 205, 90), (236, 92, 104))
    for k in range(7):
        x, y = width * rng.uniform(0.08, 0.92), height * rng.uniform(0.1, 0.82)
        place = Place(x, y, rng.uniform(0.03, 0.085), flip=rng.choice((True, False)))
        _fish(canvas, place, mix(coats[k % len(coats)], low, 0.35))
    _fish(canvas, Place(width * 0.52, height * 0.47, 0.27), coats[0])
    for _ in range(round(26 * width)):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.004, 0.018)
        canvas.paint([ellipse(x, y, r)], WHITE, opacity=0.22)
        canvas.paint([ellipse(x - r * 0.3, y - r * 0.35, r * 0.3)], WHITE, opacity=0.8)


def _fish(canvas: Canvas, at: Place, coat: Colour) -> None:
    shade = mix(coat, DARK, 0.35)
    tail = curve((-0.8, 0), (-1.1, -0.2), (-1.45, -0.62))
    tail += curve((-1.45, -0.6), (-1.2, 0), (-1.45, 0.6))
    tail += curve((-1.45, 0.62), (-1.1, 0.2), (-0.8, 0))
    back = curve((-0.5, -0.35), (-0.2, -1.0), (0.3, -0.85), (0.45, -0.4))
    belly = curve((-0.35, 0.35), (-0.3, 0.85), (0.05, 0.8), (0.15, 0.45))
    canvas.paint([at(tail), at(back), at(belly)], mix(coat, WHITE, 0.2), shade)
    body = curve((1.0, 0.02), (0.7, -0.75), (-0.4, -0.62), (-0.95, 0))
    body = at(body + curve((-0.95, 0), (-0.4, 0.62), (0.7, 0.72), (1.0, 0.02)))
    canvas.paint([body], mix(coat, WHITE, 0.15), coat, mix(coat, WHITE, 0.6))
    bands = [stroke(curve((x, -0.7), (x + 0.16, 0), (x, 0.7)), 0.13) for x in (-0.5, -0.05, 0.4)]
    canvas.paint([at(band) for band in bands], mix(coat, WHITE, 0.85), opacity=0.8, clip=[body])
    canvas.paint([at(curve((0.1, 0.08), (-0.4, 0.1), (-0.45, 0.5), (0.08, 0.3)))], shade, coat)
    for x, y, r, colour in (
        (0.68, -0.12, 0.13, WHITE),
        (0.71, -0.12, 0.08, DARK),
        (0.73, -0.15, 0.03, WHITE),
    ):
        canvas.paint([at(ellipse(x, y, r))], colour)
