"""Public names: what they look like, and what is none."""

import uuid

import pytest

from pixyproxy.core.guid import is_guid, make_guid
from tests.support.guids import NOT_GUIDS


def test_each_is_a_new_random_one_that_is_taken_for_one() -> None:
    made = {make_guid() for _ in range(100)}
    assert len(made) == 100
    assert {uuid.UUID(guid).version for guid in made} == {4}
    assert all(is_guid(guid) for guid in made)


@pytest.mark.parametrize("text", [*NOT_GUIDS, "", "5F2B8C1E-9D3A-4E57-8B60-2F1C7A9E4D05"])
def test_what_is_written_otherwise_is_none(text: str) -> None:
    assert not is_guid(text)
