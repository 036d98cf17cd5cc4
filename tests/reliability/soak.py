"""Many runs of processes that are killed under load: `make soak`.

    python -m tests.reliability.soak --runs 200 --database both

It prints a table for docs/reliability.md, and ends with status 1 where an invariant was violated:
then the run's database, files, ledger and logs are kept, and its seed is named.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from tests.reliability.campaign import Campaign, Outcome
from tests.support.mariadb import MariaDB
from tests.support.rows import raw

RUNS_PER_CAMPAIGN = 10


@dataclass
class Figures:
    """What the runs on one database came to."""

    database: str
    runs: int = 0
    kills: int = 0
    generations: int = 0
    faults: int = 0
    violations: int = 0
    seconds: float = 0

    def add(self, outcome: Outcome) -> None:
        """Count one more run."""
        self.runs += 1
        self.kills += outcome.kills
        self.generations += outcome.generations
        self.faults += outcome.faults
        self.violations += len(outcome.violations)


async def soak(database: str, seeds: range, folder: Path) -> Figures:
    """Do a run for each seed: one process or two, each campaign on a new database."""
    figures = Figures(database)
    began = time.monotonic()
    with ExitStack() as stack:
        create_database = _server(database, folder, stack)
        while figures.runs < len(seeds):
            name = f"from{seeds[figures.runs]}"
            rest = seeds[figures.runs :][:RUNS_PER_CAMPAIGN]
            processes = 1 + figures.runs // RUNS_PER_CAMPAIGN % 2
            with Campaign(folder / name, create_database(name), processes=processes) as campaign:
                for seed in rest:
                    outcome = await campaign.run(seed)
                    figures.add(outcome)
                    told = f"{database}, seed {seed}: {outcome.generations} generations"
                    print(told, file=sys.stderr)  # noqa: T201  it is for people
                    if outcome.violations:  # what follows would find the same again
                        print("VIOLATED:", *outcome.violations, sep="\n", file=sys.stderr)  # noqa: T201
                        break
            if not outcome.violations:
                shutil.rmtree(campaign.folder)
    figures.seconds = round(time.monotonic() - began)
    return figures


def _server(database: str, folder: Path, stack: ExitStack) -> Callable[[str], str]:
    """Return what makes a new database and returns its URL."""
    if database == "sqlite":
        return lambda name: f"sqlite:///{folder / name}/pixyproxy.db"
    data = folder / "mariadb"
    data.mkdir()
    server = stack.enter_context(MariaDB(data))

    def create(name: str) -> str:
        raw(f"{server.url}/mysql", f"CREATE DATABASE {name}")
        return f"{server.url}/{name}"

    return create


def main() -> None:
    """Soak, and print what came of it."""
    parser = argparse.ArgumentParser(description="Kill processes under load, again and again.")
    parser.add_argument("--runs", type=int, default=200, help="runs per database")
    parser.add_argument("--database", choices=["sqlite", "mariadb", "both"], default="both")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first run")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pixyproxy-soak-"))
    databases = ["sqlite", "mariadb"] if given.database == "both" else [given.database]
    names = [field.name for field in fields(Figures)]
    table = [names, ["---"] * len(names)]
    violations = 0
    for database in databases:
        (folder / database).mkdir()
        seeds = range(given.seed, given.seed + given.runs)
        figures = asyncio.run(soak(database, seeds, folder / database))
        violations += figures.violations
        table.append([str(figure) for figure in astuple(figures)])
    for row in table:
        print(f"| {' | '.join(row)} |")  # noqa: T201
    if violations:
        sys.exit(f"{violations} violations; what they left is in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
