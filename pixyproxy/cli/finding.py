"""`pixyproxy search` and `pixyproxy tag`."""

import asyncio
from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixyproxy.bootstrap import open_services
from pixyproxy.cli.options import takes_archive
from pixyproxy.cli.terminal import errors_in_one_line, print_text, read_settings
from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.models import ImageDetail
from pixyproxy.core.urls import Urls
from pixyproxy.log import escape_line
from pixyproxy.service.finding.finder import MAX_PAGE_SIZE
from pixyproxy.settings import Settings
from pixyproxy.web.models import ImageDetailWithUrl

Command = TypeVar("Command", bound=Callable[..., Any])

_LISTS = {"tags": "tag"}
"""Criteria that are lists, and the option that gives one of them; it may be given again."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one image a line.")]


def _takes_criteria(command: Command) -> Command:
    """Have a command take each criterion of a search as an option, in the criterion's own words."""
    written = signature(command)
    own = [each for each in written.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    options = [_option(name) for name in ImageCriteria.model_fields if name != "query"]
    declared = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in [*own, *options]]
    command.__signature__ = written.replace(parameters=declared)  # type: ignore[attr-defined]
    return command


def _option(name: str) -> Parameter:
    field = ImageCriteria.model_fields[name]
    option = typer.Option(
        f"--{_LISTS.get(name, name).replace('_', '-')}",
        help=(field.description or "").replace("`", ""),
        show_default=False,
        rich_help_panel="Filters",
    )
    kind = list[str] if name in _LISTS else str
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


@takes_archive
@_takes_criteria
def search(
    query: Annotated[
        str | None, typer.Argument(help=ImageCriteria.model_fields["query"].description)
    ] = None,
    first: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 20,
    *,
    json: Json = False,
    **criteria: Any,
) -> None:
    """Find images, newest first: a table on a terminal, else JSON, one image a line.

    Without words and filters, all images.
    """
    with errors_in_one_line():
        settings = read_settings(log_level="ERROR")
        given = {name: value for name, value in {"query": query, **criteria}.items() if value}
        found = asyncio.run(_search(settings, given, first))
        terminal = Console()
        if terminal.is_terminal and not json:
            terminal.print(_table(found))
            return
        for image in found:
            print_text(_as_json(image, settings))


@takes_archive
def tag(
    guid: Annotated[str, typer.Argument(help="The image's GUID.")],
    add: Annotated[list[str] | None, typer.Option(help="A tag to give; may be repeated.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="A tag to take away; may be repeated.")
    ] = None,
) -> None:
    """Give an image tags, or take them away, and print it as JSON."""
    with errors_in_one_line():
        settings = read_settings(log_level="ERROR")
        if not (add or remove):
            raise ValueError("say which tags: --add TAG, --remove TAG")
        changes = {"add_tags": add or [], "remove_tags": remove or []}
        image = asyncio.run(_tag(settings, guid, changes))
        print_text(_as_json(image, settings, indent=2))


async def _search(settings: Settings, given: dict[str, Any], first: int) -> list[ImageDetail]:
    found: list[ImageDetail] = []
    after: str | None = None
    async with open_services(settings, must_exist=True) as services:
        while True:
            size = min(first - len(found), MAX_PAGE_SIZE)
            page = await services.finder.connect_images(given, first=size, after=after)
            found += [edge.node for edge in page.edges]
            if len(found) >= first or not page.has_next_page:
                return found
            after = page.edges[-1].cursor


async def _tag(settings: Settings, guid: str, changes: dict[str, list[str]]) -> ImageDetail:
    async with open_services(settings, must_exist=True) as services:
        return await services.curation.update_image(guid, changes)


def _as_json(image: ImageDetail, settings: Settings, *, indent: int | None = None) -> str:
    shown = ImageDetailWithUrl.of(image, Urls(settings.public_base_url or ""))
    return shown.model_dump_json(indent=indent)


def _table(found: Sequence[ImageDetail]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, width in {"guid": 36, "kept at (UTC)": 19, "size": 9}.items():
        table.add_column(name, min_width=width, no_wrap=True)
    table.add_column("prompt", no_wrap=True)
    for image in found:
        table.add_row(
            image.guid,
            f"{image.created_at:%Y-%m-%d %H:%M:%S}",
            f"{image.width}x{image.height}",
            Text(escape_line(image.prompt)),
        )
    return table
