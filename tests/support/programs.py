"""Outside programs: where one is missing, a loud skip; in CI, a failure."""

import os
import shutil

import pytest

missing: set[str] = set()


def require_program(name: str) -> str:
    """Return the program's path; skip the test where it is missing, or fail it in CI."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        missing.add(name)
        message = f"the program {name} is missing"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path
