"""The GraphQL schema, put together, and how its operations are run."""

from collections.abc import Iterable
from datetime import datetime
from inspect import isawaitable
from typing import Any, cast

import strawberry
from graphql import GraphQLError, get_operation_ast
from strawberry import Schema
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult, get_object_definition
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from pixyproxy.schema.document_cache import DocumentCache
from pixyproxy.schema.errors import cause_of, log_errors
from pixyproxy.schema.executor import PlainFieldsExecutor, add_readers
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.mutations import Mutation
from pixyproxy.schema.queries import Query
from pixyproxy.schema.types import ImageDetailType, read_url

UNREADABLE_VALUE = "The operation has a value that cannot be read."


class PixySchema(Schema):
    """A schema with limits and a cache of documents, which logs errors in this service's way."""

    def __init__(self, limits: Limits) -> None:
        # One form of times in both faces: pydantic writes UTC as `Z`.
        times = strawberry.scalar(
            name="DateTime",
            description="A moment in UTC, after RFC 3339.",
            serialize=lambda moment: moment.isoformat().replace("+00:00", "Z"),
            parse_value=datetime.fromisoformat,
        )
        super().__init__(
            query=Query,
            mutation=Mutation,
            config=StrawberryConfig(scalar_map={datetime: times}),
        )
        self._limits = limits
        self._documents = DocumentCache(self._schema, limits)
        image_type = self.schema_converter.from_object(
            get_object_definition(ImageDetailType, strict=True)
        )
        add_readers(image_type, {"url": read_url})

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Run an operation; a PreExecutionError is the result where it could not begin.

        Raises InvalidOperationTypeError where it is of a type that is not allowed.
        """
        try:
            checked = self._documents.read(query or "")
        except GraphQLError as error:
            return _not_executed([error])
        operation = get_operation_ast(checked.document, operation_name)
        if operation and allowed_operation_types is not None:
            operation_type = OperationType(operation.operation.value)
            if operation_type not in allowed_operation_types:
                raise InvalidOperationTypeError(operation_type)
        if checked.errors:
            return _not_executed(checked.errors)
        executor = PlainFieldsExecutor.build(
            self._schema,
            checked.document,
            root_value,
            context_value,
            variable_values,
            operation_name,
            is_awaitable=cast("Any", optimized_is_awaitable),
            hide_suggestions=not self._limits.suggestions,
            operation_extensions=operation_extensions,
        )
        if isinstance(executor, list):
            return _not_executed(executor)
        result: Any = executor.execute_operation()
        if isawaitable(result):
            result = await result
        if result.errors:
            log_errors(result.errors)
        return ExecutionResult(result.data, result.errors)


def make_schema(limits: Limits | None = None) -> PixySchema:
    """Return a new schema, with a cache of its own."""
    return PixySchema(limits or Limits())


def _not_executed(errors: list[GraphQLError]) -> PreExecutionError:
    """Return errors of the request. Where one wraps Python's own words they are left out."""
    errors = [
        error if cause_of(error) is None else GraphQLError(UNREADABLE_VALUE, error.nodes)
        for error in errors
    ]
    log_errors(errors)
    return PreExecutionError(None, errors)
