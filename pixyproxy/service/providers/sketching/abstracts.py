"""Sketches of nothing in particular: compositions by lot, for prompts whose words are unknown."""

import math

from pixyproxy.service.providers.sketching.canvas import (
    Canvas,
    Polygon,
    curve,
    ellipse,
    mix,
    rectangle,
    stroke,
)
from pixyproxy.service.providers.sketching.words import Palette, Plan


def draw_abstract(canvas: Canvas, plan: Plan) -> None:
    """One of four compositions."""
    canvas.rng.choice((ribbons, orbs, tiles, bloom))(canvas, plan.palette)


def ribbons(canvas: Canvas, palette: Palette) -> None:
    """Broad bands that flow across, one in front of the other."""
    rng, width, height = canvas.rng, canvas.width, canvas.height
    top, middle, low = palette.sky
    canvas.ground(low, mix(low, middle, 0.6))
    x, y, r = width * rng.uniform(0.25, 0.75), height * rng.uniform(0.2, 0.36), 0.14
    canvas.glow(x, y, 0.7, palette.light, 0.7)
    canvas.paint([ellipse(x, y, r)], palette.light, mix(palette.accent, palette.light, 0.25))
    colours = [middle, palette.far, palette.accent, top, mix(top, palette.near, 0.5), palette.near]
    phase, pull = rng.uniform(0, 6.3), rng.uniform(1.6, 3)
    for i, colour in enumerate(colours):
        base = height * (0.36 + 0.105 * i)
        swing = height * (0.13 - 0.012 * i)
        line = []
        for k in range(121):
            px = width * (k / 120 * 1.04 - 0.02)
            t = px / width
            line.append(
                (
                    px,
                    base
                    + swing * math.sin(pull * t * 2.2 + phase + i * 0.55)
                    + swing * 0.4 * math.sin(pull * t * 4.7 + phase * 2 - i),
                )
            )
        area = [*line, (width * 1.02, height + 0.02), (-0.02, height + 0.02)]
        shadow = [(px, py - 0.015) for px, py in line]
        canvas.paint([stroke(shadow, 0.05)], palette.near, opacity=0.3, blur=0.03)
        canvas.paint(
            [area], mix(colour, palette.light, 0.28), colour, mix(colour, palette.near, 0.45)
        )
        canvas.paint([stroke(line, 0.004)], palette.light, opacity=0.45)


def orbs(canvas: Canvas, palette: Palette) -> None:
    """Spheres of light and fine circles around them."""
    rng, width, height = canvas.rng, canvas.width, canvas.height
    top, middle, low = palette.sky
    canvas.ground(mix(top, palette.near, 0.55), mix(top, palette.near, 0.2), mix(middle, top, 0.5))
    canvas.clouds(middle, cells=(3, 3), threshold=0.4, opacity=0.35)
    colours = [palette.accent, low, middle, palette.light, palette.far]
    spheres = sorted(rng.uniform(0.05, 0.3) ** 1.15 for _ in range(9))[::-1]
    for i, r in enumerate(spheres):
        x, y = width * rng.uniform(0.12, 0.88), height * rng.uniform(0.15, 0.85)
        colour = colours[i % len(colours)]
        disc = ellipse(x, y, r)
        canvas.paint(
            [ellipse(x + r * 0.1, y + r * 0.3, r)], palette.near, opacity=0.4, blur=r * 0.2 + 0.005
        )
        canvas.paint(
            [disc], mix(colour, palette.light, 0.45), colour, mix(colour, palette.near, 0.55)
        )
        canvas.paint(
            [ellipse(x + r * 0.35, y + r * 0.4, r * 0.95)],
            palette.near,
            opacity=0.3,
            blur=r * 0.35,
            clip=[disc],
        )
        canvas.paint(
            [ellipse(x - r * 0.35, y - r * 0.4, r * 0.42, r * 0.32, turn=-0.7)],
            palette.light,
            opacity=0.6,
            blur=r * 0.16,
            clip=[disc],
        )
        if i in range(4):
            canvas.paint(
                [stroke([*ellipse(x, y, r * 1.3, steps=120), (x + r * 1.3, y)], 0.0025)],
                palette.light,
                opacity=0.4,
            )


def tiles(canvas: Canvas, palette: Palette) -> None:
    """A quilt of quarter circles, after the Bauhaus."""
    rng = canvas.rng
    top, middle, low = palette.sky
    colours = [top, middle, low, palette.light, palette.far, palette.near, palette.accent]
    canvas.ground(low)
    side = 1 / rng.choice((3, 4, 5))
    shapes: dict[int, list[Polygon]] = {k: [] for k in range(len(colours))}
    grounds: dict[int, list[Polygon]] = {k: [] for k in range(len(colours))}
    for column in range(math.ceil(canvas.width / side)):
        for row in range(math.ceil(canvas.height / side)):
            x, y = column * side, row * side
            back, front, third = rng.sample(range(len(colours)), 3)
            grounds[back].append(rectangle(x, y, x + side, y + side))
            corner = rng.randrange(4)
            cx, cy = x + side * (corner % 2), y + side * (corner // 2)
            kind = rng.choice(("arc", "arc", "arcs", "disc", "wedge"))
            if kind in ("arc", "arcs"):
                shapes[front].append(_quarter(cx, cy, side, corner))
                if kind == "arcs":
                    shapes[third].append(_quarter(cx, cy, side * 0.5, corner))
            elif kind == "disc":
                shapes[front].append(ellipse(x + side / 2, y + side / 2, side * 0.36))
            else:
                shapes[front].append([(cx, cy), (2 * x + side - cx, cy), (cx, 2 * y + side - cy)])
    for painted in (grounds, shapes) if canvas.coverage is None else (shapes,):
        for k, polygons in painted.items():
            canvas.paint(
                polygons, mix(colours[k], palette.light, 0.12), mix(colours[k], palette.near, 0.1)
            )
    canvas.glow(
        canvas.width * rng.random(), 0, max(canvas.width, canvas.height), palette.light, 0.3
    )


def _quarter(x: float, y: float, r: float, corner: int) -> Polygon:
    dx, dy = 1 - 2 * (corner % 2), 1 - 2 * (corner // 2)
    arc = [
        (x + dx * r * math.cos(a), y + dy * r * math.sin(a))
        for a in (i / 40 * math.pi / 2 for i in range(41))
    ]
    return [(x, y), *arc]


def bloom(canvas: Canvas, palette: Palette) -> None:
    """Translucent petals around a middle."""
    rng, width, height = canvas.rng, canvas.width, canvas.height
    top, middle, low = palette.sky
    canvas.ground(mix(low, palette.light, 0.4), low, mix(low, middle, 0.5))
    x, y = width * 0.5, height * 0.48
    canvas.glow(x, y, 0.9, palette.light, 0.7)
    petals = rng.choice((7, 9, 11, 13))
    colours = [top, middle, palette.accent, palette.far]
    bend = rng.uniform(-0.5, 0.5)
    for ring in range(4):
        reach = 0.47 - 0.1 * ring
        for k in range(petals):
            a = 2 * math.pi * (k + 0.5 * ring) / petals + bend * ring
            tip = (x + math.cos(a + bend) * reach, y + math.sin(a + bend) * reach)
            sides = [
                (x + math.cos(a + spread) * reach * 0.75, y + math.sin(a + spread) * reach * 0.75)
                for spread in (-0.55, 0.65)
            ]
            petal = curve((x, y), sides[0], tip) + curve(tip, sides[1], (x, y))
            colour = colours[(ring + k % 2 * 2) % len(colours)]
            canvas.paint([petal], mix(colour, palette.light, 0.4), colour, opacity=0.42)
    canvas.paint([ellipse(x, y, 0.05)], palette.light, palette.accent)
    dots = [
        ellipse(
            x + math.cos(k * 2.39996) * 0.012 * math.sqrt(k) * 4.4,
            y + math.sin(k * 2.39996) * 0.012 * math.sqrt(k) * 4.4,
            0.0035,
            steps=12,
        )
        for k in range(90, 150)
    ]
    canvas.paint(dots, palette.near, opacity=0.35)
