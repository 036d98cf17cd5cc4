"""What the tests of this face share: its rules are the same on both databases."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.conftest import MakeSettings, open_client
from tests.support.model_server import ModelServer


@pytest.fixture
async def client(
    make_settings: MakeSettings, model_server: ModelServer
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application that draws by the model server."""
    settings = make_settings(
        openai_base_url=model_server.base_url, openai_api_key="sk-the-models-own-key"
    )
    async with open_client(settings) as client:
        yield client
