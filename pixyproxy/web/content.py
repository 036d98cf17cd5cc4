"""The headers with which an image's bytes are served."""

import re
from urllib.parse import quote

from pixyproxy.core.models import ImageDetail

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
_YEAR_S = 365 * 24 * 3600


def content_headers(image: ImageDetail, *, private: bool) -> dict[str, str]:
    """Return the headers of the bytes, whether they are sent or the client has them already.

    Bytes never change, so caches may keep them; shared ones only where everybody may see them.
    A model's file is not trusted: it is shown as what its bytes are, and runs nothing.
    """
    scope = "private" if private else "public"
    return {
        "ETag": f'"{image.sha256}"',
        "Cache-Control": f"{scope}, max-age={_YEAR_S}, immutable",
        "Content-Disposition": content_disposition(image.filename),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
    }


def content_disposition(filename: str) -> str:
    """Return the header's value (RFC 6266), with a plain fallback where the name is not plain."""
    plain = _NOT_PLAIN.sub("_", filename)
    if plain == filename:
        return f'inline; filename="{filename}"'
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def is_unmodified(if_none_match: str | None, sha256: str) -> bool:
    """Tell whether the client has the bytes already (RFC 9110, 13.1.2: weak comparison)."""
    if if_none_match is None:
        return False
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in {"*", f'"{sha256}"'} for tag in tags)
