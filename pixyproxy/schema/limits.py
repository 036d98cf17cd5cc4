"""What one operation may ask for, counted before anything of it is validated or run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

_MAY_COST = "may-cost"
PAID: Mapping[Any, Any] = {_MAY_COST: True}
"""The metadata of a mutation that may cost money each time it is asked for."""
FREE: Mapping[Any, Any] = {_MAY_COST: False}
"""The metadata of any other one: each must say which it is."""
MAX_LISTS = 2
"""Lists within lists that an operation may have: each multiplies what is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What documents may hold. All but tokens count by operation, with its fragments."""

    max_depth: int = 10
    max_aliases: int = 15
    max_tokens: int = 1000
    max_directives: int = 50
    max_generations: int = 4
    introspection: bool = True
    suggestions: bool = True


@dataclass(frozen=True, slots=True)
class CountedFields:
    """The fields that are counted, by their names alone: their types are not looked at."""

    paid: frozenset[str]
    """What may be paid for."""
    lists: frozenset[str]
    """Lists of objects; a list of plain values has nothing within."""

    @classmethod
    def of(cls, schema: GraphQLSchema) -> "CountedFields":
        """Find them in a schema. Raises KeyError where a mutation does not say what it costs."""
        mutation = schema.mutation_type
        assert mutation is not None
        return cls(
            frozenset(name for name, field in mutation.fields.items() if _may_cost(field)),
            frozenset(
                name
                for type_ in schema.type_map.values()
                if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
                for name, field in type_.fields.items()
                if is_list_type(get_nullable_type(field.type))
                and is_composite_type(get_named_type(field.type))
            ),
        )


def _may_cost(field: GraphQLField) -> bool:
    declared: StrawberryField = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    return bool(declared.metadata[_MAY_COST])


def find_excesses(
    document: DocumentNode, limits: Limits, counted: CountedFields
) -> list[GraphQLError]:
    """Return what each operation asks for beyond `limits`.

    A fragment counts wherever it is spread. Each is counted once and the sums are put together, so
    the time is linear in the length of the document. Unknown and circular fragments are passed
    over: validation has better words for them.
    """
    fragments = {
        definition.name.value: _Cost.of(definition, counted)
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    graph = {name: [spread for spread, *_ in cost.spreads] for name, cost in fragments.items()}
    try:
        inner_first = tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        return []
    for name in inner_first:
        if name in fragments:
            fragments[name].add_spreads(fragments)

    errors = []
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            cost = _Cost.of(definition, counted)
            cost.add_spreads(fragments)
            errors += [GraphQLError(message, definition) for message in cost.exceed(limits)]
    return errors


@dataclass(slots=True)
class _Cost:
    depth: int = 0
    lists: int = 0
    aliases: int = 0
    directives: int = 0
    generations: int = 0
    spreads: list[tuple[str, int, int]] = field(default_factory=list)
    """Each fragment spread, the depth at which it stands, and the lists it stands in."""

    @classmethod
    def of(
        cls,
        definition: OperationDefinitionNode | FragmentDefinitionNode,
        counted: CountedFields,
    ) -> "_Cost":
        """Count what stands in the definition itself.

        Fields within introspection have no depth: introspection is deep by nature, and validation
        has a limit of its own for it.
        """
        cost = cls(directives=len(definition.directives or ()))
        for variable in definition.variable_definitions or ():
            cost.directives += len(variable.directives or ())
        to_do = [(definition.selection_set, 1, 0)]
        while to_do:
            selection_set, depth, lists = to_do.pop()
            cost.depth = max(cost.depth, depth)
            cost.lists = max(cost.lists, lists)
            for node in selection_set.selections:
                cost.directives += len(node.directives or ())
                if isinstance(node, FragmentSpreadNode):
                    cost.spreads.append((node.name.value, depth, lists))
                    continue
                depth_within, lists_within = depth, lists
                if isinstance(node, FieldNode):
                    cost.aliases += node.alias is not None
                    cost.generations += node.name.value in counted.paid
                    lists_within += node.name.value in counted.lists
                    counts = depth > 0 and not node.name.value.startswith("__")
                    depth_within = depth + 1 if counts else 0
                nested: SelectionSetNode | None = node.selection_set  # type: ignore[attr-defined]
                if nested:
                    to_do.append((nested, depth_within, lists_within))
        return cost

    def add_spreads(self, fragments: dict[str, "_Cost"]) -> None:
        """Add the fragments that are spread here, whose own spreads have been added."""
        for name, depth, lists in self.spreads:
            fragment = fragments.get(name)
            if fragment is None:
                continue
            if depth:
                self.depth = max(self.depth, depth - 1 + fragment.depth)
            self.lists = max(self.lists, lists + fragment.lists)
            self.aliases += fragment.aliases
            self.directives += fragment.directives
            self.generations += fragment.generations

    def exceed(self, limits: Limits) -> Iterator[str]:
        """Say what is beyond `limits`. (The sums themselves may be too large to be written.)"""
        if self.depth > limits.max_depth:
            yield f"The operation nests fields more than {limits.max_depth} levels deep."
        if self.lists > MAX_LISTS:
            yield f"The operation nests lists more than {MAX_LISTS} deep."
        if self.aliases > limits.max_aliases:
            yield f"The operation has more than {limits.max_aliases} aliases."
        if self.directives > limits.max_directives:
            yield f"The operation has more than {limits.max_directives} directives."
        if self.generations > limits.max_generations:
            yield (
                f"The operation asks for more than {limits.max_generations} generations. "
                "Nothing was generated."
            )
