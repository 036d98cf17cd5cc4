"""Reading postings: those that a plan needs, of many blocks with one statement."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import chain, repeat
from typing import Any

import sqlalchemy as sa

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.data.context import DatabaseContext
from pixyproxy.data.search.plan import Key, SearchPlan, TermRange
from pixyproxy.data.search.postings import decode
from pixyproxy.data.tables import search_postings

MAX_POSTINGS = 60_000
"""At most this many postings are read at once; a prefix of very many words has more."""
TOO_BROAD = (
    "too many images come near what is searched for; add a word, a longer prefix or a filter"
)

_WINDOWS = (8, 500)
"""How many blocks are looked through at once: few at first, since most searches end there."""
_MAX_LOOKUPS = 8_000
"""More at once (blocks times terms), and MariaDB would rather read everything than plan that."""


def windows(blocks: range, plan: SearchPlan) -> Iterator[range]:
    """Yield the blocks in windows that are read at once: small ones first."""
    keys = max(1, len(plan.needs()))
    for size in chain(_WINDOWS, repeat(_WINDOWS[-1])):
        if not blocks:
            return
        window = blocks[: min(size, max(1, _MAX_LOOKUPS // keys))]
        yield window
        blocks = blocks[len(window) :]


async def read_window(
    context: DatabaseContext, plan: SearchPlan, window: range, *, block_size: int
) -> Callable[[int], int]:
    """Read the postings of some blocks; return what gives one block's images that may do, as bits.

    Raises ConstraintViolationError where there are more than MAX_POSTINGS.
    """
    keys = plan.needs()
    parameters: dict[str, Any] = {
        "blocks": list(window),
        "terms": sorted(key for key in keys if isinstance(key, bytes)),
        "limit": MAX_POSTINGS + 1,
    }
    ranges = sorted(key for key in keys if isinstance(key, TermRange))
    selects = [_OF_TERMS]
    for number, each in enumerate(ranges):
        parameters |= {f"first_{number}": each.first, f"end_{number}": each.end}
        selects.append(_of_range(number))
    rows = await context.execute(sa.union_all(*selects).limit(_LIMIT), parameters)
    if len(rows) > MAX_POSTINGS:
        raise ConstraintViolationError([FieldFault("query", TOO_BROAD)])
    stored: dict[tuple[int, Key], list[bytes]] = defaultdict(list)
    for number, term, block, bits in rows:
        stored[block, term if number < 0 else ranges[number]].append(bits)

    def look_up(block: int, key: Key) -> int:
        if isinstance(key, int):
            return 1 << key % block_size if key // block_size == block else 0
        found = 0
        for bits in stored.get((block, key), ()):
            found |= decode(bits, block_size)
        return found

    return lambda block: plan.bits(partial(look_up, block), block_size)


_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_IN_WINDOW = search_postings.c.block.in_(sa.bindparam("blocks", expanding=True))
_POSTINGS = (search_postings.c.term, search_postings.c.block, search_postings.c.images)
_OF_TERMS = sa.select(sa.literal_column("-1").label("number"), *_POSTINGS).where(
    search_postings.c.term.in_(sa.bindparam("terms", expanding=True)), _IN_WINDOW
)


@cache
def _of_range(number: int) -> sa.Select[Any]:
    return sa.select(sa.literal_column(str(number)).label("number"), *_POSTINGS).where(
        search_postings.c.term >= sa.bindparam(f"first_{number}"),
        search_postings.c.term < sa.bindparam(f"end_{number}"),
        _IN_WINDOW,
    )
