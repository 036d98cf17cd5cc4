"""What other tools write into or beside their pictures: the prompt, the model, the rest.

The forms were read off files and programs of AUTOMATIC1111's web UI (and its forks), ComfyUI, and
InvokeAI in its three ages. All of it is a stranger's text: what cannot be understood is left out.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from pixyproxy.core.fields import MAX_PROMPT_CHARS

MAX_PARAMETERS_BYTES = 64 * 1024
"""Parameters that are more as JSON are not kept."""
_MAX_MODEL_CHARS = 255
_PROMPT_KEYS = ("prompt", "positive_prompt", "Prompt", "caption", "description", "title")
_MODEL_KEYS = ("model", "model_name", "Model", "sd_model_name")
_SETTING = re.compile(r'\s*([\w ./+-]+):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_DREAM = re.compile(r'\s*"((?:\\.|[^"\\])*)"\s*(.*)', re.DOTALL)
_MAX_STEPS = 50
"""At most this many links of a graph are followed."""


@dataclass(frozen=True, slots=True)
class ForeignMetadata:
    """What is told of a picture; nothing in it need be true."""

    prompt: str = ""
    model: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    def cleaned(self) -> "ForeignMetadata":
        """Return it in a form that every database can hold."""
        parameters = _storable(self.parameters)
        return replace(
            self,
            prompt=_clean(self.prompt)[:MAX_PROMPT_CHARS].strip(),
            model=_clean(self.model)[:_MAX_MODEL_CHARS].strip(),
            parameters=parameters if isinstance(parameters, dict) else {},
        )


def read_chunks(texts: Mapping[str, str]) -> ForeignMetadata | None:
    """Return what a picture's named texts tell, such as PNG's text chunks; None: nothing."""
    for name, read in _CHUNKS.items():
        text = texts.get(name)
        if text and (found := read(text)) and found.prompt.strip():
            return found
    return None


def read_text(text: str) -> ForeignMetadata | None:
    """Return what a text tells: settings as AUTOMATIC1111 writes them, or only a prompt.

    That is how a `.txt` beside a picture, and a comment in EXIF, are written.
    """
    if text.lstrip().startswith("{") and (found := read_json(text)):
        return found
    return _read_automatic(text) if text.strip() else None


def read_json(text: str) -> ForeignMetadata | None:
    """Return what a JSON object tells under the usual names, or as one of the tools writes it."""
    told = _load(text)
    if not isinstance(told, dict):
        return None
    for read in (_of_comfy, _of_invoke, _of_old_invoke, _of_plain):
        if (found := read(told)) and found.prompt.strip():
            return found
    return None


def _read_automatic(text: str) -> ForeignMetadata:
    """The prompt, then `Negative prompt: ...`, then a line `Steps: 20, Sampler: ..., ...`."""
    lines = text.strip().splitlines()
    settings: dict[str, Any] = {}
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].startswith("Steps:"):
            pairs = _SETTING.findall(" ".join(lines[number:]))
            settings = {name.strip(): value.strip().strip('"') for name, value in pairs}
            lines = lines[:number]
            break
    prompt, mark, negative = "\n".join(lines).partition("Negative prompt:")
    if mark:
        settings = {"negative_prompt": negative.strip()} | settings
    return ForeignMetadata(prompt.strip(), settings.pop("Model", ""), settings)


def _read_dream(text: str) -> ForeignMetadata | None:
    """The command line of the first InvokeAI: `"a prompt" -s50 -S123 -W512 ...`."""
    found = _DREAM.fullmatch(text)
    if not found:
        return None
    rest = found[2].strip()
    return ForeignMetadata(found[1].replace('\\"', '"'), "", {"options": rest} if rest else {})


def _of_plain(told: dict[str, Any]) -> ForeignMetadata | None:
    key = next((key for key in _PROMPT_KEYS if isinstance(told.get(key), str)), None)
    if key is None:
        return None
    rest = {name: value for name, value in told.items() if name not in {key, *_MODEL_KEYS}}
    if isinstance(told.get("parameters"), dict):
        rest = told["parameters"]
    return ForeignMetadata(told[key], _model_of(told), rest)


def _of_invoke(told: dict[str, Any]) -> ForeignMetadata | None:
    """InvokeAI from 3 on: `positive_prompt`, and a model that is an object."""
    prompt = told.get("positive_prompt")
    if not isinstance(prompt, str):
        return None
    rest = {name: value for name, value in told.items() if name not in {"positive_prompt", "model"}}
    return ForeignMetadata(prompt, _model_of(told), rest)


def _of_old_invoke(told: dict[str, Any]) -> ForeignMetadata | None:
    """InvokeAI 2: `image.prompt` is a text, or a list of weighted texts."""
    image = told.get("image")
    if not isinstance(image, dict):
        return None
    prompt = image.get("prompt")
    if isinstance(prompt, list):
        texts = (each.get("prompt") for each in prompt if isinstance(each, dict))
        prompt = " ".join(text for text in texts if isinstance(text, str))
    if not isinstance(prompt, str):
        return None
    model = told.get("model_weights")
    rest = {name: value for name, value in image.items() if name != "prompt"}
    return ForeignMetadata(prompt, model if isinstance(model, str) else _model_of(told), rest)


def _model_of(told: Mapping[str, Any]) -> str:
    for key in _MODEL_KEYS:
        model = told.get(key)
        if isinstance(model, dict):
            model = model.get("name") or model.get("model_name")
        if isinstance(model, str):
            return model
    return ""


def _of_comfy(graph: dict[str, Any]) -> ForeignMetadata | None:
    """ComfyUI: a graph of nodes; the texts are those that a sampler's `positive` leads to."""
    nodes = {
        name: node
        for name, node in graph.items()
        if isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    }
    for node in nodes.values():
        inputs = node["inputs"]
        if "positive" not in inputs and "guider" not in inputs:
            continue
        prompt = _text_behind(nodes, inputs.get("positive", inputs.get("guider")))
        if not prompt.strip():
            continue
        rest = {
            name: value for name, value in inputs.items() if not isinstance(value, (list, dict))
        }
        if negative := _text_behind(nodes, inputs.get("negative")):
            rest = {"negative_prompt": negative} | rest
        return ForeignMetadata(prompt, _model_behind(nodes, inputs.get("model")), rest)
    texts = (node["inputs"].get("text") for node in nodes.values() if _is_encoder(node))
    return ForeignMetadata(next((text for text in texts if isinstance(text, str)), ""))


def _is_encoder(node: Mapping[str, Any]) -> bool:
    return "CLIPTextEncode" in node["class_type"]


def _text_behind(nodes: Mapping[str, Any], link: Any) -> str:
    """Return the nearest text; text nodes have it under one of a few names."""
    for node in _behind(nodes, link):
        for name in ("text", "text_g", "t5xxl", "clip_l", "string", "value", "prompt"):
            if isinstance(text := node["inputs"].get(name), str) and text.strip():
                return text
    return ""


def _model_behind(nodes: Mapping[str, Any], link: Any) -> str:
    for node in _behind(nodes, link):
        for name in ("ckpt_name", "unet_name", "model_name"):
            if isinstance(model := node["inputs"].get(name), str):
                return model
    return ""


def _behind(nodes: Mapping[str, Any], link: Any) -> Iterator[dict[str, Any]]:
    """Yield the nodes that a link leads to, and those behind them, the nearest first."""
    links: list[Any] = [link]
    seen: set[str] = set()
    while links and len(seen) < _MAX_STEPS:
        link = links.pop(0)
        if not (isinstance(link, list) and link and isinstance(link[0], (str, int))):
            continue
        name = str(link[0])
        node = nodes.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        yield node
        links += node["inputs"].values()


_CHUNKS: dict[str, Callable[[str], ForeignMetadata | None]] = {
    "parameters": read_text,
    "invokeai_metadata": read_json,
    "sd-metadata": read_json,
    "Dream": _read_dream,
    "dream": _read_dream,
    "prompt": read_text,
    "Description": read_text,
    "Comment": read_text,
    "Title": read_text,
}


def _load(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:  # ComfyUI writes NaN, which is no JSON
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _storable(value: Any) -> Any:
    """Return JSON that can be stored, or None: it may be too much, or too strange."""
    try:
        stored = orjson.dumps(value)
    except TypeError:
        return None
    if len(stored) > MAX_PARAMETERS_BYTES:
        return None
    return orjson.loads(stored)
