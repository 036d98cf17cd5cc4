"""Lists come in pages, by number or by cursor; the `Link` header names the pages beside one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from starlette.datastructures import URL

from pixyproxy.core.exceptions import ConstraintViolationError, FieldFault
from pixyproxy.core.models import ImageDetail
from pixyproxy.service.finding.cursors import MAX_CURSOR_CHARS
from pixyproxy.service.finding.finder import MAX_PAGE, MAX_PAGE_SIZE, ImageFinder
from pixyproxy.web.dependencies import paths_of

Page = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Which page, from 1.")]
Size = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="How many on a page.")]
After = Annotated[
    str | None,
    Query(
        max_length=MAX_CURSOR_CHARS,
        description="What follows this cursor, instead of a page by number; empty: the beginning. "
        "`Link` names the pages beside the one that is answered.",
    ),
]
Before = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_CHARS, description="What precedes this cursor; as `Link` has it."),
]


@dataclass(frozen=True, slots=True)
class _Part:
    page: int
    size: int
    after: str | None
    before: str | None


async def _part(
    page: Page = 1, size: Size = 20, after: After = None, before: Before = None
) -> _Part:
    return _Part(page, size, after, before)


Part = Annotated[_Part, Depends(_part)]
"""Which part of a list of images is asked for."""


async def find_page(
    request: Request,
    response: Response,
    finder: ImageFinder,
    criteria: dict[str, Any],
    part: Part,
) -> list[ImageDetail]:
    """Return the part that is asked for, by number or by cursor, and link those beside it."""
    if part.after is None and part.before is None:
        found = await finder.search_images(criteria, page=part.page, size=part.size)
        link_pages(request, response, found, part.page, part.size)
        return found
    if part.page != 1 or (part.after is not None and part.before is not None):
        message = "must not go with page, nor both cursors with each other"
        raise ConstraintViolationError([FieldFault("before" if part.before else "after", message)])
    slice_: dict[str, Any] = {"first": part.size, "after": part.after}
    if part.before is not None:
        slice_ = {"last": part.size, "before": part.before}
    connection = await finder.connect_images(criteria, **slice_)
    links = {}
    if connection.edges and connection.has_previous_page:
        links["prev"] = {"before": connection.edges[0].cursor}
    if connection.edges and connection.has_next_page:
        links["next"] = {"after": connection.edges[-1].cursor}
    _link(request, response, links, without=("after", "before"))
    return [edge.node for edge in connection.edges]


def link_pages(
    request: Request, response: Response, found: Sequence[Any], page: int, size: int
) -> None:
    """Name the pages before and after the one that holds `found` (RFC 8288)."""
    links = {}
    if page > 1:
        links["prev"] = {"page": page - 1}
    if len(found) == size and page < MAX_PAGE:
        links["next"] = {"page": page + 1}
    _link(request, response, links)


def link_after(request: Request, response: Response, cursor: str | None) -> None:
    """Name the page that follows a cursor; none where that is None."""
    _link(request, response, {} if cursor is None else {"next": {"after": cursor}})


def _link(
    request: Request,
    response: Response,
    links: dict[str, dict[str, Any]],
    without: Sequence[str] = (),
) -> None:
    url = URL(scope={**request.scope, "server": None, "headers": []})
    url = url.replace(path=f"{paths_of(request).base}{url.path}")
    url = url.remove_query_params(without)
    if links:
        response.headers["Link"] = ", ".join(
            f'<{url.include_query_params(**parameters)}>; rel="{rel}"'
            for rel, parameters in links.items()
        )
