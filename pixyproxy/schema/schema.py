"""The GraphQL schema, put together."""

from graphql import GraphQLError
from strawberry import Schema
from strawberry.types import ExecutionContext

from pixyproxy.schema.document_cache import DocumentCache, make_documents
from pixyproxy.schema.errors import log_errors
from pixyproxy.schema.mutations import Mutation
from pixyproxy.schema.queries import Query


class PixySchema(Schema):
    """A schema that logs errors in this service's way."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log the errors of an operation."""
        log_errors(errors)


def make_schema() -> PixySchema:
    """Return a new schema, with caches of its own."""
    documents = make_documents()
    return PixySchema(query=Query, mutation=Mutation, extensions=[lambda: DocumentCache(documents)])
