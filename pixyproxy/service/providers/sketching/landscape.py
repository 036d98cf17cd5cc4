"""Sketches of landscapes: layers from far to near, each a little darker than the one behind."""

from pixyproxy.service.providers.sketching.canvas import Canvas
from pixyproxy.service.providers.sketching.land import dunes, flowers, forest, hills, mountains
from pixyproxy.service.providers.sketching.places import city, water
from pixyproxy.service.providers.sketching.scene import Scene
from pixyproxy.service.providers.sketching.sky import sky, weather
from pixyproxy.service.providers.sketching.words import Plan


def draw_landscape(canvas: Canvas, plan: Plan) -> None:
    """Sky, land and weather."""
    scene = Scene(canvas, plan)
    sky(scene)
    if "mountain" in scene.grounds:
        mountains(scene)
    elif scene.watery:
        hills(scene, scene.horizon - 0.02, 0.05, 0.12, layers=1)
    if "city" in scene.grounds:
        city(scene)
    if "forest" in scene.grounds and scene.watery:
        forest(scene)
    if scene.watery:
        water(scene)
    if "desert" in scene.grounds:
        dunes(scene)
    if "meadow" in scene.grounds or scene.grounds == ["mountain"]:
        hills(scene, scene.horizon + 0.06, 0.1, 0.45, layers=3)
    if "forest" in scene.grounds and not scene.watery:
        forest(scene)
    if plan.has("flower") or ("meadow" in scene.grounds and not plan.has("snow")):
        flowers(scene)
    weather(scene)
