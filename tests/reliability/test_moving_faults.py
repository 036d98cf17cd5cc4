"""Moving archives onto a disk that is full."""

from pathlib import Path

from tests.reliability.faults import Disk
from tests.support.archives import Archive, make_pictures
from tests.support.problems import assert_one_clear_line


def test_an_import_onto_a_full_disk(tmp_path: Path, sqlite_url: str, small_disk: Disk) -> None:
    archive = Archive(tmp_path / "here", sqlite_url)
    archive.images.symlink_to(small_disk.folder)
    make_pictures(tmp_path / "pictures", 2500)
    result = archive.run("import", str(tmp_path / "pictures"))
    assert result.returncode == 2
    assert_one_clear_line(result, "too little storage")
    kept = len(archive.guids())
    assert 0 < kept < 2500
    assert archive.run("verify").returncode == 0


def test_an_export_onto_a_full_disk(tmp_path: Path, sqlite_url: str, small_disk: Disk) -> None:
    archive = Archive(tmp_path / "here", sqlite_url)
    make_pictures(tmp_path / "pictures", 1500)
    assert archive.run("import", str(tmp_path / "pictures")).returncode == 0
    export = small_disk.folder / "export"
    small_disk.fill()
    result = archive.run("export", str(export))
    assert result.returncode == 2
    assert_one_clear_line(result, "No space left")
