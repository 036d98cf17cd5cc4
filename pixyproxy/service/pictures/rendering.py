"""Pixels: derivatives of an image, and what stands in for it. Runs in threads, and holds no state.

The image has been checked: its pixels are bounded. They are counted again here, for a file may
have changed, and a decoder may see more in it than its header says.
"""

import base64
import logging
from dataclasses import dataclass, fields
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image, ImageFile, PngImagePlugin, features
from PIL import __version__ as pillow_version

from pixyproxy.core.exceptions import UnreadableImageError
from pixyproxy.core.models import ContentType
from pixyproxy.service.pictures.check import MAX_IMAGE_PIXELS
from pixyproxy.service.pictures.provenance import PNG_XMP, make_xmp, read_term
from pixyproxy.service.pictures.thumbhash import thumbhash

logger = logging.getLogger(__name__)

RECIPE = 1
"""Counts what changes the bytes that are made here."""
_HASHED_SIDE = 32
"""ThumbHash has at most seven waves a side: more pixels than this tell it next to nothing."""
_WITH_PROFILE = {"RGB", "RGBA", "P"}
"""A colour profile of another mode does not fit the RGB that is written."""


@dataclass(frozen=True, slots=True)
class DerivativeSpec:
    """A derivative: what is cut from the middle of the image has its shape, and is made smaller."""

    width: int
    height: int
    content_type: ContentType
    quality: int = 0
    """1 to 100; 0 where the format loses nothing."""

    @property
    def name(self) -> str:
        """What a file name has of it: another derivative of the same image has another one."""
        name = f"{self.width}x{self.height}-q{self.quality}"
        for field in _NAMED_IF_SET:
            value = getattr(self, field.name)
            if value != field.default:
                name += f"-{field.name}{value}"
        return f"{name}.{self.content_type.extension}"


_NAMED_ALWAYS = {"width", "height", "content_type", "quality"}
_NAMED_IF_SET = [field for field in fields(DerivativeSpec) if field.name not in _NAMED_ALWAYS]


def recipe() -> str:
    """Return what all bytes made here depend on, beside the image and the spec."""
    codecs = (features.version(name) or "-" for name in ("jpg", "webp", "avif", "zlib"))
    return "/".join((str(RECIPE), pillow_version, *codecs))


def render(data: bytes | memoryview, content_type: ContentType, spec: DerivativeSpec) -> bytes:
    """Return the derivative. Raises UnreadableImageError."""
    try:
        with _opened(data, content_type) as image:
            image.draft("RGB", (spec.width, spec.height))
            pixels = _resized(image, spec)
            options = _metadata(image, spec.content_type)  # a PNG's may follow its pixels
    except Exception as error:  # decoders raise many kinds
        raise UnreadableImageError from error
    out = BytesIO()
    pixels.save(out, spec.content_type.name, **options, **_encoding(spec))
    return out.getvalue()


def placeholder(data: bytes | memoryview, content_type: ContentType) -> str | None:
    """Return the image's ThumbHash in Base64, or None where it cannot be read."""
    try:
        with _opened(data, content_type) as image:
            # Not smaller than needed: JPEG's decoder then has less to do.
            image.draft("RGB", (4 * _HASHED_SIDE, 4 * _HASHED_SIDE))
            scale = _HASHED_SIDE / max(image.size)
            width, height = (max(1, round(side * scale)) for side in image.size)
            pixels = _plain(image).resize((width, height), Image.Resampling.BOX)
            hashed = thumbhash(width, height, pixels.convert("RGBA").tobytes())
    except Exception as error:  # noqa: BLE001  decoders raise many kinds
        logger.warning("an image has no placeholder: %s", type(error).__name__)
        return None
    return base64.b64encode(hashed).decode()


def _opened(data: bytes | memoryview, content_type: ContentType) -> ImageFile.ImageFile:
    image = Image.open(BytesIO(data), formats=[content_type.name])
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise UnreadableImageError
    return image


def _resized(image: Image.Image, spec: DerivativeSpec) -> Image.Image:
    pixels = _plain(image)
    if spec.content_type is ContentType.JPEG and pixels.mode == "RGBA":
        white = Image.new("RGBA", pixels.size, "white")
        pixels = Image.alpha_composite(white, pixels).convert("RGB")
    if pixels.size == (spec.width, spec.height):
        return pixels.copy()  # the file it may still belong to is closed soon
    width, height = pixels.size
    scale = min(width / spec.width, height / spec.height)
    left, top = (width - spec.width * scale) / 2, (height - spec.height * scale) / 2
    return pixels.resize(
        (spec.width, spec.height),
        Image.Resampling.LANCZOS,
        box=(left, top, width - left, height - top),
        reducing_gap=2.0,
    )


def _plain(image: Image.Image) -> Image.Image:
    """Return the first frame's pixels as RGB, or as RGBA where any may be transparent."""
    if image.mode.startswith("I"):  # 16 bits of grey
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _metadata(image: Image.Image, content_type: ContentType) -> dict[str, Any]:
    """Return what is carried over: colours, orientation, and where the picture comes from."""
    info = image.info
    xmp = make_xmp(read_term(info.get("xmp") or b""))
    options: dict[str, Any] = {"icc_profile": None, "exif": b""}
    if image.mode in _WITH_PROFILE:
        options["icc_profile"] = info.get("icc_profile")
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation != 1:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options["exif"] = exif
    if content_type is ContentType.PNG:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt(PNG_XMP, xmp.decode())
        return options | {"pnginfo": chunks}
    return options | {"xmp": xmp}


def _encoding(spec: DerivativeSpec) -> dict[str, Any]:
    match spec.content_type:
        case ContentType.AVIF:
            return {"quality": spec.quality, "speed": 8, "max_threads": 1}
        case ContentType.WEBP:
            return {"quality": spec.quality, "method": 4}
        case ContentType.JPEG:
            return {"quality": spec.quality, "progressive": True, "comment": b""}
        case _:
            return {}
