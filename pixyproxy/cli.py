"""The command line."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.engine import make_url

from pixyproxy import __version__
from pixyproxy.bootstrap import open_services
from pixyproxy.core.exceptions import PixyProxyException
from pixyproxy.core.models import ImageDetail, ImageDetailCreate
from pixyproxy.log import configure_logging
from pixyproxy.schema.schema import make_schema
from pixyproxy.settings import PREFIX, Settings, describe_settings_error
from pixyproxy.web.models import ImageDetailWithUrl

KEEP_ALIVE_S = 75
"""Longer than the usual proxies' own, so that it is they who hang up an idle connection."""

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
        settings = Settings()
        configure_logging("WARNING")
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
    with _errors_in_one_line():
        settings = Settings()
        configure_logging("ERROR")
        with console.status("drawing ..."):
            detail = asyncio.run(_generate(settings, image, out))
        base = settings.public_base_url or _origin(settings, "http")
        with_url = ImageDetailWithUrl.of(detail, f"{base}/image/{detail.guid}/content")
        typer.echo(with_url.model_dump_json(indent=2))


@cli.command()
def migrate() -> None:
    """Bring the database's tables up to date. (`serve` does so too.)"""
    with _errors_in_one_line():
        settings = Settings()
        configure_logging("WARNING")
        asyncio.run(_prepare(settings))
        console.print("The database is up to date.")


@cli.command()
def export_schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(make_schema().as_str())


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"pixyproxy {__version__}")


async def _prepare(settings: Settings) -> None:
    async with open_services(settings):
        pass


async def _generate(settings: Settings, image: ImageDetailCreate, out: Path | None) -> ImageDetail:
    async with open_services(settings) as services:
        detail = await services.images.create_image(image)
        if out is not None:
            content = await services.images.read_content(detail)
            await asyncio.to_thread(out.write_bytes, content)
        return detail


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        _fail(describe_settings_error(error))
    except PixyProxyException as error:
        _fail(error.message)
    except (OSError, ValueError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted")


def _fail(message: str) -> None:
    console.print(f"[red]error:[/red] {' '.join(message.split())}", markup=True)
    raise typer.Exit(1)


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
