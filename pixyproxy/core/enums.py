"""Enumerations whose members say what they mean."""

from enum import StrEnum
from typing import Self


class DescribedEnum(StrEnum):
    """Each member is written as its value and what it means."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """Make a member of its value and of what it means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member
