"""Options that stand for settings: each takes what its variable takes, and wins over it."""

import os
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from pixyproxy.settings import PREFIX, Settings

ARCHIVE = ("database_url", "images")
"""What says which archive a command works on."""

Command = TypeVar("Command", bound=Callable[..., Any])


def takes_settings(*names: str) -> Callable[[Command], Command]:
    """Have a command take these settings as options, described in the settings' own words.

    They reach it, and the processes that it starts, by the environment.
    """

    def declare(command: Command) -> Command:
        @wraps(command)
        def run(**given: Any) -> Any:
            for name in names:
                value = given.pop(name)
                if value is not None:
                    _check(name, value)
                    os.environ[PREFIX + name.upper()] = value
            return command(**given)

        written = signature(command)
        own = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in written.parameters.values()]
        declared = [*own, *map(_option, names)]
        run.__signature__ = written.replace(parameters=declared)  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return declare


def takes_archive(command: Command) -> Command:
    """Have a command take the options that say which archive it works on."""
    return takes_settings(*ARCHIVE)(command)


def _check(name: str, value: str) -> None:
    """Raise BadParameter, an error of usage, for what is of another kind than the setting."""
    field = Settings.model_fields[name]
    annotate: Any = Annotated
    kind = annotate[(field.annotation, *field.metadata, field)]
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint=_flag(name)) from None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _option(name: str) -> Parameter:
    field = Settings.model_fields[name]
    option = typer.Option(
        _flag(name),
        help=(field.description or "").replace("`", ""),
        show_default=False,
        rich_help_panel="Settings",
    )
    annotation = Annotated[str | None, option]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
