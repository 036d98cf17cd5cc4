"""Holding a request until its generation has ended, and handing over what came of it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pixyproxy.core.exceptions import (
    GenerationStateError,
    OverloadedError,
    PixyProxyException,
    StillRunningError,
    StorageException,
)
from pixyproxy.core.models import Generation, ImageDetail
from pixyproxy.core.urls import Urls
from pixyproxy.service.generating.generations import Drawn, GenerationService
from pixyproxy.service.generating.partials import PartialImage
from pixyproxy.service.generating.terms import Submitted, Terms
from pixyproxy.service.serving.originals import ImageReader
from pixyproxy.web.openai.answers import (
    NO_USAGE,
    DrawnImage,
    answer_pieces,
    completed_event,
    partial_event,
    usage_of,
)
from pixyproxy.web.openai.client import WaitingClient, send_end, send_pieces
from pixyproxy.web.openai.errors import OpenAIError, error_of_generation
from pixyproxy.web.openai.requests import Form, ImagesRequest
from pixyproxy.web.submission import replay_headers, submit

logger = logging.getLogger(__name__)

HELD_BACK_S = 10.0
"""So long a stream's head waits for the first event, that an early fault still has its status."""
HEARTBEAT_S = 10.0
"""Proxies cut connections on which nothing comes, many of them after a minute."""
STOPPING_MESSAGE = "The service is stopping, and has not sent this to the model. Send it again."


class UnansweredError(Exception):
    """A generation gave nothing to answer with; `told` is what its client is told."""

    def __init__(self, told: OpenAIError) -> None:
        super().__init__(told.code)
        self.told = told


@dataclass(frozen=True, slots=True)
class Desk:
    """One request for images, and what it takes to serve it."""

    request: Request
    asked: ImagesRequest
    terms: Terms
    generations: GenerationService
    images: ImageReader
    urls: Urls

    async def submit(self) -> Submitted:
        """Submit what is asked for. Raises what is wrong before anything is written down."""
        return await submit(
            self.request, self.asked.generation, self.terms, self.generations, is_waited_for=True
        )

    def headers(self, began_at: float) -> dict[str, str]:
        """Return the headers that every answer has."""
        passed_ms = round((time.perf_counter() - began_at) * 1000)
        return {"openai-processing-ms": str(passed_ms), **replay_headers(self.request)}


class HeldAnswer(Response):
    """Submits the request, waits for the generation's end, and sends one JSON answer or error.

    The generation goes on where the client goes away.
    """

    def __init__(self, desk: Desk, *, form: Form) -> None:
        super().__init__()
        self._desk = desk
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request. Raises what was wrong before anything was written down."""
        began_at = time.perf_counter()
        async with WaitingClient(receive) as client:
            submitted = await client.stays_for(self._desk.submit())
            async with self._desk.generations.delivering(submitted) as delivery:
                try:
                    pieces = await client.stays_for(self._draw(submitted))
                    status = HTTPStatus.OK
                    headers = {}
                except UnansweredError as error:
                    answer = error.told.response()
                    pieces, status = [bytes(answer.body)], HTTPStatus(answer.status_code)
                    headers = dict(answer.headers)
                headers |= self._desk.headers(began_at)
                headers["content-type"] = "application/json"
                headers["content-length"] = str(sum(map(len, pieces)))
                await _send_head(send, status, headers)
                await send_pieces(send, pieces)
                delivery.is_whole = await send_end(send, client)

    async def _draw(self, submitted: Submitted) -> list[bytes]:
        async with aclosing(follow(self._desk, submitted)) as events:
            async for event in events:
                if isinstance(event, Drawn):
                    return await self._answer(event)
        raise AssertionError("a generation ends with images or with an error")

    async def _answer(self, drawn: Drawn) -> list[bytes]:
        with_bytes = self._form == "b64_json"
        images = [
            await _read(self._desk, drawn.generation, detail) if with_bytes else DrawnImage(detail)
            for detail in drawn.images
        ]
        return answer_pieces(
            drawn.generation,
            images,
            self._desk.urls,
            safety_identifier=self._desk.asked.options.safety_identifier,
        )


class HeldStream(Response):
    """Submits the request, and tells by server-sent events what comes of it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request. Raises what was wrong before anything was written down."""
        began_at = time.perf_counter()
        async with WaitingClient(receive) as client:
            submitted = await client.stays_for(self._desk.submit())
            async with (
                self._desk.generations.delivering(submitted) as delivery,
                aclosing(self._events(submitted)) as events,
            ):
                delivery.is_whole = await self._stream(events, began_at, client, send)

    async def _stream(
        self,
        events: AsyncGenerator[list[bytes], None],
        began_at: float,
        client: WaitingClient,
        send: Send,
    ) -> bool:
        """Send all events; return whether they were handed over to a client that was there."""
        has_begun = False
        while True:
            following: asyncio.Task[list[bytes] | None] = asyncio.create_task(_next(events))
            try:
                while not await client.stays_while(
                    following, HEARTBEAT_S if has_begun else HELD_BACK_S
                ):
                    if not has_begun:
                        has_begun = True
                        await self._begin(began_at, send)
                    await send_pieces(send, [KEEPALIVE_COMMENT])
                pieces = following.result()
            except UnansweredError as error:
                if not has_begun:
                    answer = error.told.response(self._desk.headers(began_at))
                    await answer({"type": "http", "method": "POST"}, _never, send)
                    return not client.has_left
                await send_pieces(send, [error.told.event()])
                pieces = None
            finally:
                following.cancel()
            if pieces is None:
                return await send_end(send, client)
            if not has_begun:
                has_begun = True
                await self._begin(began_at, send)
            await send_pieces(send, pieces)

    async def _begin(self, began_at: float, send: Send) -> None:
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
            **self._desk.headers(began_at),
        }
        await _send_head(send, HTTPStatus.OK, headers)

    async def _events(self, submitted: Submitted) -> AsyncGenerator[list[bytes], None]:
        async with aclosing(follow(self._desk, submitted)) as events:
            async for event in events:
                if isinstance(event, PartialImage):
                    yield partial_event(submitted.generation, event, self._desk.urls)
                    continue
                async with aclosing(self._completed(event)) as completed:
                    async for pieces in completed:
                        yield pieces

    async def _completed(self, drawn: Drawn) -> AsyncGenerator[list[bytes], None]:
        # The tokens were counted for all images together: all but the last event say none.
        last = len(drawn.images) - 1
        for index, detail in enumerate(drawn.images):
            image = await _read(self._desk, drawn.generation, detail)
            usage = usage_of(drawn.generation) if index == last else None
            yield completed_event(
                drawn.generation,
                image,
                self._desk.urls,
                index=index,
                usage=usage or NO_USAGE,
                safety_identifier=self._desk.asked.options.safety_identifier,
            )


async def follow(desk: Desk, submitted: Submitted) -> AsyncGenerator[PartialImage | Drawn, None]:
    """Yield what comes of a generation, its images last. Raises UnansweredError."""
    try:
        async with aclosing(desk.generations.watch_images(submitted)) as told:
            async for event in told:
                yield event
    except StillRunningError:
        raise await _why_unfinished(desk, submitted) from None
    except Exception as error:
        raise await _why_not(desk, submitted.generation.guid, error) from error


async def _why_unfinished(desk: Desk, submitted: Submitted) -> UnansweredError:
    """Return what is told where the service stops: nothing is to be drawn that nobody waits for."""
    guid = submitted.generation.guid
    is_withdrawn = False
    if not submitted.replayed:
        try:
            await desk.generations.cancel(guid)
            is_withdrawn = True
        except (GenerationStateError, StorageException) as error:
            logger.info("generation %s goes on: %s", guid, error.code)
    told: PixyProxyException = (
        OverloadedError(STOPPING_MESSAGE) if is_withdrawn else StillRunningError(guid)
    )
    return UnansweredError(
        error_of_generation(told, guid, may_be_charged=not is_withdrawn, urls=desk.urls)
    )


async def _why_not(desk: Desk, guid: str, error: Exception) -> UnansweredError:
    if isinstance(error, StorageException):
        logger.error("%s: %s", error.code, error.reason)
    elif isinstance(error, PixyProxyException):
        logger.info("no image code=%s", error.code)
    else:
        logger.error("unforeseen error", exc_info=error)
    try:
        may_be_charged_for = await desk.generations.may_be_charged_for(guid)
    except StorageException:
        may_be_charged_for = True
    return UnansweredError(
        error_of_generation(error, guid, may_be_charged=may_be_charged_for, urls=desk.urls)
    )


async def _read(desk: Desk, generation: Generation, detail: ImageDetail) -> DrawnImage:
    try:
        return DrawnImage(detail, await desk.images.read_content(detail))
    except PixyProxyException as error:
        raise await _why_not(desk, generation.guid, error) from error


async def _next(events: AsyncGenerator[list[bytes], None]) -> list[bytes] | None:
    return await anext(events, None)


async def _never() -> dict[str, object]:
    raise AssertionError("nothing is received while an error is answered")


async def _send_head(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
