"""Serving, and what goes with it."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from sqlalchemy.engine import make_url

from pixyproxy import __version__
from pixyproxy.bootstrap import open_services
from pixyproxy.cli.options import ARCHIVE, takes_archive, takes_settings
from pixyproxy.cli.terminal import (
    console,
    errors_in_one_line,
    origin,
    print_text,
    read_settings,
)
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
        ws_max_size=settings.graphql_max_body_kib * 1024,
    )


@takes_archive
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


async def _prepare(settings: Settings) -> None:
    async with open_services(settings):
        pass


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


def _show_banner(settings: Settings, *, scheme: str) -> None:
    url = origin(settings, scheme)
    draws = {
        "openai": f"{settings.openai_base_url or 'OpenAI'}, model {settings.model}",
        "sketch": "the embedded sketch generator (free, offline, no model)",
    }[settings.generator_name]
    database = make_url(settings.database_url).render_as_string(hide_password=True)
    access = "API keys" if settings.api_keys else "anonymous"
    for name, value in {
        f"PixyProxy {__version__}": "",
        "listens on": f"{url}  (GraphiQL at {url}/graphql, REST at {url}/docs)",
        "keeps rows in": database,
        "keeps images in": str(
            images.absolute() if isinstance(images := settings.images, Path) else images
        ),
        "draws by": draws,
        "access": access,
    }.items():
        console.print(f"{name:<16}{value}".rstrip(), markup=False)
