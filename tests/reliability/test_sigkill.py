"""Processes killed at random moments under load. `make soak` does much more of it."""

from pathlib import Path

import pytest

from tests.reliability.campaign import Campaign


@pytest.mark.parametrize("processes", [1, 2])
async def test_nothing_is_lost_or_paid_twice_when_processes_are_killed(
    tmp_path: Path, database_url: str, processes: int
) -> None:
    with Campaign(tmp_path, database_url, processes=processes) as campaign:
        for seed in range(3):
            outcome = await campaign.run(seed)
            assert outcome.kills
            assert outcome.violations == []
