"""Outside programs: where one is missing, a loud skip; in CI, a failure."""

import os
import shutil
from typing import NoReturn

import pytest

missing: set[str] = set()


def lacking(what: str) -> NoReturn:
    """Skip the test for want of this, and have it said loudly; in CI, fail it."""
    missing.add(what)
    message = f"{what} is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def require_program(name: str) -> str:
    """Return the program's path; skip the test where it is missing, or fail it in CI."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        lacking(f"the program {name}")
    return path
