"""Content credentials (C2PA) are found where each format has them, and nowhere else."""

import struct

import httpx2
import pytest

from pixyproxy.service.pictures.check import check_image
from tests.support.clients import draw
from tests.support.graphql import data as graphql
from tests.support.model_server import ModelServer, image, picture
from tests.support.pictures import C2PA_UUID, box, chunk, encode, in_png, manifest_store

BMFF_UUID = bytes.fromhex("d8fec3d6 1b0e 483c 9297 5828877ec481")


def in_jpeg(store: bytes, *, identifier: bytes = b"JP") -> bytes:
    segments = b""
    for number, start in enumerate(range(0, len(store), 500), 1):
        again = store[:8] if start else b""  # each segment repeats the box's header
        payload = identifier + struct.pack(">HI", 1, number) + again + store[start : start + 500]
        segments += b"\xff\xeb" + struct.pack(">H", len(payload) + 2) + payload
    whole = encode("JPEG")
    return whole[:2] + segments + whole[2:]


def in_webp(store: bytes) -> bytes:
    whole = encode("WEBP")
    body = whole[8:] + b"C2PA" + struct.pack("<I", len(store)) + store + bytes(len(store) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def in_gif(store: bytes) -> bytes:
    blocks = b"".join(
        bytes([len(part)]) + part
        for part in (store[start : start + 255] for start in range(0, len(store), 255))
    )
    whole = encode("GIF")
    at = 13 + (3 << (whole[10] & 7) + 1 if whole[10] & 0x80 else 0)
    return whole[:at] + b"\x21\xff\x0bC2PA_GIF\x01\0\0" + blocks + b"\0" + whole[at:]


def in_avif(store: bytes, *, purpose: bytes = b"manifest\0") -> bytes:
    whole = encode("AVIF")
    end = int.from_bytes(whole[:4], "big")
    content = BMFF_UUID + bytes(4) + purpose + bytes(8) + store
    return whole[:end] + box(b"uuid", content) + whole[end:]


EVERY = {"png": in_png, "jpeg": in_jpeg, "webp": in_webp, "gif": in_gif, "avif": in_avif}


@pytest.mark.parametrize("name", EVERY)
def test_they_are_found(name: str) -> None:
    assert check_image(EVERY[name](manifest_store())).has_content_credentials


@pytest.mark.parametrize("name", EVERY)
def test_what_is_no_manifest_store_is_none(name: str) -> None:
    put_in = EVERY[name]
    assert not check_image(encode(name.upper())).has_content_credentials
    for other in (manifest_store(uuid=bytes(16)), b"c2pa", C2PA_UUID * 3, bytes(40)):
        assert not check_image(put_in(other)).has_content_credentials


def test_another_place_is_none() -> None:
    store = manifest_store()
    whole = encode("PNG")
    text = whole[:33] + chunk(b"tEXt", b"c2pa\0" + store) + whole[33:]
    for data in (text, whole + store, in_avif(store, purpose=b"merkle\0\0\0")):
        assert not check_image(data).has_content_credentials


@pytest.mark.parametrize("has", [True, False])
async def test_both_faces_tell(
    client: httpx2.AsyncClient, model_server: ModelServer, *, has: bool
) -> None:
    data = in_png(manifest_store()) if has else picture(8, 8)
    model_server.answer_with(image(data=data))
    made = await draw(client, "a fox")
    assert made["has_content_credentials"] is has
    query = f'{{ image(guid: "{made["guid"]}") {{ hasContentCredentials thumbhash }} }}'
    shown = (await graphql(client, query))["image"]
    assert shown == {"hasContentCredentials": has, "thumbhash": made["thumbhash"]}
    assert (await client.get(f"/image/{made['guid']}/content")).content == data
