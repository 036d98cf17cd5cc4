"""The one tree of exceptions.

    PixyProxyException
    ├─ ImageException                     everything that has to do with images
    │  ├─ ImagePromptException              the request is at fault
    │  │  ├─ ConstraintViolationError         constraint-violation
    │  │  ├─ PromptRejectedError              prompt-rejected
    │  │  └─ IdempotencyConflictError         idempotency-conflict
    │  ├─ ImageGenerationException          the model is at fault
    │  │  ├─ GeneratorBusyError               generator-busy
    │  │  ├─ GeneratorAccountError            generator-account
    │  │  │  └─ UnknownModelError                the same code: there is no such model
    │  │  ├─ GeneratorUnavailableError        generator-unavailable
    │  │  ├─ GeneratorTimeoutError            generator-timeout
    │  │  └─ BadGeneratorResponseError        bad-generator-response
    │  ├─ GenerationException               a generation is not as it would have to be
    │  │  ├─ GenerationNotFoundError          generation-not-found
    │  │  ├─ GenerationStateError             generation-state
    │  │  ├─ GenerationCancelledError         generation-cancelled
    │  │  ├─ PartialImageNotFoundError        partial-image-not-found
    │  │  └─ StillRunningError                still-running
    │  ├─ ImageNotFoundError                image-not-found
    │  ├─ ImageGoneError                    image-gone
    │  ├─ UnreadableImageError              image-unreadable
    │  └─ StorageException                  keeping is at fault
    │     ├─ DatabaseUnavailableError         database-unavailable
    │     ├─ ImageStoreError                  image-store-unavailable
    │     │  └─ MissingFileError                the same code: a row has no file
    │     └─ StorageFullError                 storage-full
    ├─ AuthenticationError                unauthenticated
    └─ OverloadedError                    overloaded

Raise a leaf, never a root. A message is written for the client that reads it: it never carries
text of another exception or of the model's server.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar

INTERNAL_ERROR_CODE = "internal-error"
"""What nobody foresaw has this code; the log has the rest."""
INTERNAL_ERROR_MESSAGE = "Something unforeseen went wrong. The service's log has the details."


class FaultKind(Enum):
    """In what way a field will not do, for faces that have a code for it."""

    MISSING = auto()
    UNKNOWN = auto()
    TYPE = auto()
    TOO_LONG = auto()
    VALUE = auto()


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of a request that will not do, and what would."""

    field: str
    message: str
    allowed: tuple[str, ...] | None = None
    kind: FaultKind = FaultKind.VALUE

    def as_dict(self) -> dict[str, Any]:
        """Return what a client is told."""
        told: dict[str, Any] = {"field": self.field, "message": self.message}
        return told | ({"allowed": list(self.allowed)} if self.allowed else {})


class PixyProxyException(Exception):  # noqa: N818  the specification's name
    """The root of everything PixyProxy raises on purpose."""

    code: ClassVar[str]
    default_message: ClassVar[str]
    sent: bool = True
    """Of an error of a call to the model: False where it is certain that nothing reached it."""

    def __init__(self, message: str | None = None, *, retry_after_s: int | None = None) -> None:
        self.message = message or self.default_message
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


class ImageException(PixyProxyException):
    """Drawing, keeping or finding an image went wrong."""


class ImagePromptException(ImageException):
    """The request is at fault."""


class ConstraintViolationError(ImagePromptException):
    """A field breaks a rule; `faults` names each field, the reason and the values that would do.

    Where no field is to blame, a text says what is wrong, and there are no faults.
    """

    code = "constraint-violation"
    default_message = "The request breaks a rule."

    def __init__(self, faults: Sequence[FieldFault] | str = ()) -> None:
        self.faults = () if isinstance(faults, str) else tuple(faults)
        told = "; ".join(f"{fault.field}: {fault.message}" for fault in self.faults)
        super().__init__(faults if isinstance(faults, str) else told)


class PromptRejectedError(ImagePromptException):
    """The model's moderation refused the prompt. Trying again would be refused again."""

    code = "prompt-rejected"
    default_message = "The model's moderation refused this prompt. Rephrase it."


class IdempotencyConflictError(ImagePromptException):
    """The caller's key belongs to another request of theirs."""

    code = "idempotency-conflict"
    default_message = (
        "This idempotency key was sent before, with another request. Nothing was generated; "
        "send a new key with a new request."
    )


class ImageGenerationException(ImageException):
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


class UnknownModelError(GeneratorAccountError):
    """The model's server has no model of this name."""


class GeneratorUnavailableError(ImageGenerationException):
    """The model's server could not be reached, or answered with a 5xx.

    With `sent` False it is certain that nothing reached it.
    """

    code = "generator-unavailable"
    default_message = "The image model's server is unavailable. Try again later."

    def __init__(
        self, message: str | None = None, *, retry_after_s: int | None = None, sent: bool = True
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.sent = sent


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


class GenerationException(ImageException):
    """A generation is not there, or not in the state that was needed."""


class GenerationNotFoundError(GenerationException):
    """No generation has this GUID."""

    code = "generation-not-found"
    default_message = "There is no generation with this GUID."


class GenerationStateError(GenerationException):
    """What was asked for cannot be done with a generation in this state."""

    code = "generation-state"
    default_message = "The generation's state does not allow this."


class GenerationCancelledError(GenerationException):
    """The generation that the caller waited for was cancelled while it was queued."""

    code = "generation-cancelled"
    default_message = "The generation was cancelled while it waited for its turn."


class PartialImageNotFoundError(GenerationException):
    """There is no such partial image, or none any more, or not in this process."""

    code = "partial-image-not-found"
    default_message = (
        "There is no such partial image here. They are shown only while the generation is drawn, "
        "and only by the process that draws it; the image itself is kept when it is done."
    )


class StillRunningError(GenerationException):
    """The caller has waited long enough; the generation goes on by itself."""

    code = "still-running"
    default_message = (
        "The generation is still under way and goes on by itself. Do not send it again: "
        "ask for it by its GUID."
    )

    def __init__(self, generation_guid: str) -> None:
        super().__init__()
        self.generation_guid = generation_guid


class ImageNotFoundError(ImageException):
    """No image has this GUID."""

    code = "image-not-found"
    default_message = "There is no image with this GUID."


class ImageGoneError(ImageException):
    """The image was deleted; it may be in the trash."""

    code = "image-gone"
    default_message = "This image was deleted."


class UnreadableImageError(ImageException):
    """The image's file is kept, but no picture could be read out of it."""

    code = "image-unreadable"
    default_message = (
        "This image cannot be had in other sizes or formats: its file cannot be decoded. "
        "Without parameters its URL gives the file as it is."
    )


class AuthenticationError(PixyProxyException):
    """The API key is missing or wrong."""

    code = "unauthenticated"
    default_message = (
        "A valid API key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
    )


class OverloadedError(PixyProxyException):
    """More work is in hand and waiting than this service takes on."""

    code = "overloaded"
    default_message = (
        "Too many generations are under way. Nothing was sent to the model; try again later."
    )


class StorageException(ImageException):
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


class MissingFileError(ImageStoreError):
    """The store answers, and has no such file."""


class StorageFullError(StorageException):
    """Too little space is left to keep another image."""

    code = "storage-full"
    default_message = "There is too little storage left to keep another image."


def default_message(code: str) -> str:
    """Return what an error with this code says where nothing more is known of it."""
    error = BY_CODE.get(code)
    return error.default_message if error is not None else INTERNAL_ERROR_MESSAGE


def _concrete(root: type[PixyProxyException]) -> Iterator[type[PixyProxyException]]:
    if "code" in vars(root):
        yield root
    for child in root.__subclasses__():
        yield from _concrete(child)


BY_CODE = {error.code: error for error in _concrete(PixyProxyException)}
"""Each error that has a code of its own, by that code."""
