import pytest

from pixyproxy.core.strict_json import MAX_NESTING, parse_json


def test_what_can_be_read_only_one_way_is_read() -> None:
    data = '{"a": [1, 2.5, true, null, "é\\ud83e\\udd8a"], "b": {"a": {}}}'.encode()
    assert parse_json(data) == {"a": [1, 2.5, True, None, "é🦊"], "b": {"a": {}}}


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_has_one_limit_whatever_python_could_do(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> bytes:
        return f"{opening * levels}1{closing * levels}".encode()

    assert parse_json(nested(MAX_NESTING))
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(nested(MAX_NESTING + 1))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a": 1}}', "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b"\xff", "not valid UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not valid UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not valid JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "twice"),
        (b'{"a": 1, "\\u0061": 2}', "twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": -1e999}', "too large"),
        (b"9" * 5_000, "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 5_000 + b"]" * 5_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_what_is_in_doubt_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(data)
