"""A process that has imported the package, and forks whatever tests start of it.

Importing takes most of a short command's time. What is forked has a process, a folder, an
environment and signals of its own, and runs the same `main` to its end.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from typing import Any

import PIL.Image

from pixyproxy.service.outbound import tls_context

MAX_REQUEST_BYTES = 2**17
_MODULES = (
    "alembic.command",
    "anyio._backends._asyncio",
    "pixyproxy.app",
    "pixyproxy.cli",
    "pixyproxy.data.mysql",
    "pixyproxy.service.providers.openai",
    "pixyproxy.service.providers.sketch",
    "pixyproxy.web.protocol",
)
"""What the commands and the service import, also what they import late."""


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each request; return in it what it is to do, and in this one None.

    A request comes with four files: standard input, output and error, and where to write how the
    process has ended.
    """
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready != control.fileno():
                pid, told = running.pop(ready)
                poll.unregister(ready)
                os.close(ready)
                _, status = os.waitpid(pid, 0)
                os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(told)
                continue
            message, files, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, 4)
            if not message:
                return None
            request: dict[str, Any] = json.loads(message)
            pid = os.fork()
            if pid == 0:
                _become(request, files)
                for pidfd, (_, other) in running.items():
                    os.close(pidfd)
                    os.close(other)
                control.close()
                return request
            for file in files[:3]:
                os.close(file)
            pidfd = os.pidfd_open(pid)
            running[pidfd] = (pid, files[3])
            poll.register(pidfd, select.POLLIN)
            control.send(str(pid).encode())


def _become(request: dict[str, Any], files: list[int]) -> None:
    for standard, file in enumerate(files[:3]):
        os.dup2(file, standard)
    for file in files:
        os.close(file)
    # Python's own files were made for what they led to before, which may have been seekable.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = request["arguments"]


def import_all() -> None:
    """Do what else each process would do anew."""
    for name in _MODULES:
        importlib.import_module(name)
    PIL.Image.init()
    tls_context()
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_all()
    todo = serve(socket.socket(fileno=int(sys.argv[1])))
    if todo is not None and todo["program"] is not None:
        exec(compile(todo["program"], "<string>", "exec"), {"__name__": "__main__"})
    elif todo is not None:
        sys.modules["__main__"].__package__ = "pixyproxy"  # from which the usage has its name
        import pixyproxy.__main__  # noqa: F401 - it is what `python -m pixyproxy` runs
