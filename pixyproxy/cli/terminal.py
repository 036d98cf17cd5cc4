"""What all commands share: what they print, and how they tell what went wrong."""

import errno
import json as json_format
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from pixyproxy.core.exceptions import ImageStoreError, PixyProxyException
from pixyproxy.log import configure_logging, escape_line
from pixyproxy.settings import PREFIX, Settings

logger = logging.getLogger(__name__)

console = Console(stderr=True, highlight=False, soft_wrap=True)
"""For people; what programs read goes to standard output, by `print_text`."""


def use_any_encoding() -> None:
    """Have what a terminal's encoding lacks shown escaped: no character may end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def read_settings(*, log_level: str) -> Settings:
    """Return the settings, and log from this level on (or all, where they say DEBUG).

    Raises ValueError where the file .env is not text in UTF-8.
    """
    try:
        settings = Settings()
    except UnicodeDecodeError as error:
        raise ValueError(
            f".env is not UTF-8 (byte {error.start}): save it in that encoding"
        ) from None
    configure_logging("DEBUG" if settings.log_level == "DEBUG" else log_level)
    return settings


def print_text(text: str, *, is_aside: bool = False) -> None:
    """Print a result; aside, where standard output is taken. Raises OSError if it cannot be."""
    if not is_aside:
        _check_output()
    try:
        typer.echo(text, err=is_aside)
    except OSError:
        # Else the interpreter would try once more at its end, and complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def print_table(table: Table) -> None:
    """Print a result as a table. Raises OSError if it cannot be."""
    _check_output()
    Console(highlight=False).print(table)


def _check_output() -> None:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")


def tell(label: str, message: str, *, color: str) -> None:
    """Tell people something in one line."""
    line = escape_line(" ".join(message.split()))
    console.print(Text.assemble((f"{label}:", color), f" {line}"))


def make_progress() -> Progress:
    """Return bars that are shown on a terminal alone, and vanish in the end."""
    return Progress(
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


def summary(count: Mapping[str, int], *, json: bool) -> str:
    """Return counts in one line, for programs or for people."""
    if json:
        return json_format.dumps(count)
    return ", ".join(f"{name}: {number}" for name, number in count.items())


@contextmanager
def errors_in_one_line(interrupted: str = "interrupted", *, status: int = 1) -> Iterator[None]:
    """Tell whatever goes wrong in one line, and exit with this status."""

    def fail(message: str) -> NoReturn:
        tell("error", message, color="red")
        raise typer.Exit(status)

    try:
        yield
    except ValidationError as error:
        fail(describe_settings_error(error))
    except ImageStoreError as error:
        fail(f"{error.message} ({error.reason})" if error.__cause__ else error.message)
    except PixyProxyException as error:
        fail(error.message)
    except (OSError, ValueError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail(interrupted)
    except Exception as error:
        logger.debug("unforeseen", exc_info=True)
        fail(
            f"unforeseen: {type(error).__name__}; "
            f"set {PREFIX}LOG_LEVEL=DEBUG to have the traceback logged"
        )


def describe_settings_error(error: ValidationError) -> str:
    """Return what is wrong with the settings, variable by variable, without any value."""
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        names = [str(part) for part in fault["loc"]]
        variable = names[0] if names else ""
        if variable and not variable.startswith((PREFIX, "OPENAI_")):
            variable = PREFIX + variable.upper()
        if variable.startswith(f"{PREFIX}OPENAI_"):
            variable += f" (or {variable.removeprefix(PREFIX)})"
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{variable}: {message}" if variable else message)
    return "; ".join(lines)


def origin(settings: Settings, scheme: str) -> str:
    """Return where the service listens, as a URL."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port}"
