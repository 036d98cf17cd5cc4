"""Sessions: a cookie that stands for a key where a browser reads bytes, and nowhere else."""

import hashlib
import hmac
import time
from collections.abc import Sequence

COOKIE = "pixyproxy_session"
SESSION_S = 12 * 3600
"""How long a session lasts; pages ask for a new one in time."""
_MAX_COOKIE_CHARS = 200
_PURPOSE = b"pixyproxy: read bytes until "


class Sessions:
    """Makes and checks the cookies' values: a key's digest, an end, and a signature of both.

    Nothing is kept: every process that has the keys knows the sessions, and a key that is taken
    away ends those made with it. The signature's secret is derived from the key.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._secrets = {
            hashlib.sha256(key.encode()).hexdigest()[:8]: hashlib.sha256(
                b"pixyproxy session\0" + key.encode()
            ).digest()
            for key in keys
        }

    def begin(self, caller: str) -> str:
        """Return the cookie's value for the owner of a key, whose name in the log is `caller`."""
        name = caller.removeprefix("key-")
        ends_at = str(int(time.time()) + SESSION_S)
        return f"{name}.{ends_at}.{self._sign(self._secrets[name], ends_at)}"

    def owner(self, value: str) -> str | None:
        """Return the name of the session's caller; None where there is no such session."""
        name, _, rest = value[:_MAX_COOKIE_CHARS].partition(".")
        ends_at, _, signature = rest.partition(".")
        secret = self._secrets.get(name)
        if secret is None or not ends_at.isascii() or not ends_at.isdigit():
            return None
        genuine = hmac.compare_digest(self._sign(secret, ends_at).encode(), signature.encode())
        return f"key-{name}" if genuine and int(ends_at) > time.time() else None

    @staticmethod
    def _sign(secret: bytes, ends_at: str) -> str:
        return hmac.new(secret, _PURPOSE + ends_at.encode(), hashlib.sha256).hexdigest()
