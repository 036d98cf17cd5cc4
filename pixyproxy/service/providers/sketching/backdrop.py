"""What stands behind a figure, and where the figure stands."""

from pixyproxy.service.providers.sketching.canvas import (
    Canvas,
    Colour,
    Point,
    Polygon,
    ellipse,
    mix,
)
from pixyproxy.service.providers.sketching.landscape import draw_landscape
from pixyproxy.service.providers.sketching.scene import GROUNDS
from pixyproxy.service.providers.sketching.words import Plan

DARK: Colour = (32, 26, 34)


class Place:
    """Where a figure is: a polygon in its coordinates (middle 0, 0) becomes one of the canvas."""

    def __init__(self, x: float, y: float, size: float, *, flip: bool = False) -> None:
        self.x, self.y, self.size = x, y, size
        self._side = -size if flip else size

    def __call__(self, polygon: Polygon) -> list[Point]:
        return [(self.x + px * self._side, self.y + py * self.size) for px, py in polygon]

    def twice(self, polygon: Polygon) -> list[Polygon]:
        """The shape and its mirror image."""
        return [self(polygon), self([(-px, py) for px, py in polygon])]


def mirrored(half: list[Point]) -> list[Point]:
    """The whole outline of which `half` is the right side."""
    return half + [(-x, y) for x, y in reversed(half)]


def backdrop(canvas: Canvas, plan: Plan) -> None:
    """The landscape that the words name, or a plain ground with a disc."""
    if plan.has(*GROUNDS, "snow", "rain", "night", "moon", "sunset", "sun", "view"):
        draw_landscape(canvas, plan)
        return
    top, middle, low = plan.palette.sky
    rng, width, height = canvas.rng, canvas.width, canvas.height
    canvas.ground(mix(middle, low, 0.3), low, mix(low, middle, 0.4))
    y = height - 0.5
    canvas.glow(width / 2, y, 0.8, plan.palette.light, 0.6)
    disc = mix(middle, top, 0.35), mix(middle, plan.palette.accent, 0.35)
    canvas.paint([ellipse(width / 2, y, 0.4)], *disc, opacity=0.9)
    confetti = [
        ellipse(rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.003, 0.009))
        for _ in range(round(26 * width * height))
    ]
    canvas.paint(confetti, plan.palette.light, opacity=0.8)
