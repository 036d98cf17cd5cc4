"""The GraphQL schema, put together, and how its operations are run."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import date, datetime
from inspect import isawaitable
from typing import Any, cast

import strawberry
from graphql import DocumentNode, GraphQLError, get_operation_ast
from graphql import ExecutionResult as CoreResult
from graphql.execution import create_source_event_stream, map_source_to_response_event
from strawberry import Schema
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult, get_object_definition
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from pixyproxy.schema.document_cache import DocumentCache
from pixyproxy.schema.errors import cause_of, log_errors
from pixyproxy.schema.executor import PlainFieldsExecutor, Reader, add_readers
from pixyproxy.schema.limits import Limits
from pixyproxy.schema.mutations import Mutation
from pixyproxy.schema.nodes import read_id
from pixyproxy.schema.queries import Query
from pixyproxy.schema.subscriptions import Subscription
from pixyproxy.schema.types import (
    BigInt,
    GenerationType,
    ImageDetailType,
    read_srcset,
    read_url,
)

_RFCS = "https://www.rfc-editor.org/rfc"
UNREADABLE_VALUE = "The operation has a value that cannot be read."


class PixySchema(Schema):
    """A schema with limits and a cache of documents, which logs errors in this service's way."""

    def __init__(self, limits: Limits) -> None:
        # One form of times in both faces: pydantic writes UTC as `Z`.
        times = strawberry.scalar(
            name="DateTime",
            description="A moment in UTC, after RFC 3339.",
            specified_by_url=f"{_RFCS}/rfc3339#section-5.6",
            serialize=lambda moment: moment.isoformat().replace("+00:00", "Z"),
            parse_value=datetime.fromisoformat,
        )
        big_integers = strawberry.scalar(
            name="BigInt",
            description="An integer that may have more than 32 bits: a number in JSON.",
            specified_by_url=f"{_RFCS}/rfc8259#section-6",
            serialize=int,
            parse_value=int,
        )
        days = strawberry.scalar(
            name="Date",
            description="A day in UTC, after RFC 3339.",
            specified_by_url=f"{_RFCS}/rfc3339#section-5.6",
            serialize=date.isoformat,
            parse_value=date.fromisoformat,
        )
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            config=StrawberryConfig(scalar_map={date: days, datetime: times, BigInt: big_integers}),
        )
        self._limits = limits
        self._documents = DocumentCache(self._schema, limits)
        of_image: dict[str, Reader] = {"id": read_id, "url": read_url, "srcset": read_srcset}
        of_generation: dict[str, Reader] = {"id": read_id}
        for type_, computed in ((ImageDetailType, of_image), (GenerationType, of_generation)):
            definition = get_object_definition(type_, strict=True)
            add_readers(self.schema_converter.from_object(definition), computed)

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
        executor = self._prepare(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            allowed_operation_types,
            operation_extensions,
        )
        if isinstance(executor, PreExecutionError):
            return executor
        result: Any = executor.execute_operation()
        if isawaitable(result):
            result = await result
        if result.errors:
            log_errors(result.errors)
        return ExecutionResult(result.data, result.errors)

    def type_of(self, query: str, operation_name: str | None) -> OperationType | None:
        """Return of which type an operation is; None where running it will say what is wrong."""
        try:
            return _type_of(self._documents.read(query).document, operation_name)
        except GraphQLError:
            return None

    async def follow(
        self,
        query: str,
        variable_values: dict[str, Any] | None,
        context_value: Any,
        operation_name: str | None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Run a subscription; a PreExecutionError is the last result where it comes to grief.

        Raises InvalidOperationTypeError where it is another operation.
        """
        executor = self._prepare(
            query,
            variable_values,
            context_value,
            operation_name=operation_name,
            allowed_operation_types={OperationType.SUBSCRIPTION},
        )
        if isinstance(executor, PreExecutionError):
            yield executor
            return
        source: Any = create_source_event_stream(executor)
        if isawaitable(source):
            source = await source
        if isinstance(source, CoreResult):
            yield _not_executed(source.errors or [])
            return
        try:
            async with aclosing(map_source_to_response_event(executor, source)) as events:
                async for event in events:
                    if event.errors:
                        log_errors(event.errors)
                    yield ExecutionResult(event.data, event.errors)
        except Exception as error:  # noqa: BLE001  the source's, which graphql-core lets through
            errors = [GraphQLError(str(error), original_error=error)]
            log_errors(errors)
            yield PreExecutionError(None, errors)

    def _prepare(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None,
        context_value: Any,
        root_value: Any = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> PlainFieldsExecutor | PreExecutionError:
        """Return what runs the operation, or why it may not be run."""
        try:
            checked = self._documents.read(query or "")
        except GraphQLError as error:
            return _not_executed([error])
        operation_type = _type_of(checked.document, operation_name)
        if operation_type and operation_type not in (allowed_operation_types or OperationType):
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
        return cast("PlainFieldsExecutor", executor)


def make_schema(limits: Limits | None = None) -> PixySchema:
    """Return a new schema, with a cache of its own."""
    return PixySchema(limits or Limits())


def refuse(error: GraphQLError | str) -> PreExecutionError:
    """Return the result of an operation that is not run where it was sent."""
    return _not_executed([GraphQLError(error) if isinstance(error, str) else error])


def _type_of(document: DocumentNode, operation_name: str | None) -> OperationType | None:
    operation = get_operation_ast(document, operation_name)
    return OperationType(operation.operation.value) if operation else None


def _not_executed(errors: list[GraphQLError]) -> PreExecutionError:
    """Return errors of the request. Where one wraps Python's own words they are left out."""
    errors = [
        error if cause_of(error) is None else GraphQLError(UNREADABLE_VALUE, error.nodes)
        for error in errors
    ]
    log_errors(errors)
    return PreExecutionError(None, errors)
