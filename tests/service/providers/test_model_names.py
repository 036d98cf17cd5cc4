"""Names of models: which may be asked for, until when, and what stands for them."""

from datetime import date
from typing import Any

import pytest

from pixyproxy.core.exceptions import ConstraintViolationError
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.providers.model_names import ModelNames
from pixyproxy.service.providers.openai import OpenAIProvider

ELSEWHERE = "http://gpu-box:8000/v1"


def names(model: str = "gpt-image-2", today: str = "2026-11-28", **options: Any) -> ModelNames:
    return ModelNames(default_model=model, today=lambda: date.fromisoformat(today), **options)


def test_the_default_model_comes_first_and_what_is_switched_off_is_missing() -> None:
    offered = {model.name: model for model in names("my-model").offered()}
    assert next(iter(offered)) == "my-model"
    assert offered["my-model"].is_default
    assert offered["gpt-image-1.5"].shutdown == date(2026, 12, 1)
    assert offered["gpt-image-2.6-flare"].shutdown is None
    assert not {"dall-e-3", "gpt-image-1"} & set(offered)
    assert "gpt-image-1.5" not in {model.name for model in names(today="2026-12-01").offered()}


def test_a_name_of_the_map_may_be_asked_for_in_spite_of_its_end() -> None:
    mapped = names(model_map={"dall-e-3": "gpt-image-2"})
    (offered,) = (model for model in mapped.offered() if model.name == "dall-e-3")
    assert (offered.stands_for, offered.shutdown) == ("gpt-image-2", None)
    assert mapped.resolve("dall-e-3") == "gpt-image-2"
    assert mapped.resolve(None) == "gpt-image-2"


def test_of_other_servers_only_the_operators_names_are_known() -> None:
    elsewhere = names("flux", base_url=ELSEWHERE, model_map={"dall-e-3": "flux"})
    assert [model.name for model in elsewhere.offered()] == ["flux", "dall-e-3"]


@pytest.mark.parametrize("model", ["dall-e-3", "gpt-image-1", "gpt-image-1-2025-04-23"])
def test_openai_is_not_asked_for_what_it_has_switched_off(model: str) -> None:
    with pytest.raises(ConstraintViolationError) as caught:
        names().check(model)
    (fault,) = caught.value.faults
    assert fault.field == "model"
    assert "gpt-image-2.6-sunburst" in fault.message
    names(base_url=ELSEWHERE).check(model)


def test_a_model_is_asked_until_its_last_day() -> None:
    names(today="2026-11-30").check("gpt-image-1-mini")
    with pytest.raises(ConstraintViolationError):
        names(today="2026-12-01").check("gpt-image-1-mini")


@pytest.mark.parametrize(
    ("model", "today", "verdict"),
    [
        ("gpt-image-2", "2026-11-28", "ok"),
        ("gpt-image-1.5", "2026-08-01", "ok"),
        ("gpt-image-1.5", "2026-11-28", "model-retiring"),
        ("chatgpt-image-latest", "2026-12-01", "model-retired"),
        ("dall-e-2", "2026-11-28", "model-retired"),
    ],
)
def test_the_operator_is_warned_in_time(model: str, today: str, verdict: str) -> None:
    assert names(model, today).verdict() == verdict
    assert bool(names(model, today).warnings()) == (verdict != "ok")
    assert names(model, today, base_url=ELSEWHERE).verdict() == "ok"


def test_the_map_is_the_operators_choice_too() -> None:
    mapped = names(model_map={"my-name": "gpt-image-1.5"})
    assert mapped.verdict() == "model-retiring"
    assert "gpt-image-1.5" in mapped.warnings()[0]
    assert names("dall-e-3", model_map={"dall-e-3": "gpt-image-2"}).verdict() == "ok"


def prepared(target: str, **values: Any) -> tuple[str, dict[str, Any]]:
    provider = OpenAIProvider(
        base_url=ELSEWHERE,
        api_key=None,
        default_model="gpt-image-2",
        timeout_s=1,
        model_map={"dall-e-3": target, "old": target},
    )
    request = provider.prepare(GenerationCreate(prompt="a fox", **values))
    return request.model, dict(request.parameters)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        ({"quality": "hd"}, {"quality": "high"}),
        ({"quality": "standard", "style": "vivid"}, {"quality": "medium"}),
        ({"size": "1792x1024"}, {"size": "1536x1024"}),
        ({"size": "1024x1792"}, {"size": "1024x1536"}),
        ({"size": "512x512"}, {"size": "1024x1024"}),
    ],
)
def test_what_is_asked_of_dall_e_is_translated_and_recorded(
    given: dict[str, Any], sent: dict[str, Any]
) -> None:
    model, parameters = prepared("gpt-image-2", model="dall-e-3", **given)
    assert model == "gpt-image-2"
    assert parameters.pop("asked_for") == {"model": "dall-e-3", **given}
    assert parameters == sent


def test_sizes_are_left_to_models_of_which_nothing_is_known() -> None:
    _, parameters = prepared("flux", model="dall-e-3", size="1792x1024", style="vivid")
    assert parameters.pop("asked_for") == {"model": "dall-e-3", "style": "vivid"}
    assert parameters == {"size": "1792x1024"}


def test_other_names_are_mapped_without_translation() -> None:
    assert prepared("gpt-image-2", model="old", quality="high") == (
        "gpt-image-2",
        {"quality": "high", "asked_for": {"model": "old"}},
    )
    assert prepared("gpt-image-2", quality="high") == ("gpt-image-2", {"quality": "high"})
