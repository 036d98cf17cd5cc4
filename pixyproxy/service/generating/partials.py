"""Partial images: shown by the process that draws, while it draws, and never kept.

They are held in memory only, within bounds: what is older gives way.
"""

import logging
from dataclasses import dataclass
from typing import Final

from pixyproxy.core.exceptions import BadGeneratorResponseError, PartialImageNotFoundError
from pixyproxy.core.models import ContentType
from pixyproxy.service.pictures.check import check_image
from pixyproxy.service.providers import ProviderPartial

logger = logging.getLogger(__name__)

MIB: Final = 2**20
MAX_BYTES: Final = 8 * MIB
"""A larger one is not shown."""
MAX_GENERATION_BYTES: Final = 16 * MIB
MAX_PROCESS_BYTES: Final = 128 * MIB


@dataclass(frozen=True, slots=True)
class PartialImage:
    """An image of a generation as it looked while it was drawn."""

    generation_guid: str
    index: int
    """Its number among all that the generation has shown, from 0."""
    step: int
    """Its number as the model counts, of one of the generation's images."""
    content_type: ContentType
    width: int
    height: int
    data: bytes


class PartialImages:
    """What the generations that this process draws show at present."""

    def __init__(self) -> None:
        self._shown: dict[str, list[PartialImage]] = {}
        self._counts: dict[str, int] = {}
        self._size = 0

    def open(self, guid: str) -> None:
        """Begin to hold what a generation shows, until it is closed."""
        self._shown.setdefault(guid, [])
        self._counts.setdefault(guid, 0)

    def close(self, guid: str) -> None:
        """Drop everything that a generation has shown."""
        self._size -= sum(len(partial.data) for partial in self._shown.pop(guid, ()))
        self._counts.pop(guid, None)

    def add(self, guid: str, given: ProviderPartial) -> PartialImage | None:
        """Hold an image, and return it; None where it will not do, or the generation is over."""
        if guid not in self._shown:
            return None
        if len(given.data) > MAX_BYTES:
            logger.info("a partial image of generation %s is too large", guid)
            return None
        try:
            facts = check_image(given.data)
        except BadGeneratorResponseError:
            logger.info("a partial image of generation %s is none", guid)
            return None
        partial = PartialImage(
            generation_guid=guid,
            index=self._counts[guid],
            step=given.step,
            content_type=facts.content_type,
            width=facts.width,
            height=facts.height,
            data=given.data,
        )
        self._counts[guid] += 1
        shown = self._shown[guid]
        shown.append(partial)
        self._size += len(partial.data)
        while sum(len(one.data) for one in shown) > MAX_GENERATION_BYTES:
            self._size -= len(shown.pop(0).data)
        self._shrink()
        return partial

    def list_of(self, guid: str) -> tuple[PartialImage, ...]:
        """Return what a generation shows at present, the oldest first."""
        return tuple(self._shown.get(guid, ()))

    def get(self, guid: str, index: int) -> PartialImage:
        """Return one. Raises PartialImageNotFoundError."""
        for partial in self._shown.get(guid, ()):
            if partial.index == index:
                return partial
        raise PartialImageNotFoundError

    def _shrink(self) -> None:
        """Of all generations the one that began first gives way."""
        for shown in self._shown.values():
            while self._size > MAX_PROCESS_BYTES and shown:
                self._size -= len(shown.pop(0).data)
