"""A client's view of the service."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.support.servers import Service


@asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of the service."""
    async with httpx2.AsyncClient(base_url=service.origin, timeout=60, trust_env=False) as client:
        yield client


async def eventually(condition: Callable[[], Awaitable[Any]], within_s: float = 30) -> None:
    """Wait until `condition()`, which nothing announces, holds."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def is_served(client: httpx2.AsyncClient, image: dict[str, Any]) -> bool:
    """Tell whether the image's bytes are served as they were kept."""
    answer = await client.get(f"/image/{image['guid']}/content")
    digest = hashlib.sha256(answer.content).hexdigest()
    return answer.status_code == 200 and digest == image["sha256"]


async def draw(client: httpx2.AsyncClient, prompt: str = "a cat") -> dict[str, Any]:
    """Return a new image."""
    answer = await client.post("/image", json={"prompt": prompt})
    assert answer.status_code == 201, answer.text
    image: dict[str, Any] = answer.json()
    return image
