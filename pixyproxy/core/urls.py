"""Where things of this service are found: its paths, and the URLs that it gives away."""

from dataclasses import dataclass

IMAGES = "/image"
GENERATIONS = "/generation"
GRAPHQL = "/graphql"
DOCS = "/docs"


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

    @property
    def graphql(self) -> str:
        """Where GraphQL is served, and GraphiQL to browsers."""
        return f"{self.base}{GRAPHQL}"

    @property
    def docs(self) -> str:
        """Where REST is documented."""
        return f"{self.base}{DOCS}"
