"""Where things of this service are found: its paths, and the URLs that it gives away."""

from dataclasses import dataclass
from urllib.parse import urlsplit

IMAGES = "/image"
GENERATIONS = "/generation"
GRAPHQL = "/graphql"
SDL = "/schema.graphql"
DOCS = "/docs"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return the origin of an http URL as browsers spell it (RFC 6454)."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    is_default = parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)}
    return f"{parts.scheme}://{host}{'' if is_default else f':{parts.port}'}"


@dataclass(frozen=True, slots=True)
class Urls:
    """Makes URLs that begin with `base`, an origin that may have a path; without it, paths."""

    base: str = ""

    def image(self, guid: str) -> str:
        """Return where an image's details are read."""
        return f"{self.base}{IMAGES}/{guid}"

    def content(self, guid: str, query: str = "") -> str:
        """Return where an image's bytes are served; with a query, those of a derivative."""
        return f"{self.base}{IMAGES}/{guid}/content{'?' if query else ''}{query}"

    def generation(self, guid: str) -> str:
        """Return where a generation is read."""
        return f"{self.base}{GENERATIONS}/{guid}"

    def partial_image(self, guid: str, index: int) -> str:
        """Return where an image is served that is shown while a generation is drawn."""
        return f"{self.generation(guid)}/partial/{index}"

    @property
    def graphql(self) -> str:
        """Where GraphQL is served, and GraphiQL to browsers."""
        return f"{self.base}{GRAPHQL}"

    @property
    def docs(self) -> str:
        """Where REST is documented."""
        return f"{self.base}{DOCS}"
