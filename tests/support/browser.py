"""A real browser without a window."""

import os
import subprocess
from pathlib import Path

from tests.support.programs import require_program


def open_in_browser(url: str, profile: Path, *options: str) -> str:
    """Return the page's document once its scripts have come to rest."""
    command = [
        require_program("chromium"),
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=10000",
        *(options or ["--dump-dom"]),
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        url,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
