"""Serving, and what goes with it."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from pixyproxy import __version__
from pixyproxy.bootstrap import check_parts, open_services
from pixyproxy.cli.options import ARCHIVE, takes_archive, takes_settings
from pixyproxy.cli.terminal import (
    console,
    errors_in_one_line,
    origin,
    print_text,
    read_settings,
)
from pixyproxy.core.exceptions import ImageStoreError
from pixyproxy.core.urls import Urls
from pixyproxy.log import configure_logging
from pixyproxy.schema.schema import make_schema
from pixyproxy.settings import Settings

KEEP_ALIVE_S = 75
"""Longer than the usual proxies' own, so that it is they who hang up an idle connection."""


@takes_settings(
    "host",
    "port",
    *ARCHIVE,
    "variants",
    "generator",
    "openai_base_url",
    "model",
    "log_level",
)
def serve(
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
    ssl_certfile: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS certificate chain (PEM).")
    ] = None,
    ssl_keyfile: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS private key (PEM).")
    ] = None,
) -> None:
    """Serve GraphQL and REST. Each option of a setting wins over its variable PIXYPROXY_..."""
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


@takes_archive
def migrate() -> None:
    """Bring the database's tables up to date. (`serve` does so too.)"""
    with errors_in_one_line():
        asyncio.run(_prepare(read_settings(log_level="WARNING")))
        console.print("The database is up to date.")


@takes_settings(*ARCHIVE, "generator", "openai_base_url", "model")
def check() -> None:
    """Try the database, the images' store and the model's server; a line each says what is wrong.

    Nothing is drawn, and nothing is changed but that tables are made or brought up to date.

    Exit status: 0 all is well, 1 something is wrong.
    """
    with errors_in_one_line():
        is_well = asyncio.run(_check(read_settings(log_level="ERROR")))
    raise typer.Exit(0 if is_well else 1)


async def _check(settings: Settings) -> bool:
    is_well = True
    async for name, outcome in check_parts(settings):
        if isinstance(outcome, str):
            print_text(f"{name:<14}ok     {outcome}")
            continue
        is_well = False
        told = outcome.message
        if isinstance(outcome, ImageStoreError) and outcome.__cause__ is not None:
            told += f" ({outcome.reason})"
        print_text(f"{name:<14}wrong  {told}")
    return is_well


def export_schema() -> None:
    """Print the GraphQL schema."""
    with errors_in_one_line():
        print_text(make_schema().as_str())


def version() -> None:
    """Print the version."""
    with errors_in_one_line():
        print_text(f"pixyproxy {__version__}")


def _print_version(is_asked: bool) -> None:  # noqa: FBT001  typer's form of a callback
    if is_asked:
        version()
        raise typer.Exit


def common(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version, and exit."
        ),
    ] = False,
) -> None:
    """PixyProxy has images drawn by a model and keeps them, with their prompts, for good."""


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
    access = "API keys" if settings.api_keys else "anonymous"
    for name, value in {
        f"PixyProxy {__version__}": "",
        "listens on": f"{urls.base}  (GraphiQL at {urls.graphql}, REST at {urls.docs})",
        "keeps rows in": settings.database_without_password,
        "keeps images in": settings.images_place,
        "draws by": draws_by,
        "access": access,
    }.items():
        console.print(f"{name:<16}{value}".rstrip(), markup=False)
