"""A process killed at each step of a generation; what the next one makes of what it left."""

import asyncio
import contextlib
import hashlib
from pathlib import Path

from tests.reliability.conftest import Serve
from tests.reliability.faults import locked_table
from tests.support import model_server as ms
from tests.support.clients import client_of, eventually, is_served
from tests.support.generations import ended, submit
from tests.support.model_server import ModelServer
from tests.support.rows import count_images


async def test_a_call_that_was_sent_and_not_answered_reads_unknown_and_is_not_sent_again(
    serve: Serve, model_server: ModelServer, tmp_path: Path
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    service = serve()
    async with client_of(service) as client:
        generation = await submit(client)
        await model_server.calls_accepted(1)
        left = set((tmp_path / "images/.tmp").iterdir())
        service.kill()
        await asyncio.to_thread(service.start)
        settled = await ended(client, generation["guid"])
        assert (settled["status"], settled["error"]["code"]) == ("unknown", "generator-timeout")
        model_server.release()
        again = await client.post(f"/generation/{generation['guid']}/retry")
        assert again.status_code == 202
        assert (await ended(client, generation["guid"]))["status"] == "succeeded"
    assert [entry.call for entry in model_server.ledger] == [
        f"{generation['guid']}-1",
        f"{generation['guid']}-2",
    ]
    assert not left & set((tmp_path / "images/.tmp").iterdir())


async def test_a_url_that_was_recorded_is_fetched_again(
    serve: Serve, model_server: ModelServer
) -> None:
    drawn = ms.png(seed=3)
    url = model_server.serve_file("drawn.png", ms.after_release(ms.file(drawn)))
    model_server.answer_with(ms.item(url=url, revised_prompt="a better prompt"))
    service = serve()
    async with client_of(service) as client:
        generation = await submit(client)
        await model_server.requests_arrived(2)
        service.kill()
        model_server.release()
        await asyncio.to_thread(service.start)
        settled = await ended(client, generation["guid"])
        assert settled["status"] == "succeeded"
        (image,) = settled["images"]
        assert image["revised_prompt"] == "a better prompt"
        assert image["sha256"] == hashlib.sha256(drawn).hexdigest()
        assert await is_served(client, image)
    assert model_server.posts == len(model_server.ledger) == 1


async def test_an_image_that_has_its_file_and_not_its_row_gets_it(
    serve: Serve, model_server: ModelServer, database_url: str, tmp_path: Path
) -> None:
    model_server.answer_with(ms.after_release(ms.image(ms.png())))
    service = serve()

    async def has_file() -> bool:
        return bool(list((tmp_path / "images").glob("??/??/*.png")))

    async with client_of(service) as client:
        generation = await submit(client, "a fox in the snow")
        await model_server.calls_accepted(1)
        with locked_table(database_url, "images"):
            model_server.release()
            await eventually(has_file)
            service.kill()
        assert count_images(database_url) == 0
        await asyncio.to_thread(service.start)
        settled = await ended(client, generation["guid"])
        assert (settled["status"], settled["error"]) == ("succeeded", None)
        (image,) = settled["images"]
        assert image["prompt"] == "a fox in the snow"
        assert await is_served(client, image)
        found = await client.get("/image/search", params={"prompt": "snow"})
        assert [image["guid"] for image in found.json()] == [image["guid"]]
    assert not list((tmp_path / "images").glob("??/??/*.json"))
    assert len(model_server.ledger) == 1


async def test_a_late_answer_turns_unknown_into_succeeded(
    serve: Serve, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image(ms.png())))
    async with client_of(serve(generation_timeout_s=3)) as client:
        answer = await client.post("/image", json={"prompt": "a fox"})
        assert (answer.status_code, answer.json()["code"]) == (504, "generator-timeout")
        (generation,) = (await client.get("/generation")).json()
        assert generation["status"] == "unknown"
        model_server.release()

        async def has_succeeded() -> bool:
            answer = await client.get(f"/generation/{generation['guid']}")
            return bool(answer.json()["status"] == "succeeded")

        await eventually(has_succeeded)
        (image,) = (await client.get("/image")).json()
        assert image["generation_guid"] == generation["guid"]
        assert await is_served(client, image)
    assert len(model_server.ledger) == 1


async def test_an_image_is_kept_and_listed_though_its_client_is_gone(
    serve: Serve, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image(ms.png())))
    service = serve()
    async with client_of(service) as impatient:
        asking = asyncio.create_task(impatient.post("/image", json={"prompt": "a fox"}))
        await model_server.calls_accepted(1)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
    model_server.release()
    async with client_of(service) as client:

        async def is_listed() -> bool:
            return bool((await client.get("/image")).json())

        await eventually(is_listed)
        (image,) = (await client.get("/image")).json()
        assert await is_served(client, image)
    assert len(model_server.ledger) == 1
