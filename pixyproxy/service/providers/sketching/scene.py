"""What the parts of a landscape share: where its horizon lies and what lights it."""

import math
from itertools import pairwise

from pixyproxy.service.providers.sketching.canvas import WHITE, Canvas, Colour, Point, mix
from pixyproxy.service.providers.sketching.words import Plan

GROUNDS = ("mountain", "sea", "lake", "forest", "city", "desert", "meadow")


class Scene:
    """A landscape in the making; `scale` is how high things rise on it."""

    def __init__(self, canvas: Canvas, plan: Plan) -> None:
        self.canvas, self.plan, self.rng = canvas, plan, canvas.rng
        self.width, self.height = canvas.width, canvas.height
        self.palette = plan.palette
        self.scale = min(1.5, self.height) ** 0.7
        self.grounds = [ground for ground in GROUNDS if plan.has(ground)] or self._lot()
        self.watery = "sea" in self.grounds or "lake" in self.grounds
        self.horizon = self.height * self.rng.uniform(0.56, 0.63)
        self.light: Point = (
            self.width * self.rng.choice((0.27, 0.36, 0.64, 0.73)),
            self.horizon - self.scale * self.rng.uniform(0.17, 0.36),
        )

    def _lot(self) -> list[str]:
        if self.plan.has("flower"):
            return ["meadow"]
        if self.plan.has("boat", "lighthouse"):
            return ["sea"]
        lots = (["mountain"], ["mountain", "lake"], ["sea"], ["mountain", "forest"], ["meadow"])
        return self.rng.choice(lots)

    def haze(self, colour: Colour, share: float) -> Colour:
        """The colour as it looks through the air at the horizon."""
        return mix(colour, self.palette.sky[2], share)

    def floor(self, nearness: float) -> Colour:
        """The open ground's colour: snow where it lies, else the land's."""
        if not self.plan.has("snow"):
            return self.palette.land(nearness)
        dim = 0.55 if self.plan.time == "night" else 0.3
        return mix(mix(WHITE, self.palette.sky[1], dim), WHITE, 0.35 * nearness)

    def ridge(self, y: float, rise: float, bumps: float) -> list[Point]:
        """A smooth line of hills around `y`."""
        rng = self.rng
        waves = [
            (bumps * f * rng.uniform(0.8, 1.2), rng.uniform(0, 6.3), 1 / f) for f in (1, 2.1, 4.3)
        ]
        steps = round(60 * max(1, self.width))
        line: list[Point] = []
        for step in range(steps + 1):
            x = self.width * (step / steps * 1.04 - 0.02)
            swing = sum(share * math.sin(f * x + phase) for f, phase, share in waves)
            line.append((x, y - rise * swing * 0.45))
        return line

    def below(self, line: list[Point]) -> list[Point]:
        """The area from a line down to the picture's foot."""
        foot = self.height + 0.02
        return [*line, (line[-1][0], foot), (line[0][0], foot)]

    def rough(self, start: Point, end: Point, swing: float) -> list[Point]:
        """A line broken by midpoint displacement."""
        points = [start, end]
        for _ in range(4):
            broken = [points[0]]
            for (x0, y0), (x1, y1) in pairwise(points):
                x = (x0 + x1) / 2 + self.rng.uniform(-0.2, 0.2) * swing
                y = (y0 + y1) / 2 + self.rng.uniform(-0.5, 0.5) * swing
                broken += [(x, y), (x1, y1)]
            points = broken
            swing *= 0.52
        return points
