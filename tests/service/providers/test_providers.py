"""The one list of providers: each can be chosen, and says what it is."""

from typing import get_args

import pytest

from pixyproxy.service.providers import ProviderOptions, make_provider
from pixyproxy.settings import Settings

NAMES = set(get_args(Settings.model_fields["generator"].annotation)) - {"auto"}


@pytest.mark.parametrize("name", sorted(NAMES))
async def test_each_that_can_be_set_can_be_made(name: str) -> None:
    options = ProviderOptions(
        base_url="http://127.0.0.1:9/v1", api_key="sk-hidden", default_model="a-model", timeout_s=1
    )
    provider = make_provider(name, options)
    assert provider.name == name
    assert provider.describe()
    assert "sk-hidden" not in provider.describe()
    await provider.aclose()
