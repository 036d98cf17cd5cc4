"""From an image's bytes to its ImageDetail: the one place where what is kept of a file is found."""

import asyncio
import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pixyproxy.core.exceptions import BadGeneratorResponseError
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.text import make_filename
from pixyproxy.data.files.store import Digest
from pixyproxy.service.pictures.check import check_image
from pixyproxy.service.pictures.rendering import placeholder

HASHED_AT_ONCE = 2
"""How many images are decoded at once for their thumbhash: one of 50 megapixels takes 200 MB."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What an image's file says by itself; each is a field of ImageDetail."""

    content_type: ContentType
    width: int
    height: int
    byte_size: int
    sha256: str
    has_content_credentials: bool

    def describe(
        self,
        *,
        guid: str,
        prompt: str,
        model: str,
        created_at: datetime,
        parameters: dict[str, Any],
        revised_prompt: str | None = None,
        generation_guid: str | None = None,
        filename_from: str | None = None,
    ) -> ImageDetail:
        """Return the image, without its thumbhash.

        Its file name comes from `filename_from`, or from the prompt where there is none.
        """
        return ImageDetail(
            guid=guid,
            filename=make_filename(
                prompt if filename_from is None else filename_from,
                created_at,
                guid,
                self.content_type.extension,
            ),
            prompt=prompt,
            created_at=created_at,
            updated_at=created_at,
            model=model,
            revised_prompt=revised_prompt,
            parameters=parameters,
            generation_guid=generation_guid,
            **asdict(self),
        )


class MismatchError(Exception):
    """A file is not what is told of it.

    `field` is what differs first; None where the file is no whole image of a known format.
    """

    def __init__(self, field: str | None) -> None:
        super().__init__(field)
        self.field = field


def digest_of(data: bytes | memoryview) -> Digest:
    """Return the size and SHA-256 of bytes in memory. Use a thread for a whole image."""
    return Digest(len(data), hashlib.sha256(data).hexdigest())


def examine(data: bytes) -> FileFacts:
    """Return what the bytes of an image say. Use a thread.

    Raises BadGeneratorResponseError where they are no whole image, or one that is too large.
    """
    facts, digest = check_image(data), digest_of(data)
    return FileFacts(
        content_type=facts.content_type,
        width=facts.width,
        height=facts.height,
        byte_size=digest.byte_size,
        sha256=digest.sha256,
        has_content_credentials=facts.has_content_credentials,
    )


def verify(image: ImageDetail, data: bytes) -> FileFacts:
    """Return what the bytes say, where they are those that are told of. Use a thread.

    What a sidecar or an export tells is a stranger's word. Raises MismatchError.
    """
    if digest_of(data) != Digest(image.byte_size, image.sha256):
        raise MismatchError("sha256")
    try:
        facts = examine(data)
    except BadGeneratorResponseError:
        raise MismatchError(None) from None
    for name in ("content_type", "width", "height"):
        if getattr(facts, name) != getattr(image, name):
            raise MismatchError(name)
    return facts


class Thumbhasher:
    """Adds thumbhashes to images: a step of its own, for the file can be written meanwhile."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(HASHED_AT_ONCE)

    async def add(self, image: ImageDetail, data: bytes | memoryview) -> ImageDetail:
        """Return the image with its thumbhash; with none where its bytes cannot be decoded."""
        async with self._slots:
            thumbhash = await asyncio.to_thread(placeholder, data, image.content_type)
        return image.model_copy(update={"thumbhash": thumbhash})
