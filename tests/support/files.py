"""What is in folders."""

from pathlib import Path


def files_in(folder: Path) -> list[Path]:
    """All that is no folder, at any depth."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def kept_files(folder: Path) -> list[Path]:
    """The files in a store's shards, but none that is being written."""
    return sorted(file for file in folder.glob("*/*/*") if file.is_file() and file.name[0] != ".")
