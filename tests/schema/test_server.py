"""GraphQL by a real server: clients that hang up, WebSockets."""

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.servers import Service

DEADLINE_S = 30


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(service.origin).port or 0), timeout=10)


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll: nothing tells when a server has noticed that its client is gone."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [b"", b'{"query": "{ __type'])
def test_a_client_that_hangs_up_while_sending_leaves_no_traceback(
    tmp_path: Path, sent: bytes
) -> None:
    head = (
        b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n"
    )
    with Service(tmp_path) as service:
        with connect(service) as client:
            client.sendall(head + sent)
            wait_for(lambda: "REQUEST START method=POST path=/graphql" in service.log)
        wait_for(lambda: "REQUEST END method=POST path=/graphql" in service.log)
        still = httpx2.post(
            f"{service.origin}/graphql", json={"query": "{ __typename }"}, trust_env=False
        )
        assert still.json() == {"data": {"__typename": "Query"}}
    assert "status=499" in service.log
    assert "Traceback" not in service.log
    assert not re.search(r" (WARNING|ERROR|CRITICAL) ", service.log)


def test_a_websocket_whose_client_vanishes_leaves_no_traceback(tmp_path: Path) -> None:
    handshake = (
        b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    with Service(tmp_path) as service:
        with connect(service) as client:
            client.sendall(handshake)
            status = client.recv(1000).split(b"\r\n")[0]
        wait_for(lambda: "REQUEST END method=WEBSOCKET" in service.log)
    assert status.startswith(b"HTTP/1.1 101")
    assert service.log.count("REQUEST START method=WEBSOCKET path=/graphql") == 1
    assert service.log.count("REQUEST END method=WEBSOCKET path=/graphql") == 1
    assert "Traceback" not in service.log
