"""The circuit: it opens after failures in a row, and lets one call try now and then."""

import time

import pytest

from pixyproxy.core.exceptions import GeneratorUnavailableError
from pixyproxy.service.generating.circuit import FAILURES_TO_OPEN, Circuit


@pytest.fixture
def circuit() -> Circuit:
    return Circuit()


async def test_a_closed_circuit_lets_everything_through(circuit: Circuit) -> None:
    assert all(circuit.claim_try() for _ in range(100))
    await circuit.check()


async def test_it_opens_after_failures_in_a_row_and_says_so(circuit: Circuit) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        circuit.failed()
    assert not circuit.is_open
    await circuit.check()
    circuit.failed()
    assert circuit.is_open
    assert not circuit.claim_try()
    with pytest.raises(GeneratorUnavailableError, match="5 times in a row") as caught:
        await circuit.check()
    assert not caught.value.sent
    assert 0 < (caught.value.retry_after_s or 0) <= 10


async def test_failures_that_are_not_in_a_row_do_not_count(circuit: Circuit) -> None:
    for _ in range(3 * FAILURES_TO_OPEN):
        circuit.failed()
        circuit.connected()
    assert not circuit.is_open


async def test_when_it_has_rested_one_call_may_try_and_its_success_closes_it() -> None:
    circuit = Circuit(rest_s=60)
    for _ in range(FAILURES_TO_OPEN):
        circuit.failed()
    assert circuit.is_open
    circuit._next_try_at = time.monotonic()  # it has rested
    await circuit.check()
    assert circuit.claim_try()
    for _ in range(2):
        assert not circuit.claim_try(), "the others wait for what becomes of that one"
        with pytest.raises(GeneratorUnavailableError):
            await circuit.check()
    circuit.connected()
    assert not circuit.is_open
    assert all(circuit.claim_try() for _ in range(2))


async def test_when_the_call_that_tries_fails_it_rests_again() -> None:
    circuit = Circuit(rest_s=60)
    for _ in range(FAILURES_TO_OPEN):
        circuit.failed()
    circuit._next_try_at = time.monotonic()
    assert circuit.claim_try()
    circuit._next_try_at = time.monotonic()
    circuit.failed()
    assert circuit.is_open
    assert 59 < circuit.wait_s <= 60
    assert not circuit.claim_try()
