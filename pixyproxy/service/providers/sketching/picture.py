"""Which kind of sketch a prompt gets."""

from collections.abc import Callable

from pixyproxy.service.providers.sketching.abstracts import draw_abstract
from pixyproxy.service.providers.sketching.animals import FURRY, animal, owl, underwater
from pixyproxy.service.providers.sketching.canvas import Canvas
from pixyproxy.service.providers.sketching.landscape import draw_landscape
from pixyproxy.service.providers.sketching.people import bouquet, portrait
from pixyproxy.service.providers.sketching.scene import GROUNDS
from pixyproxy.service.providers.sketching.space import space
from pixyproxy.service.providers.sketching.words import Plan

_FIGURES: dict[str, Callable[[Canvas, Plan], None]] = {
    "fish": underwater,
    **dict.fromkeys(FURRY, animal),
    "owl": owl,
    "portrait": portrait,  # after the animals: a cat's portrait shows the cat
    "space": space,
}


def draw(canvas: Canvas, plan: Plan) -> None:
    """The subject that the prompt names, else its landscape, else an abstract."""
    for motif, draw_figure in _FIGURES.items():
        if plan.has(motif):
            draw_figure(canvas, plan)
            return
    if plan.has("flower") and not plan.has(*GROUNDS, "view"):
        bouquet(canvas, plan)
    elif plan.motifs:
        draw_landscape(canvas, plan)
    else:
        draw_abstract(canvas, plan)
