"""What tests install for themselves: once, from lock files, in folders that git does not see."""

import fcntl
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import environment
from tests.support.programs import require_program


def run(*command: object, cwd: Path, **variables: str) -> str:
    """Return what a command prints; it has to succeed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@contextmanager
def installing(lock_file: Path, target: Path) -> Iterator[bool]:
    """Tell whether `target` is to be installed anew from the lock file; one process at a time."""
    stamp = target.with_name(f"{target.name}.stamp")
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_there = target.exists() and stamp.exists() and stamp.read_text() == wanted
        yield not is_there
        stamp.write_text(wanted)


def install_npm_packages(folder: Path) -> Path:
    """Return the folder `node_modules` of what the lock file in `folder` names."""
    npm = require_program("npm")
    modules = folder / "node_modules"
    with installing(folder / "package-lock.json", modules) as is_needed:
        if is_needed:
            run(npm, "ci", "--prefer-offline", cwd=folder)
    return modules
