"""The files of the pages: our own, and those of GraphiQL and Swagger UI out of their packages.

Of those packages only files are used; none of their code is imported.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path, PurePosixPath

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_DIGEST_CHARS = 12
_OTHER_PAGE = "-page.js"
"""How the scripts of pages beside the gallery end."""


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Files out of another distribution."""

    distribution: str
    folder: str
    names: tuple[str, ...]

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield each file's name and where it is installed."""
        package = distribution(self.distribution)
        for name in self.names:
            yield name, Path(str(package.locate_file(f"{self.folder}/{name}")))


GRAPHIQL = Borrowed(
    "graphene-django-graphiql-static",
    "graphene_django_graphiql_static/static/graphene_django_graphiql_static",
    (
        "graphiql-plugin-explorer.umd.js",
        "graphiql.min.css",
        "graphiql.min.js",
        "graphql-ws.min.js",
        "react-dom.production.min.js",
        "react.production.min.js",
    ),
)
SWAGGER = Borrowed(
    "fastapi-swagger", "fastapi_swagger/resources", ("swagger-ui-bundle.js", "swagger-ui.css")
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, in memory where it is ours and read when it is asked for where it is large."""

    media_type: str
    data: bytes | None
    path: Path | None = None


class Assets:
    """The files, by name, and the digest of all of them, under which they never change."""

    def __init__(self, *borrowed: Borrowed) -> None:
        self._assets: dict[str, Asset] = {}
        self.pages: dict[str, str] = {}
        digest = hashlib.sha256()
        for resource in sorted(files("pixyproxy.web").joinpath("ui").iterdir(), key=_name):
            suffix = PurePosixPath(resource.name).suffix
            if suffix not in MEDIA_TYPES:
                continue
            data = resource.read_bytes()
            digest.update(data)
            if suffix == ".html":
                self.pages[resource.name] = data.decode()
            else:
                is_gallery = suffix in {".css", ".js"} and not resource.name.endswith(_OTHER_PAGE)
                served = _without_comments(data) if is_gallery else data
                self._assets[resource.name] = Asset(MEDIA_TYPES[suffix], served)
        for source in borrowed:
            for name, path in source.paths():
                digest.update(path.read_bytes())
                self._assets[name] = Asset(MEDIA_TYPES[path.suffix], None, path)
        self.digest = digest.hexdigest()[:_DIGEST_CHARS]

    def get(self, name: str) -> Asset | None:
        """Return a file, by its name."""
        return self._assets.get(name)

    @property
    def modules(self) -> list[str]:
        """The names of the gallery's own modules; the other pages have one script each."""
        return [
            name
            for name, asset in self._assets.items()
            if asset.path is None and name.endswith(".js") and not name.endswith(_OTHER_PAGE)
        ]


@cache
def read_assets(*borrowed: Borrowed) -> Assets:
    """Return our own files and the borrowed ones, read once."""
    return Assets(*borrowed)


_COMMENTS = re.compile(
    rb"^[ \t]*/\*(?:[^*]|\*(?!/))*\*/[ \t]*\n|^[ \t]*//[^\n]*\n|/\*\* @type [^\n]*?\*/ ?|^[ \t]+",
    re.MULTILINE,
)
"""What browsers need not be sent: comments that have lines of their own, types, indentation."""


def _without_comments(data: bytes) -> bytes:
    return _COMMENTS.sub(b"", data)


def _name(resource: object) -> str:
    return str(getattr(resource, "name", ""))
