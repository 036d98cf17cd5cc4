"""Generating images without a server, or by one that runs elsewhere; and looking after it."""

import asyncio
import os
import stat
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.cli.assignments import read_assignments
from pixyproxy.cli.options import takes_archive
from pixyproxy.cli.terminal import (
    console,
    errors_in_one_line,
    origin,
    print_text,
    read_settings,
    tell,
)
from pixyproxy.core.exceptions import PixyProxyException
from pixyproxy.core.models import Attempt, Generation, GenerationCreate, GenerationStatus
from pixyproxy.core.urls import Urls
from pixyproxy.log import escape_line
from pixyproxy.service.generating.terms import Terms
from pixyproxy.service.validation import validate
from pixyproxy.settings import Settings
from pixyproxy.web.models import GenerationDetail, ImageDetailWithUrl

CALLER = "command-line"
"""Whose idempotency keys they are."""
_INTERRUPTED = {
    GenerationStatus.QUEUED: "it is queued: a running service takes it up, unless you cancel it",
    GenerationStatus.RUNNING: "another process runs it, and goes on",
    GenerationStatus.SUCCEEDED: "it has succeeded all the same, and what it drew is kept",
    GenerationStatus.UNKNOWN: "its outcome is unknown, and it may have been charged for",
}


@takes_archive
def generate(
    prompt: Annotated[str, typer.Argument(help="What to draw, in words.")],
    model: Annotated[str | None, typer.Option(help="The model that draws.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT or auto.")] = None,
    quality: Annotated[str | None, typer.Option(help="How much effort is spent.")] = None,
    style: Annotated[str | None, typer.Option(help="vivid or natural.")] = None,
    background: Annotated[str | None, typer.Option(help="transparent, opaque or auto.")] = None,
    output_format: Annotated[str | None, typer.Option(help="png, jpeg or webp.")] = None,
    output_compression: Annotated[int | None, typer.Option(help="0 to 100 percent.")] = None,
    moderation: Annotated[str | None, typer.Option(help="auto or low.")] = None,
    complexity: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    frame_count: Annotated[int | None, typer.Option(help="Frames of a GIF.")] = None,
    frame_duration_ms: Annotated[int | None, typer.Option(help="How long each is shown.")] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A parameter that this service does not know, such as seed=7, for a model that it "
            "does not know either; JSON, or else text. May be repeated.",
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images, 1 to 10.")] = 1,
    *,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait",
            help="Draw it here and now, or leave it to a service that runs on this database.",
        ),
    ] = True,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Sent again, it gives the same generation.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a copy of the image here too.")] = None,
) -> None:
    """Generate images without a server, keep them, and print JSON.

    One image prints its ImageDetail. Several, and --no-wait, print the generation with its images;
    what failed of them is told on standard error.
    """
    asked = {
        "prompt": prompt,
        "model": model,
        "size": size,
        "quality": quality,
        "style": style,
        "background": background,
        "output_format": output_format,
        "output_compression": output_compression,
        "moderation": moderation,
        "complexity": complexity,
        "frame_count": frame_count,
        "frame_duration_ms": frame_duration_ms,
        "n": n,
    }
    terms = Terms(caller=CALLER, idempotency_key=idempotency_key)
    with errors_in_one_line(
        "interrupted; if the model was asked already, the image may have been charged for"
    ):
        settings = read_settings(log_level="ERROR")
        if out is not None and (n != 1 or not wait):
            raise ValueError("--out takes a copy of one image, which is waited for")
        request = validate(GenerationCreate, {**asked, "extra": read_assignments(extra or ())})
        with closing(_Copy(out)) if out else nullcontext() as copy:
            asyncio.run(_generate(settings, request, terms, copy, is_waited_for=wait))


generations = typer.Typer(help="List, show, cancel and retry generations.", no_args_is_help=True)

Guid = Annotated[str, typer.Argument(help="The generation's GUID.")]


@generations.command("list")
@takes_archive
def list_generations(
    status: Annotated[
        str | None, typer.Option(help=f"Only these: {', '.join(GenerationStatus)}.")
    ] = None,
    page: Annotated[int, typer.Option(help="Which page, from 1.")] = 1,
    size: Annotated[int, typer.Option(help="How many on a page, 1 to 100.")] = 20,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one a line, on a terminal too.")
    ] = False,
) -> None:
    """List generations, newest first: a table on a terminal, else JSON, one a line."""

    async def run(services: Services, settings: Settings) -> None:
        found = await services.generations.list_generations(status=status, page=page, size=size)
        terminal = Console()
        if terminal.is_terminal and not json:
            terminal.print(_table(found))
            return
        for detail in await _details(services, settings.public_base_url, found):
            print_text(detail.model_dump_json())

    _run(run)


@generations.command()
@takes_archive
def show(guid: Guid) -> None:
    """Print a generation as JSON, with its images and its calls to the model."""

    async def run(services: Services, settings: Settings) -> None:
        generation = await services.generations.get_generation(guid)
        (detail,) = await _details(services, settings.public_base_url, [generation])
        attempts = await services.generations.list_attempts(guid)
        shown = _GenerationWithAttempts.model_construct(**detail.__dict__, attempts=attempts)
        print_text(shown.model_dump_json(indent=2))

    _run(run)


@generations.command()
@takes_archive
def cancel(guid: Guid) -> None:
    """Cancel a queued generation, and print it as JSON."""
    _change(lambda services: services.generations.cancel(guid))


@generations.command()
@takes_archive
def retry(guid: Guid) -> None:
    """Queue a generation again that gave no image, and print it as JSON.

    A service that runs on this database takes it up. It may be charged for once more.
    """
    _change(lambda services: services.generations.retry(guid))


class _GenerationWithAttempts(GenerationDetail):
    attempts: list[Attempt]


def _change(change: Callable[[Services], Coroutine[None, None, Generation]]) -> None:
    async def run(services: Services, settings: Settings) -> None:
        (detail,) = await _details(services, settings.public_base_url, [await change(services)])
        print_text(detail.model_dump_json(indent=2))

    _run(run)


def _run(use: Callable[[Services, Settings], Coroutine[None, None, None]]) -> None:
    async def run(settings: Settings) -> None:
        async with open_services(settings, must_exist=True) as services:
            await use(services, settings)

    with errors_in_one_line():
        asyncio.run(run(read_settings(log_level="ERROR")))


async def _generate(
    settings: Settings,
    request: GenerationCreate,
    terms: Terms,
    copy: "_Copy | None",
    *,
    is_waited_for: bool,
) -> None:
    async with open_services(settings) as services:
        submitted = await services.generations.submit(request, terms, runs_here=is_waited_for)
        generation = submitted.generation
        base_url = settings.public_base_url or origin(settings, "http")
        if submitted.replayed:
            tell("note", "this key was sent before: nothing new was begun", color="yellow")
        if not is_waited_for:
            (detail,) = await _details(services, base_url, [generation])
            print_text(detail.model_dump_json(indent=2))
            return
        with console.status("drawing ..."):
            if generation.status is GenerationStatus.QUEUED:
                await services.engine.worker.take_up(generation.guid)
            generation = await _wait(services, generation)
        name = f"generation {generation.guid}"
        reason = generation.error.message if generation.error else ""
        if generation.status is not GenerationStatus.SUCCEEDED:
            raise ValueError(f"{reason} ({name}: {generation.status})")
        if reason:
            tell("warning", f"not every image was drawn: {reason} ({name})", color="yellow")
        with _kept(f"{name} has succeeded", "its images cannot be read"):
            (detail,) = await _details(services, base_url, [generation])
        await _show(services, detail, copy)


async def _show(services: Services, generation: GenerationDetail, copy: "_Copy | None") -> None:
    image = generation.images[0]
    if generation.n == 1:
        shown: GenerationDetail | ImageDetailWithUrl = image
        kept = f"the image is kept as {image.guid}"
    else:
        shown = generation
        kept = f"the images of generation {generation.guid} are kept"
    try:
        with _kept(kept, "its details cannot be printed"):
            print_text(shown.model_dump_json(indent=2))
    finally:
        if copy is not None:
            with _kept(kept, "--out cannot be written"):
                content = await services.images.read_content(image)
                await asyncio.to_thread(copy.write, content)


async def _wait(services: Services, generation: Generation) -> Generation:
    """Return the generation when it has ended. On Ctrl-C, stop, and say what becomes of it."""
    try:
        return await _follow(services, generation, lambda status: status.is_final)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
    services.engine.give_up_drawing()
    generation = await _follow(
        services, generation, lambda status: status is not GenerationStatus.RUNNING
    )
    fate = _INTERRUPTED.get(generation.status, f"it has ended: {generation.status}")
    raise ValueError(f"interrupted; generation {generation.guid}: {fate}")


async def _follow(
    services: Services, generation: Generation, is_enough: Callable[[GenerationStatus], bool]
) -> Generation:
    async with aclosing(services.generations.watch(generation.guid)) as following:
        async for present in following:
            generation = present
            if is_enough(generation.status):
                break
    return generation


async def _details(
    services: Services, base_url: str | None, found: Sequence[Generation]
) -> list[GenerationDetail]:
    urls = Urls(base_url or "")
    images = await services.generations.images_of([generation.guid for generation in found])
    return [
        GenerationDetail.of(generation, images.get(generation.guid, ()), urls)
        for generation in found
    ]


def _table(found: Sequence[Generation]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, width in {"guid": 36, "status": 9, "queued at (UTC)": 19, "n": 2}.items():
        table.add_column(name, min_width=width, no_wrap=True)
    table.add_column("prompt", no_wrap=True)
    for generation in found:
        status: str = generation.status
        if generation.error is not None:
            status += f" ({generation.error.code})"
        table.add_row(
            generation.guid,
            status,
            f"{generation.queued_at:%Y-%m-%d %H:%M:%S}",
            str(generation.n),
            Text(escape_line(generation.prompt)),
        )
    return table


@contextmanager
def _kept(what: str, fault: str) -> Iterator[None]:
    """Say with an error that it is paid for and kept, so that nobody pays again."""
    try:
        yield
    except (OSError, ValueError, PixyProxyException) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(
            f"{what} and need not be generated again, but {fault}: {reason}"
        ) from error


class _Copy:
    """The file of `--out`: opened before anything is paid, changed once there is an image."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_superfluous = not os.path.lexists(path)
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise ValueError(f"--out {path} cannot be written: {error.strerror}") from None

    def write(self, content: memoryview) -> None:
        """Replace what the file holds."""
        with self._file as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                file.truncate(0)
            file.write(content)
        self._is_superfluous = False

    def close(self) -> None:
        """Close the file, and remove it if it is new and was not written whole."""
        self._file.close()
        if self._is_superfluous:
            self._path.unlink(missing_ok=True)
