import pytest

from pixyproxy.core.strict_json import MAX_NESTING, parse_json

NO_JSON = "the body is not valid JSON"
TOO_DEEP = "the JSON is nested too deeply"


def test_what_can_be_read_only_one_way_is_read() -> None:
    data = '{"a": [1, 2.5, true, null, "é\\ud83e\\udd8a"], "b": {"a": {}}}'.encode()
    assert parse_json(data) == {"a": [1, 2.5, True, None, "é🦊"], "b": {"a": {}}}


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_has_one_limit_whatever_python_could_do(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> bytes:
        return f"{opening * levels}1{closing * levels}".encode()

    assert parse_json(nested(MAX_NESTING))
    with pytest.raises(ValueError, match=f"^{TOO_DEEP}$"):
        parse_json(nested(MAX_NESTING + 1))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", NO_JSON),
        (b"{", NO_JSON),
        (b'{"a": 1}}', NO_JSON),
        (b"{'a': 1}", NO_JSON),
        (b"\xff", "the body is not valid UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "the body is not valid UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', NO_JSON),
        (b'{"a": 1, "a": 2}', "a key stands twice in an object of the JSON"),
        (b'[{"b": {"a": 1, "a": 1}}]', "a key stands twice in an object of the JSON"),
        (b'{"a": 1, "\\u0061": 2}', "a key stands twice in an object of the JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "a number of the JSON is too large"),
        (b'{"a": -1e999}', "a number of the JSON is too large"),
        (b"9" * 5_000, NO_JSON),
        (b"[" * 100_000, TOO_DEEP),
        (b"[" * 5_000 + b"]" * 5_000, TOO_DEEP),
        (b'{"a":' * 100_000, TOO_DEEP),
    ],
)
def test_what_is_in_doubt_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_json(data)
