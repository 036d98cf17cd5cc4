"""`pixyproxy fsck`, `pixyproxy verify` and `pixyproxy stats`."""

import asyncio
import json as json_format
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich import filesize
from rich.table import Table
from rich.text import Text

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.cli.options import takes_archive
from pixyproxy.cli.terminal import (
    errors_in_one_line,
    make_progress,
    print_table,
    print_text,
    read_settings,
    summary,
    tell,
)
from pixyproxy.core.addresses import read_place
from pixyproxy.core.statistics import Stats
from pixyproxy.data.files.places import make_store
from pixyproxy.log import escape_line
from pixyproxy.service.checking.files import CheckProgress, Fault
from pixyproxy.settings import Settings

REMAIN = 1
UNABLE = 2


@takes_archive
def fsck(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended without losing anything.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one fault a line, and a last summary line.")
    ] = False,
) -> None:
    """Check rows against files and files against rows, while the service runs or not.

    Every image file is read whole, those in the trash too. Faults: missing-file, unreadable-file,
    wrong-size, wrong-sha256, missing-generation, file-without-row (mended where a sidecar tells the
    row; never removed), deleted-file of an image that was deleted for good (mended: removed),
    sidecar-left and sidecar-without-file (mended: removed), unreadable-folder, temporary-file of a
    dead process and stale-lease (mended: settled as the service does).

    Exit status: 0 nothing is wrong, or all is mended; 1 faults remain; 2 it could not be done.
    """
    with errors_in_one_line(status=UNABLE):
        remain = asyncio.run(_fsck(read_settings(log_level="ERROR"), repair=repair, json=json))
    raise typer.Exit(REMAIN if remain else 0)


@takes_archive
def stats(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell how many images are kept and what they take, by day, model and format."""
    with errors_in_one_line():
        found = asyncio.run(_get_stats(read_settings(log_level="ERROR")))
        if json:
            print_text(found.model_dump_json(indent=2))
        else:
            print_table(_table(found))


async def _get_stats(settings: Settings) -> Stats:
    async with open_services(settings, must_exist=True) as services:
        return await services.curation.get_stats()


def _table(found: Stats) -> Table:
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("day (UTC)", "in all")
    table.add_column("model")
    table.add_column("format")
    table.add_column("images", f"{found.image_count:,}", justify="right")
    table.add_column("bytes", filesize.decimal(found.byte_size), justify="right")
    for entry in found.entries:
        table.add_row(
            str(entry.day),
            Text(escape_line(entry.model)),
            entry.content_type,
            f"{entry.image_count:,}",
            filesize.decimal(entry.byte_size),
        )
    return table


@takes_archive
def verify(
    *,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="How many megabytes a second are read, at most.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Go on after the image with this GUID.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one fault a line, and a last summary line.")
    ] = False,
) -> None:
    """Read every image file against its size and SHA-256, while the service runs or not.

    Those in the trash too, after the others.

    Faults: missing-file, unreadable-file, wrong-size, wrong-sha256. Nothing is changed.

    Exit status: 0 all is well; 1 there are faults; 2 it could not be done, or was interrupted.
    """
    last = _Last()
    try:
        with errors_in_one_line(status=UNABLE):
            settings = read_settings(log_level="ERROR")
            events = partial(_verified, after=after, mb_per_s=rate)
            faults = asyncio.run(_go_through(settings, last, events, json=json))
    finally:
        last.tell("pixyproxy verify")
    raise typer.Exit(REMAIN if faults else 0)


@takes_archive
def migrate_images(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="A folder, or the URL of an object store.")
    ],
    target: Annotated[str, typer.Argument(metavar="TO", help="Likewise.")],
    *,
    after: Annotated[str | None, typer.Option(help="Go on after the image with this GUID.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one fault a line, and a last summary line.")
    ] = False,
) -> None:
    """Copy the files of all images from one store to another, while the service runs or not.

    Each file is compared with its row before and after. What is there already and whole is not
    copied again. Nothing is removed. While the service writes to FROM, there may be more when it
    is done: set PIXYPROXY_IMAGES to TO, start the service anew, and run it once more.

    Exit status: 0 all files are there; 1 there are faults; 2 it could not be done, or was
    interrupted.
    """
    last = _Last()
    try:
        with errors_in_one_line(status=UNABLE):
            settings = read_settings(log_level="ERROR")
            events = partial(_migrated, settings, read_place(source), read_place(target), after)
            faults = asyncio.run(_go_through(settings, last, events, json=json))
    finally:
        last.tell(f"pixyproxy migrate-images {source} {target}")
    raise typer.Exit(REMAIN if faults else 0)


async def _verified(
    services: Services, *, after: str | None, mb_per_s: float | None
) -> AsyncGenerator[Fault | CheckProgress, None]:
    async with aclosing(services.files.run(after=after, mb_per_s=mb_per_s)) as events:
        async for event in events:
            yield event


async def _migrated(
    settings: Settings,
    source: str | Path,
    target: str | Path,
    after: str | None,
    services: Services,
) -> AsyncGenerator[Fault | CheckProgress, None]:
    stores = [make_store(place, min_free_mb=settings.min_free_mb) for place in (source, target)]
    for store in stores:
        store.open()
    try:
        migration = services.make_migration(*stores)
        await migration.check_writable()
        async with aclosing(migration.run(after=after)) as events:
            async for event in events:
                yield event
    finally:
        for store in stores:
            store.close()


@dataclass
class _Last:
    """The last image that was read."""

    guid: str | None = None
    is_done: bool = False

    def tell(self, command: str) -> None:
        """Tell people how to go on where it was interrupted."""
        if self.guid is not None and not self.is_done:
            tell("note", f"go on with: {command} --after {self.guid}", color="yellow")


async def _go_through(
    settings: Settings,
    last: _Last,
    make_events: Callable[[Services], AsyncGenerator[Fault | CheckProgress, None]],
    *,
    json: bool,
) -> int:
    """Tell what becomes of all images, and return how many faults there are."""
    count: Counter[str] = Counter(images=0, bytes=0, faults=0)
    progress = make_progress()
    task = progress.add_task("images", total=1.0)
    async with open_services(settings, must_exist=True) as services:
        with progress:
            async with aclosing(make_events(services)) as events:
                async for event in events:
                    match event:
                        case CheckProgress():
                            count["images"] += event.count
                            count["bytes"] += event.byte_size
                            last.guid = event.last_guid
                            progress.update(task, completed=event.share)
                        case Fault():
                            count["faults"] += 1
                            print_text(_as_json(event) if json else _as_text(event))
            progress.update(task, completed=1.0)
    last.is_done = True
    print_text(summary(count, json=json))
    return count["faults"]


async def _fsck(settings: Settings, *, repair: bool, json: bool) -> int:
    """Return how many faults remain."""
    count: Counter[str] = Counter(rows=0, folders=0, faults=0, mended=0)
    progress = make_progress()
    stages = {stage: progress.add_task(stage, total=1.0) for stage in ("rows", "folders")}
    async with open_services(settings, must_exist=True) as services:
        with progress:
            async with aclosing(services.fsck.run(repair=repair)) as events:
                async for event in events:
                    match event:
                        case CheckProgress():
                            count[event.stage] += event.count
                            progress.update(stages[event.stage], completed=event.share)
                        case Fault():
                            count["faults"] += 1
                            count["mended"] += event.mended
                            print_text(_as_json(event) if json else _as_text(event))
            for task in stages.values():
                progress.update(task, completed=1.0)
    print_text(summary(count, json=json))
    return count["faults"] - count["mended"]


def _as_json(fault: Fault) -> str:
    return json_format.dumps(
        {
            "fault": fault.code,
            "guid": fault.guid,
            "path": fault.path,
            "detail": fault.detail,
            "mended": fault.mended,
        }
    )


def _as_text(fault: Fault) -> str:
    mended = " (mended)" if fault.mended else ""
    return escape_line(f"{fault.code} {fault.path or fault.guid}: {fault.detail}{mended}")
