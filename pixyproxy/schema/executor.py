"""How operations are executed."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import get_argument_values
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter

Reader = Callable[[Any, Any, Mapping[str, Any]], Any]
"""Gives a field's value, ready for JSON, from the object, the request's context and arguments."""

READERS = "pixyproxy-readers"
_NONE: Mapping[str, Any] = {}


class PlainFieldsExecutor(StrawberryGraphQLCoreExecutionContext):
    """Reads the fields of a type that has READERS at one go, where all are plain values.

    Completed one by one, as graphql-core does it, they take most of the time that a list of images
    takes. A field that is an object, or a list of them, has no reader and goes the long way, with
    its siblings.
    """

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Any,
        grouped_field_set: Any,
        position_context: Any,
    ) -> Any:
        """Return the values of the fields that are asked for."""
        readers = parent_type.extensions.get(READERS)
        if readers is not None:
            context = self.context_value
            try:
                return {
                    key: readers[details[0].node.name.value](
                        source_value, context, self._arguments(parent_type, details[0])
                    )
                    for key, details in grouped_field_set.items()
                }
            except Exception:  # noqa: BLE001, S110  the long way says which field it was
                pass
        return super().execute_fields(
            parent_type, source_value, path, grouped_field_set, position_context
        )

    def _arguments(self, parent_type: GraphQLObjectType, details: Any) -> Mapping[str, Any]:
        node = details.node
        if not node.arguments:
            return _NONE
        field = parent_type.fields[node.name.value]
        return get_argument_values(
            field, node, self.variable_values, details.fragment_variable_values
        )


def add_readers(type_: GraphQLObjectType, computed: Mapping[str, Reader]) -> None:
    """Give `type_` its readers: of attributes, and of the fields that are computed."""
    plain = {
        name: _attribute_reader(field)
        for name, field in type_.fields.items()
        if is_leaf_type(get_named_type(field.type))
    }
    type_.extensions[READERS] = {
        "__typename": lambda _source, _context, _arguments: type_.name,
        **plain,
        **computed,
    }


def _attribute_reader(field: GraphQLField) -> Reader:
    attribute = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name
    may_be_null = not is_non_null_type(field.type)
    to_json = cast("GraphQLLeafType", get_named_type(field.type)).coerce_output_value

    is_list = is_list_type(get_nullable_type(field.type))

    def read(source: Any, _context: Any, _arguments: Mapping[str, Any]) -> Any:
        value = getattr(source, attribute)
        if value is not None:
            return [to_json(each) for each in value] if is_list else to_json(value)
        if may_be_null:
            return None
        raise TypeError(attribute)

    return read
