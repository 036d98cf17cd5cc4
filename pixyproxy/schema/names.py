"""GraphQL: how it spells the fields that the service names in its faults."""

import re

from strawberry.utils.str_converters import to_camel_case

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.exceptions import FieldFault
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.curating.curation import TagChange

_SPELLED_OTHERWISE = {"idempotency_key": "clientRequestId"}
_NAMED_IN_MESSAGES = re.compile(
    r"\b(?:{})\b".format(
        "|".join(
            name
            for model in (GenerationCreate, ImageCriteria, TagChange)
            for name in model.model_fields
            if "_" in name
        )
    )
)


def graphql_fault(fault: FieldFault) -> FieldFault:
    """Return the fault with all fields in it as GraphQL spells them, such as `addTags.0`."""
    return FieldFault(
        ".".join(map(_spell, fault.field.split("."))),
        _NAMED_IN_MESSAGES.sub(lambda name: _spell(name[0]), fault.message),
        fault.allowed,
    )


def _spell(name: str) -> str:
    return _SPELLED_OTHERWISE.get(name) or to_camel_case(name)
