"""The service on object storage, as processes: kept, killed, cut off, moved there and back."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support import model_server as ms
from tests.support.clients import client_of, draw, eventually, is_served
from tests.support.generations import ended, submit
from tests.support.model_server import ModelServer
from tests.support.object_storage import BUCKET, ObjectStorage
from tests.support.processes import run
from tests.support.rows import raw
from tests.support.servers import Service

pytestmark = pytest.mark.slow


@pytest.fixture
def storage(object_storage: ObjectStorage) -> Iterator[ObjectStorage]:
    """The server, empty; it may be paused."""
    object_storage.empty()
    yield object_storage
    object_storage.resume()


@pytest.fixture
def service(tmp_path: Path, storage: ObjectStorage, model_server: ModelServer) -> Iterator[Service]:
    with Service(
        tmp_path / "service",
        variables=storage.variables,
        images=storage.url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
        lease_s=1,
        log_level="DEBUG",
    ) as service:
        yield service


def key_of(image: dict, extension: str = "png") -> str:
    guid = image["guid"]
    return f"{guid[:2]}/{guid[2:4]}/{guid}.{extension}"


async def test_images_are_kept_served_resized_and_deleted(
    service: Service, storage: ObjectStorage
) -> None:
    async with client_of(service) as client:
        image = await draw(client)
        assert await is_served(client, image)
        path = f"/image/{image['guid']}/content"
        part = await client.get(path, headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content) == (206, b"PNG")
        small = await client.get(f"{path}?width=32&format=webp")
        assert small.headers["content-type"] == "image/webp"
        assert [key for key in storage.list_keys() if key != ".probe"] == [key_of(image)]
        assert (await client.delete(f"/image/{image['guid']}")).status_code == 204
        assert (await client.get(path)).status_code == 410
        assert (await client.get(f"{path}?width=32&format=webp")).status_code == 410
    assert storage.list_keys() == [".probe"]
    assert "a-secret-access-key" not in service.log
    assert "an-access-key" not in service.log


async def test_what_was_stored_without_its_row_is_found_after_a_kill(
    service: Service, storage: ObjectStorage
) -> None:
    database = f"sqlite:///{service.folder}/pixyproxy.db"
    async with client_of(service) as client:
        image = await draw(client)
        guid, generation = image["guid"], image["generation_guid"]
        service.kill()
        # as it is between the bytes and the row
        raw(database, f"DELETE FROM images WHERE guid = '{guid}'")
        raw(
            database,
            "UPDATE generations SET status = 'running', runner = 'dead', finished_at = NULL, "
            "lease_until = '2020-01-01 00:00:00.000000'",
        )
        raw(database, "UPDATE attempts SET status = 'sent', answer = NULL, ended_at = NULL")
        sidecar = {name: value for name, value in image.items() if name != "url"}
        storage.put(key_of(image, "json"), json.dumps(sidecar).encode())
        await asyncio.to_thread(service.start)
        assert (await ended(client, generation))["status"] == "succeeded"
        assert await is_served(client, image)

        async def is_tidy() -> bool:
            return key_of(image, "json") not in storage.list_keys()

        await eventually(is_tidy)


async def test_a_paid_image_that_the_store_has_refused_is_kept_when_it_accepts_again(
    service: Service, storage: ObjectStorage, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with client_of(service) as client:
        generation = await submit(client)
        await model_server.calls_accepted(1)
        storage.refuse()
        model_server.release()

        async def has_failed() -> bool:
            return "cannot be kept yet: image-store-unavailable" in service.log

        await eventually(has_failed)
        running = (await client.get(f"/generation/{generation['guid']}")).json()
        assert (running["status"], running["images"]) == ("running", [])
        storage.accept()
        settled = await ended(client, generation["guid"])
        assert settled["status"] == "succeeded"
        assert await is_served(client, settled["images"][0])
    assert model_server.posts == 1


async def test_a_paid_image_is_kept_when_the_store_answers_again(
    service: Service, storage: ObjectStorage, model_server: ModelServer
) -> None:
    model_server.answer_with(ms.after_release(ms.image()))
    async with client_of(service) as client:
        generation = await submit(client)
        await model_server.calls_accepted(1)
        storage.pause()
        model_server.release()
        running = (await client.get(f"/generation/{generation['guid']}")).json()
        assert running["status"] == "running"
        storage.resume()
        settled = await ended(client, generation["guid"])
        assert settled["status"] == "succeeded"
        assert await is_served(client, settled["images"][0])
    assert model_server.posts == 1


async def test_nothing_is_paid_for_that_cannot_be_kept(
    tmp_path: Path, storage: ObjectStorage, model_server: ModelServer
) -> None:
    variables = storage.variables | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    with Service(
        tmp_path / "cut-off",
        variables=variables,
        images=storage.url,
        openai_base_url=model_server.base_url,
        openai_api_key="sk-the-models-own-key",
    ) as service:
        async with client_of(service) as client:
            refused = await client.post("/image", json={"prompt": "a cat"})
            assert refused.status_code == 503
            assert refused.json()["code"] == "image-store-unavailable"
            assert "127.0.0.1:9" not in refused.text
            ready = await client.get("/health/ready")
            assert ready.json()["checks"]["images"] == "image-store-unavailable"
    assert model_server.posts == 0


def test_images_move_there_and_back(tmp_path: Path, storage: ObjectStorage) -> None:
    settings = {"variables": storage.variables}
    images = []
    for number in range(3):
        drawn = run(tmp_path, "generate", f"fox {number}", "--size", "96x64")
        assert drawn.returncode == 0, drawn.stderr
        images.append(json.loads(drawn.stdout))

    moved = run(tmp_path, "migrate-images", "images", storage.url, "--json", **settings)
    assert moved.returncode == 0, moved.stderr
    assert json.loads(moved.stdout)["images"] == 3
    assert set(storage.list_keys()) == {".probe", *map(key_of, images)}
    assert hashlib.sha256(storage.read(key_of(images[0]))).hexdigest() == images[0]["sha256"]
    fsck = run(tmp_path, "fsck", "--json", images=storage.url, **settings)
    assert fsck.returncode == 0, fsck.stdout

    # one is lost, one is damaged there: the next run mends both
    storage.delete(key_of(images[0]))
    storage.put(key_of(images[1]), b"damaged")
    broken = run(tmp_path, "verify", "--json", images=storage.url, **settings)
    assert broken.returncode == 1
    assert {json.loads(line).get("fault") for line in broken.stdout.splitlines()[:-1]} == {
        "missing-file",
        "wrong-size",
    }
    again = run(tmp_path, "migrate-images", "images", storage.url, **settings)
    assert again.returncode == 0, again.stdout
    assert run(tmp_path, "verify", images=storage.url, **settings).returncode == 0

    back = run(tmp_path, "migrate-images", storage.url, "back", **settings)
    assert back.returncode == 0, back.stderr
    for image in images:
        data = (tmp_path / "back" / key_of(image)).read_bytes()
        assert hashlib.sha256(data).hexdigest() == image["sha256"]
    (tmp_path / "images" / key_of(images[2])).unlink()
    lost = run(tmp_path, "migrate-images", "images", "nowhere", "--json")
    assert lost.returncode == 1
    assert json.loads(lost.stdout.splitlines()[0])["fault"] == "missing-file"


@pytest.mark.slow
def test_short_programs_end_in_order(tmp_path: Path, storage: ObjectStorage) -> None:
    """The library's threads must not end the interpreter with a crash."""
    for _ in range(15):
        done = run(tmp_path, "generate", "a fox", "--size", "64x64", images=storage.url,
                   variables=storage.variables, anew=True)  # fmt: skip
        assert done.returncode == 0, (done.returncode, done.stderr)


def test_a_missing_bucket_is_told_at_start(tmp_path: Path, storage: ObjectStorage) -> None:
    nowhere = storage.url.replace(BUCKET, "no-such-bucket")
    checked = run(tmp_path, "check", images=nowhere, variables=storage.variables)
    assert checked.returncode == 1
    assert "no such bucket" in checked.stdout
    with Service(tmp_path / "service", variables=storage.variables, images=nowhere) as service:
        ready = httpx2.get(f"{service.origin}/health/ready", trust_env=False)
        assert ready.status_code == 503
        assert "images: image-store-unavailable: FileNotFoundError" in service.log
        assert "no such bucket" in service.log


@pytest.mark.parametrize("place", ["ftp://host/images", "s3://", "s3://key:pw@bucket"])
def test_a_place_that_is_none_is_refused(tmp_path: Path, place: str) -> None:
    refused = run(tmp_path, "fsck", images=place)
    assert refused.returncode == 2
    assert "PIXYPROXY_IMAGES" in refused.stderr
    assert "pw" not in refused.stderr


def test_nginx_cannot_send_what_is_in_no_folder(tmp_path: Path) -> None:
    refused = run(tmp_path, "fsck", images="s3://bucket", accel_redirect="/_images")
    assert refused.returncode == 2
    assert "folder" in refused.stderr
