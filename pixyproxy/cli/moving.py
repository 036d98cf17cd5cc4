"""`pixyproxy export` and `pixyproxy import`."""

import asyncio
import json as json_format
import os
import sys
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO, cast

import typer

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.cli.checking import REMAIN, UNABLE
from pixyproxy.cli.options import takes_archive
from pixyproxy.cli.terminal import (
    errors_in_one_line,
    make_progress,
    print_text,
    read_settings,
    summary,
)
from pixyproxy.log import escape_line
from pixyproxy.service.checking.files import Fault
from pixyproxy.service.moving.events import ImportFault, TransferProgress
from pixyproxy.service.moving.export_format import HEAD
from pixyproxy.service.moving.intake import FILES_AT_ONCE
from pixyproxy.service.moving.sources import FolderSource, TarSource
from pixyproxy.service.moving.targets import FolderTarget, Target, TarTarget
from pixyproxy.service.moving.untrusted_folder import UntrustedFolder
from pixyproxy.settings import Settings

STREAM = "-"
_BUFFER_BYTES = 2**20
_INTERRUPTED = "interrupted; the same command goes on where it was"
_EXPORTED = ("images", "written_before", "generations", "deleted", "faults")
_IMPORTED = ("imported", "skipped", "conflict", "damaged", "generations", "tombstones", "faults")

Events = AsyncGenerator[Fault | ImportFault | TransferProgress, None]

Json = Annotated[
    bool, typer.Option("--json", help="Print JSON, one fault a line, and a last summary line.")
]


@takes_archive
def export(
    target: Annotated[
        str, typer.Argument(metavar="DIR|-", help="A folder, or - for a tar stream.")
    ],
    *,
    json: Json = False,
) -> None:
    """Export all images with their generations, while the service runs or not.

    A folder that was exported to before is brought up to date: what is in it and whole is not
    written again, and what was deleted since is removed. Each file is compared with its SHA-256;
    one that is damaged or missing is told, and the rest is exported.

    Exit status: 0 all is exported; 1 there are faults; 2 it could not be done.
    """
    with errors_in_one_line(_INTERRUPTED, status=UNABLE):
        settings = read_settings(log_level="ERROR")
        if target == STREAM:
            faults = _to_stream(settings, json=json)
        else:
            with closing(FolderTarget(Path(target))) as folder:
                folder.open()
                faults = asyncio.run(_export(settings, folder, json=json))
    raise typer.Exit(REMAIN if faults else 0)


@takes_archive
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An export's folder, its .tar file, or - for a tar stream; "
            "or any folder of pictures.",
        ),
    ],
    *,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Read the files of images that are there already, and take those from the export "
            "that are missing or damaged.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Import an export, or a folder of pictures that other tools have written.

    What is there already is skipped: an import that was interrupted is simply started again.
    Pictures are PNG, JPEG, WebP, GIF and AVIF files, in folders as deep as you like. Their prompts
    come from a .json or .txt file beside them, else from within (AUTOMATIC1111, ComfyUI, InvokeAI,
    EXIF, XMP), else from the file's name.

    Exit status: 0 all is taken in; 1 there are conflicts, or faults; 2 it could not be done.
    """
    warnings.filterwarnings("ignore", module="PIL")  # hostile pictures have it warn of anything
    with errors_in_one_line(_INTERRUPTED, status=UNABLE):
        settings = read_settings(log_level="ERROR")
        faults = asyncio.run(_import(settings, source, repair=repair, json=json))
    raise typer.Exit(REMAIN if faults else 0)


def _to_stream(settings: Settings, *, json: bool) -> int:
    if sys.stdout is not None and sys.stdout.isatty():
        raise ValueError("a tar stream is not for the terminal: pixyproxy export - > archive.tar")
    with _standard(sys.stdout, "wb") as stream:
        return asyncio.run(_export(settings, TarTarget(stream), json=json, is_told_aside=True))


async def _export(
    settings: Settings,
    target: Target,
    *,
    json: bool,
    is_told_aside: bool = False,
) -> int:
    async with open_services(settings, must_exist=True) as services:
        events = services.make_export(target).run()
        return await _show(events, _EXPORTED, json=json, is_told_aside=is_told_aside)


async def _import(settings: Settings, source: str, *, repair: bool, json: bool) -> int:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(FILES_AT_ONCE))
    async with open_services(settings) as services:
        with _opened(services, source, repair=repair) as events:
            return await _show(events, _IMPORTED, json=json)


@contextmanager
def _opened(services: Services, source: str, *, repair: bool) -> Iterator[Events]:
    path = Path(source)
    if source == STREAM:
        with _standard(sys.stdin, "rb") as stream:
            yield services.importer.run(TarSource(stream), repair=repair)
    elif not path.exists():
        raise ValueError(f"there is no folder or file {source}")
    elif not path.is_dir():
        with path.open("rb", buffering=_BUFFER_BYTES) as stream:
            yield services.importer.run(TarSource(stream), repair=repair)
    elif (path / HEAD).exists():
        yield services.importer.run(FolderSource(UntrustedFolder(path)), repair=repair)
    else:
        yield services.picture_importer.run(UntrustedFolder(path))


async def _show(
    events: Events, names: tuple[str, ...], *, json: bool, is_told_aside: bool = False
) -> int:
    """Show progress, what is wrong, and a summary. Returns how much is wrong."""
    count: Counter[str] = Counter(dict.fromkeys(names, 0))
    progress = make_progress()
    task = progress.add_task(names[0], total=None)
    with progress:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TransferProgress):
                    count[event.name] += event.count
                    description = f"{count[names[0]]} {names[0]}"
                    if event.share is None:
                        progress.update(task, description=description)
                    else:
                        progress.update(
                            task, description=description, total=1.0, completed=event.share
                        )
                else:
                    count["faults"] += 1
                    if event.code in names:
                        count[event.code] += 1
                    told = _as_json(event) if json else _as_text(event)
                    print_text(told, is_aside=is_told_aside)
            progress.update(task, total=1.0, completed=1.0)
    print_text(summary(count, json=json), is_aside=is_told_aside)
    return count["faults"]


def _as_json(event: Fault | ImportFault) -> str:
    name = event.name if isinstance(event, ImportFault) else event.guid
    return json_format.dumps({"fault": event.code, "name": name, "detail": event.detail})


def _as_text(event: Fault | ImportFault) -> str:
    name = event.name if isinstance(event, ImportFault) else event.guid
    return escape_line(f"{event.code} {name}: {event.detail}")


@contextmanager
def _standard(text: TextIO | None, mode: str) -> Iterator[BinaryIO]:
    """Open standard input or output for bytes. Raises ValueError where it is closed."""
    if text is None:
        raise ValueError(f"standard {'input' if mode == 'rb' else 'output'} is closed")
    stream = os.fdopen(os.dup(text.fileno()), mode, buffering=_BUFFER_BYTES)
    try:
        yield cast("BinaryIO", stream)
    finally:
        with suppress(OSError):  # what was not written is told already
            stream.close()
