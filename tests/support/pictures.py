"""Pictures made by hand, and what is read from them."""

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from PIL import Image, PngImagePlugin

WIDTH, HEIGHT = 37, 21
C2PA_UUID = bytes.fromhex("63327061 0011 0010 8000 00aa00389b71")
AUTOMATIC = """a fox, (watercolor:1.2), <lora:ink:0.8>
in the snow
Negative prompt: blurry,
low quality
Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 123, Size: 512x768, \
Model hash: 879db523c3, Model: dreamshaper_8, Lora hashes: "ink: 12, x: 34", Version: v1.9.4"""


def encode(image_format: str, *, mode: str = "RGB", **options) -> bytes:
    gradient = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert(mode)
    file = io.BytesIO()
    gradient.save(file, image_format, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def manifest_store(uuid: bytes = C2PA_UUID, size: int = 600) -> bytes:
    """A JUMBF superbox as C2PA 2.2 has it (11.1.4): its description, and a box in it."""
    return box(b"jumb", box(b"jumd", uuid + b"\x03c2pa\0") + box(b"cbor", bytes(size)))


def in_png(store: bytes) -> bytes:
    whole = encode("PNG")
    return whole[:33] + chunk(b"caBX", store) + whole[33:]


def terms(made: Image.Image) -> list[str]:
    packet = ET.fromstring(made.info["xmp"])
    found = packet.iter("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    prefix = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    return [(each.text or "").removeprefix(prefix) for each in found]


def png_with(chunks: Mapping[str, str]) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text)
    return saved("PNG", pnginfo=info)


def saved(image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, image_format, **options)
    return file.getvalue()
