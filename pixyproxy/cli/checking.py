"""`pixyproxy fsck`."""

import asyncio
import json as json_format
import sys
from collections import Counter
from contextlib import aclosing
from typing import Annotated

import typer
from rich.progress import Progress

from pixyproxy.bootstrap import open_services
from pixyproxy.cli.terminal import console, errors_in_one_line, print_text, read_settings
from pixyproxy.log import escape_line
from pixyproxy.service.fsck import Checked, Fault
from pixyproxy.settings import Settings

REMAIN = 1
UNABLE = 2


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

    Every image file is read whole. Faults: missing-file, unreadable-file, wrong-size, wrong-sha256,
    missing-generation, file-without-row (mended where a sidecar tells the row; never removed),
    sidecar-left and sidecar-without-file (mended: removed), unreadable-folder, temporary-file of a
    dead process and stale-lease (mended: settled as the service does).

    Exit status: 0 nothing is wrong, or all is mended; 1 faults remain; 2 it could not be done.
    """
    with errors_in_one_line(status=UNABLE):
        remain = asyncio.run(_fsck(read_settings(log_level="ERROR"), repair=repair, json=json))
    raise typer.Exit(REMAIN if remain else 0)


async def _fsck(settings: Settings, *, repair: bool, json: bool) -> int:
    """Return how many faults remain."""
    count: Counter[str] = Counter(rows=0, folders=0, faults=0, mended=0)
    progress = Progress(
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
    stages = {stage: progress.add_task(stage, total=1.0) for stage in ("rows", "folders")}
    async with open_services(settings) as services:
        with progress:
            async with aclosing(services.fsck.run(repair=repair)) as events:
                async for event in events:
                    match event:
                        case Checked():
                            count[event.stage] += event.count
                            progress.update(stages[event.stage], completed=event.share)
                        case Fault():
                            count["faults"] += 1
                            count["mended"] += event.mended
                            print_text(_as_json(event) if json else _as_text(event))
    summary = ", ".join(f"{name}: {number}" for name, number in count.items())
    print_text(json_format.dumps(count) if json else summary)
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
