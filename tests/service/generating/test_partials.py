"""Partial images in memory: within bounds, and gone at the end."""

import pytest

from pixyproxy.core.exceptions import PartialImageNotFoundError
from pixyproxy.core.models import ContentType
from pixyproxy.service.generating import partials as module
from pixyproxy.service.generating.partials import PartialImages
from pixyproxy.service.providers import ProviderPartial
from tests.support import model_server as ms


def given(step: int = 0, size: int = 0, data: bytes | None = None) -> ProviderPartial:
    """A picture with so many bytes after its end, which do no harm."""
    return ProviderPartial(step=step, data=ms.png() + bytes(size) if data is None else data)


@pytest.fixture
def partials() -> PartialImages:
    partials = PartialImages()
    partials.open("a")
    return partials


def test_they_are_numbered_in_the_order_in_which_they_come(partials: PartialImages) -> None:
    for step in (0, 1, 0):
        partials.add("a", given(step))
    assert [(one.index, one.step) for one in partials.list_of("a")] == [(0, 0), (1, 1), (2, 0)]
    shown = partials.get("a", 1)
    assert (shown.content_type, shown.data) == (ContentType.PNG, ms.png())


def test_what_has_ended_shows_nothing(partials: PartialImages) -> None:
    partials.add("a", given())
    partials.close("a")
    assert partials.add("a", given()) is None
    assert partials.add("b", given()) is None
    assert partials.list_of("a") == ()
    with pytest.raises(PartialImageNotFoundError):
        partials.get("a", 0)


@pytest.mark.parametrize("data", [ms.SVG, ms.HTML, ms.TRUNCATED_PNG, b""])
def test_what_is_no_image_is_not_shown(partials: PartialImages, data: bytes) -> None:
    assert partials.add("a", given(data=data)) is None
    assert partials.list_of("a") == ()


def test_the_older_ones_of_a_generation_give_way(partials: PartialImages) -> None:
    for _ in range(4):
        partials.add("a", given(size=6 * module.MIB))
    assert [one.index for one in partials.list_of("a")] == [2, 3]
    assert partials.add("a", given(size=module.MAX_BYTES)) is None


def test_of_a_process_the_oldest_generation_gives_way(
    partials: PartialImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PROCESS_BYTES", 15 * module.MIB)
    partials.open("b")
    for guid in ("a", "b", "b"):
        partials.add(guid, given(size=6 * module.MIB))
    assert partials.list_of("a") == ()
    assert [one.index for one in partials.list_of("b")] == [0, 1]
    partials.close("b")
    partials.add("a", given(size=6 * module.MIB))
    assert [one.index for one in partials.list_of("a")] == [1]
