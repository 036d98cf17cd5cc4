"""The pages for people: the gallery, GraphiQL and the documentation of REST.

They hold no data: their scripts ask for it as any client does, with a key where one is needed.
Nothing on them comes from another machine, and their policies let nothing else run.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from pixyproxy.core.urls import DOCS
from pixyproxy.web.assets import GRAPHIQL, SWAGGER, Assets, read_assets
from pixyproxy.web.dependencies import Public

LANGUAGES = ("en", "de")
"""The languages that the gallery has texts in (`text-*.js`); the first is the one to fall back to.
"""
_OWN_ONLY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NO_TEXT_BECOMES_CODE = "require-trusted-types-for 'script'; trusted-types 'none'"
POLICIES = {
    "gallery.html": f"{_OWN_ONLY}; img-src 'self'; font-src 'self'; {_NO_TEXT_BECOMES_CODE}",
    # Its style sheet has its fonts in it.
    "graphiql.html": f"{_OWN_ONLY}; img-src 'self' data:; font-src data:; {_NO_TEXT_BECOMES_CODE}",
    # Its style sheet has its pictures in it; and its icons are made from text, so no Trusted Types.
    "docs.html": f"{_OWN_ONLY}; img-src 'self' data:",
}
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
}
_ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}

MakePage = Callable[[Request], Response]


def make_ui_router(
    *, gallery: bool, docs: bool, graphiql: bool, needs_key: bool, has_trash: bool
) -> tuple[APIRouter, MakePage | None]:
    """Return the router of the pages that are wanted, and what answers with GraphiQL's page."""
    borrowed = [source for source, wanted in ((GRAPHIQL, graphiql), (SWAGGER, docs)) if wanted]
    assets = read_assets(*borrowed)
    router = APIRouter(dependencies=[Public], include_in_schema=False)
    for path, name, wanted in (("/", "gallery.html", gallery), (DOCS, "docs.html", docs)):
        if wanted:
            _add_page(router, path, _page(assets, name, needs_key=needs_key, has_trash=has_trash))
    if gallery or docs or graphiql:
        _add_assets(router, assets)
    if not graphiql:
        return router, None
    return router, _page(assets, "graphiql.html", needs_key=needs_key, has_trash=has_trash)


def _page(assets: Assets, name: str, *, needs_key: bool, has_trash: bool) -> MakePage:
    base = f"ui/{assets.digest}"
    texts = {
        language: assets.pages[name]
        .replace("{preloads}", _preloads(assets, language))
        .replace("{base}", base)
        .replace("{language}", language)
        .replace("{key}", "needed" if needs_key else "none")
        .replace("{trash}", "there" if has_trash else "none")
        for language in LANGUAGES
    }

    headers = {"Content-Security-Policy": POLICIES[name], **_PAGE_HEADERS}

    def answer(request: Request) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        return Response(texts[language], media_type="text/html", headers=headers)

    return answer


def _preloads(assets: Assets, language: str) -> str:
    """Have the browser ask for all of the gallery's modules at once."""
    names = [
        name
        for name in assets.modules
        if not name.startswith("text-") or name == f"text-{language}.js"
    ]
    return "\n".join(f'<link rel="modulepreload" href="{{base}}/{name}">' for name in names)


def _add_page(router: APIRouter, path: str, answer: MakePage) -> None:
    async def serve(request: Request) -> Response:
        return answer(request)

    router.add_api_route(path, serve, methods=["GET", "HEAD"], response_model=None)


def _add_assets(router: APIRouter, assets: Assets) -> None:
    async def serve(digest: str, name: str) -> Response:
        asset = assets.get(name) if digest == assets.digest else None
        if asset is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        data = asset.data
        if data is None:
            assert asset.path is not None
            data = await asyncio.to_thread(asset.path.read_bytes)
        return Response(data, media_type=asset.media_type, headers=_ASSET_HEADERS)

    router.add_api_route("/ui/{digest}/{name}", serve, methods=["GET", "HEAD"], response_model=None)


def preferred_language(accepted: str) -> str:
    """Return which of our languages a browser likes best, by its `Accept-Language`."""
    best, liking = LANGUAGES[0], 0.0
    for item in accepted.split(","):
        name, _, parameter = item.partition(";")
        language = name.strip().lower().partition("-")[0]
        try:
            quality = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if language in LANGUAGES and quality > liking:
            best, liking = language, quality
    return best
