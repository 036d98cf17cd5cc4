"""A process that died, and what it left in the database."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pixyproxy.core import make_guid
from pixyproxy.core.models import Attempt, Generation
from pixyproxy.data.repositories.generations import GenerationRepository, Lease, Origin
from pixyproxy.settings import Settings
from tests.support.databases import open_database


class DeadProcess:
    """What a process left that died a while ago."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.guid = make_guid()

    async def leave(self, *attempts: Attempt, **fields: Any) -> None:
        database = open_database(self.settings.database_url, pool_size=1)
        await database.migrate()
        generations = GenerationRepository(database.open_context)
        now = datetime.now(UTC)
        values = {
            "guid": self.guid,
            "status": "running",
            "prompt": "a fox",
            "model": "gpt-image-2",
            "parameters": {},
            "n": 1,
            "queued_at": now,
            "started_at": now,
        }
        async with database.open_context() as context:
            assert await generations.create_generation(
                context,
                Generation.model_validate(values | fields),
                Origin(caller="me", fingerprint="f", max_n=10),
                Lease("dead-process", now - timedelta(seconds=1)),
            )
            for attempt in attempts:
                await generations.create_attempt(context, attempt)
        await database.aclose()

    def attempt(self, number: int = 1, **fields: Any) -> Attempt:
        values = {
            "generation_guid": self.guid,
            "number": number,
            "part": 0,
            "n": 1,
            "image_guids": (make_guid(),),
            "sent_at": datetime.now(UTC),
        }
        return Attempt.model_validate(values | fields)
