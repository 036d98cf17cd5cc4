"""Archives of very many pictures, made quickly: copies of a few, with files that are links."""

import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROWS_AT_ONCE = 10_000


def multiply(folder: Path, count: int, *, days: int) -> None:
    """Have `count` more images in a stopped service's folder, spread over `days` up to today.

    Each is a copy of one that is there, under a GUID, a name and a moment of its own.
    """
    with closing(sqlite3.connect(folder / "pixyproxy.db")) as database:
        database.row_factory = sqlite3.Row
        originals = [dict(row) for row in database.execute("SELECT * FROM images ORDER BY id")]
        begin = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
        # The copies are older: they take the lower ids, and the originals come after them.
        database.execute("UPDATE images SET id = id + ?", [count])
        rows = []
        for number in range(count):
            original = originals[number % len(originals)]
            guid = str(uuid.uuid4())
            moment = begin + timedelta(days=days) * number / count
            name = original["filename"].replace(original["guid"][:8], guid[:8])
            own = {"id": number + 1, "guid": guid, "filename": name, "generation_guid": None}
            times = dict.fromkeys(("created_at", "updated_at"), f"{moment:%F %T.%f}")
            rows.append({**original, **own, **times, "tags": None})
            source, copy = (_path(folder, each, original) for each in (original["guid"], guid))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(source)
        names = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        for start in range(0, count, ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            database.executemany(f"INSERT INTO images ({names}) VALUES ({values})", part)
        database.commit()


def _path(folder: Path, guid: str, original: dict[str, str]) -> Path:
    extension = original["filename"].rpartition(".")[2]
    return folder / "images" / guid[:2] / guid[2:4] / f"{guid}.{extension}"
