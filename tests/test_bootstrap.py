"""What is opened, by what is set."""

import subprocess
import sys
from pathlib import Path

import pytest

OPEN = """
import asyncio, sys
from pathlib import Path
from pixyproxy.bootstrap import open_services
from pixyproxy.settings import Settings

async def open_and_close():
    folder = Path(sys.argv[1])
    settings = Settings(
        database_url=f"sqlite:///{folder}/pixyproxy.db",
        images=folder,
        generator=sys.argv[2],
        openai_api_key="sk-none",
        _env_file=None,
    )
    async with open_services(settings):
        pass

asyncio.run(open_and_close())
print(*{"alembic", "aiomysql", "openai"} & set(sys.modules))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("generator", "needed"), [("sketch", set()), ("openai", {"openai"})])
def test_memory_is_spent_only_on_what_is_needed(
    tmp_path: Path, generator: str, needed: set[str]
) -> None:
    """Large libraries are imported late: a new database needs Alembic, one up to date does not."""
    for also in ({"alembic"}, set()):
        command = [sys.executable, "-c", OPEN, str(tmp_path), generator]
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert set(run.stdout.split()) == needed | also
