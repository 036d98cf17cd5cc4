"""The embedded generator: it sketches a prompt on the spot, free and offline."""

import asyncio
import hashlib
import json
import random
import unicodedata
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from pixyproxy import __version__
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.pictures.provenance import ALGORITHMIC, PNG_XMP, make_xmp
from pixyproxy.service.providers import GenerationRequest, ProviderAnswer, ProviderImage
from pixyproxy.service.providers.profiles import SKETCH
from pixyproxy.service.providers.sketching.canvas import Canvas
from pixyproxy.service.providers.sketching.picture import draw
from pixyproxy.service.providers.sketching.words import read

_DEFAULT_SIZE = "1024x1024"
_XMP = make_xmp(ALGORITHMIC)
_SATURATION = {"vivid": 1.2, "natural": 0.85}


class SketchProvider:
    """Draws by Pillow what the prompt's words suggest. Calls no model and costs nothing.

    The same prompt and parameters give the same bytes in one version of PixyProxy; each of
    several images is another one, and the first is the one that would be drawn alone.
    """

    name = "sketch"

    def describe(self) -> str:
        """Say that it is no model."""
        return "the embedded sketch generator (free, offline, no model)"

    def prepare(self, image: GenerationCreate) -> GenerationRequest:
        """Check against the sketch's profile; the model is `sketch`, whatever was asked for."""
        return SKETCH.prepare(image, self.name)

    async def generate(self, request: GenerationRequest, *, call_guid: str) -> ProviderAnswer:
        """Draw in a thread, one after another: it is work for a processor."""
        drawn = [await asyncio.to_thread(_sketch, request, index) for index in range(request.n)]
        return ProviderAnswer(
            images=tuple(ProviderImage(data=data) for data in drawn), model=self.name
        )

    async def check(self) -> str:
        """Nothing can be wrong."""
        return self.describe()

    async def aclose(self) -> None:
        """Nothing is open."""


def _sketch(request: GenerationRequest, index: int) -> bytes:
    parameters = dict(request.parameters)
    size = parameters.get("size", "auto")
    width, height = map(int, (_DEFAULT_SIZE if size == "auto" else size).split("x"))
    identity = [__version__, request.prompt, parameters, *([index] if index else [])]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).digest()
    seed = int.from_bytes(digest)
    rng = random.Random(seed)  # noqa: S311  a picture is no secret
    transparent = parameters.get("background") == "transparent"
    canvas = Canvas(width, height, rng, transparent=transparent)
    draw(canvas, read(request.prompt, rng))
    picture = canvas.finish(saturation=_SATURATION.get(parameters.get("style", ""), 1))
    _write_caption(picture, request.prompt)
    return _encoded(
        picture, parameters.get("output_format", "png"), parameters.get("output_compression")
    )


def caption_lines(prompt: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """What stands under a picture `width` pixels wide; of the prompt, what there is room for."""
    claim = "Sketch by PixyProxy, no model's work"
    words, lines = claim.split(), [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > 1:
        return lines
    # The built-in font draws hardly more than ASCII.
    plain = unicodedata.normalize("NFKD", prompt[:200]).encode("ascii", "ignore").decode()
    for count in range(min(12, len(plain.split())), 0, -1):
        excerpt = " ".join(plain.split()[:count])
        dots = "" if excerpt == " ".join(prompt.split()) else "…"
        quoted = f"{claim}: “{excerpt}{dots}”"
        if font.getlength(quoted) <= min(width, 3 * font.getlength(claim)):
            return [quoted]
    return lines


def _write_caption(picture: Image.Image, prompt: str) -> None:
    width, height = picture.size
    size = max(8, round(min(width, height) / 52))
    loaded = ImageFont.load_default(size)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    font = loaded
    margin, pad = size // 4, max(2, size // 2 - 2)
    text = "\n".join(caption_lines(prompt, width - 2 * margin - 2 * pad, font))
    probe = ImageDraw.Draw(picture)
    left, top, right, bottom = probe.multiline_textbbox((0, 0), text, font=font, spacing=2)
    box = (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad)
    plate = Image.new("RGB", box, (18, 20, 28))
    mask = Image.new("L", box)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, box[0] - 1, box[1] - 1), size // 2, fill=150)
    written = Image.new("L", box)
    ImageDraw.Draw(written).multiline_text(
        (pad - left, pad - top), text, fill=255, font=font, spacing=2
    )
    plate.paste((255, 255, 255), (0, 0), written)
    mask.paste(255, (0, 0), written)
    at = (margin, height - margin - box[1])
    if picture.mode == "RGBA":
        picture.alpha_composite(Image.merge("RGBA", (*plate.split(), mask)), at)
    else:
        picture.paste(plate, at, mask)


def _encoded(picture: Image.Image, output_format: str, compression: int | None) -> bytes:
    out = BytesIO()
    if output_format == "png":
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", "PixyProxy sketch")
        info.add_itxt(PNG_XMP, _XMP.decode())
        picture.save(out, "PNG", compress_level=1, pnginfo=info)
    elif output_format == "jpeg":
        picture.save(out, "JPEG", quality=90 if compression is None else compression, xmp=_XMP)
    else:
        quality = 85 if compression is None else compression
        picture.save(out, "WEBP", quality=quality, method=2, xmp=_XMP)
    return out.getvalue()
