"""Names of environment variables, which people mistype."""

import difflib
from collections.abc import Iterable

_OF_THE_TESTS = "TEST_MYSQL_URL"


def refuse_unknown(variables: Iterable[str], fields: Iterable[str], *, prefix: str) -> None:
    """Raise ValueError, with the nearest known name, where one with the prefix is no setting."""
    known = {prefix + field.upper() for field in fields}
    for variable in map(str.upper, variables):
        if variable.startswith(prefix) and variable not in known | {prefix + _OF_THE_TESTS}:
            (nearest,) = difflib.get_close_matches(variable, sorted(known), n=1, cutoff=0)
            raise ValueError(f"{variable} is no setting; did you mean {nearest}?")
