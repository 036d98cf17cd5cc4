"""Starts what is measured and what it needs, each on its core, and stops it again.

What is measured, ours or beside it, has a core to itself. The other core has whatever it talks
to: the database, the model server, the load generator, and this program.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.from_memory import KEY_VARIABLE
from benchmarks.starlette_files import ROOT_VARIABLE
from tests.support.mariadb import free_port

MEASURED_CORE = 0
OTHER_CORE = 1
KEY = secrets.token_urlsafe(32)

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parent
_START_DEADLINE_S = 30
_STOP_DEADLINE_S = 60
_OF_THIS_MACHINE = ("PIXYPROXY_", "OPENAI_")


def find_program(name: str) -> str | None:
    """Return the path of an outside program."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Server:
    """A running server."""

    origin: str
    pid: int
    log: Path

    def memory_mb(self, field: str) -> float:
        """Return VmRSS (resident now) or VmHWM (its peak), in MB of 10^6 bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise ValueError(field)


@contextmanager
def service(folder: Path, *, tree: Path = _REPOSITORY, **settings: object) -> Iterator[Server]:
    """Run the service of a checkout as a user would: one worker, a key, its log in a file."""
    environment = {f"PIXYPROXY_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"PIXYPROXY_API_KEYS": KEY, "PIXYPROXY_DRAIN_S": "0", "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pixyproxy", "serve", "--port", "{port}"]
    with _running(command, folder, "service", MEASURED_CORE, environment) as server:
        yield server


@contextmanager
def from_memory(folder: Path) -> Iterator[Server]:
    """Run the yardstick of REST and GraphQL, with one worker."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.from_memory:app", "--port", "{port}"]
    command += ["--no-access-log", "--log-level", "warning", "--app-dir", str(_REPOSITORY)]
    with _running(command, folder, "from_memory", MEASURED_CORE, {KEY_VARIABLE: KEY}) as server:
        yield server


@contextmanager
def nginx(folder: Path, root: Path) -> Iterator[Server]:
    """Run nginx, with one worker, on the files in `root`."""
    port = free_port()
    configuration = (_HERE / "nginx.conf").read_text()
    configuration = configuration.replace("PORT", str(port)).replace("ROOT;", f"{root};")
    (folder / "nginx.conf").write_text(configuration)
    user = pwd.getpwuid(os.geteuid()).pw_name  # else root's worker would be nobody
    command = [find_program("nginx") or "", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    command += ["-e", "stderr", "-g", f"daemon off; user {user};"]
    with _running(command, folder, "nginx", MEASURED_CORE, {}, port) as server:
        yield server


@contextmanager
def nginx_before(service: Server, root: Path) -> Iterator[Server]:
    """Run nginx in front of the service, on the other core; it can read the files in `root`."""
    folder, port = service.log.parent, free_port()
    configuration = (_HERE / "nginx_before.conf").read_text()
    for name, value in {
        "SERVICE": service.origin.removeprefix("http://"),
        "ROOT": str(root),
        "PORT": str(port),
    }.items():
        configuration = configuration.replace(f"{name};", f"{value};")
    configuration = configuration.replace("ROOT/;", f"{root}/;")
    (folder / "nginx_before.conf").write_text(configuration)
    user = pwd.getpwuid(os.geteuid()).pw_name
    command = [find_program("nginx") or "", "-p", str(folder)]
    command += ["-c", str(folder / "nginx_before.conf"), "-e", "stderr"]
    command += ["-g", f"daemon off; user {user};"]
    with _running(command, folder, "nginx_before", OTHER_CORE, {}, port) as server:
        yield server


@contextmanager
def starlette_files(folder: Path, root: Path) -> Iterator[Server]:
    """Run Starlette as it comes on the files in `root`, with one worker."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.starlette_files:app"]
    command += ["--port", "{port}", "--no-access-log", "--log-level", "warning"]
    command += ["--app-dir", str(_REPOSITORY)]
    environment = {ROOT_VARIABLE: str(root)}
    with _running(command, folder, "starlette", MEASURED_CORE, environment) as server:
        yield server


@contextmanager
def instant_model(folder: Path, *, together: int = 1) -> Iterator[Server]:
    """Run the model server that answers at once, or as soon as `together` requests wait."""
    command = [sys.executable, "-m", "benchmarks.instant_model", "{port}", str(together)]
    environment = {"PYTHONPATH": str(_REPOSITORY)}
    with _running(command, folder, "instant_model", OTHER_CORE, environment) as server:
        yield server


@contextmanager
def _running(
    command: Sequence[str],
    folder: Path,
    name: str,
    core: int,
    environment: Mapping[str, str],
    port: int | None = None,
) -> Iterator[Server]:
    port = port or free_port()
    log = folder / f"{name}.log"
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(_OF_THIS_MACHINE)
    }
    with log.open("wb") as output:
        os.sched_setaffinity(0, {core})  # a process inherits the cores of the thread that starts it
        try:
            process = subprocess.Popen(
                [argument.replace("{port}", str(port)) for argument in command],
                cwd=folder,  # where no .env is
                env={**clean, **environment},
                stdout=output,
                stderr=output,
            )
        finally:
            os.sched_setaffinity(0, {OTHER_CORE})
    try:
        _await_listening(process, port, log)
        yield Server(f"http://127.0.0.1:{port}", process.pid, log)
    finally:
        _stop(process)


def _await_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
