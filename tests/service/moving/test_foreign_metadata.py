"""What other tools write into and beside their pictures."""

import io
import json
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pixyproxy.service.keeping.storable import StorableImage
from pixyproxy.service.moving.embedded_metadata import read_embedded
from pixyproxy.service.moving.foreign_metadata import (
    MAX_PARAMETERS_BYTES,
    ForeignMetadata,
    read_json,
    read_text,
)

AUTOMATIC = """a fox, (watercolor:1.2), <lora:ink:0.8>
in the snow
Negative prompt: blurry,
low quality
Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 123, Size: 512x768, \
Model hash: 879db523c3, Model: dreamshaper_8, Lora hashes: "ink: 12, x: 34", Version: v1.9.4"""
INVOKE = {
    "app_version": "4.2.8",
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a fox, ink",
    "negative_prompt": "blurry",
    "width": 1024,
    "seed": 42,
    "model": {"key": "x", "hash": "blake3:1", "name": "juggernautXL", "base": "sdxl"},
}
OLD_INVOKE = {
    "model": "stable diffusion",
    "model_weights": "stable-diffusion-1.5",
    "app_version": "2.3.0",
    "image": {
        "prompt": [{"prompt": "a fox", "weight": 1}, {"prompt": "in snow", "weight": 0.5}],
        "steps": 50,
        "seed": 7,
    },
}
COMFY: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "sampler_name": "euler",
            "model": ["10", 0],
            "positive": ["9", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0], "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "9": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["6", 0]}},
    "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink", "model": ["4", 0]}},
    "11": {"class_type": "PrimitiveString", "inputs": {"value": "a fox by Comfy"}},
}
EXIF_FOLDER, USER_COMMENT, IMAGE_DESCRIPTION, SOFTWARE = 0x8769, 0x9286, 0x010E, 0x0131
XMP = """<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF \
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description \
xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>\
<rdf:li xml:lang="x-default">un renard, été</rdf:li></rdf:Alt></dc:description>\
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def png(chunks: Mapping[str, str]) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text)
    return saved("PNG", pnginfo=info)


def saved(image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, image_format, **options)
    return file.getvalue()


def with_comment(image_format: str, comment: bytes) -> bytes:
    exif = Image.Exif()
    exif[SOFTWARE] = "a web UI"
    exif.get_ifd(EXIF_FOLDER)[USER_COMMENT] = comment
    return saved(image_format, exif=exif)


def embedded(data: bytes) -> ForeignMetadata:
    found = read_embedded(data)
    assert found is not None
    return found.cleaned()


def check_automatic(found: ForeignMetadata) -> None:
    assert found.prompt == "a fox, (watercolor:1.2), <lora:ink:0.8>\nin the snow"
    assert found.model == "dreamshaper_8"
    assert found.parameters["negative_prompt"] == "blurry,\nlow quality"
    assert found.parameters["Seed"] == "123"
    assert found.parameters["Sampler"] == "DPM++ 2M Karras"
    assert found.parameters["Lora hashes"] == "ink: 12, x: 34"
    assert found.parameters["Version"] == "v1.9.4"


def test_automatic1111_in_png() -> None:
    check_automatic(embedded(png({"parameters": AUTOMATIC})))


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
def test_automatic1111_in_exif(image_format: str, encoding: str) -> None:
    comment = b"UNICODE\0" + AUTOMATIC.encode(encoding)
    check_automatic(embedded(with_comment(image_format, comment)))


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("a fox", "a fox"),
        ("a fox\nSteps: 20, Seed: 1", "a fox"),
        ("a fox\nNegative prompt: blurry", "a fox"),
        ("  a fox  \n\nin the snow \n", "a fox  \n\nin the snow"),
        ('{"prompt": "a fox"}', "a fox"),
        ("{a fox|an owl}", "{a fox|an owl}"),
    ],
)
def test_texts(text: str, prompt: str) -> None:
    found = read_text(text)
    assert found is not None
    assert found.prompt == prompt


def test_a_text_without_a_prompt_tells_none() -> None:
    assert read_text(" \n") is None
    assert read_embedded(png({"parameters": "Steps: 20, Seed: 1"})) is None


def test_comfy() -> None:
    found = embedded(png({"prompt": json.dumps(COMFY), "workflow": "{}"}))
    assert (found.prompt, found.model) == ("a fox by Comfy", "sdxl.safetensors")
    assert found.parameters == {
        "negative_prompt": "blurry",
        "seed": 156680208700286,
        "steps": 20,
        "sampler_name": "euler",
    }


def test_comfy_with_a_guider() -> None:
    graph = {
        "1": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["2", 0]}},
        "2": {"class_type": "BasicGuider", "inputs": {"model": ["4", 0], "conditioning": ["3", 0]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox in flux"}},
        "4": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev"}},
    }
    assert embedded(png({"prompt": json.dumps(graph)})).prompt == "a fox in flux"


def test_a_graph_that_bites_its_tail_or_is_no_json() -> None:
    looping = {name: node for name, node in COMFY.items() if name != "11"}
    looping["11"] = {"class_type": "Reroute", "inputs": {"x": ["9", 0]}}
    found = read_json(json.dumps(looping))
    assert found is None or "fox" not in found.prompt
    odd = json.dumps(COMFY).replace("156680208700286", "NaN")
    assert embedded(png({"prompt": odd})).parameters["seed"] is None


def test_invoke_in_its_three_ages() -> None:
    found = embedded(png({"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"}))
    assert (found.prompt, found.model) == ("a fox, ink", "juggernautXL")
    assert found.parameters["seed"] == 42
    found = embedded(png({"sd-metadata": json.dumps(OLD_INVOKE)}))
    assert (found.prompt, found.model) == ("a fox in snow", "stable-diffusion-1.5")
    assert found.parameters == {"steps": 50, "seed": 7}
    found = embedded(png({"Dream": '"a \\"sly\\" fox" -s50 -S123 -W512 -H512'}))
    assert found.prompt == 'a "sly" fox'
    assert found.parameters == {"options": "-s50 -S123 -W512 -H512"}


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
def test_exif_descriptions_and_xmp(image_format: str) -> None:
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = "a fox in a description"
    found = embedded(saved(image_format, exif=exif))
    assert found.prompt == "a fox in a description"
    found = embedded(with_comment(image_format, b"ASCII\0\0\0a fox in ASCII"))
    assert found.prompt == "a fox in ASCII"
    assert embedded(saved(image_format, xmp=XMP.encode())).prompt == "un renard, été"


def test_entities_do_not_grow() -> None:
    bomb = XMP.replace("<x:xmpmeta", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x:xmpmeta', 1)
    assert read_embedded(saved("JPEG", xmp=bomb.replace("été", "&a;").encode())) is None


def test_what_is_compressed_does_not_burst() -> None:
    whole = png({})
    text = b"parameters\0\0" + zlib.compress(b"fox " * 5_000_000)
    kind = b"zTXt"
    chunk = len(text).to_bytes(4, "big") + kind + text
    chunk += zlib.crc32(kind + text).to_bytes(4, "big")
    assert read_embedded(whole[:33] + chunk + whole[33:]) is None


@pytest.mark.parametrize("key", ["prompt", "positive_prompt", "caption", "description"])
def test_a_json_beside_it(key: str) -> None:
    found = read_json(json.dumps({key: "a fox", "model": "m", "seed": 1}))
    assert found == ForeignMetadata("a fox", "m", {"seed": 1})
    assert read_json("[]") is None
    assert read_json("{") is None
    assert read_json('{"seed": 1}') is None


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.floats(),
        lambda children: (
            st.lists(children)
            | st.dictionaries(
                st.sampled_from(
                    ["prompt", "image", "model", "inputs", "class_type", "positive", "1"]
                ),
                children,
            )
        ),
    )
)
def test_nonsense_is_no_error(value: Any) -> None:
    found = read_json(json.dumps(value))
    if found is not None:
        found.cleaned()


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers()))
def test_what_is_cleaned_can_be_stored(text: str, parameters: dict[str, Any]) -> None:
    cleaned = ForeignMetadata(f"x{text}", text, parameters).cleaned()
    StorableImage.model_validate(
        {
            "guid": "0f0e0d0c-0b0a-4999-8888-777766665555",
            "filename": "x",
            "prompt": cleaned.prompt,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "content_type": "image/png",
            "width": 1,
            "height": 1,
            "byte_size": 1,
            "sha256": "",
            "model": cleaned.model or "x",
            "revised_prompt": None,
            "parameters": cleaned.parameters,
        }
    )


def test_too_much_is_left_out() -> None:
    long = {"x": "x" * MAX_PARAMETERS_BYTES}
    cleaned = ForeignMetadata("p" * 40_000, "m" * 300, long).cleaned()
    assert (len(cleaned.prompt), len(cleaned.model), cleaned.parameters) == (32_000, 255, {})
