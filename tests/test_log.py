import asyncio
import logging
import re
import sys
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixyproxy.log import LineFormatter, LineRecord, escape_line, make_request_id
from tests.support.model_server import ModelServer, echo_key, image
from tests.support.servers import LOG_LINE, Service

KEY = "fZ0_kQ7mT3xW9sVb2LrJ"
PROMPT = "a red fox that nobody but its painter may ever hear of"


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, "x.py", 7, message, arguments, None, "there")


def test_a_line_has_the_form_of_the_contract() -> None:
    line = LineFormatter().format(record("said %s", "something"))

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO - \[\d+\] \[there:7\] said something", line
    )


@pytest.mark.parametrize(
    ("message", "arguments"),
    [("plain %", ()), ("%s of %d", ("one", 2)), ("%(of)s", ({"of": "a mapping"},)), ("%s", ({},))],
)
def test_a_lean_record_reads_as_any_other(message: str, arguments: tuple[object, ...]) -> None:
    values = ("a", logging.WARNING, "/x/y.py", 7, message, arguments, None, "there")
    lean, full = (kind(*values) for kind in (LineRecord, logging.LogRecord))
    assert LineFormatter().format(lean)[24:] == LineFormatter().format(full)[24:]
    assert 0 <= lean.msecs < 1000
    # Handlers of others, such as a test runner's, find what they format.
    assert vars(full).keys() <= {*dir(lean)}


def test_a_traceback_follows_its_line() -> None:
    failed = record("failed")
    try:
        int("why")
    except ValueError:
        failed.exc_info = sys.exc_info()

    first, *below = LineFormatter().format(failed).splitlines()

    assert first.endswith("failed")
    assert below[0] == "    Traceback (most recent call last):"
    assert below[-1].startswith("    ValueError: ")


@given(st.text(st.characters()))
def test_whatever_is_logged_stays_on_one_line(text: str) -> None:
    line = LineFormatter().format(record("%s", text))

    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
    line.encode()


def test_plain_text_is_left_alone() -> None:
    assert escape_line("a fox, ein Füchslein, キツネ 🦊") == "a fox, ein Füchslein, キツネ 🦊"


def test_ids_never_repeat() -> None:
    assert len({make_request_id() for _ in range(10_000)}) == 10_000


@pytest.mark.slow
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_the_log_of_a_busy_service(
    tmp_path: Path, model_server: ModelServer, level: str
) -> None:
    """Every line has the form, every request its two lines, and nothing secret is in any."""
    model_server.answer_with(*[image()] * 8, echo_key())
    with Service(
        tmp_path / "service",
        log_level=level,
        api_keys=KEY,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
        max_concurrent_generations=4,
    ) as service:
        async with httpx2.AsyncClient(base_url=service.origin, timeout=60) as client:
            key = {"X-API-Key": KEY}
            mutation = "mutation($p: String!) { generateImage(prompt: $p) { guid url } }"
            body = {"query": mutation, "variables": {"p": PROMPT}}
            calls = [
                lambda: client.post("/image", json={"prompt": PROMPT}, headers=key),
                lambda: client.post("/graphql", json=body, headers=key),
                lambda: client.get("/image", headers=key),
                lambda: client.get("/image/search", params={"prompt": PROMPT}, headers=key),
                lambda: client.get("/image", headers={"Authorization": f"Bearer {KEY}x"}),
                lambda: client.get("/a%0d%0aREQUEST%20END%1b[0m?key=" + KEY),
                lambda: client.post("/image", content=b"{", headers=key),
                lambda: client.delete("/image"),
                lambda: client.get("/health/ready"),
                lambda: client.post("/image", content=b"x" * 2**20, headers=key),
            ]
            answers = await asyncio.gather(*(call() for call in calls * 4))
            refused = await client.post("/image", json={"prompt": PROMPT}, headers=key)
    text = service.log
    lines = [line for line in text.splitlines() if line[:2] == "20"]

    assert {answer.status_code for answer in answers} >= {200, 201, 401, 404, 405, 415}
    assert (refused.status_code, model_server.posts) == (502, 9)
    assert all(LOG_LINE.fullmatch(line) for line in lines)
    banner = text[: text.index(lines[0])]
    assert len(banner.splitlines()) + len(lines) == len(text.splitlines())
    starts = Counter(line.split()[3] for line in lines if "] REQUEST START" in line)
    ends = Counter(line.split()[3] for line in lines if "] REQUEST END" in line)
    ids = {answer.headers["x-request-id"] for answer in (*answers, refused)}
    assert len(ids) == len(answers) + 1
    assert starts == ends == Counter(dict.fromkeys(ids, 1))
    for secret in (KEY, "sk-the-models-own-key", PROMPT, "fox that nobody", "iVBORw0KGgo"):
        assert secret not in text


def test_an_exceptions_text_cannot_pass_for_a_record() -> None:
    forged = "2026-01-01 00:00:00,000 INFO - [1] [f:1] all is well"
    failed = record("failed")
    error = ValueError(f"first\n{forged}\r{forged}\x1b[31m")
    failed.exc_info = (ValueError, error, None)
    first, *rest = LineFormatter().format(failed).split("\n")
    assert first.endswith("failed")
    assert any(forged in line for line in rest)
    for line in rest:
        assert line.startswith("    ")
        assert line.isprintable()


def test_no_key_of_a_handshake_is_logged(tmp_path: Path) -> None:
    with Service(tmp_path, api_keys=KEY, log_level="DEBUG") as service:
        headers = {
            "X-API-Key": KEY,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        answer = httpx2.get(f"{service.origin}/graphql", headers=headers, trust_env=False)
        assert answer.status_code == 400
    assert "REQUEST END method=WEBSOCKET" in service.log
    assert KEY not in service.log
