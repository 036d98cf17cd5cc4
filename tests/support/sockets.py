"""A client of GraphQL over WebSockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.servers import Service

KEY = "N7mYcQ4w-tests-only-9fKz"
BEARER = {"Authorization": f"Bearer {KEY}"}
SUBPROTOCOL = "graphql-transport-ws"
FOLLOW = "subscription($guid: ID!) { generation(guid: $guid) { guid status images { url } } }"
DEADLINE_S = 60


class Client:
    """A client of the protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            return dict(json.loads(await self.connection.recv()))

    async def start(self, payload: Any = BEARER) -> None:
        """Say who it is, and be let in."""
        await self.send(type="connection_init", payload=payload)
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, id_: str, query: str = FOLLOW, **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        await self.send(type="subscribe", id=id_, payload=payload)

    async def error(self, id_: str) -> dict[str, Any]:
        """Return the only error of the message that comes next, which must be one."""
        message = await self.receive()
        assert (message["type"], message["id"]) == ("error", id_), message
        (error,) = message["payload"]
        assert error["extensions"]["requestId"]
        return dict(error)

    async def close_code(self) -> int:
        """Return the code with which the server closes, whatever it sends before."""
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code


@asynccontextmanager
async def opened(
    service: Service, *, subprotocol: str | None = SUBPROTOCOL, **options: Any
) -> AsyncIterator[Client]:
    url = f"ws://127.0.0.1:{service.port}/graphql"
    subprotocols = [Subprotocol(subprotocol)] if subprotocol else None
    async with connect(url, subprotocols=subprotocols, proxy=None, **options) as connection:
        yield Client(connection)
