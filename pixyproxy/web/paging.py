"""Lists come in pages; the `Link` header names the pages beside one."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Request, Response
from starlette.datastructures import URL

from pixyproxy.service.image_service import MAX_PAGE, MAX_PAGE_SIZE

Page = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Which page, from 1.")]
Size = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="How many on a page.")]


def link_pages(
    request: Request, response: Response, found: Sequence[Any], page: int, size: int
) -> None:
    """Name the pages before and after the one that holds `found` (RFC 8288)."""
    url = URL(scope={**request.scope, "server": None, "headers": []})
    links = []
    if page > 1:
        links.append(f'<{url.include_query_params(page=page - 1)}>; rel="prev"')
    if len(found) == size and page < MAX_PAGE:
        links.append(f'<{url.include_query_params(page=page + 1)}>; rel="next"')
    if links:
        response.headers["Link"] = ", ".join(links)
