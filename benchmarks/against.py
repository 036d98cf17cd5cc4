"""This version beside an older one: CPU time per request, measured in turns.

Machines differ from hour to hour; two versions that run one after the other, again and again, meet
the same hour. The older one runs with the libraries that are installed now.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks.data import Filled, databases
from benchmarks.load import get, post, send_for
from benchmarks.measures import FIELDS, HOT
from benchmarks.servers import Server, service

_REPOSITORY = Path(__file__).parent.parent
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_WARM_UP_S = 1
_FILL = """
import json, sys
from pathlib import Path
sys.path.insert(0, "")
from benchmarks.data import fill
filled = fill(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
print(json.dumps({name: getattr(filled, name) for name in ("guids", "large", "small")}))
"""


@dataclass(frozen=True)
class Spread:
    """The CPU time of a request in microseconds: the median, and the quartiles beside it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of measured values."""
        return cls(*quantiles(values, n=4))

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.low:.1f} to {self.high:.1f})"


def compare(revision: str, kind: str, *, rows: int, pairs: int, seconds: int) -> Iterator[str]:
    """Yield the lines of a table: each request, before and now, and whether it is slower now."""
    yield f"| request ({kind}) | CPU at {revision}, µs | CPU now, µs | ratio | slower |"
    yield "| --- | --- | --- | --- | --- |"
    with _checked_out(revision) as tree, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        before = stack.enter_context(_version(folder / "before", kind, rows, tree))
        now = stack.enter_context(_version(folder / "now", kind, rows, _REPOSITORY))
        for what, make in REQUESTS.items():
            measured: tuple[list[float], list[float]] = [], []
            for version in (before, now):
                _cpu_us(version, make(version.filled), _WARM_UP_S)
            for _ in range(pairs):
                for version, values in zip((before, now), measured, strict=True):
                    values.append(_cpu_us(version, make(version.filled), seconds))
            then, today = map(Spread.of, measured)
            is_slower = "yes" if today.median > then.high else "no"
            ratio = today.median / then.median
            yield f"| {what} | {then} | {today} | {ratio:.3f} | {is_slower} |"


@dataclass(frozen=True)
class _Version:
    filled: Filled
    server: Server


@contextmanager
def _version(folder: Path, kind: str, rows: int, tree: Path) -> Iterator[_Version]:
    """Run one version on a database that it has made itself: newer ones change older databases."""
    folder.mkdir()
    with databases(kind, folder) as make_database:
        url, images = make_database("filled"), folder / "images"
        command = [sys.executable, "-c", _FILL, url, str(images), str(rows)]
        run = subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)
        filled = Filled(url, images, **json.loads(run.stdout))
        settings = {"database_url": url, "images": images, "log_level": "WARNING"}
        with service(folder, tree=tree, **settings) as server:
            yield _Version(filled, server)


def _cpu_us(version: _Version, requests: Sequence[str], seconds: int) -> float:
    """Return the CPU time that the service has taken for each of the requests."""
    began = _cpu_s(version.server.pid)
    answered = send_for(version.server, requests, seconds)
    return (_cpu_s(version.server.pid) - began) / answered.requests * 1e6


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


@contextmanager
def _checked_out(revision: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        command = ["git", "-C", str(_REPOSITORY), "worktree"]
        subprocess.run([*command, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*command, "remove", "--force", str(tree)], check=True)


def _list(size: int) -> Callable[[Filled], Sequence[str]]:
    return lambda _: [get(f"/image?size={size}")]


def _graphql_list(size: int) -> Callable[[Filled], Sequence[str]]:
    query = f"{{ images(size: {size}) {{ {FIELDS} }} }}"
    return lambda _: [post("/graphql", {"query": query})]


REQUESTS: Mapping[str, Callable[[Filled], Sequence[str]]] = {
    "an image, each once": lambda filled: [get(f"/image/{guid}") for guid in filled.guids],
    "an image, hot": lambda filled: [get(f"/image/{guid}") for guid in filled.guids[:HOT]],
    "a list of 20": _list(20),
    "a list of 100": _list(100),
    "a list of 20, GraphQL": _graphql_list(20),
    "a list of 100, GraphQL": _graphql_list(100),
    "content, 20 KB": lambda filled: [get(f"/image/{filled.small}/content")],
    "content, 1.5 MB": lambda filled: [get(f"/image/{filled.large}/content")],
}
