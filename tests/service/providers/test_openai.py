import asyncio
import base64
import logging
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pixyproxy.core.exceptions import (
    BadGeneratorResponseError,
    ConstraintViolationError,
    GeneratorAccountError,
    GeneratorBusyError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
    PromptRejectedError,
    UnknownModelError,
)
from pixyproxy.core.models import GenerationCreate
from pixyproxy.service.providers import (
    GenerationRequest,
    ImageProvider,
    ProviderAnswer,
    ProviderImage,
)
from pixyproxy.service.providers.openai import OpenAIProvider
from tests.support import model_server as ms
from tests.support.model_server import ModelServer

KEY = "sk-secret-0123456789"
CALL = "f4b0a0a6-6d0f-4c3e-8a53-2b1d7a7cf7e5"
PROMPT = "a cat that nobody may log"
SECRETS = (KEY, "UPSTREAM", PROMPT, "AAAA", "<script>")
LOGGER = "pixyproxy.service.providers.openai"


def opened(base_url: str, **options) -> OpenAIProvider:
    options = {"api_key": KEY, "default_model": "gpt-image-2", "timeout_s": 30} | options
    return OpenAIProvider(base_url=base_url, **options)


@pytest.fixture(scope="module")
def shared_server():
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.requests.clear()
    shared_server.answer_with(ms.image())
    return shared_server


@pytest.fixture
async def provider(server):
    provider = opened(server.base_url)
    yield provider
    await provider.aclose()


def a_request(model: str = "gpt-image-2", *, n: int = 1, **parameters) -> GenerationRequest:
    return GenerationRequest(model=model, prompt=PROMPT, parameters=parameters, n=n)


async def answer_of(
    provider: ImageProvider, request: GenerationRequest | None = None
) -> ProviderAnswer:
    return await provider.generate(request or a_request(), call_guid=CALL)


async def only_image(
    provider: ImageProvider, request: GenerationRequest | None = None
) -> ProviderImage:
    (image,) = (await answer_of(provider, request)).images
    return image


async def failure_of(provider: ImageProvider, caplog) -> PixyProxyException:
    """What generate() raises, having checked that it and its one log line betray nothing."""
    with caplog.at_level(logging.DEBUG, LOGGER), pytest.raises(PixyProxyException) as caught:
        await answer_of(provider)
    ours = [record for record in caplog.records if record.name == LOGGER]
    assert [record.levelname for record in ours] == ["WARNING"]
    for text in (str(caught.value), caught.value.message, caplog.text):
        assert not [secret for secret in SECRETS if secret in text]
    assert caught.value.__cause__ is None
    return caught.value


class TestTheRequest:
    async def test_holds_just_what_it_should(self, server, provider):
        await answer_of(provider, a_request(size="1536x864", quality="low"))
        (received,) = server.requests
        assert (received.method, received.path) == ("POST", "/v1/images/generations")
        assert received.headers["authorization"] == f"Bearer {KEY}"
        assert received.headers["x-client-request-id"] == CALL
        assert received.json == {
            "model": "gpt-image-2",
            "prompt": PROMPT,
            "size": "1536x864",
            "quality": "low",
        }

    async def test_holds_no_parameter_that_is_not_set(self, server, provider):
        await answer_of(provider)
        assert server.requests[0].json == {"model": "gpt-image-2", "prompt": PROMPT}

    async def test_can_hold_every_parameter(self, server, provider):
        parameters = {
            "size": "64x64",
            "quality": "ultra",
            "style": "cubist",
            "background": "plaid",
            "output_format": "webp",
            "output_compression": 0,
            "moderation": "low",
        }
        await answer_of(provider, a_request("flux", **parameters))
        assert server.requests[0].json == {"model": "flux", "prompt": PROMPT, **parameters}

    @pytest.mark.parametrize("suffix", ["", "/"])
    async def test_goes_to_the_base_urls_path(self, server, suffix):
        provider = opened(f"{server.origin}/some/prefix{suffix}")
        await answer_of(provider)
        await provider.aclose()
        assert server.requests[0].path == "/some/prefix/images/generations"

    @pytest.mark.parametrize("key", [None, ""])
    async def test_has_a_placeholder_where_there_is_no_key(self, server, monkeypatch, key):
        monkeypatch.setenv("OPENAI_API_KEY", "of-the-environment")
        provider = opened(server.base_url, api_key=key)
        await answer_of(provider)
        await provider.aclose()
        assert server.requests[0].headers["authorization"] == "Bearer none"

    async def test_holds_nothing_of_the_environment(self, server, monkeypatch):
        for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "BASE_URL"):
            monkeypatch.setenv(f"OPENAI_{name}", "of-the-environment")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Leak: of-the-environment")
        provider = opened(server.base_url)
        await answer_of(provider)
        await provider.aclose()
        headers = server.requests[0].headers
        assert "of-the-environment" not in str(headers)
        assert not {"x-leak", "openai-organization", "openai-project"} & set(headers)

    @pytest.mark.parametrize("scheme", ["http://", ""])
    async def test_goes_through_the_operators_proxy(self, server, monkeypatch, scheme):
        monkeypatch.setenv("http_proxy", scheme + server.origin.removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "direct.invalid")
        provider = opened("http://model.invalid/v1")
        await answer_of(provider)
        await provider.aclose()
        assert server.requests[0].path == "http://model.invalid/v1/images/generations"

    async def test_goes_straight_to_loopback(self, server, monkeypatch):
        monkeypatch.setenv("http_proxy", ms.unused_base_url())
        provider = opened(server.base_url)
        await answer_of(provider)
        await provider.aclose()
        assert server.posts == 1

    @pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "\x00"])
    def test_cannot_carry_such_a_key(self, key):
        with pytest.raises(ValueError, match="printable ASCII") as caught:
            opened("http://127.0.0.1:1/v1", api_key=key)
        assert key not in str(caught.value)


class TestPreparing:
    def test_the_default_model(self, provider):
        request = provider.prepare(GenerationCreate(prompt="a cat"))
        assert request == GenerationRequest("gpt-image-2", "a cat", {}, n=1, max_n=10)

    def test_the_callers_model(self, provider):
        request = provider.prepare(GenerationCreate(prompt="a cat", model="dall-e-3"))
        assert request.model == "dall-e-3"
        assert request.parameters["style"] == "vivid"

    def test_a_bad_field_costs_nothing(self, server, provider):
        with pytest.raises(ConstraintViolationError):
            provider.prepare(GenerationCreate(prompt="a cat", quality="hd"))
        assert server.posts == 0


class TestTheImage:
    async def test_comes_as_base64(self, server, provider):
        server.answer_with(ms.image(ms.png()))
        image = await only_image(provider)
        assert image.data == ms.png()
        assert (image.url, image.revised_prompt) == (None, None)

    async def test_comes_as_a_url_from_dall_e(self, server, provider):
        image = await only_image(provider, a_request("dall-e-3", size="1024x1024"))
        assert image.data is None
        assert image.url.startswith(f"{server.origin}/files/")
        assert image.revised_prompt == f"{PROMPT}, in great detail"

    async def test_of_many_megabytes(self, server, provider):
        server.answer_with(ms.image(ms.noise_png(8_000_000)))
        image = await only_image(provider)
        assert image.data == ms.noise_png(8_000_000)

    @pytest.mark.parametrize(
        "fields",
        [
            {"b64_json": "data:image/png;base64,cG5n"},
            {"b64_json": "cG\r\n5n\n"},
            {"b64_json": "cG5n", "url": None, "revised_prompt": None},
            {"b64_json": "cG5n", "revised_prompt": 5, "more": [{}]},
            {"format": "b64_json", "b64_json": "cG5n", "url": ""},
        ],
    )
    async def test_in_unusual_dress(self, server, provider, fields):
        server.answer_with(ms.item(**fields))
        image = await only_image(provider)
        assert (image.data, image.url, image.revised_prompt) == (b"png", None, None)

    @pytest.mark.parametrize(
        "body",
        [
            rb'{"data":[{"b64_json":"\/\/\/\/"}]}',
            rb' { "data" : [ { "b64_json" : "////" , "more": "\"b64_json\": \"AAAA\"" } ] } ',
            rb'{"data":[{"revised_prompt":"\"b64_json\":\"AAAA\"","b64_json":"////"}]}',
            rb'{"b64_json":"AAAA","data":[{"b64_json":"////"}]}',
            rb'{"x\"b64_json":"AAAA","data":[{"b64_json":"////"}]}',
            rb'{"data":[{"b64_json":"a\"b64_json\":\"AAAA","b64_json":"////"}]}',
            rb'{"data":[{"b64_json":"AAAA\\","b64_json":"////"}]}',
            rb'{"data":[{"\u006264_json":"////"}]}',
            b'{"more":[' + b'{"b64_json":"AAAA"},' * 20 + b'{}],"data":[{"b64_json":"////"}]}',
        ],
    )
    async def test_in_unusual_json(self, server, provider, body):
        server.answer_with(ms.answer(body=body))
        assert (await only_image(provider)).data == b"\xff\xff\xff"

    @pytest.mark.parametrize(
        "fields",
        [
            {"url": "data:image/png;base64,cG5n"},
            {"url": "DATA:;base64,cG\r\n5n"},
            {"url": "data:image/png;base64,%63G5n"},
            {"url": "data:image/png;base64,cG5n", "b64_json": "%%%"},
            {"url": "data:image/png;base64,AAAA", "b64_json": "cG5n"},
            {"url": "data:image/png;base64,%%%", "b64_json": "cG5n"},
            {"url": "https://example.com/" + "x" * 8192, "b64_json": "cG5n"},
        ],
    )
    async def test_within_a_data_url(self, server, provider, fields):
        server.answer_with(ms.item(**fields))
        assert await only_image(provider) == ProviderImage(data=b"png")

    async def test_of_many_megabytes_within_a_data_url(self, server, provider):
        encoded = base64.b64encode(ms.noise_png(8_000_000)).decode()
        server.answer_with(ms.item(url=f"data:image/png;base64,{encoded}"))
        assert await only_image(provider) == ProviderImage(data=ms.noise_png(8_000_000))

    async def test_at_the_longest_url(self, server, provider):
        url = "https://example.com/".ljust(8192, "x")
        server.answer_with(ms.item(url=url))
        assert await only_image(provider) == ProviderImage(url=url)

    @pytest.mark.parametrize(
        "more",
        [
            rb'"usage":{"a":1e999}',
            rb'"usage":{"a":-1e400,"b":{"c":NaN}}',
            rb'"usage":{"a":NaN,"b":Infinity,"c":-Infinity}',
            rb'"usage":{"a":' + b"9" * 5000 + b"}",
            rb'"more":"\ud800"',
            b'"more":"\xff\xed\xa0\x80"',
            b'"more":"\x01\n"',
        ],
    )
    async def test_is_not_lost_over_form(self, server, provider, more):
        body = b'\xef\xbb\xbf{"data":[{"b64_json":"cG5n"}],' + more + b"}"
        for form in (body, body[3:]):
            server.answer_with(ms.answer(body=form))
            answer = await answer_of(provider)
            assert answer.images == (ProviderImage(data=b"png"),)
            assert "a" not in (answer.usage or {})

    async def test_is_not_lost_over_raw_line_breaks(self, server, provider):
        server.answer_with(ms.answer(body=b'{"data":[{"b64_json":"cG\n5n\n"}]}'))
        assert (await only_image(provider)).data == b"png"

    async def test_texts_without_meaning_can_be_stored(self, server, provider):
        fields = rb'"url":"https://example.com/\ud800","revised_prompt":"a\udfffb\ud83d\ude00"'
        server.answer_with(ms.answer(body=b'{"data":[{' + fields + b"}]}"))
        image = await only_image(provider)
        assert (image.url, image.revised_prompt) == (
            "https://example.com/?",
            "a?b\N{GRINNING FACE}",
        )

    async def test_whole_numbers_stay_whole_in_a_malformed_answer(self, server, provider):
        body = b'{"data":[{"b64_json":"cG5n"}],"usage":{"a":12,"b":0.5,"c":NaN}}'
        server.answer_with(ms.answer(body=body))
        usage = (await answer_of(provider)).usage
        assert usage == {"a": 12, "b": 0.5}
        assert type(usage["a"]) is int

    @pytest.mark.parametrize("b64_json", [None, "", 5])
    async def test_at_a_url_where_there_is_no_base64(self, server, provider, b64_json):
        server.answer_with(ms.item(b64_json=b64_json, url="https://example.com/a.png"))
        image = await only_image(provider)
        assert (image.data, image.url) == (None, "https://example.com/a.png")

    async def test_may_take_its_time(self, server, provider):
        server.answer_with(ms.after_release(ms.image(ms.png())))
        task = asyncio.create_task(answer_of(provider))
        await server.requests_arrived(1)
        assert not task.done()
        server.release()
        assert (await task).images[0].data == ms.png()

    async def test_bytes_are_not_judged_here(self, server, provider):
        server.answer_with(ms.image(ms.SVG))
        assert (await only_image(provider)).data == ms.SVG

    async def test_a_long_revised_prompt_is_cut(self, server, provider):
        server.answer_with(ms.image(ms.png(), revised_prompt="x" * 50_000))
        assert len((await only_image(provider)).revised_prompt) == 32_000

    async def test_a_request_id_of_no_shape_is_masked(self, server, provider):
        headers = {"x-request-id": f"req {KEY}"}
        server.answer_with(ms.answer(body={"data": [{"b64_json": "cG5n"}]}, headers=headers))
        assert (await answer_of(provider)).request_id == "[masked]"


class TestSeveralImages:
    async def test_are_drawn_by_one_call(self, server, provider):
        answer = await answer_of(provider, a_request(size="64x64", n=10))
        assert len({image.data for image in answer.images}) == 10
        assert [request.json["n"] for request in server.requests] == [10]

    async def test_come_as_urls_too(self, server, provider):
        answer = await answer_of(provider, a_request("dall-e-2", n=3))
        assert len({image.url for image in answer.images}) == 3
        assert {image.data for image in answer.images} == {None}

    async def test_each_with_its_revised_prompt(self, server, provider):
        server.answer_with(
            data([{"b64_json": "cG5n", "revised_prompt": "one"}, {"url": "u", "b64_json": None}])
        )
        assert (await answer_of(provider, a_request(n=2))).images == (
            ProviderImage(data=b"png", revised_prompt="one"),
            ProviderImage(url=f"{server.base_url}/u"),
        )

    @pytest.mark.parametrize(
        "bad",
        [
            None,
            [],
            {},
            {"b64_json": "%%%"},
            {"b64_json": 5},
            {"b64_json": "", "url": ""},
            {"url": "data:image/png;base64,%%%"},
            {"url": "data:image/png;base64"},
            {"url": "https://example.com/".ljust(8193, "x")},
            "cG5n",
        ],
    )
    async def test_what_is_none_is_dropped(self, server, provider, caplog, bad):
        server.answer_with(data([{"b64_json": "AAAA"}, bad, {"b64_json": "////"}]))
        answer = await answer_of(provider, a_request(n=3))
        assert [image.data for image in answer.images] == [b"\x00\x00\x00", b"\xff\xff\xff"]
        (record,) = [record for record in caplog.records if record.name == LOGGER]
        assert (record.levelname, record.args) == ("WARNING", (1, 3, "req_0123456789abcdef"))

    async def test_a_url_serves_where_the_base64_is_none(self, server, provider):
        server.answer_with(ms.item(b64_json="%%%", url="https://example.com/a.png"))
        image = await only_image(provider)
        assert (image.data, image.url) == (None, "https://example.com/a.png")

    @pytest.mark.parametrize(("items", "kept"), [(1, 1), (3, 3), (11, 10), (50_000, 10)])
    async def test_fewer_and_more_than_asked_for(self, server, provider, items, kept):
        server.answer_with(data([{"b64_json": "cG5n"}] * items))
        assert len((await answer_of(provider, a_request(n=2))).images) == kept

    @pytest.mark.parametrize(
        "body",
        [
            rb'{"data":[{"b64_json":"A\"b64_json\":\"AAAA\""},{"b64_json":"////"}]}',
            rb'{"data":[{"b64_json":"AAAA\\"},{"b64_json":"////"}]}',
            rb'{"data":[{"b64_json":"\""},{"b64_json" :\n"////"}]}'.replace(rb"\n", b"\n"),
            rb'{"data":[{"revised_prompt":"\"b64_json\":\""},{"b64_json":"////"}]}',
            rb'{"data":[{"b64_json":"%","b64_json":"////"}]}',
        ],
    )
    async def test_hostile_text_hides_no_image(self, server, provider, body):
        server.answer_with(ms.answer(body=body))
        assert (await only_image(provider)).data == b"\xff\xff\xff"

    @pytest.mark.parametrize(
        "junk",
        [
            b'"b64_json":"",' * 500_000,
            b'"b64_json"' * 500_000,
            b'"b64_json":"\\"' * 500_000,
            b'"b64_json"' + b" " * 8_000_000,
            b'{"b64_json":"' + b'\\"' * 4_000_000,
        ],
    )
    async def test_much_that_looks_like_images_is_none(self, server, provider, junk):
        server.answer_with(ms.answer(body=b'{"data":[' + junk))
        with pytest.raises(BadGeneratorResponseError):
            await answer_of(provider)

    async def test_ten_large_ones_take_little_more_memory_than_they_must(self, server, provider):
        size = 2_000_000
        server.answer_with(ms.image(ms.noise_png(size)))
        body = size * 10 * 4 // 3
        await answer_of(provider)
        tracemalloc.start()
        try:
            answer = await answer_of(provider, a_request(n=10))
            # The server in this process holds the body too, as text and as bytes.
            assert tracemalloc.get_traced_memory()[1] < 5.5 * body
        finally:
            tracemalloc.stop()
        assert {image.data for image in answer.images} == {ms.noise_png(size)}


class TestWhatTheAnswerSaysOfTheCall:
    async def test_the_usage(self, server, provider):
        answer = await answer_of(provider, a_request(size="64x64", n=2))
        assert answer.usage == ms.usage(2)
        assert answer.request_id == "req_0123456789abcdef"
        assert answer.model == "gpt-image-2"

    @pytest.mark.parametrize(
        ("usage", "kept"),
        [
            (None, None),
            ("UPSTREAM", None),
            ([1], None),
            ({}, None),
            ({"a": "UPSTREAM", "b": True, "c": None, "d": [1]}, None),
            ({"a": 1, "b": 0.5, "c": "2"}, {"a": 1, "b": 0.5}),
            ({"a b": 1, "<b>": 1, "x" * 101: 1, KEY: 1, "": 1, "ok": 1}, {"ok": 1}),
            ({"a": {"b": {"c": 1, "d": {"e": 1}}}}, {"a": {"b": {"c": 1}}}),
            ({"a": 2**53 - 1, "b": 1 - 2**53}, {"a": 2**53 - 1, "b": 1 - 2**53}),
            ({"a": 2**53, "b": -(2**53), "c": {"d": 2**64 - 1, "e": 10**30}}, {"c": {}}),
            ({"a": 1e300, "b": -1e300, "c": 1.5}, {"c": 1.5}),
            ({f"k{i}": i for i in range(60)}, {f"k{i}": i for i in range(50)}),
            (
                {f"k{i}": {"x": 1, "y": 2} for i in range(60)},
                {f"k{i}": {"x": 1, "y": 2} for i in range(16)} | {"k16": {"x": 1}},
            ),
        ],
    )
    async def test_of_the_usage_only_numbers_are_kept(self, server, provider, usage, kept):
        body = {"data": [{"b64_json": "cG5n"}], "usage": usage}
        server.answer_with(ms.answer(body=body))
        assert (await answer_of(provider)).usage == kept

    @pytest.mark.parametrize(
        ("said", "model"),
        [
            ("gpt-image-2-2026-04-21", "gpt-image-2-2026-04-21"),
            (None, "gpt-image-2"),
            ("", "gpt-image-2"),
            (5, "gpt-image-2"),
            ("UPSTREAM WORDS", "gpt-image-2"),
            ("x" * 101, "gpt-image-2"),
            (f"gpt-{KEY}", "gpt-image-2"),
        ],
    )
    async def test_the_model(self, server, provider, said, model):
        server.answer_with(ms.answer(body={"data": [{"b64_json": "cG5n"}], "model": said}))
        assert (await answer_of(provider)).model == model


def data(value) -> ms.Behaviour:
    return ms.answer(body={"data": value})


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(ms.html(), id="html"),
        pytest.param(ms.answer(), id="empty"),
        pytest.param(ms.answer(status=204), id="204"),
        pytest.param(ms.answer(body=b'{"data": ['), id="bad-json"),
        pytest.param(ms.answer(body=b"[" * 100_000), id="deep-json"),
        pytest.param(ms.answer(body=b'{"more":NaN,"data":' + b"[" * 100_000), id="deep-bad-json"),
        pytest.param(ms.answer(body=b'{"code":' + b"9" * 5000 + b"}"), id="many-digits"),
        pytest.param(ms.answer(body=b"\xff\xfe"), id="no-utf-8"),
        pytest.param(ms.item(url="data:,"), id="empty-data-url"),
        pytest.param(ms.item(url="https://UPSTREAM.example/" + "x" * 8192), id="long-url"),
        pytest.param(ms.answer(body=[]), id="a-list"),
        pytest.param(ms.answer(body={}), id="missing-data"),
        pytest.param(data(None), id="null-data"),
        pytest.param(data([]), id="empty-data"),
        pytest.param(data({"b64_json": "cG5n"}), id="data-no-list"),
        pytest.param(data([None]), id="null-item"),
        pytest.param(data([[]]), id="item-no-object"),
        pytest.param(ms.item(), id="empty-item"),
        pytest.param(ms.item(b64_json=None, url=None), id="nulls"),
        pytest.param(ms.item(b64_json=["cG5n"], url=5), id="wrong-types"),
        pytest.param(ms.item(b64_json="%%%"), id="no-base64"),
        pytest.param(ms.answer(body=b'{"data":[{"b64_json":"AAAA'), id="cut-in-base64"),
        pytest.param(ms.answer(body=b'{"data":[{"b64_json":"'), id="cut-before-base64"),
        pytest.param(ms.answer(body={"b64_json": "AAAA", "data": []}), id="base64-elsewhere"),
        pytest.param(ms.item(b64_json="cG5nc"), id="cut-base64"),
        pytest.param(ms.item(b64_json="ümläut"), id="no-ascii"),
        pytest.param(ms.item(b64_json="data:image/png;base64,"), id="no-bytes"),
        pytest.param(ms.item(b64_json="%" * 5_000_000), id="much-that-is-no-base64"),
        pytest.param(ms.body_beyond_content_length(), id="beyond-content-length"),
        pytest.param(ms.answer(body=b"[" + b"{}," * 2_000_000 + b"{}]"), id="many-parts"),
        pytest.param(ms.gzip_bomb(), id="gzip-bomb"),
        pytest.param(ms.endless(), id="endless"),
        pytest.param(ms.answer(body=b"A", headers={"Content-Encoding": "gzip"}), id="no-gzip"),
        pytest.param(ms.answer(headers={"Content-Length": "9" * 12}), id="vast-content-length"),
        pytest.param(ms.answer(300), id="300"),
        pytest.param(ms.answer(400, b"UPSTREAM"), id="400-without-json"),
        pytest.param(ms.html(418), id="418"),
    ],
)
async def test_answers_without_an_image(server, provider, caplog, behaviour):
    server.answer_with(behaviour)
    assert type(await failure_of(provider, caplog)) is BadGeneratorResponseError
    assert server.posts == 1


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("endless", [ms.endless, ms.gzip_bomb])
async def test_an_answer_without_end_does_not_fill_memory(server, endless, status):
    server.answer_with(endless(status=status))
    provider = opened(server.base_url, max_answer_bytes=2**20)
    tracemalloc.start()
    try:
        with pytest.raises((BadGeneratorResponseError, GeneratorUnavailableError)):
            await answer_of(provider)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
        await provider.aclose()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(server, provider, caplog, status):
    server.answer_with(ms.redirect(f"{server.base_url}/elsewhere", status))
    assert type(await failure_of(provider, caplog)) is BadGeneratorResponseError
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(ms.close(), id="closed"),
        pytest.param(ms.cut_in_head(), id="cut-in-head"),
        pytest.param(ms.cut_in_body(), id="cut-in-body"),
        pytest.param(ms.cut_in_chunk(), id="cut-in-chunk"),
        pytest.param(ms.raw(b"SSH-2.0-nonsense\r\n\r\n"), id="no-http"),
    ],
)
async def test_sent_and_no_whole_answer(server, provider, caplog, behaviour):
    server.answer_with(behaviour)
    assert type(await failure_of(provider, caplog)) is GeneratorTimeoutError
    assert server.posts == 1


async def test_an_answer_that_is_too_late(caplog):
    with ModelServer() as server:
        server.answer_with(ms.hang())
        provider = opened(server.base_url, timeout_s=0.2)
        assert type(await failure_of(provider, caplog)) is GeneratorTimeoutError
        await provider.aclose()
        assert server.posts == 1


async def test_a_server_that_is_not_there(caplog):
    provider = opened(ms.unused_base_url())
    assert type(await failure_of(provider, caplog)) is GeneratorUnavailableError
    await provider.aclose()


async def test_a_server_that_speaks_no_tls(server, caplog):
    provider = opened(server.base_url.replace("http:", "https:"))
    assert type(await failure_of(provider, caplog)) is GeneratorUnavailableError
    await provider.aclose()
    assert server.posts == 0


async def test_cancelling_passes_through(caplog):
    with ModelServer() as server:
        server.answer_with(ms.hang())
        provider = opened(server.base_url)
        task = asyncio.create_task(answer_of(provider))
        await server.requests_arrived(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.aclose()
        assert server.posts == 1


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (ms.moderation_blocked(), PromptRejectedError),
        (ms.error(400, "content_policy_violation"), PromptRejectedError),
        (ms.error(403, "content_filter"), PromptRejectedError),
        (
            ms.error(400, innererror={"code": "ResponsibleAIPolicyViolation"}),
            PromptRejectedError,
        ),
        (ms.error(400, inner_error={"code": "content_filter"}), PromptRejectedError),
        (ms.answer(400, {"code": "moderation_blocked"}), PromptRejectedError),
        (ms.answer(200, {"error": {"code": "moderation_blocked"}}), PromptRejectedError),
        (ms.error(400, "billing_hard_limit_reached"), GeneratorAccountError),
        (ms.error(429, "insufficient_quota", "insufficient_quota"), GeneratorAccountError),
        (ms.error(429, None, "insufficient_quota"), GeneratorAccountError),
        (ms.error(401, "invalid_api_key"), GeneratorAccountError),
        (ms.error(402), GeneratorAccountError),
        (ms.error(403), GeneratorAccountError),
        (ms.error(404, "model_not_found"), UnknownModelError),
        (ms.error(404, "DeploymentNotFound"), UnknownModelError),
        (ms.error(400, "model_not_found", param="model"), UnknownModelError),
        (ms.html(404), GeneratorAccountError),
        (ms.cut_in_body(401), GeneratorAccountError),
        (ms.rate_limited(), GeneratorBusyError),
        (ms.html(429), GeneratorBusyError),
        (ms.huge_error(429, 1), GeneratorBusyError),
        (ms.error(500), GeneratorUnavailableError),
        (ms.html(503), GeneratorUnavailableError),
        (ms.error(408), GeneratorUnavailableError),
        (ms.error(409), GeneratorUnavailableError),
        (ms.error(425), GeneratorUnavailableError),
        (ms.huge_error(), GeneratorUnavailableError),
        (ms.endless(500), GeneratorUnavailableError),
        (ms.gzip_bomb(status=500), GeneratorUnavailableError),
        (ms.cut_in_body(500), GeneratorUnavailableError),
        (ms.error(500, code=["a", {}], type=5, param={}), GeneratorUnavailableError),
        (ms.answer(500, {"error": "UPSTREAM WORDS"}), GeneratorUnavailableError),
        (ms.error(500, "UPSTREAM WORDS", "\x1b[31m\r\nUPSTREAM"), GeneratorUnavailableError),
        (ms.error(400, "x" * 500), ConstraintViolationError),
    ],
)
async def test_refusals(server, provider, caplog, behaviour, expected):
    server.answer_with(behaviour)
    assert type(await failure_of(provider, caplog)) is expected
    assert server.posts == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_an_echo_of_the_key_stays_here(server, provider, caplog, status):
    server.answer_with(ms.echo_key(status))
    await failure_of(provider, caplog)
    assert caplog.text.count("[masked]") == 4


async def test_the_log_names_the_refusal(server, provider, caplog):
    server.answer_with(ms.error(429, "rate_limit_exceeded", "requests"))
    await failure_of(provider, caplog)
    (record,) = [record for record in caplog.records if record.name == LOGGER]
    assert record.args == (429, "rate_limit_exceeded", "requests", None, "req_0123456789abcdef")


@pytest.mark.parametrize(
    ("refusal", "field"),
    [
        ({"code": "invalid_value", "param": "size"}, "size"),
        ({"code": "unknown_parameter", "param": "style"}, "style"),
        ({"code": "string_above_max_length", "param": "prompt"}, "prompt"),
        ({"code": "invalid_value", "param": "model"}, "model"),
        ({"code": "unknown_parameter", "param": "n"}, "n"),
        ({"code": "invalid_value", "param": "n"}, "n"),
        ({"code": "unknown_parameter", "param": "user"}, "model"),
        ({"code": None, "param": None}, "model"),
        ({"code": "invalid_value", "param": ["size"]}, "model"),
    ],
)
async def test_a_refused_parameter(server, provider, caplog, refusal, field):
    server.answer_with(ms.error(400, type="invalid_request_error", **refusal))
    failure = await failure_of(provider, caplog)
    assert isinstance(failure, ConstraintViolationError)
    assert [fault.field for fault in failure.faults] == [field]


async def test_the_servers_own_check_of_parameters(server, provider):
    for request, told in (
        (a_request(style="vivid"), ("style", ())),
        (a_request("dall-e-3", n=2), ("n", None)),
        (a_request(n=11), ("n", None)),
    ):
        with pytest.raises(ConstraintViolationError) as caught:
            await answer_of(provider, request)
        (fault,) = caught.value.faults
        assert (fault.field, fault.allowed) == told


def http_date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, [7]),
        ({"Retry-After": "0"}, [1]),
        ({"Retry-After": "86400"}, [3600]),
        ({"Retry-After": "9" * 20}, [3600]),
        ({"Retry-After": "9" * 5000}, [3600]),
        ({"retry-after-ms": "9" * 5000}, [3600]),
        ({"retry-after-ms": "1500", "Retry-After": "7"}, [2]),
    ],
)
async def test_when_to_come_back(server, provider, caplog, headers, expected):
    server.answer_with(ms.error(429, headers=headers))
    assert (await failure_of(provider, caplog)).retry_after_s in expected


@pytest.mark.parametrize(("from_now_s", "expected"), [(1800, range(1500, 1801)), (-1800, [1])])
async def test_when_to_come_back_by_a_date(server, provider, caplog, from_now_s, expected):
    server.answer_with(ms.error(429, headers={"Retry-After": http_date(from_now_s)}))
    assert (await failure_of(provider, caplog)).retry_after_s in expected


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "-" + "9" * 20, "1e9", "Mon, 99 Foo 0 25:61:61 GMT"]
)
async def test_no_telling_when_to_come_back(server, provider, caplog, value):
    server.answer_with(ms.error(429, headers={"Retry-After": value}))
    assert (await failure_of(provider, caplog)).retry_after_s is None
