"""The tests' own model server: what it accepts, and what of that it writes down."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support import model_server as ms
from tests.support.model_server import LedgerEntry, ModelServer

HEADERS = {"X-Client-Request-Id": "call-1"}
ASKED = {"model": "gpt-image-2", "prompt": "a cat", "size": "64x64"}


def post(base_url: str, **fields: Any) -> httpx2.Response:
    url = f"{base_url}/images/generations"
    return httpx2.post(url, json=ASKED | fields, headers=HEADERS, trust_env=False)


def hang_up_after_sending(server: ModelServer) -> None:
    """Send a request and go away before the answer."""
    body = json.dumps(ASKED).encode()
    head = f"POST /v1/images/generations HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.origin.rpartition(":")[2]))) as client:
        client.sendall(head.encode() + body)
        server.wait_for_calls(1)


def test_as_many_images_as_asked_for_each_another(model_server: ModelServer) -> None:
    answer = post(model_server.base_url, n=10).json()
    assert len({b64decode(item["b64_json"]) for item in answer["data"]}) == 10
    assert answer["usage"]["output_tokens"] == 900
    assert model_server.ledger == [LedgerEntry("call-1", "a cat", 10, charged=True)]


@pytest.mark.parametrize(
    "fields",
    [{"n": 0}, {"n": 11}, {"n": "2"}, {"n": True}, {"n": 1.5}, {"model": "dall-e-3", "n": 2}],
)
@pytest.mark.parametrize("behaviour", [ms.image(), ms.charge_then(ms.error(500)), ms.hang()])
def test_what_is_wrong_is_not_accepted(
    model_server: ModelServer, behaviour: ms.Behaviour, fields: dict[str, Any]
) -> None:
    model_server.answer_with(behaviour)
    response = post(model_server.base_url, **fields)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_value", "n")
    assert model_server.ledger == []


@pytest.mark.parametrize(
    ("behaviour", "charged"),
    [
        (ms.image(), [True]),
        (ms.item(b64_json="%"), [True]),
        (ms.html(), [True]),
        (ms.close(), [True]),
        (ms.cut_in_head(), [True]),
        (ms.cut_in_body(), [True]),
        (ms.charge_then(ms.error(500)), [True]),
        (ms.charge_then(ms.close()), [True]),
        (ms.delayed(ms.image(), 0, 0.01), [True]),
        (ms.delayed(ms.error(500), 0, 0.01), []),
        (ms.moderation_blocked(), [False]),
        (ms.rate_limited(), []),
        (ms.echo_key(), []),
        (ms.error(400, param="size"), []),
        (ms.error(500), []),
        (ms.cut_in_body(500), []),
        (ms.redirect("/elsewhere"), []),
    ],
)
def test_what_stands_in_the_ledger(
    model_server: ModelServer, behaviour: ms.Behaviour, charged: list[bool]
) -> None:
    model_server.answer_with(behaviour)
    with contextlib.suppress(httpx2.TransportError):
        httpx2.post(
            f"{model_server.base_url}/images/generations",
            json=ASKED,
            headers={"Authorization": "Bearer x"},
            trust_env=False,
        )
    assert [entry.charged for entry in model_server.ledger] == charged
    assert {entry.call for entry in model_server.ledger} <= {None}


def test_a_file_is_no_call(model_server: ModelServer) -> None:
    url = model_server.serve_file("a.png", ms.file(ms.png()))
    assert httpx2.get(url, trust_env=False).content == ms.png()
    assert model_server.ledger == []


def test_a_client_that_left_does_no_harm(model_server: ModelServer) -> None:
    model_server.answer_with(ms.after_release(ms.image(ms.noise_png())), ms.image())
    hang_up_after_sending(model_server)
    model_server.release()
    assert post(model_server.base_url).status_code == 200
    assert [entry.call for entry in model_server.ledger] == [None, "call-1"]


def test_a_seed_decides_the_order_of_a_mixture(model_server: ModelServer) -> None:
    def outcomes(seed: int) -> list[int]:
        behaviour = ms.randomly(seed, (3, ms.image()), (1, ms.error(500)), (0, ms.error(400)))
        model_server.answer_with(behaviour)
        model_server.ledger.clear()
        statuses = [post(model_server.base_url).status_code for _ in range(20)]
        assert len(model_server.ledger) == statuses.count(200)
        return statuses

    first = outcomes(1)
    assert set(first) == {200, 500}
    assert outcomes(1) == first
    assert outcomes(2) != first


async def test_by_hand_with_a_ledger_for_others_to_read(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text('{"from": "before"}\n')
    command = [sys.executable, "-u", "-m", "tests.support.model_server", "--port", "0"]
    server = await asyncio.create_subprocess_exec(
        *command, "--ledger", str(ledger), "--delay", "0", "0.01", stdout=subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        base_url = (await server.stdout.readline()).decode().split()[1].rstrip(";")
        response = await asyncio.to_thread(post, base_url, n=2)
        assert len(response.json()["data"]) == 2
        before, entry = map(json.loads, ledger.read_text().splitlines())
        assert before == {"from": "before"}
        assert entry == {"call": "call-1", "prompt": "a cat", "n": 2, "charged": True}
    finally:
        server.kill()
        await server.wait()
