"""How much room the disk has left."""

import shutil
from pathlib import Path

from pixyproxy.core.exceptions import StorageFullError

_MIB = 1024 * 1024


def check_free_space(folder: Path, min_free_mb: int) -> None:
    """Raise StorageFullError where the disk of `folder` has less than `min_free_mb` MiB free."""
    if shutil.disk_usage(folder).free < min_free_mb * _MIB:
        raise StorageFullError
