"""The command line."""

import asyncio
import logging
import os
import socket
import ssl
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text
from sqlalchemy.engine import make_url

from pixyproxy import __version__
from pixyproxy.bootstrap import open_services
from pixyproxy.core.exceptions import PixyProxyException
from pixyproxy.core.models import ImageDetail, ImageDetailCreate
from pixyproxy.log import configure_logging, escape_line
from pixyproxy.schema.schema import make_schema
from pixyproxy.settings import PREFIX, Settings, describe_settings_error
from pixyproxy.web.models import ImageDetailWithUrl

KEEP_ALIVE_S = 75
"""Longer than the usual proxies' own, so that it is they who hang up an idle connection."""

logger = logging.getLogger(__name__)

cli = typer.Typer(
    help="PixyProxy has images drawn by a model and keeps them, with their prompts, for good.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line."""
    cli()


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    database_url: Annotated[
        str | None, typer.Option(help="mysql://user:password@host/database or sqlite:///path.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of the image files.")] = None,
    generator: Annotated[str | None, typer.Option(help="auto, openai or sketch.")] = None,
    openai_base_url: Annotated[
        str | None, typer.Option(help="Any OpenAI-compatible server, such as http://host/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The default model.")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
    ssl_certfile: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS certificate chain (PEM).")
    ] = None,
    ssl_keyfile: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS private key (PEM).")
    ] = None,
) -> None:
    """Serve GraphQL and REST. Each option wins over its variable PIXYPROXY_..."""
    options = {
        "host": host,
        "port": port,
        "database_url": database_url,
        "images": images,
        "generator": generator,
        "openai_base_url": openai_base_url,
        "model": model,
        "log_level": log_level,
    }
    # By the environment the options reach worker processes too.
    os.environ.update(
        {PREFIX + name.upper(): str(value) for name, value in options.items() if value is not None}
    )
    with _errors_in_one_line():
        settings = _read_settings(log_level="WARNING")
        _check_certificate(ssl_certfile, ssl_keyfile)
        asyncio.run(_prepare(settings))
        _check_port(settings)
    _show_banner(settings, scheme="https" if ssl_certfile else "http")
    configure_logging(settings.log_level)
    uvicorn.run(
        "pixyproxy.app:create_app_from_environment",
        factory=True,
        http="pixyproxy.web.protocol:BoundedHttpProtocol",
        host=settings.host,
        port=settings.port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        ssl_certfile=ssl_certfile,
        ssl_keyfile=ssl_keyfile,
    )


@cli.command()
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
    out: Annotated[Path | None, typer.Option(help="Write a copy of the image here too.")] = None,
) -> None:
    """Generate one image without a server, keep it, and print its ImageDetail as JSON."""
    image = ImageDetailCreate.model_construct(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        style=style,
        background=background,
        output_format=output_format,
        output_compression=output_compression,
        moderation=moderation,
    )
    with _errors_in_one_line(
        "interrupted; if the model was asked already, the image may have been charged for"
    ):
        settings = _read_settings(log_level="ERROR")
        with closing(_Copy(out)) if out else nullcontext() as copy:
            asyncio.run(_generate(settings, image, copy))


@cli.command()
def migrate() -> None:
    """Bring the database's tables up to date. (`serve` does so too.)"""
    with _errors_in_one_line():
        asyncio.run(_prepare(_read_settings(log_level="WARNING")))
        console.print("The database is up to date.")


@cli.command()
def export_schema() -> None:
    """Print the GraphQL schema."""
    with _errors_in_one_line():
        _print(make_schema().as_str())


@cli.command()
def version() -> None:
    """Print the version."""
    with _errors_in_one_line():
        _print(f"pixyproxy {__version__}")


async def _prepare(settings: Settings) -> None:
    async with open_services(settings):
        pass


async def _generate(settings: Settings, image: ImageDetailCreate, copy: "_Copy | None") -> None:
    base = settings.public_base_url or _origin(settings, "http")
    async with open_services(settings) as services:
        with console.status("drawing ..."):
            detail = await services.images.create_image(image)
        with_url = ImageDetailWithUrl.of(detail, f"{base}/image/{detail.guid}/content")
        try:
            with _kept(detail, "its details cannot be printed"):
                _print(with_url.model_dump_json(indent=2))
        finally:
            if copy is not None:
                with _kept(detail, "--out cannot be written"):
                    content = await services.images.read_content(detail)
                    await asyncio.to_thread(copy.write, content)


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


@contextmanager
def _kept(image: ImageDetail, fault: str) -> Iterator[None]:
    """Say with an error that the image is paid for and kept, so that nobody pays again."""
    try:
        yield
    except (OSError, ValueError, PixyProxyException) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(
            f"the image is kept as {image.guid} and need not be generated again, "
            f"but {fault}: {reason}"
        ) from error


def _read_settings(*, log_level: str) -> Settings:
    settings = Settings()
    configure_logging("DEBUG" if settings.log_level == "DEBUG" else log_level)
    return settings


def _print(text: str) -> None:
    try:
        typer.echo(text)
    except OSError:
        # Else the interpreter would try once more at its end, and complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def _errors_in_one_line(interrupted: str = "interrupted") -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        _fail(describe_settings_error(error))
    except PixyProxyException as error:
        _fail(error.message)
    except (OSError, ValueError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail(interrupted)
    except Exception as error:
        logger.debug("unforeseen", exc_info=True)
        _fail(
            f"unforeseen: {type(error).__name__}; "
            f"set {PREFIX}LOG_LEVEL=DEBUG to have the traceback logged"
        )


def _fail(message: str) -> NoReturn:
    line = escape_line(" ".join(message.split()))
    console.print(Text.assemble(("error:", "red"), f" {line}"))
    raise typer.Exit(1)


def _check_certificate(certfile: Path | None, keyfile: Path | None) -> None:
    if certfile is None:
        if keyfile is not None:
            raise ValueError("--ssl-keyfile needs its --ssl-certfile")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile)
    except OSError as error:
        raise ValueError(
            f"--ssl-certfile {certfile} with --ssl-keyfile {keyfile or certfile} "
            f"cannot be used: {error.strerror}"
        ) from None


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ValueError(
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
            ) from None


def _origin(settings: Settings, scheme: str) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port}"


def _show_banner(settings: Settings, *, scheme: str) -> None:
    origin = _origin(settings, scheme)
    draws = {
        "openai": f"{settings.openai_base_url or 'OpenAI'}, model {settings.model}",
        "sketch": "the embedded sketch generator (free, offline, no model)",
    }[settings.generator_name]
    database = make_url(settings.database_url).render_as_string(hide_password=True)
    access = "API keys" if settings.api_keys else "anonymous"
    for name, value in {
        f"PixyProxy {__version__}": "",
        "listens on": f"{origin}  (GraphiQL at {origin}/graphql, REST at {origin}/docs)",
        "keeps rows in": database,
        "keeps images in": str(settings.images.absolute()),
        "draws by": draws,
        "access": access,
    }.items():
        console.print(f"{name:<16}{value}".rstrip(), markup=False)
