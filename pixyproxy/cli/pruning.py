"""`pixyproxy prune-variants`."""

import asyncio
from typing import Annotated

import typer

from pixyproxy.bootstrap import MIB, open_services
from pixyproxy.cli.options import takes_archive
from pixyproxy.cli.terminal import errors_in_one_line, print_text, read_settings
from pixyproxy.settings import Settings


@takes_archive
def prune_variants(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Remove all of them; they are made again when asked for.")
    ] = False,
) -> None:
    """Remove images in other sizes that are not wanted any more, while the service runs or not.

    Those of images that are gone, those that an older version made, and the least used beyond
    PIXYPROXY_VARIANTS_MAX_MB. The images themselves are never touched.
    """
    with errors_in_one_line():
        asyncio.run(_prune(read_settings(log_level="ERROR"), everything=everything))


async def _prune(settings: Settings, *, everything: bool) -> None:
    async with open_services(settings, must_exist=True) as services:
        pruned = await services.derivatives.prune(everything=everything)
    print_text(
        f"removed: {pruned.removed} ({pruned.removed_bytes / MIB:.1f} MB), "
        f"kept: {pruned.kept} ({pruned.kept_bytes / MIB:.1f} MB)"
    )
