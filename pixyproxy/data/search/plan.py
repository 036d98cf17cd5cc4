"""Where to look: how the postings of a block are combined into the images whose rows are asked.

A plan is made for a search and then used for each block. Its nodes name the postings that they
need, so that those of many blocks can be read at once, and combine their bits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class TermRange:
    """All terms from the first to below the end."""

    first: bytes
    end: bytes


Key = bytes | TermRange | int
"""What postings are needed of: a term, a range of terms; or an image, by its id."""
Lookup = Callable[[Key], int]
"""Gives the postings of one block: bits."""


class Node(Protocol):
    """A part of a plan."""

    def needs(self) -> Iterator[Key]:
        """Yield what must be looked up."""

    def bits(self, lookup: Lookup) -> int:
        """Return the images of a block that may do."""


@dataclass(frozen=True, slots=True)
class Has:
    """The images that have the key's postings."""

    key: Key

    def needs(self) -> Iterator[Key]:
        """Yield the key."""
        yield self.key

    def bits(self, lookup: Lookup) -> int:
        """Return the key's postings."""
        return lookup(self.key)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The images of any of the nodes."""

    nodes: Sequence[Node]

    def needs(self) -> Iterator[Key]:
        """Yield what the nodes need."""
        for node in self.nodes:
            yield from node.needs()

    def bits(self, lookup: Lookup) -> int:
        """Return the union."""
        found = 0
        for node in self.nodes:
            found |= node.bits(lookup)
        return found


@dataclass(frozen=True, slots=True)
class AllOf(AnyOf):
    """The images that all of the nodes have; without nodes, all images."""

    def bits(self, lookup: Lookup) -> int:
        """Return the intersection."""
        found = -1
        for node in self.nodes:
            found &= node.bits(lookup)
            if not found:
                break
        return found


@dataclass(frozen=True, slots=True)
class Adjacent:
    """Two words, one after the other: their pair has postings where both are frequent."""

    first: bytes
    second: bytes
    pair: bytes
    frequent: int
    """How many images of a block have a word that is frequent in it, at least."""

    def needs(self) -> Iterator[Key]:
        """Yield both words and their pair."""
        yield from (self.first, self.second, self.pair)

    def bits(self, lookup: Lookup) -> int:
        """Return the images with the pair, or else with both words."""
        first, second = lookup(self.first), lookup(self.second)
        if min(first.bit_count(), second.bit_count()) >= self.frequent:
            return lookup(self.pair)
        return first & second


NOTHING = AnyOf(())
"""No image at all."""


@dataclass(slots=True)
class SearchPlan:
    """Where to look: images of a block that have all of `required` and none of `excluded`."""

    required: list[Node] = field(default_factory=list)
    excluded: list[Node] = field(default_factory=list)
    """Only what is sure to be there may rule an image out: exact terms, which never go stale."""

    def needs(self) -> set[Key]:
        """Return what must be looked up."""
        nodes = (*self.required, *self.excluded)
        return {key for node in nodes for key in node.needs()}

    def bits(self, lookup: Lookup, block_size: int) -> int:
        """Return the images of a block whose rows are worth asking."""
        found = AllOf(self.required).bits(lookup) & ((1 << block_size) - 1)
        for node in self.excluded:
            if not found:
                break
            found &= ~node.bits(lookup)
        return found
