"""The specification's generator beside the service: the same defaults, another provider."""

from dataclasses import asdict

import pytest

from pixyproxy.data.init import Database
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.service import ImageGenerator
from pixyproxy.service.generating import generator as module
from pixyproxy.service.providers.sketch import SketchProvider
from pixyproxy.settings import Settings


def test_its_defaults_are_those_of_the_settings() -> None:
    settings = Settings()
    assert asdict(module.LIMITS) == {
        "timeout_s": settings.generation_timeout_s,
        "max_concurrent": settings.max_concurrent_generations,
        "max_queued": settings.max_queued_generations,
        "lease_s": settings.lease_s,
    }
    assert settings.images == module.FOLDER
    assert (settings.model, settings.min_free_mb) == (module.DEFAULT_MODEL, module.MIN_FREE_MB)


async def test_another_provider_takes_the_place_of_the_default_one(database: Database) -> None:
    repository = ImageRepository(database.open_context)
    generator = ImageGenerator(repository, provider=SketchProvider())
    assert generator.client is None
    assert generator.repo is repository
    await generator.aclose()


def test_the_service_has_no_other_names_of_its_own() -> None:
    import pixyproxy.service

    with pytest.raises(AttributeError):
        pixyproxy.service.NoSuchGenerator  # noqa: B018
