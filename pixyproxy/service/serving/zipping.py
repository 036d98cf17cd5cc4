"""Many images as one zip file, made while it is sent."""

import io
import json
import zipfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from pixyproxy.core.models import ImageDetail
from pixyproxy.service.serving.content import Content

DETAILS_NAME = "images.json"
"""The member that tells the prompts and all else that is known of the images."""
_CHUNK_BYTES = 256 * 1024
_EARLIEST_YEAR = 1980

OpenContent = Callable[[ImageDetail], Awaitable[Content]]


class _Outlet(io.RawIOBase):
    """Takes what the zip file's writer writes, until it is taken away."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._chunks.append(bytes(data))  # type: ignore[call-overload]
        return len(self._chunks[-1])

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken


async def zip_images(
    images: Sequence[ImageDetail], open_content: OpenContent
) -> AsyncGenerator[bytes, None]:
    """Yield a zip file of the images' files, as they are, and of what is known of them.

    One image's bytes are in memory at a time, or a part of them. Raises ImageStoreError.
    """
    outlet = _Outlet()
    # Pictures are compressed already.
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        details = [image.model_dump(mode="json") for image in images]
        archive.writestr(DETAILS_NAME, json.dumps(details, ensure_ascii=False, indent=2))
        for image in images:
            content = await open_content(image)
            with archive.open(_member(image), "w", force_zip64=True) as member:
                async for chunk in _chunks(content):
                    member.write(chunk)
                    yield outlet.take()
            yield outlet.take()
    yield outlet.take()


def _member(image: ImageDetail) -> zipfile.ZipInfo:
    kept_at = image.created_at
    moment = (max(kept_at.year, _EARLIEST_YEAR), *kept_at.timetuple()[1:6])
    member = zipfile.ZipInfo(image.filename, moment)
    member.external_attr = 0o644 << 16
    return member


async def _chunks(content: Content) -> AsyncGenerator[bytes | memoryview, None]:
    if content.data is not None:
        yield content.data
        return
    assert content.stream is not None
    async for chunk in content.stream(0, content.byte_size):
        yield chunk
