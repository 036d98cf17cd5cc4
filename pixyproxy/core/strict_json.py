"""JSON as strangers send it."""

import json
import math
from typing import Any, NoReturn

MAX_NESTING = 100


def parse_json(data: bytes) -> Any:
    """Parse UTF-8 JSON. Raises ValueError, with a message for the sender, where there is doubt.

    Stricter than json.loads: no key stands twice in an object (readers disagree on which counts),
    no NaN or Infinity, no number too large for a float, no integer of thousands of digits, nothing
    nested deeper than MAX_NESTING (how deep Python itself can go depends on its version).
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError:
        raise ValueError("the body is not valid UTF-8") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except _DoubtfulJSONError:
        raise
    except ValueError:
        raise ValueError("the body is not valid JSON") from None
    if _is_nested_deeper(value, MAX_NESTING):
        raise ValueError("the JSON is nested too deeply")
    return value


class _DoubtfulJSONError(ValueError):
    """JSON that can be read, but not with certainty."""


def _is_nested_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise _DoubtfulJSONError("a key stands twice in an object of the JSON")
    return mapping


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _DoubtfulJSONError("a number of the JSON is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise _DoubtfulJSONError(f"{name} is not JSON")
