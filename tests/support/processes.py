"""Processes of the command line and of small programs, started as quickly as can be."""

import atexit
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

ROOT = Path(__file__).parents[2]
PATIENT: dict[str, Any] = {"min_free_mb": 1, "database_timeout_s": 20}
"""Settings for a machine that is small and busy: what a test is not about does not end it."""
_EARLY = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "SSL_", "TERM")
"""Variables that concern the interpreter, what is loaded with it, or what is read at import."""
_OURS = ("PIXYPROXY_", "OPENAI_", "AWS_", "GOOGLE_", "AZURE_")


def environment(**settings: object) -> dict[str, str]:
    """This process's environment with these PIXYPROXY_ settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
    ours = {f"PIXYPROXY_{name.upper()}": str(value) for name, value in settings.items()}
    return kept | ours | {"PYTHONPATH": str(ROOT)}


class ForkedProcess:
    """A process that another one has forked; it is used as one of `subprocess` is."""

    def __init__(self, pid: int, ending: int, args: Sequence[str]) -> None:
        self.pid = pid
        self.args = args
        self.returncode: int | None = None
        self._ending = ending
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return how it has ended, or None."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its code, the negative signal where one has killed it."""
        ends_at = None if timeout is None else time.monotonic() + timeout
        while self._look(None if ends_at is None else ends_at - time.monotonic()) is None:
            if ends_at is not None and time.monotonic() >= ends_at:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._ending, select.POLLIN)
            poll.poll(None if seconds is None else max(0, seconds * 1000))
            with self._lock:
                if self.returncode is None and poll.poll(0):
                    self.returncode = int(os.read(self._ending, 16))
                    os.close(self._ending)
        return self.returncode


class _Warm:
    """The process that forks, from this test process's first use on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def start(self, request: dict[str, Any], files: Sequence[int]) -> tuple[int, int]:
        """Fork a process; return its number and the file from which to read how it ends."""
        reading, writing = os.pipe()
        try:
            with self._lock:
                control = self._control = self._control or self._open()
                socket.send_fds(control, [json.dumps(request).encode()], [*files, writing])
                pid = control.recv(16)
        finally:
            os.close(writing)
        return int(pid), reading

    def _open(self) -> socket.socket:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(its.fileno())],
                cwd=ROOT,
                env=environment(),
                pass_fds=[its.fileno()],
            )

        def close() -> None:
            ours.close()
            process.wait()

        atexit.register(close)
        return ours


_warm = _Warm()
Process = ForkedProcess | subprocess.Popen[bytes]


def start(
    *arguments: str,
    folder: Path,
    variables: Mapping[str, str] | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    stderr: IO[bytes] | int = subprocess.DEVNULL,
    program: str | None = None,
    anew: bool = False,
    **settings: object,
) -> Process:
    """Start `pixyproxy` with these arguments, or a program of Python.

    It is forked, unless it is to start `anew`, the variables may concern the interpreter or what
    is loaded with it, or there are to be several workers: they are started as their parent was.
    """
    variables = dict(variables or {})
    full = environment(**settings) | variables
    command = ["-c", program] if program is not None else ["-m", "pixyproxy"]
    special = any(name.startswith(_EARLY) for name in variables) or "--workers" in arguments
    if anew or special or not hasattr(os, "pidfd_open"):
        return subprocess.Popen(
            [sys.executable, *command, *arguments],
            cwd=folder, env=full, stdin=stdin, stdout=stdout, stderr=stderr,
        )  # fmt: skip
    name = "-c" if program is not None else str(ROOT / "pixyproxy/__main__.py")
    request = {
        "arguments": [name, *arguments],
        "folder": str(folder),
        "environment": full,
        "program": program,
    }
    with Path(os.devnull).open("r+b") as nothing:
        files = [
            nothing if file == subprocess.DEVNULL else file for file in (stdin, stdout, stderr)
        ]
        numbers = [file if isinstance(file, int) else file.fileno() for file in files]
        pid, ending = _warm.start(request, numbers)
    return ForkedProcess(pid, ending, request["arguments"])


def run(
    folder: Path,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    timeout: float = 120,
    anew: bool = False,
    **settings: object,
) -> subprocess.CompletedProcess[str]:
    """Run `pixyproxy` with these arguments to its end, and return what it has written."""
    with TemporaryFile() as out, TemporaryFile() as err:
        process = start(
            *arguments,
            folder=folder,
            variables=variables,
            anew=anew,
            stdout=out if stdout is None else stdout,
            stderr=err if stderr is None else stderr,
            **{**PATIENT, **settings},
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    assert process.returncode is not None
    return subprocess.CompletedProcess(arguments, process.returncode, *texts)


def run_on_terminal(
    folder: Path, *arguments: str, **settings: object
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a command whose standard error is a terminal; also return what that has shown."""
    terminal, side = pty.openpty()
    shown = b""
    try:
        result = run(folder, *arguments, variables={"TERM": "xterm"}, stderr=side, **settings)
        os.set_blocking(terminal, False)
        with suppress(BlockingIOError):  # nothing was shown
            shown = os.read(terminal, 100_000)
    finally:
        os.close(side)
        os.close(terminal)
    return result, shown.decode()
