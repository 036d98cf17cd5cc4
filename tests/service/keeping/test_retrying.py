"""What is tried again, and when."""

from itertools import islice

from pixyproxy.service.keeping.retrying import FIRST_PAUSE_S, LONGEST_PAUSE_S, pauses


def test_pauses_grow_to_a_bound_and_are_never_the_same_for_two() -> None:
    ones, others = list(islice(pauses(), 12)), list(islice(pauses(), 12))
    assert ones != others
    for number, pause_s in enumerate([*ones[:6], *others[:6]]):
        middle_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (number % 6))
        assert middle_s / 2 <= pause_s <= middle_s * 1.5
    assert max(ones + others) <= LONGEST_PAUSE_S * 1.5
