"""Parsed and validated documents, kept: a query that comes again costs neither."""

from collections.abc import Iterator

from graphql import DocumentNode, GraphQLError, parse
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from pixyproxy.core.cache import BoundedCache

MAX_DOCUMENTS = 1000
MAX_BYTES = 32 * 2**20
BYTES_PER_CHAR = 300
"""About what a parsed document takes in memory for each character of its text (measured)."""

Documents = BoundedCache[str, tuple[DocumentNode, list[GraphQLError]]]


def make_documents() -> Documents:
    """Return a new cache of documents, bounded in entries and bytes."""
    return BoundedCache(max_entries=MAX_DOCUMENTS, max_bytes=MAX_BYTES)


class DocumentCache(SchemaExtension):
    """Looks a query up before it is parsed, and keeps it when it has been validated.

    Strawberry's own caches are bounded in entries only: a thousand large queries would fill memory.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._errors: list[GraphQLError] | None = None

    def on_parse(self) -> Iterator[None]:
        """Put the known document in place, or let it be parsed."""
        context = self.execution_context
        assert context.query is not None
        known = self._documents.get(context.query)
        if known is None:
            context.graphql_document = parse(context.query, **context.parse_options)
        else:
            context.graphql_document, self._errors = known
        yield

    def on_validate(self) -> Iterator[None]:
        """Put the known verdict in place, or keep the new one."""
        context = self.execution_context
        assert context.query is not None
        assert context.graphql_document is not None
        if self._errors is None:
            self._errors = validate_document(
                context.schema._schema,  # noqa: SLF001  as Strawberry's own cache does
                context.graphql_document,
                context.validation_rules,
            )
            entry = (context.graphql_document, self._errors)
            self._documents.put(context.query, entry, size=BYTES_PER_CHAR * len(context.query))
        context.pre_execution_errors = self._errors
        yield
