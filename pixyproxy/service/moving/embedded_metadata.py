"""Texts in pictures: PNG's text chunks, EXIF, XMP. Pixels are not decoded."""

import io
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from PIL import Image

from pixyproxy.service.moving.foreign_metadata import ForeignMetadata, read_chunks, read_text

_EXIF_FOLDER = 0x8769
_USER_COMMENT = 0x9286
_IMAGE_DESCRIPTION = 0x010E
_XP_COMMENT = 0x9C9C
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}description"
_ITEM = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
_MAX_XMP_BYTES = 2**20


def read_embedded(data: bytes) -> ForeignMetadata | None:
    """Return what a picture tells of itself, or None where it tells nothing that we can read.

    Whatever is wrong with the texts is no reason not to keep the picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            texts = {
                str(name): value for name, value in image.info.items() if isinstance(value, str)
            }
            return read_chunks(texts) or next(_read_others(image), None)
    except Exception:  # noqa: BLE001  hostile files make parsers raise whatever they like
        return None


def _read_others(image: Image.Image) -> Iterator[ForeignMetadata]:
    exif = image.getexif()
    for value in (
        exif.get_ifd(_EXIF_FOLDER).get(_USER_COMMENT),
        exif.get(_IMAGE_DESCRIPTION),
        exif.get(_XP_COMMENT),
        image.info.get("comment"),
    ):
        if found := read_text(_comment(value)):
            yield found
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if xmp and (found := read_text(_xmp_description(xmp))):
        yield found


def _comment(value: Any) -> str:
    """Return an EXIF comment. Eight bytes name its code (Exif 2.32, UserComment)."""
    if isinstance(value, str):
        return _as_utf8(value)
    if isinstance(value, tuple):  # XPComment, as Pillow gives it
        value = bytes(value)
    if not isinstance(value, bytes):
        return ""
    code, text = value[:8], value[8:]
    if code == b"UNICODE\0":
        # Which end comes first nobody says: most characters are of the first 256.
        is_big = text[::2].count(0) >= text[1::2].count(0)
        return text.decode("utf-16-be" if is_big else "utf-16-le", "replace").strip("\0")
    if code in {b"ASCII\0\0\0", bytes(8)}:
        return text.decode("utf-8", "replace").strip("\0")
    if value[1::2].count(0) > len(value) // 4:
        return value.decode("utf-16-le", "replace").strip("\0")
    return value.decode("utf-8", "replace").strip("\0")


def _as_utf8(text: str) -> str:
    """Return text of EXIF, which is to be ASCII, and is UTF-8 where it is more."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _xmp_description(xmp: bytes | str) -> str:
    data = xmp.encode() if isinstance(xmp, str) else xmp
    if len(data) > _MAX_XMP_BYTES or b"<!" in data:
        return ""  # XMP has no declarations: without them no entity can grow
    root = ET.fromstring(data.strip(b"\0 \r\n\t"))  # noqa: S314
    for node in root.iter(_DUBLIN_CORE):
        items = [item.text or "" for item in node.iter(_ITEM)]
        return next((text for text in items if text.strip()), node.text or "")
    return ""
