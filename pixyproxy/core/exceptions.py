"""The one tree of exceptions.

    PixyProxyException
    ├─ ImagePromptException             the request is at fault
    │  ├─ ConstraintViolationError        constraint-violation
    │  └─ PromptRejectedError             prompt-rejected
    ├─ ImageGenerationException         the model is at fault
    │  ├─ GeneratorBusyError              generator-busy
    │  ├─ GeneratorAccountError           generator-account
    │  ├─ GeneratorUnavailableError       generator-unavailable
    │  ├─ GeneratorTimeoutError           generator-timeout
    │  └─ BadGeneratorResponseError       bad-generator-response
    ├─ ImageNotFoundError               image-not-found
    ├─ AuthenticationError              unauthenticated
    ├─ OverloadedError                  overloaded
    └─ StorageException                 keeping is at fault
       ├─ DatabaseUnavailableError        database-unavailable
       ├─ ImageStoreError                 image-store-unavailable
       └─ StorageFullError                storage-full

Raise a leaf, never a root. A message is written for the client that reads it: it never carries
text of another exception or of the model's server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

INTERNAL_ERROR_CODE = "internal-error"
"""What nobody foresaw has this code; the log has the rest."""
INTERNAL_ERROR_MESSAGE = "Something unforeseen went wrong. The service's log has the details."


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of a request that will not do, and what would."""

    field: str
    message: str
    allowed: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what a client is told."""
        told: dict[str, Any] = {"field": self.field, "message": self.message}
        return told | ({"allowed": list(self.allowed)} if self.allowed else {})


class PixyProxyException(Exception):  # noqa: N818  the specification's name
    """The root of everything PixyProxy raises on purpose."""

    code: ClassVar[str]
    default_message: ClassVar[str]

    def __init__(self, message: str | None = None, *, retry_after_s: int | None = None) -> None:
        self.message = message or self.default_message
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


class ImagePromptException(PixyProxyException):
    """The request is at fault."""


class ConstraintViolationError(ImagePromptException):
    """A field breaks a rule; `faults` names each field, the reason and the values that would do."""

    code = "constraint-violation"
    default_message = "The request breaks a rule."

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))


class PromptRejectedError(ImagePromptException):
    """The model's moderation refused the prompt. Trying again would be refused again."""

    code = "prompt-rejected"
    default_message = "The model's moderation refused this prompt. Rephrase it."


class ImageGenerationException(PixyProxyException):
    """The model, or the way to it, is at fault."""


class GeneratorBusyError(ImageGenerationException):
    """The model's rate limit was reached."""

    code = "generator-busy"
    default_message = "The image model is busy (its rate limit was reached). Try again later."


class GeneratorAccountError(ImageGenerationException):
    """The model's server refuses our key, quota, billing or model. The operator must act."""

    code = "generator-account"
    default_message = (
        "The image model's server refused this service's account or model. "
        "Trying again does not help; its operator must act."
    )


class GeneratorUnavailableError(ImageGenerationException):
    """The model's server could not be reached, or answered with a 5xx."""

    code = "generator-unavailable"
    default_message = "The image model's server is unavailable. Try again later."


class GeneratorTimeoutError(ImageGenerationException):
    """The request was sent and no whole answer came: whether it was paid for is unknown."""

    code = "generator-timeout"
    default_message = (
        "The image model gave no whole answer in time. Whether it drew (and charged for) "
        "the image is unknown."
    )


class BadGeneratorResponseError(ImageGenerationException):
    """The answer held no usable image, or a URL that may not be fetched."""

    code = "bad-generator-response"
    default_message = "The image model's answer held no usable image."


class ImageNotFoundError(PixyProxyException):
    """No image has this GUID."""

    code = "image-not-found"
    default_message = "There is no image with this GUID."


class AuthenticationError(PixyProxyException):
    """The API key is missing or wrong."""

    code = "unauthenticated"
    default_message = (
        "A valid API key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
    )


class OverloadedError(PixyProxyException):
    """More generations are in flight and waiting than this service takes on."""

    code = "overloaded"
    default_message = (
        "Too many generations are under way. Nothing was sent to the model; try again later."
    )


class StorageException(PixyProxyException):
    """What keeps images is at fault."""

    @property
    def reason(self) -> str:
        """What the database or the system said, for the log alone."""
        cause = self.__cause__
        said = getattr(cause, "orig", None) or cause
        return f"{type(said).__name__}: {said}" if said is not None else "-"


class DatabaseUnavailableError(StorageException):
    """The database gave no answer in time."""

    code = "database-unavailable"
    default_message = "The database is unavailable. Try again later."


class ImageStoreError(StorageException):
    """The image files cannot be read or written."""

    code = "image-store-unavailable"
    default_message = "The image store is unavailable. Try again later."


class StorageFullError(StorageException):
    """Too little space is left to keep another image."""

    code = "storage-full"
    default_message = "There is too little storage left to keep another image."
