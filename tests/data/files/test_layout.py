"""Where files lie: what is stored already is found there, so this never changes."""

import pytest

from pixyproxy.core.models import ContentType
from pixyproxy.data.files.layout import FileName, is_shard_folder, shard_folders, shard_path

GUID = "abcd1234-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("content_type", "extension"),
    [
        (ContentType.PNG, "png"),
        (ContentType.JPEG, "jpg"),
        (ContentType.WEBP, "webp"),
        (ContentType.GIF, "gif"),
        (ContentType.AVIF, "avif"),
        (None, "json"),
    ],
)
def test_names_and_paths(content_type: ContentType | None, extension: str) -> None:
    name = FileName(GUID, content_type)
    assert str(name) == f"{GUID}.{extension}"
    assert name.path == f"ab/cd/{GUID}.{extension}"
    assert name.is_sidecar == (extension == "json")
    assert FileName.parse(str(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", GUID, f"{GUID}.", f"{GUID}.txt", f"{GUID}.PNG", f"{GUID}.png.bak", f"{GUID}.png\n"),
        *(f"{GUID.upper()}.png", f"{GUID}x.png", f" {GUID}.png", "x.json", ".DS_Store"),
    ],
)
def test_names_that_the_service_gives_no_file(name: str) -> None:
    assert FileName.parse(name) is None


def test_shards() -> None:
    assert shard_folders("abcd") == shard_folders(GUID) == ("ab", "cd")
    assert shard_path("abcd") == shard_path(GUID) == "ab/cd"
    assert is_shard_folder("0f")
    for name in ("", "f", "0F", "0ff", ".tmp", "0g"):
        assert not is_shard_folder(name)
