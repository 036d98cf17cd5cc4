"""The connection to MySQL and MariaDB: what aiomysql leaves to be desired."""

from typing import Any

import aiomysql
from pymysql.constants import CLIENT, COMMAND, CR
from pymysql.err import OperationalError

_QUIT = bytes([1, 0, 0, 0, COMMAND.COM_QUIT])


async def connect_to_mysql(*, password: str = "", **options: Any) -> "MysqlConnection":
    """Return an open connection; whatever interrupts the opening, none is left half open."""
    # Servers take a password as UTF-8; aiomysql encodes it as Latin-1.
    connection = MysqlConnection(password=password.encode().decode("latin-1"), **options)
    try:
        await connection._connect()  # noqa: SLF001  what aiomysql.connect calls
    except BaseException:
        connection.close()
        raise
    return connection


class MysqlConnection(aiomysql.Connection):  # type: ignore[misc]  # aiomysql is untyped
    """An aiomysql connection that insists on TLS where asked to, takes bytes, closes at once."""

    async def _request_authentication(self) -> None:
        # Else whoever sits in between could have the login in the clear by hiding the server's TLS.
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, "The server does not offer TLS")
        await super()._request_authentication()

    def escape(self, obj: Any) -> str:
        """Return a literal in SQL. aiomysql's own for bytes fails with PyMySQL 1.2."""
        if isinstance(obj, bytes):
            return f"X'{obj.hex()}'"
        escaped: str = super().escape(obj)
        return escaped

    async def ensure_closed(self) -> None:
        """Say goodbye and close, without waiting for a server that may be gone."""
        if self._writer is not None:
            self._writer.write(_QUIT)
            self.close()
