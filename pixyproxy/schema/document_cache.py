"""Parsed and validated documents, kept: a query that comes again costs neither."""

import sys
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
    validate,
)

from pixyproxy.core.cache import BoundedCache
from pixyproxy.schema.limits import CountedFields, Limits, find_excesses

MAX_DOCUMENTS = 1000
MAX_BYTES = 32 * 2**20

BYTES_PER_ENTRY = 10_000
BYTES_PER_TOKEN = 1000
COPIES_OF_TEXT = 5
"""What a document takes in memory at most, with the errors found in it (measured): its tokens and
nodes, and its text, which stands again in values and messages."""


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """A document, and what is wrong with it; without errors it may be run."""

    document: DocumentNode
    errors: list[GraphQLError]


class DocumentCache:
    """Reads documents and keeps what it has read, bounded in entries and bytes.

    (Strawberry's own caches are bounded in entries only: a thousand large queries fill memory.)
    """

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._counted = CountedFields.of(schema)
        self._rules = specified_rules
        if not limits.introspection:
            self._rules += (NoSchemaIntrospectionCustomRule,)
        self._documents: BoundedCache[str, CheckedDocument] = BoundedCache(
            max_entries=MAX_DOCUMENTS, max_bytes=MAX_BYTES
        )

    def read(self, query: str) -> CheckedDocument:
        """Return the document. Raises GraphQLError where it cannot be parsed, which is not kept."""
        known = self._documents.get(query)
        if known is not None:
            return known
        max_tokens = self._limits.max_tokens
        document = parse(query, max_lexical_tokens=max_tokens, max_comments=max_tokens)
        errors = find_excesses(document, self._limits, self._counted) or validate(
            self._schema,
            document,
            self._rules,
            hide_suggestions=not self._limits.suggestions,
        )
        checked = CheckedDocument(document, errors)
        self._documents.put(query, checked, size=estimate_bytes(query, document))
        return checked


def estimate_bytes(query: str, document: DocumentNode) -> int:
    """Return what the checked document takes in memory, at most."""
    tokens = 0
    token = document.loc.start_token if document.loc else None
    while token:
        tokens += 1
        token = token.next
    return BYTES_PER_ENTRY + BYTES_PER_TOKEN * tokens + COPIES_OF_TEXT * sys.getsizeof(query)
