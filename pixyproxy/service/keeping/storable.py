"""Images as others tell of them: held to what every database can store."""

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from pixyproxy.core.fields import Choice, Text
from pixyproxy.core.guid import is_guid
from pixyproxy.core.models import ImageDetail
from pixyproxy.data.tables import MAX_TAG_CHARS
from pixyproxy.service.pictures.check import MAX_IMAGE_BYTES


def _survives_storing(value: Any) -> Any:
    try:
        stored = orjson.loads(orjson.dumps(value))
    except TypeError:
        stored = None
    if stored != value:  # NaN, for one, would come back as null
        raise ValueError("must be JSON that can be stored")
    return value


def _is_guid(guid: str) -> str:
    if not is_guid(guid):
        raise ValueError("must be a GUID")
    return guid


Guid = Annotated[str, AfterValidator(_is_guid)]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC)),
]
JsonObject = Annotated[dict[str, Any], AfterValidator(_survives_storing)]
_Tag = Annotated[Text, Field(min_length=1, max_length=MAX_TAG_CHARS)]


class StorableImage(ImageDetail):
    """An image, if every database can hold its row.

    The numbers need no bounds but the size's: they are to be compared with the file's.
    """

    guid: Guid
    filename: Choice
    prompt: Text
    created_at: Moment
    updated_at: Moment
    byte_size: int = Field(le=MAX_IMAGE_BYTES)
    model: Choice
    revised_prompt: Text | None
    parameters: JsonObject
    generation_guid: Guid | None = None
    tags: Annotated[
        tuple[_Tag, ...],
        BeforeValidator(lambda tags: tags or ()),
        AfterValidator(lambda tags: tuple(dict.fromkeys(tags))),
    ] = ()
