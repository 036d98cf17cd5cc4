import inspect
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from openai.types import ImageModel
from openai.types.image_generate_params import ImageGenerateParamsBase

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.fields import MAX_IMAGES
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.providers.profiles import (
    CHOICES,
    FAMILIES,
    PARAMETERS,
    SKETCH,
    UNKNOWN,
    Profile,
    profile_for,
)

GATED_FORMATS = {"gif", "svg"}


def words_of_the_sdk(name: str) -> set[str]:
    words = set()
    pending = [get_type_hints(ImageGenerateParamsBase)[name]]
    while pending:
        hint = pending.pop()
        if get_origin(hint) is Literal:
            words.update(get_args(hint))
        else:
            pending.extend(get_args(hint))
    return words


def parameters(model: str, **fields) -> dict:
    image = GenerationCreate(prompt="a cat", **fields)
    return dict(profile_for(model).prepare(image, model).parameters)


def faults(profile: Profile | str, prompt: str = "a cat", **fields) -> dict[str, FieldFault]:
    if isinstance(profile, str):
        profile = profile_for(profile)
    with pytest.raises(ConstraintViolationError) as caught:
        profile.prepare(GenerationCreate(prompt=prompt, **fields), "some-model")
    assert len({fault.field for fault in caught.value.faults}) == len(caught.value.faults)
    return {fault.field: fault for fault in caught.value.faults}


class TestAgainstTheSDK:
    @pytest.mark.parametrize("model", get_args(ImageModel))
    def test_every_model_it_names_has_a_profile(self, model):
        assert profile_for(model) is not UNKNOWN

    @pytest.mark.parametrize("name", CHOICES)
    def test_each_value_it_names_is_taken_by_some_model_and_no_other(self, name):
        ours = {value for profile in FAMILIES.values() for value in getattr(profile, name)}
        gated = GATED_FORMATS if name == "output_format" else set()
        assert ours == words_of_the_sdk(name) - gated

    def test_each_size_it_names_is_taken_by_some_model_and_no_other_fixed_one(self):
        fixed = {size for profile in FAMILIES.values() for size in profile.size}
        assert fixed == words_of_the_sdk("size")

    def test_each_parameter_is_one_of_its(self):
        assert set(PARAMETERS) <= set(get_type_hints(ImageGenerateParamsBase))

    def test_the_most_images_are_as_many_as_it_says(self):
        said = " ".join(inspect.getsource(ImageGenerateParamsBase).split())
        assert f"number of images to generate. Must be between 1 and {MAX_IMAGES}." in said


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("dall-e-3", 1),
        ("dall-e-2", 10),
        ("gpt-image-1-mini", 10),
        ("gpt-image-2.6-flare", 10),
        ("chatgpt-image-latest", 10),
        ("flux", 10),
    ],
)
def test_how_many_images_one_call_draws(model, most):
    request = profile_for(model).prepare(GenerationCreate(prompt="a cat"), model)
    assert (request.n, request.max_n) == (1, most)
    assert "n" not in request.parameters


def test_the_sketch_draws_ten_by_one_call():
    assert SKETCH.prepare(GenerationCreate(prompt="a cat"), "sketch").max_n == 10


@pytest.mark.parametrize(
    ("snapshot", "family"),
    [
        ("gpt-image-2-2026-04-21", "gpt-image-2"),
        ("gpt-image-2.5-flare-2026-09-08", "gpt-image-2.5"),
        ("gpt-image-1-mini", "gpt-image-1"),
        ("chatgpt-image-latest", "gpt-image-1"),
    ],
)
def test_a_variant_has_its_familys_profile(snapshot, family):
    assert profile_for(snapshot) is FAMILIES[family]


@pytest.mark.parametrize("model", ["flux", "gpt-image-20", "gpt-image", "dall-e-4", "", "GPT"])
def test_other_models_are_unknown(model):
    assert profile_for(model) is UNKNOWN


def test_the_specifications_defaults_are_sent_to_dall_e_3():
    assert parameters("dall-e-3") == {"size": "1024x1024", "quality": "hd", "style": "vivid"}
    assert parameters("dall-e-3", quality="standard")["quality"] == "standard"


def test_dall_e_2_gets_a_size():
    assert parameters("dall-e-2") == {"size": "1024x1024"}


@pytest.mark.parametrize("model", ["gpt-image-1", "gpt-image-2", "gpt-image-2.6-flare", "flux"])
def test_nothing_is_sent_that_was_not_set(model):
    assert parameters(model) == {}


def test_what_was_set_is_sent_as_it_is():
    fields = {
        "size": "1536x864",
        "quality": "xhigh",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 0,
        "moderation": "low",
    }
    assert parameters("gpt-image-2.5-flare", **fields) == fields


def test_an_unknown_model_gets_whatever_was_set():
    fields = {
        "size": "7x9000",
        "quality": "ultra",
        "style": "cubist",
        "background": "plaid",
        "output_format": "gif",
        "output_compression": 3,
        "moderation": "none",
    }
    assert parameters("flux", **fields) == fields


def test_the_request_names_the_model_and_the_prompt():
    request = profile_for("gpt-image-2").prepare(GenerationCreate(prompt=" a cat "), "gpt-image-2")
    assert (request.model, request.prompt) == ("gpt-image-2", " a cat ")


@pytest.mark.parametrize(
    ("model", "limit"),
    [("dall-e-2", 1_000), ("dall-e-3", 4_000), ("gpt-image-2", 32_000)],
)
def test_the_longest_prompt(model, limit):
    profile = profile_for(model)
    profile.prepare(GenerationCreate(prompt="ä" * limit), model)
    if limit < 32_000:
        assert f"{limit:,}" in faults(model, prompt="ä" * (limit + 1))["prompt"].message


def test_every_bad_field_is_named():
    bad = dict.fromkeys(PARAMETERS, "bad") | {"output_compression": 50}
    assert set(faults("dall-e-2", prompt="x" * 1001, **bad)) == {"prompt", *PARAMETERS}


def test_a_fault_tells_what_would_do():
    fault = faults("gpt-image-2", quality="hd")["quality"]
    assert fault.allowed == ("low", "medium", "high", "auto")
    assert "medium" in fault.message


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("dall-e-3", "background"),
        ("dall-e-3", "moderation"),
        ("dall-e-3", "output_format"),
        ("dall-e-2", "style"),
        ("gpt-image-2", "style"),
    ],
)
def test_a_parameter_the_model_does_not_know(model, field):
    fault = faults(model, **{field: "auto"})[field]
    assert fault.allowed == ()
    assert "leave it out" in fault.message


def test_dall_e_knows_no_compression():
    assert "leave it out" in faults("dall-e-3", output_compression=5)["output_compression"].message


@pytest.mark.parametrize("model", ["gpt-image-1-mini", "gpt-image-2", "gpt-image-2.6-sunburst"])
@pytest.mark.parametrize("quality", ["xhigh", "max", "standard", "hd", "LOW"])
def test_qualities_of_other_models(model, quality):
    assert set(faults(model, quality=quality)) == {"quality"}


@pytest.mark.parametrize("output_format", sorted(GATED_FORMATS))
def test_gated_formats_are_not_offered(output_format):
    fault = faults("gpt-image-2.6-flare", output_format=output_format)["output_format"]
    assert fault.allowed == ("png", "jpeg", "webp")


@pytest.mark.parametrize("profile", [profile_for("gpt-image-2"), SKETCH])
class TestOutputFormat:
    @pytest.mark.parametrize("fields", [{}, {"output_format": "png"}])
    def test_png_is_not_compressed(self, profile, fields):
        assert set(faults(profile, output_compression=50, **fields)) == {"output_compression"}

    @pytest.mark.parametrize("output_format", ["jpeg", "webp"])
    def test_others_are(self, profile, output_format):
        image = GenerationCreate(prompt="x", output_format=output_format, output_compression=50)
        assert profile.prepare(image, "m").parameters["output_compression"] == 50

    def test_jpeg_is_not_transparent(self, profile):
        found = faults(profile, background="transparent", output_format="jpeg")
        assert set(found) == {"background"}

    @pytest.mark.parametrize("fields", [{}, {"output_format": "png"}, {"output_format": "webp"}])
    def test_others_may_be(self, profile, fields):
        image = GenerationCreate(prompt="x", background="transparent", **fields)
        assert profile.prepare(image, "m").parameters["background"] == "transparent"


@pytest.mark.parametrize(
    "size", ["auto", "16x16", "1536x864", "3840x2160", "2160x3840", "1024x1024", "48x16", "16x48"]
)
def test_sizes_of_later_models(size):
    assert parameters("gpt-image-2", size=size) == {"size": size}


@pytest.mark.parametrize(
    "size",
    [
        "1024x1000",  # not divisible by 16
        "3856x2160",  # an edge too long
        "3840x2176",  # too many pixels
        "3840x3840",
        "64x16",  # aspect 4:1
        "16x64",
        "0x0",
        "016x16",
        "-16x16",
        "16X16",
        "16\N{MULTIPLICATION SIGN}16",
        "१६x१६",
        "16x16\n",
        " 16x16",
        "16",
        "16x",
        "Auto",
        "99999999999999999999x16",
    ],
)
def test_sizes_later_models_refuse(size):
    message = faults("gpt-image-2", size=size)["size"].message
    assert "'auto'" in message
    assert "divisible by 16" in message
    assert "1:3" in message


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("dall-e-2", "1792x1024"),
        ("dall-e-3", "512x512"),
        ("dall-e-3", "auto"),
        ("gpt-image-1.5", "1792x1024"),
    ],
)
def test_sizes_of_models_with_a_list(model, size):
    fault = faults(model, size=size)["size"]
    assert fault.allowed == profile_for(model).size


@pytest.mark.parametrize("size", ["auto", "64x64", "64x4096", "4000x4000", "65x77"])
def test_sizes_the_sketch_draws(size):
    assert SKETCH.prepare(GenerationCreate(prompt="x", size=size), "m").parameters["size"] == size


@pytest.mark.parametrize("size", ["63x64", "64x4097", "4096x4096", "big"])
def test_sizes_the_sketch_does_not_draw(size):
    assert "64 to 4096" in faults(SKETCH, size=size)["size"].message


def test_the_sketch_takes_what_any_model_takes():
    for profile in FAMILIES.values():
        for name in CHOICES:
            assert set(getattr(profile, name)) <= set(getattr(SKETCH, name))
    assert set(faults(SKETCH, quality="ultra", style="cubist", moderation="none")) == {
        "quality",
        "style",
        "moderation",
    }
