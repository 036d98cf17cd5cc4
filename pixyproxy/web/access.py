"""Who may call: API keys, or nobody but this machine where there are none."""

import hashlib
import hmac
import re
from collections.abc import Collection, Sequence

from starlette.requests import HTTPConnection

from pixyproxy.core.addresses import is_loopback
from pixyproxy.core.exceptions import AuthenticationError

ANONYMOUS = "anonymous"
_MAX_KEY_CHARS = 512
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")


class Access:
    """The keys, held hashed, and the rule for anonymous use."""

    def __init__(self, keys: Sequence[str], *, allow_anonymous: bool) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]
        self._allow_anonymous = allow_anonymous

    def identify(
        self,
        connection: HTTPConnection,
        *,
        key_headers: Sequence[str] = ("x-api-key",),
        may_repeat: bool = False,
    ) -> str:
        """Return the caller's name for the log. Raises AuthenticationError.

        A key is sent as a Bearer or in one of `key_headers`, once; with `may_repeat` the same one
        may come in several ways.
        """
        if self._digests:
            keys = _presented_keys(connection, key_headers)
            return self._owner(_the_one(set(keys) if may_repeat else keys))
        if not self._allow_anonymous and not _is_loopback_host(connection):
            raise AuthenticationError(
                "Without API keys this service answers only to a loopback Host, such as "
                "localhost; set PIXYPROXY_API_KEYS to use it by another name."
            )
        return ANONYMOUS

    def _owner(self, key: str) -> str:
        digest = hashlib.sha256(key.encode()).digest()
        # Every key is compared, each in constant time: the time tells nothing.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if not any(matches):
            raise AuthenticationError
        return f"key-{digest.hex()[:8]}"


def _presented_keys(connection: HTTPConnection, key_headers: Sequence[str]) -> list[str]:
    headers = connection.headers
    keys = [key for name in key_headers for key in headers.getlist(name)]
    for authorization in headers.getlist("authorization"):
        scheme, _, key = authorization.partition(" ")
        keys.append(key.strip() if scheme.lower() == "bearer" else "")
    return keys


def _the_one(keys: Collection[str]) -> str:
    if len(keys) != 1:
        raise AuthenticationError
    (key,) = keys
    if not key.isascii() or not 0 < len(key) <= _MAX_KEY_CHARS:
        raise AuthenticationError
    return key


def _is_loopback_host(connection: HTTPConnection) -> bool:
    hosts = connection.headers.getlist("host")
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return match is not None and is_loopback(match[1])
