"""Parameters that we do not know: taken within bounds, for models that we do not know either."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

MAX_PARAMETERS: Final = 32
MAX_PARAMETER_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 8
ASKED_FOR: Final = "asked_for"
"""Under this name it is kept what was asked for, where something else was sent to the model."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_EXTRA = "extra"
_FLATTENED = "extra_body"
"""OpenAI's SDK takes parameters in it; what is built on the SDK at times sends it as it is."""
_NEVER_SENT: Final = frozenset(
    {
        ASKED_FOR,
        "api_base",
        "api_key",
        "base_url",
        "extra_headers",
        "extra_query",
        "metadata",
        "response_format",
        "safety_identifier",
        "stream",
        "user",
    }
)
"""They say how to call and to answer, not what to draw; some would be secrets."""
_NEVER_SENT_PREFIX = "litellm_"


def gather(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return a request with everything that is not `known` in its field `extra`.

    What may never be sent to a model stays where it is, to be refused there by its name.
    """
    flat = dict(values)
    body = flat.get(_FLATTENED)
    if isinstance(body, Mapping) and not any(name in flat for name in body):
        flat.pop(_FLATTENED)
        flat |= {name: value for name, value in body.items() if isinstance(name, str)}
    unknown = {
        name for name in flat if isinstance(name, str) and name not in known and _may_be_sent(name)
    }
    given = flat.get(_EXTRA)
    if not unknown or not isinstance(given, Mapping | None) or unknown & set(given or ()):
        return flat
    gathered = {name: flat.pop(name) for name in sorted(unknown)}
    return {**flat, _EXTRA: {**(given or {}), **gathered}}


def check_extra(extra: dict[str, Any], known: Collection[str]) -> dict[str, Any] | None:
    """Return the parameters without those that are null. Raises ValueError where one won't do."""
    checked = {name: value for name, value in extra.items() if value is not None}
    for name in checked:
        if name in known:
            raise ValueError(f"must not hold '{name}', which is a field of its own")
        if not _may_be_sent(name):
            raise ValueError(f"must not hold '{name[:64]}', which is never sent to a model")
    if len(checked) > MAX_PARAMETERS:
        raise ValueError(f"must hold at most {MAX_PARAMETERS} parameters")
    if _is_deeper(checked, MAX_DEPTH):
        raise ValueError(f"must be nested at most {MAX_DEPTH} levels deep")
    try:
        size = len(orjson.dumps(checked))
    except (TypeError, ValueError):  # also for lone surrogates and integers of more than 64 bits
        raise ValueError("must be JSON, with integers of at most 64 bits") from None
    if size > MAX_PARAMETER_BYTES:
        raise ValueError(f"must take at most {MAX_PARAMETER_BYTES // 1024} KiB as JSON")
    return checked or None


def _may_be_sent(name: str) -> bool:
    return (
        _NAME.fullmatch(name) is not None
        and name not in _NEVER_SENT
        and not name.startswith(_NEVER_SENT_PREFIX)
    )


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_is_deeper(one, levels - 1) for one in inner)
