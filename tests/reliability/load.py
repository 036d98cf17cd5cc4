"""Clients that ask for images in every way, remember what they were told, and do not give up."""

import asyncio
import hashlib
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

CLIENTS = 6
LONGEST_PAUSE_S = 0.3
ANSWERED_WITHIN_S = 30
NOT_BEGUN = {
    "overloaded",
    "database-unavailable",
    "image-store-unavailable",
    "storage-full",
}
"""Errors after which the same request may be sent again, and be answered otherwise."""


@dataclass(frozen=True)
class Wish:
    """One request, which is sent again just so."""

    path: str
    body: dict[str, Any]
    key: str | None

    @classmethod
    def make(cls, choose: random.Random) -> "Wish":
        """Return another wish each time."""
        body: dict[str, Any] = {"prompt": f"a fox, number {choose.randrange(10**9)}"}
        if choose.random() < 0.3:
            body["model"] = "dall-e-3"
        path = choose.choice(["/image", "/image", "/generation"])
        if path == "/generation":
            body["n"] = choose.randint(1, 3)
        return cls(path, body, str(uuid.uuid4()) if choose.random() < 0.5 else None)


@dataclass
class Load:
    """What some clients do to the services at `origins`, and what they are told."""

    origins: Sequence[str]
    seed: int
    images: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of each acknowledged image."""
    generations: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """How many requests were cut off before they were answered."""
    unanswered: list[Wish] = field(default_factory=list)
    """What was sent with a key, and was not answered to the end."""
    cancelled: set[str] = field(default_factory=set)
    """The generations of which a cancel was acknowledged."""
    tried_again: set[str] = field(default_factory=set)
    """The generations that somebody asked to be tried again, whatever the answer."""
    violations: list[str] = field(default_factory=list)
    _by_key: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the clients ask and ask; at the end each waits for its last answer."""
        stop = asyncio.Event()
        async with self._client() as client, asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                choose = random.Random(f"{self.seed}-{number}")
                clients.create_task(self._ask_until(stop, client, choose))
            try:
                yield
            finally:
                stop.set()

    async def send_again(self) -> None:
        """Send again what was not answered; each must be answered now."""
        async with self._client() as client:
            try:
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    while self.unanswered:
                        wish = self.unanswered[-1]
                        if await self._send(client, self.origins[0], wish):
                            self.unanswered.pop()
            except TimeoutError:
                self.violations += [f"{wish} was not answered" for wish in self.unanswered]

    async def find_violations(self) -> list[str]:
        """Ask for everything that was acknowledged; return what is not as it was said."""
        async with self._client() as client:
            for guid in self.generations:
                answer = await client.get(f"{self.origins[0]}/generation/{guid}")
                if answer.status_code != 200:
                    self.violations.append(f"(e) generation {guid} reads {answer.status_code}")
                    continue
                told = answer.json()
                if guid in self.cancelled - self.tried_again and told["status"] != "cancelled":
                    self.violations.append(f"(f) generation {guid} was cancelled and is {told}")
                for image in told["images"]:
                    self.images[image["guid"]] = image["sha256"]
            for guid in self.images:
                await self._read(client, self.origins[-1], guid)
        for key, guids in self._by_key.items():
            if len(guids) > 1:
                self.violations.append(f"(d) key {key} was answered with {guids}")
        return self.violations

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
            yield client

    async def _ask_until(
        self, stop: asyncio.Event, client: httpx2.AsyncClient, choose: random.Random
    ) -> None:
        while not stop.is_set():
            origin = choose.choice(self.origins)
            if choose.random() < 0.2 and self.images:
                await self._read(client, origin, choose.choice(list(self.images)))
                continue
            if choose.random() < 0.2 and self.generations:
                guid = choose.choice(sorted(self.generations))
                await self._steer(client, f"{origin}/generation/{guid}", guid, choose)
                continue
            wish = Wish.make(choose)
            is_answered = await self._send(client, origin, wish)
            while not (is_answered or wish.key is None or stop.is_set()):
                await asyncio.sleep(choose.uniform(0, LONGEST_PAUSE_S))
                is_answered = await self._send(client, choose.choice(self.origins), wish)
            if not is_answered and wish.key is not None:
                self.unanswered.append(wish)
            await asyncio.sleep(choose.uniform(0, LONGEST_PAUSE_S))

    async def _send(self, client: httpx2.AsyncClient, origin: str, wish: Wish) -> bool:
        """Send a wish, and tell whether it was answered to the end."""
        headers = {} if wish.key is None else {"Idempotency-Key": wish.key}
        try:
            answer = await client.post(f"{origin}{wish.path}", json=wish.body, headers=headers)
        except httpx2.ConnectError:
            return False
        except httpx2.TransportError:
            self.broken += 1
            return False
        self.statuses[answer.status_code] += 1
        told = answer.json()
        match answer.status_code:
            case 201:
                self.images[told["guid"]] = told["sha256"]
                generation = told["generation_guid"]
            case 202:
                generation = told["guid"]
            case status:
                if told.get("code", "internal-error") == "internal-error":
                    self.violations.append(f"{wish} was answered {status} {told}")
                return told.get("code") not in NOT_BEGUN
        self.generations.add(generation)
        if wish.key is not None:
            self._by_key[wish.key].add(generation)
        return True

    async def _steer(
        self, client: httpx2.AsyncClient, url: str, guid: str, choose: random.Random
    ) -> None:
        """Cancel a generation, or have it tried again; most have ended and refuse it."""
        is_cancel = choose.random() < 0.5
        if not is_cancel:
            self.tried_again.add(guid)
        try:
            answer = await (client.delete(url) if is_cancel else client.post(f"{url}/retry"))
        except httpx2.TransportError:
            return
        self.statuses[answer.status_code] += 1
        if is_cancel and answer.status_code == 200:
            self.cancelled.add(guid)
        elif answer.status_code not in {202, 409, 503, 507}:
            self.violations.append(f"{url} was answered {answer.status_code} {answer.text}")

    async def _read(self, client: httpx2.AsyncClient, origin: str, guid: str) -> None:
        try:
            answer = await client.get(f"{origin}/image/{guid}/content")
        except httpx2.TransportError:
            return
        digest = hashlib.sha256(answer.content).hexdigest()
        if answer.status_code != 200 or digest != self.images[guid]:
            self.violations.append(f"(a) image {guid} reads {answer.status_code}, {digest}")
