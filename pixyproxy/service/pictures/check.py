"""Recognises an image by its own bytes, and sees that it is whole, without decoding it."""

import math
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pixyproxy.core.exceptions import BadGeneratorResponseError
from pixyproxy.core.models import ContentType

MAX_IMAGE_BYTES = 32 * 1024 * 1024
"""No larger file is kept as an image."""
MAX_IMAGE_PIXELS = 50_000_000
"""Nor one whose width times height is more: decoded, it would take 200 MB."""

_MAX_PARTS = 500_000  # more only serve to keep us busy: 32 MiB of GIF has 264,000

# C2PA 2.2, section 11.1.4.2 (what the box is) and appendix A (where each format has it).
_MANIFEST_STORE = re.compile(
    rb"....jumb....jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71", re.DOTALL
)

_Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image's bytes say about it; width and height are in pixels."""

    content_type: ContentType
    width: int
    height: int
    has_content_credentials: bool = False
    """A C2PA manifest store is in it. Whether it is valid nobody has looked."""


def check_image(data: bytes) -> ImageFacts:
    """Give the facts of a whole PNG, JPEG, WebP, GIF or AVIF image of bearable size.

    The structure is walked from signature to end mark, so what merely begins like an image is
    none. Bytes after the end mark are let pass: decoders ignore them, and a paid image is worth
    more than tidiness. They do no harm, since an image is only ever served as the type found here
    (with nosniff). AVIF has no end mark, so that only zeros may follow its last box.

    Raises BadGeneratorResponseError for anything else, and for more than 32 MiB or 50 megapixels.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise BadGeneratorResponseError("The image that the model gave is larger than 32 MiB.")
    content_type, measure = _recognise(data)
    reader = _Reader(data)
    width, height = measure(reader)
    if width <= 0 or height <= 0:
        raise _broken()
    if width * height > MAX_IMAGE_PIXELS:
        raise BadGeneratorResponseError("The image that the model gave exceeds 50 megapixels.")
    return ImageFacts(content_type, width, height, reader.has_content_credentials)


def _broken() -> BadGeneratorResponseError:
    return BadGeneratorResponseError("The image that the model gave is damaged or cut off.")


class _Reader:
    """Hands out the bytes in order; whoever asks for more than there is has a broken image."""

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end
        self.has_content_credentials = False
        self._view = memoryview(data)
        self._parts = 0

    def take(self, size: int) -> memoryview:
        start = self.position
        self.position += size
        self._parts += 1
        if size < 0 or self.position > self.end or self._parts > _MAX_PARTS:
            raise _broken()
        return self._view[start : self.position]

    def look_for_credentials(self, part: memoryview) -> None:
        """Note it where the part is the beginning of a manifest store, a JUMBF box."""
        self.has_content_credentials |= _MANIFEST_STORE.match(part) is not None

    def rest(self) -> memoryview:
        return self._view[self.position : self.end]

    def sub(self, size: int) -> "_Reader":
        self.take(size)
        return _Reader(self.data, self.position - size, self.position)

    def big(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def little(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def expect(self, *allowed: bytes) -> None:
        if self.take(len(allowed[0])) not in allowed:
            raise _broken()


def _png(reader: _Reader) -> _Size:
    """W3C PNG (Third Edition), section 5."""
    reader.expect(b"\x89PNG\r\n\x1a\n")
    reader.expect(b"\x00\x00\x00\x0dIHDR")
    size = reader.big(4), reader.big(4)
    reader.position -= 16
    kind, has_pixels = b"", False
    while kind != b"IEND":
        chunk = reader.take(reader.big(4) + 4)
        if zlib.crc32(chunk) != reader.big(4):
            raise _broken()
        kind = bytes(chunk[:4])
        has_pixels |= kind == b"IDAT"
        if kind == b"caBX":
            reader.look_for_credentials(chunk[4:])
    if not has_pixels:
        raise _broken()
    return size


# In pixel data FF is followed by 00 or a restart marker; before a marker it is padding.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_END, _JPEG_SCAN, _JPEG_APP11 = 0xD9, 0xDA, 0xEB


def _jpeg(reader: _Reader) -> _Size:
    """ITU-T T.81, annex B."""
    reader.expect(b"\xff\xd8")
    width = height = 0
    has_pixels = False
    while found := _JPEG_MARKER.search(reader.data, reader.position):
        reader.position = found.end()
        marker = found[0][1]
        if marker == _JPEG_END:
            break
        segment = reader.sub(reader.big(2) - 2)
        if marker in _JPEG_FRAMES:
            if width:
                raise _broken()
            segment.take(1)
            height, width = segment.big(2), segment.big(2)
        has_pixels |= marker == _JPEG_SCAN
        if marker == _JPEG_APP11:
            reader.look_for_credentials(segment.rest()[8:])
    if not found or not has_pixels:
        raise _broken()
    return width, height


def _webp(reader: _Reader) -> _Size:
    """RFC 9649; the frame header of VP8 is RFC 6386, section 9.1."""
    reader.expect(b"RIFF")
    riff = reader.sub(reader.little(4))
    riff.expect(b"WEBP")
    canvas: _Size | None = None
    has_pixels = False
    while riff.position < riff.end:
        kind, length = bytes(riff.take(4)), riff.little(4)
        chunk = riff.sub(length)
        if length % 2 and riff.position < riff.end:
            riff.take(1)
        if kind == b"VP8X" and canvas is None:
            chunk.take(4)
            canvas = chunk.little(3) + 1, chunk.little(3) + 1
        elif kind in (b"VP8 ", b"VP8L"):
            size = _vp8(chunk) if kind == b"VP8 " else _vp8l(chunk)
            if canvas not in (None, size):
                raise _broken()
            canvas, has_pixels = size, True
        elif kind == b"C2PA":
            reader.look_for_credentials(chunk.rest())
        elif kind == b"ANMF" and canvas is not None:
            left, top = 2 * chunk.little(3), 2 * chunk.little(3)
            if left + chunk.little(3) >= canvas[0] or top + chunk.little(3) >= canvas[1]:
                raise _broken()
            has_pixels = True
    if canvas is None or not has_pixels:
        raise _broken()
    return canvas


def _vp8(chunk: _Reader) -> _Size:
    chunk.take(3)
    chunk.expect(b"\x9d\x01\x2a")
    return chunk.little(2) & 0x3FFF, chunk.little(2) & 0x3FFF


def _vp8l(chunk: _Reader) -> _Size:
    chunk.expect(b"\x2f")
    bits = chunk.little(4)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


_GIF_EXTENSION, _GIF_FRAME, _GIF_END = 0x21, 0x2C, 0x3B
_GIF_C2PA = b"\xff\x0bC2PA_GIF\x01\x00\x00"


def _gif(reader: _Reader) -> _Size:
    """CompuServe GIF89a. A frame may reach beyond the screen: decoders then enlarge the screen."""
    reader.expect(b"GIF87a", b"GIF89a")
    width, height = reader.little(2), reader.little(2)
    _skip_color_table(reader, reader.big(1))
    reader.take(2)
    has_pixels = False
    while (kind := reader.big(1)) != _GIF_END:
        if kind == _GIF_FRAME:
            left, top = reader.little(2), reader.little(2)
            width = max(width, left + reader.little(2))
            height = max(height, top + reader.little(2))
            _skip_color_table(reader, reader.big(1))
            has_pixels = True
        elif kind != _GIF_EXTENSION:
            raise _broken()
        application = kind == _GIF_EXTENSION and bytes(reader.rest()[:13]) == _GIF_C2PA
        reader.take(1)
        while length := reader.big(1):
            block = reader.take(length)
            if application:
                reader.look_for_credentials(block)
    if not has_pixels:
        raise _broken()
    return width, height


def _skip_color_table(reader: _Reader, flags: int) -> None:
    if flags & 0x80:
        reader.take(3 << (flags & 7) + 1)


_AVIF_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"\0\0\0\0manifest\0"


def _avif(reader: _Reader) -> _Size:
    """AV1 Image File Format 1.2; boxes are ISO/IEC 14496-12. A grid's tiles are smaller than it."""
    boxes: dict[bytes, _Reader] = {}
    for kind, box in _boxes(reader):
        boxes.setdefault(kind, box)
        if kind == b"uuid" and bytes(box.rest()[: len(_AVIF_C2PA)]) == _AVIF_C2PA:
            reader.look_for_credentials(box.rest()[len(_AVIF_C2PA) + 8 :])
    if b"meta" not in boxes or b"mdat" not in boxes:
        raise _broken()
    meta = boxes[b"meta"]
    meta.take(4)
    properties = _boxes(_child(_child(meta, b"iprp"), b"ipco"))
    sizes = [_ispe(box) for kind, box in properties if kind == b"ispe"]
    return max(sizes, key=math.prod, default=(0, 0))


def _boxes(reader: _Reader) -> Iterator[tuple[bytes, _Reader]]:
    while reader.position < reader.end and not _only_zeros_follow(reader):
        start = reader.position
        size, kind = reader.big(4), bytes(reader.take(4))
        if size == 1:
            size = reader.big(8)
        yield kind, reader.sub(size - (reader.position - start))


def _only_zeros_follow(reader: _Reader) -> bool:
    start, end = reader.position, reader.end
    return not any(reader.data[start : start + 4]) and not reader.data[start:end].strip(b"\0")


def _child(box: _Reader, kind: bytes) -> _Reader:
    for child_kind, child in _boxes(box):
        if child_kind == kind:
            return child
    raise _broken()


def _ispe(box: _Reader) -> _Size:
    box.take(4)
    return box.big(4), box.big(4)


def _recognise(data: bytes) -> tuple[ContentType, Callable[[_Reader], _Size]]:
    brands = data[8 : int.from_bytes(data[:4], "big")] if data[4:8] == b"ftyp" else b""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ContentType.PNG, _png
    if data.startswith(b"\xff\xd8\xff"):
        return ContentType.JPEG, _jpeg
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ContentType.WEBP, _webp
    if data.startswith((b"GIF87a", b"GIF89a")):
        return ContentType.GIF, _gif
    if b"avif" in brands or b"avis" in brands:
        return ContentType.AVIF, _avif
    raise BadGeneratorResponseError(
        "The model's answer is not an image of a known format (PNG, JPEG, WebP, GIF or AVIF)."
    )
