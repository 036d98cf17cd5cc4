"""What is asked of databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine


@contextmanager
def counted_reads() -> Iterator[list[str]]:
    """Yield the SELECT statements that are sent from now on, of any engine."""
    statements: list[str] = []

    def note(*event: Any) -> None:
        statement = event[2]
        if "FROM images" in statement or (
            "FROM generations" in statement and "WHERE generations.guid IN" in statement
        ):
            statements.append(statement)

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)
