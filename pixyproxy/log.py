"""The log: one line an event, each with the request-id of the request in whose course it happened.

YYYY-MM-DD HH:MM:SS,mmm LEVEL request-id [thread-id] [function:line] message
"""

import itertools
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

request_id_var: ContextVar[str] = ContextVar("request_id", default="-")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HOST = re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname()) or "localhost"
_sequence = itertools.count()
_STANDARD_ERROR = 2


def make_request_id() -> str:
    """Return a new id `host-datetime-threadid-sequence`, unique on this and other hosts.

    The kernel's thread id tells the processes of one host apart, the sequence number the requests
    that one thread serves within a millisecond.
    """
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    millis = int(now * 1000) % 1000
    return f"{_HOST}-{stamp}{millis:03d}-{threading.get_native_id()}-{next(_sequence)}"


def escape_line(text: str) -> str:
    r"""Return `text` on one line: line breaks and control characters become `\x0a` and the like."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


class LineRecord(logging.LogRecord):
    """A record that is made in half the time: of what no line shows, nothing is found out."""

    filename = module = ""
    exc_text = thread = process = None
    threadName = processName = taskName = None  # noqa: N815  logging's own names
    relativeCreated = 0.0  # noqa: N815

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        sinfo: str | None = None,
    ) -> None:
        self.name, self.levelno, self.levelname = name, level, logging.getLevelName(level)
        self.pathname, self.lineno, self.funcName = pathname, lineno, func or ""
        # One mapping may stand for all arguments.
        is_mapping = len(args) == 1 and isinstance(args[0], Mapping) and args[0]
        self.msg, self.args = msg, args[0] if is_mapping else args
        self.exc_info, self.stack_info = exc_info, sinfo
        self.created = time.time()
        self.msecs = self.created % 1 * 1000


class LineFormatter(logging.Formatter):
    """Formats a record by hand: the log is on the hot path, and this is twice as fast."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._stamp = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, and its traceback, if any, indented below it."""
        second = int(record.created)
        if second != self._second:
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second
        line = (
            f"{self._stamp},{int(record.msecs):03d} {record.levelname} {request_id_var.get()} "
            f"[{threading.get_native_id()}] [{record.funcName}:{record.lineno}] "
            f"{escape_line(record.getMessage())}"
        )
        if not record.exc_info:
            return line
        # An exception's text may be a user's, and must not pass for a record.
        traceback = self.formatException(record.exc_info).splitlines()
        return "\n    ".join([line, *map(escape_line, traceback)])


class LineHandler(logging.Handler):
    """Writes each record to standard error by one call of the system, so that lines stay whole.

    That holds between threads and between processes, so it needs no lock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the record without taking the lock."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; where standard error is gone, there is nobody to tell."""
        line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        with suppress(OSError):
            os.write(_STANDARD_ERROR, line)


def configure_logging(level: str) -> None:
    """Send every logger's records of `level` and above to standard error, in the one format."""
    handler = LineHandler()
    logging.setLogRecordFactory(LineRecord)
    # What the format does not show need not be found out for each record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # At DEBUG it logs the headers of WebSocket handshakes, keys and all.
    logging.getLogger("uvicorn.error").setLevel(max(logging.INFO, root.level))
    for chatty in ("httpx2", "httpcore2", "openai", "alembic", "aiosqlite", "asyncio", "PIL"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
