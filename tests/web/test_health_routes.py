import asyncio
import shutil
from pathlib import Path

import httpx2

from pixyproxy.service.generating.circuit import FAILURES_TO_OPEN
from tests.conftest import MakeSettings, open_client
from tests.support.model_server import unused_base_url


async def test_live_and_ready_answer(client: httpx2.AsyncClient) -> None:
    live, ready = await client.get("/health/live"), await client.get("/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ok",
        "checks": {"service": "ok", "database": "ok", "images": "ok", "generator": "ok"},
    }


async def test_without_its_folder_it_lives_but_is_not_ready(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    async with open_client(make_settings()) as client:
        shutil.rmtree(tmp_path / "images")
        live, ready = await client.get("/health/live"), await client.get("/health/ready")

    assert live.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["status"] == "unavailable"
    assert ready.json()["checks"]["images"] == "image-store-unavailable"


async def test_without_space_it_is_not_ready(make_settings: MakeSettings) -> None:
    async with open_client(make_settings(min_free_mb=10**12)) as client:
        ready = await client.get("/health/ready")
        refused = await client.post("/image", json={"prompt": "a fox"})

    assert (ready.status_code, ready.json()["checks"]["images"]) == (503, "storage-full")
    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")


async def test_without_the_models_server_the_service_is_degraded_and_ready(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(openai_base_url=unused_base_url())
    async with open_client(settings) as client:
        for _ in range(FAILURES_TO_OPEN):
            await client.post("/generation", json={"prompt": "a fox"})
        async with asyncio.timeout(20):
            while (ready := (await client.get("/health/ready")).json())["status"] == "ok":
                await asyncio.sleep(0.02)
        answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert ready["status"] == "degraded"
    assert ready["checks"]["generator"] == "generator-unavailable"
