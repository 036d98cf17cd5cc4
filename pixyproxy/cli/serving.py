"""Serving, and what goes with it."""

import asyncio
import os
import socket
import ssl
from pathlib import Path
from typing import Annotated, get_args

import typer
import uvicorn
from sqlalchemy.engine import make_url

from pixyproxy import __version__
from pixyproxy.bootstrap import open_services
from pixyproxy.cli.terminal import (
    console,
    errors_in_one_line,
    origin,
    print_text,
    read_settings,
)
from pixyproxy.core.urls import Urls
from pixyproxy.log import configure_logging
from pixyproxy.schema.schema import make_schema
from pixyproxy.settings import PREFIX, Settings

_GENERATORS = get_args(Settings.model_fields["generator"].annotation)
KEEP_ALIVE_S = 75
"""Longer than the usual proxies' own, so that it is they who hang up an idle connection."""


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    database_url: Annotated[
        str | None, typer.Option(help="mysql://user:password@host/database or sqlite:///path.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of the image files.")] = None,
    generator: Annotated[str | None, typer.Option(help=f"{', '.join(_GENERATORS)}.")] = None,
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
    with errors_in_one_line():
        settings = read_settings(log_level="WARNING")
        _check_certificate(ssl_certfile, ssl_keyfile)
        draws_by = asyncio.run(_prepare(settings))
        _check_port(settings)
    _show_banner(settings, draws_by, scheme="https" if ssl_certfile else "http")
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
        ws_max_size=settings.graphql_max_body_kib * 1024,
    )


def migrate() -> None:
    """Bring the database's tables up to date. (`serve` does so too.)"""
    with errors_in_one_line():
        asyncio.run(_prepare(read_settings(log_level="WARNING")))
        console.print("The database is up to date.")


def export_schema() -> None:
    """Print the GraphQL schema."""
    with errors_in_one_line():
        print_text(make_schema().as_str())


def version() -> None:
    """Print the version."""
    with errors_in_one_line():
        print_text(f"pixyproxy {__version__}")


async def _prepare(settings: Settings) -> str:
    """Bring everything that is kept up to date, and say what draws."""
    async with open_services(settings) as services:
        return services.engine.provider.describe()


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


def _show_banner(settings: Settings, draws_by: str, *, scheme: str) -> None:
    urls = Urls(origin(settings, scheme))
    database = make_url(settings.database_url).render_as_string(hide_password=True)
    access = "API keys" if settings.api_keys else "anonymous"
    for name, value in {
        f"PixyProxy {__version__}": "",
        "listens on": f"{urls.base}  (GraphiQL at {urls.graphql}, REST at {urls.docs})",
        "keeps rows in": database,
        "keeps images in": str(
            images.absolute() if isinstance(images := settings.images, Path) else images
        ),
        "draws by": draws_by,
        "access": access,
    }.items():
        console.print(f"{name:<16}{value}".rstrip(), markup=False)
