"""The one door: whatever way a request comes, it is checked, and one key is one request."""

from collections.abc import AsyncIterator

import pytest

from pixyproxy.bootstrap import Services, open_services
from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.core.models import GenerationCreate, ImageDetailCreate
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.service import ImageGenerator
from pixyproxy.service.generating.terms import Terms
from pixyproxy.service.providers.sketch import SketchProvider
from tests.conftest import MakeSettings

UNCHECKED = {
    "blank prompt": (ImageDetailCreate.model_construct(prompt=" "), "prompt"),
    "no prompt": (ImageDetailCreate.model_construct(), "prompt"),
    "blank prompt of a generation": (GenerationCreate.model_construct(prompt=""), "prompt"),
    "prompt of another kind": (GenerationCreate.model_construct(prompt=5), "prompt"),
    "copy": (GenerationCreate(prompt="a fox").model_copy(update={"prompt": " "}), "prompt"),
    "too many": (GenerationCreate(prompt="a fox").model_copy(update={"n": 11}), "n"),
    "number as text": (GenerationCreate(prompt="a fox").model_copy(update={"n": "1"}), "n"),
}


@pytest.fixture
async def services(make_settings: MakeSettings) -> AsyncIterator[Services]:
    async with open_services(make_settings()) as services:
        yield services


@pytest.mark.parametrize("name", UNCHECKED)
async def test_no_way_in_passes_the_check(services: Services, name: str) -> None:
    request, field = UNCHECKED[name]
    generator = ImageGenerator(
        ImageRepository(services.engine.repository.open_context), provider=SketchProvider()
    )
    for enter in (
        lambda: services.generations.create_image(request),
        lambda: services.generations.submit(request, Terms()),
        lambda: generator.generate_image(request),
        lambda: generator.generate_image(request, size="64x64"),
    ):
        with pytest.raises(ConstraintViolationError) as caught:
            await enter()
        assert [fault.field for fault in caught.value.faults] == [field]
    await generator.aclose()
    assert await services.generations.list_generations(page=1, size=1) == []


async def test_a_prompt_alone_is_a_request(services: Services) -> None:
    image = await services.generations.create_image(ImageDetailCreate(prompt="a fox"))
    assert (image.prompt, image.parameters.get("size")) == ("a fox", None)


async def test_what_was_kept_can_be_drawn_once_more(services: Services) -> None:
    """An ImageDetail is a request too, of its prompt alone."""
    image = await services.generations.create_image(GenerationCreate(prompt="a fox", size="64x64"))
    another = await services.generations.create_image(image)
    assert another.guid != image.guid
    assert another.prompt == image.prompt


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ü"])
async def test_a_key_is_checked_too(services: Services, key: str) -> None:
    request = GenerationCreate(prompt="a fox")
    with pytest.raises(ConstraintViolationError) as caught:
        await services.generations.create_image(request, Terms("me", key))
    assert [fault.field for fault in caught.value.faults] == ["idempotency_key"]
