"""Generations, as a REST client sees them."""

import json
from typing import Any

import httpx2


def read_events(text: str) -> list[dict[str, Any]]:
    """Return the generations that a whole stream of events told of."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [read_event(block) for block in blocks]


def read_event(block: str) -> dict[str, Any]:
    """Return the generation that an event tells of."""
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    assert set(fields) == {"event", "id", "data"}
    generation: dict[str, Any] = json.loads(fields["data"])
    assert (fields["event"], fields["id"]) == ("generation", generation["status"])
    return generation


async def submit(client: httpx2.AsyncClient, prompt: str = "a fox", **fields: Any) -> Any:
    """Submit a generation and return it."""
    response = await client.post("/generation", json={"prompt": prompt, **fields})
    assert response.status_code == 202, response.text
    generation = response.json()
    assert response.headers["location"] == f"/generation/{generation['guid']}"
    return generation


async def ended(client: httpx2.AsyncClient, guid: str) -> dict[str, Any]:
    """Wait for a generation's end and return it."""
    response = await client.get(f"/generation/{guid}/events", timeout=60)
    assert response.status_code == 200, response.text
    return read_events(response.text)[-1]
