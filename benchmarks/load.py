"""The load: wrk, with one thread, on the core of everything that is not measured."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.servers import KEY, Server, find_program

CONNECTIONS = 32
_SCRIPT = Path(__file__).with_name("requests.lua")
_WHOLE_DEADLINE_S = 900
_RESULT = re.compile(
    r"requests=(\d+) microseconds=(\d+) errors=(\d+) median_us=(\d+) slowest_us=(\d+)"
)


@dataclass(frozen=True)
class Answered:
    """What came of a load."""

    requests: int
    per_second: float
    median_ms: float
    slowest_ms: float


def get(path: str) -> str:
    """Return the line of a request."""
    return f"GET {path}"


def post(path: str, body: object) -> str:
    """Return the line of a request with a JSON body."""
    return f"POST {path} {orjson.dumps(body).decode()}"


def send_once(
    server: Server,
    requests: Iterable[str],
    connections: int = CONNECTIONS,
    headers: Sequence[str] = (),
) -> Answered:
    """Send each request once. Of the last ones, up to `connections` are not waited for."""
    return _wrk(server, requests, "once", _WHOLE_DEADLINE_S, connections, headers)


def send_for(
    server: Server,
    requests: Iterable[str],
    seconds: int,
    connections: int = CONNECTIONS,
    headers: Sequence[str] = (),
) -> Answered:
    """Send the requests over and over, for so many seconds."""
    return _wrk(server, requests, "round", seconds, connections, headers)


def _wrk(
    server: Server,
    requests: Iterable[str],
    mode: str,
    seconds: int,
    connections: int,
    headers: Sequence[str],
) -> Answered:
    file = server.log.with_name("requests.txt")
    file.write_text("".join(f"{request}\n" for request in requests))
    command = [find_program("wrk") or "", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["--timeout", "30s", "-H", f"Authorization: Bearer {KEY}", "-s", str(_SCRIPT)]
    for header in headers:
        command += ["-H", header]
    command += [server.origin, "--", str(file), mode]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = _RESULT.search(run.stdout)
    if found is None:
        raise RuntimeError(f"wrk said:\n{run.stdout}\n{run.stderr}")
    count, microseconds, errors, median_us, slowest_us = map(int, found.groups())
    if errors or not count:
        end = server.log.read_text()[-2000:]
        raise RuntimeError(f"{errors} errors in {count} requests:\n{run.stdout}\n{end}")
    return Answered(count, count * 1e6 / microseconds, median_us / 1e3, slowest_us / 1e3)
