"""One call to the model: sent at most once, and listened for longer than its caller waits."""

import asyncio
import logging

from pixyproxy.core.exceptions import (
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PixyProxyException,
)
from pixyproxy.core.models import Attempt, Generation
from pixyproxy.service.generating.answers import AnswerKeeper
from pixyproxy.service.generating.dependencies import Limits
from pixyproxy.service.generating.state import ProcessState
from pixyproxy.service.providers import GenerationRequest, ImageProvider, ProviderAnswer

logger = logging.getLogger(__name__)

STOPPED_MESSAGE = (
    "The service stopped before the image model answered. Whether it drew (and charged for) "
    "the image is unknown."
)
REACHED_AFTER_S = 15
"""A call that lasts longer than any attempt to connect has reached its server."""


class ModelCaller:
    """Makes the calls of one generation."""

    def __init__(
        self,
        generation: Generation,
        provider: ImageProvider,
        answers: AnswerKeeper,
        limits: Limits,
        state: ProcessState,
    ) -> None:
        self._generation = generation
        self._provider = provider
        self._answers = answers
        self._limits = limits
        self._state = state

    async def call(self, attempt: Attempt, ends_at: float) -> ProviderAnswer:
        """Call the model, and note whether it could be reached.

        Raises what ImageProvider.generate raises, and GeneratorTimeoutError where there is no
        answer before `ends_at`, in the loop's time; one that comes later is kept all the same.
        """
        timeout_s = ends_at - asyncio.get_running_loop().time()
        if timeout_s <= 0 or not self._state.circuit.claim_try():
            raise GeneratorUnavailableError(sent=False)
        logger.info("generation sent call=%s model=%s", attempt.guid, self._generation.model)
        call = asyncio.create_task(
            self._provider.generate(self._make_request(attempt), call_guid=attempt.guid)
        )
        reached = asyncio.get_running_loop().call_later(
            REACHED_AFTER_S, self._state.circuit.connected
        )
        try:
            await self._state.wait_for(call, timeout_s)
        except asyncio.CancelledError:
            call.cancel()
            raise
        finally:
            reached.cancel()
        if not call.done():
            if self._state.has_given_up:
                call.cancel()
                raise GeneratorTimeoutError(STOPPED_MESSAGE)
            logger.warning("call %s was not answered within %.0f s", attempt.guid, timeout_s)
            self._state.launch_late(self._listen(attempt, call))
            raise GeneratorTimeoutError
        return self._answer_of(call, attempt)

    def _make_request(self, attempt: Attempt) -> GenerationRequest:
        return GenerationRequest(
            model=self._generation.model,
            prompt=self._generation.prompt,
            parameters=self._generation.parameters,
            n=attempt.n,
        )

    def _answer_of(self, call: asyncio.Task[ProviderAnswer], attempt: Attempt) -> ProviderAnswer:
        circuit = self._state.circuit
        try:
            answer = call.result()
        except PixyProxyException as error:
            if error.sent:
                circuit.connected()
            else:
                circuit.failed()
            raise
        circuit.connected()
        logger.info("call %s answered upstream-request-id=%s", attempt.guid, answer.request_id)
        return answer

    async def _listen(self, attempt: Attempt, call: asyncio.Task[ProviderAnswer]) -> None:
        """Wait once more as long for an answer that is late, and keep what it brings."""
        await self._state.wait_for(call, self._limits.timeout_s)
        if not call.done():
            call.cancel()
            return
        try:
            answer = call.result()
        except PixyProxyException:
            return
        except Exception:
            logger.exception("call %s failed unforeseen", attempt.guid)
            return
        logger.info("call %s answered late", attempt.guid)
        await self._answers.keep_late(attempt, answer)
