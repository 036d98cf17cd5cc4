"""What must hold whatever happened, once all is settled: database, files and ledger compared.

(a) What was acknowledged can be read: `Load.find_violations` asks over HTTP.
(b) Each call that the model's server accepted is an attempt's, and each attempt has at most one.
(c) No generation succeeded without its images, no row is without its file, no file without its row.
(d) No part of a generation was charged for twice.
(e) Nothing stays queued or running.
(f) What was cancelled stays so, and nothing of it was charged for.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support.model_server import LedgerEntry
from tests.support.rows import raw

CALLS_ACCEPTED = {
    "succeeded": {1},
    "refused": {1},
    "failed": {0, 1},
    "unknown": {0, 1},
    "unsent": {0},
}
"""How many calls the ledger may have of an attempt, by its status; `sent` is none to end with."""


@dataclass(frozen=True)
class State:
    """Everything that is written down anywhere."""

    generations: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    images: list[dict[str, Any]]
    files: dict[str, str]
    """The SHA-256 of each file that is no sidecar, by its GUID."""
    ledger: list[LedgerEntry]

    @classmethod
    def read(cls, database_url: str, images: Path, ledger: Sequence[LedgerEntry]) -> "State":
        """Read it all."""
        return cls(
            generations=_rows(database_url, "generations", "guid", "status", "n", "error"),
            attempts=_rows(
                database_url, "attempts", "generation_guid", "number", "part", "status", "answer"
            ),
            images=_rows(
                database_url, "images", "guid", "sha256", "content_type", "generation_guid"
            ),
            files={
                path.stem: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in images.glob("??/??/*")
                if path.suffix != ".json"
            },
            ledger=list(ledger),
        )

    def write(self, path: Path) -> None:
        """Keep it as JSON, for whoever looks for a fault."""
        path.write_text(json.dumps(asdict(self), indent=1))

    def find_violations(self) -> list[str]:
        """Return what does not hold."""
        return [*self._unsettled(), *self._calls(), *self._kept(), *self._charges()]

    def _unsettled(self) -> Iterator[str]:
        for row in self.generations:
            if row["status"] in {"queued", "running"}:
                yield f"(e) generation {row['guid']} is still {row['status']}"

    def _calls(self) -> Iterator[str]:
        accepted = Counter(entry.call for entry in self.ledger)
        names = {f"{row['generation_guid']}-{row['number']}" for row in self.attempts}
        for call in accepted.keys() - names:
            yield f"(b) call {call} was accepted and no attempt has its name"
        for row in self.attempts:
            name = f"{row['generation_guid']}-{row['number']}"
            if accepted[name] not in CALLS_ACCEPTED.get(row["status"], set()):
                yield f"(b) attempt {name} is {row['status']} and was accepted {accepted[name]}x"

    def _kept(self) -> Iterator[str]:
        per_generation = Counter(row["generation_guid"] for row in self.images)
        for row in self.generations:
            guid, count = row["guid"], per_generation[row["guid"]]
            if row["status"] == "succeeded":
                if not count or (count < row["n"] and row["error"] is None):
                    yield f"(c) generation {guid} succeeded with {count} of {row['n']} images"
            elif count:
                yield f"(c) generation {guid} is {row['status']} and has {count} images"
        for row in self.images:
            if self.files.get(row["guid"]) != row["sha256"]:
                yield f"(c) image {row['guid']} has no file, or another one"
        for guid in self.files.keys() - {row["guid"] for row in self.images}:
            yield f"(c) file {guid} has no row"

    def _charges(self) -> Iterator[str]:
        """Yield what was charged for twice; what a user had tried again counts anew."""
        charged = {entry.call for entry in self.ledger if entry.charged}
        per_part: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for row in self.attempts:
            name = f"{row['generation_guid']}-{row['number']}"
            if name in charged and row["part"] is not None:
                per_part[row["generation_guid"], row["part"]].append(row["number"])
        cancelled = {row["guid"] for row in self.generations if row["status"] == "cancelled"}
        for (guid, part), numbers in per_part.items():
            if guid in cancelled:
                yield f"(f) part {part} of cancelled generation {guid} was charged for"
            if len(numbers) > 1:
                yield f"(d) part {part} of generation {guid} was charged for by calls {numbers}"


def _rows(database_url: str, table: str, *columns: str) -> list[dict[str, Any]]:
    rows = raw(database_url, f"SELECT {', '.join(columns)} FROM {table}")
    return [dict(zip(columns, row, strict=True)) for row in rows]
