"""Database and disk fail under load, in a process of its own: the invariants hold all the same."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.campaign import Campaign, Outcome
from tests.reliability.faults import Disk, FailingFsync
from tests.reliability.load import Load
from tests.support.clients import client_of, eventually, is_served
from tests.support.mariadb import MariaDB

FAULT_LASTS_S = 3
"""Longer than a lease and than the database's deadline."""


async def withstand(
    campaign: Campaign, break_it: Callable[[], Any], mend_it: Callable[[], Any], status: int
) -> None:
    """Under load, have a fault for a while: it is told with `status`, and kept images are served.

    Once it is mended all is settled, and nothing is lost or paid twice.
    """

    async def do_harm(_outcome: Outcome, load: Load) -> None:
        async with client_of(campaign.services[0]) as client:

            async def is_told() -> bool:
                return load.statuses[status] > told

            async def has_kept_some() -> bool:
                return len(load.images) >= 5

            await eventually(has_kept_some)
            kept = [{"guid": guid, "sha256": sha256} for guid, sha256 in load.images.items()]
            for image in kept:
                assert await is_served(client, image)
            told = load.statuses[status]
            await asyncio.to_thread(break_it)
            try:
                await eventually(is_told)
                for image in kept:
                    assert await is_served(client, image)
                await asyncio.sleep(FAULT_LASTS_S)
            finally:
                await asyncio.to_thread(mend_it)

    outcome = await campaign.put_to_the_test(1, do_harm)
    assert outcome.violations == []
    assert "Traceback" not in campaign.services[0].log


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_a_database_that_goes_away(
    tmp_path: Path, mariadb: MariaDB, fragile_url: str, fault: str
) -> None:
    break_it, mend_it = {
        "kill": (mariadb.kill, mariadb.start),
        "pause": (mariadb.pause, mariadb.resume),
    }[fault]
    with Campaign(tmp_path, fragile_url, processes=1) as campaign:
        await withstand(campaign, break_it, mend_it, 503)


async def test_a_full_disk_under_the_images(
    tmp_path: Path, database_url: str, small_disk: Disk
) -> None:
    images = small_disk.folder / "images"
    with Campaign(tmp_path, database_url, processes=1, images=images) as campaign:
        await withstand(campaign, small_disk.fill, small_disk.empty, 507)


async def test_a_full_disk_under_sqlite(tmp_path: Path, small_disk: Disk) -> None:
    url = f"sqlite:///{small_disk.folder}/pixyproxy.db"
    with Campaign(tmp_path, url, processes=1) as campaign:
        await withstand(campaign, small_disk.fill, small_disk.empty, 507)


async def test_an_fsync_that_fails(tmp_path: Path, database_url: str) -> None:
    fsync = FailingFsync(tmp_path, tmp_path / "images")
    with Campaign(tmp_path, database_url, processes=1, variables=fsync.variables) as campaign:
        await withstand(campaign, fsync.fail, fsync.mend, 503)
