"""`pixyproxy delete` and `pixyproxy trash`."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixyproxy.bootstrap import open_services
from pixyproxy.cli.options import takes_archive
from pixyproxy.cli.terminal import errors_in_one_line, print_text, read_settings
from pixyproxy.core.trash import TrashedImage
from pixyproxy.log import escape_line
from pixyproxy.service.finding.finder import MAX_PAGE_SIZE
from pixyproxy.settings import Settings

trash = typer.Typer(no_args_is_help=True, help="What was deleted and can still be restored.")

Guids = Annotated[list[str], typer.Argument(metavar="GUID...", help="The images' GUIDs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@takes_archive
def delete(
    guids: Guids,
    *,
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Past the trash; also what is in it already.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete images: into the trash for PIXYPROXY_TRASH_DAYS days, else for good, with their bytes.

    Asks before, on a terminal; elsewhere --yes is needed. What a running service has in memory it
    serves for 5 seconds more.
    """
    with errors_in_one_line():
        settings = read_settings(log_level="ERROR")
        is_for_good = for_good or not settings.trash_days
        if not yes:
            what = "this image" if len(guids) == 1 else f"these {len(guids)} images"
            fate = "for good" if is_for_good else f"(in the trash for {settings.trash_days} days)"
            _confirm("delete for good" if is_for_good else "delete", f"Delete {what} {fate}?")
        asyncio.run(_delete(settings, guids, for_good=is_for_good))


@trash.command("list")
@takes_archive
def list_trash(
    first: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 20,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one image a line.")] = False,
) -> None:
    """List what is in the trash, what was deleted last first: a table on a terminal, else JSON."""
    with errors_in_one_line():
        found = asyncio.run(_list(read_settings(log_level="ERROR"), first))
        terminal = Console()
        if terminal.is_terminal and not json:
            terminal.print(_table(found))
            return
        for image in found:
            print_text(image.model_dump_json())


@trash.command()
@takes_archive
def restore(guids: Guids) -> None:
    """Take images out of the trash, to where they were in every list."""
    with errors_in_one_line():
        asyncio.run(_restore(read_settings(log_level="ERROR"), guids))


@trash.command()
@takes_archive
def empty(*, yes: Yes = False) -> None:
    """Delete for good all that is in the trash.

    Asks before, on a terminal; elsewhere --yes is needed.
    """
    with errors_in_one_line():
        settings = read_settings(log_level="ERROR")
        if not yes:
            _confirm("delete for good", "Delete for good all that is in the trash?")
        asyncio.run(_empty(settings))


def _confirm(deed: str, question: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ValueError(f"say --yes to {deed} where nobody can be asked")
    if not typer.confirm(question, err=True):
        raise ValueError("nothing was deleted")


async def _delete(settings: Settings, guids: Sequence[str], *, for_good: bool) -> None:
    async with open_services(settings, must_exist=True) as services:
        do = services.trash.purge_image if for_good else services.curation.delete_image
        for guid in dict.fromkeys(guids):
            await do(guid)
            print_text(f"deleted {guid}")


async def _list(settings: Settings, first: int) -> list[TrashedImage]:
    found: list[TrashedImage] = []
    after: str | None = None
    async with open_services(settings, must_exist=True) as services:
        while True:
            size = min(first - len(found), MAX_PAGE_SIZE)
            part = await services.trash_finder.list_images(first=size, after=after)
            found += [edge.node for edge in part.edges]
            if len(found) >= first or not part.has_next_page:
                return found
            after = part.edges[-1].cursor


async def _restore(settings: Settings, guids: Sequence[str]) -> None:
    async with open_services(settings, must_exist=True) as services:
        for guid in dict.fromkeys(guids):
            await services.trash.restore_image(guid)
            print_text(f"restored {guid}")


async def _empty(settings: Settings) -> None:
    async with open_services(settings, must_exist=True) as services:
        count = await services.trash.empty()
        await services.trash.purge_expired()
        print_text(f"deleted for good: {count}")


def _table(found: Sequence[TrashedImage]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, width in {"guid": 36, "deleted at (UTC)": 19, "kept until (UTC)": 19}.items():
        table.add_column(name, min_width=width, no_wrap=True)
    table.add_column("prompt", no_wrap=True)
    for image in found:
        table.add_row(
            image.guid,
            f"{image.deleted_at:%Y-%m-%d %H:%M:%S}",
            f"{image.kept_until:%Y-%m-%d %H:%M:%S}",
            Text(escape_line(image.prompt)),
        )
    return table
