"""Takes the picture of the gallery that the README shows: python -m scripts.gallery_picture.

Sketches are drawn by a service of its own in a folder that is thrown away.
"""

import io
import shutil
import tempfile
from pathlib import Path

import httpx2
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.support.servers import ROOT, Service

PICTURE = ROOT / "docs/gallery.webp"
VIEWPORT = {"width": 1360, "height": 860}
WIDE, HIGH, SQUARE, LONG = "1536x1024", "1024x1536", "1024x1024", "1792x1024"
PROMPTS = [
    ("a horse on a beach, seen from above", WIDE),
    ("geometric shapes, calm colours", SQUARE),
    ("a castle in the mist", WIDE),
    ("a whale under a ship", WIDE),
    ("a cat asleep on a windowsill", HIGH),
    ("a forest path in autumn", WIDE),
    ("a desert with three camels, early morning", WIDE),
    ("an owl on a branch by moonlight", HIGH),
    ("a balloon above the hills", HIGH),
    ("abstract composition in red and blue, soft light", WIDE),
    ("a red fox in the snow", WIDE),
    ("a lighthouse at night", HIGH),
    ("a city skyline at sunset", LONG),
    ("a garden in spring rain", HIGH),
    ("a portrait of an old fisherman", WIDE),
    ("mountains at dawn, with a lake", WIDE),
]
FAVOURITES = {"a red fox in the snow", "mountains at dawn, with a lake"}


def fill(service: Service) -> None:
    """Have the pictures drawn."""
    with httpx2.Client(base_url=service.origin, timeout=120, trust_env=False) as client:
        for prompt, size in PROMPTS:
            body = {"prompt": prompt, "size": size, "output_format": "webp"}
            image = client.post("/image", json=body).raise_for_status().json()
            if prompt in FAVOURITES:
                client.patch(f"/image/{image['guid']}", json={"add_tags": ["favorite"]})


def take(service: Service) -> bytes:
    """Return the page as a PNG, once all pictures in sight have come."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=VIEWPORT, device_scale_factor=1.5)
        page.goto(service.origin)
        expect(page.locator(".tile.loaded")).to_have_count(len(PROMPTS), timeout=120_000)
        page.get_by_role("textbox", name="Prompt").fill("a bridge over a river in fog")
        picture = page.screenshot()
        browser.close()
    return picture


def main() -> None:
    """Write the picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Service(Path(folder), generator="sketch") as service,
    ):
        fill(service)
        picture = Image.open(io.BytesIO(take(service)))
        picture.save(PICTURE, quality=82, method=6)


if __name__ == "__main__":
    main()
