"""Opening a database by the URL that a user writes."""

import asyncio
import ssl
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from pixyproxy.core.exceptions import DatabaseUnavailableError, StorageFullError
from pixyproxy.data.init import DEADLINE_S, open_database
from tests.reliability.faults import Proxy
from tests.support.programs import lacking
from tests.support.rows import open_raw, raw

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must be like"),
        (SECRET, "must be like"),
        (f"mysql://user:{SECRET}@host:port/name", "must be like"),
        (f"postgresql://user:{SECRET}@host/name", "must begin with"),
        (f"mysql+pymysql://user:{SECRET}@host/name", "must begin with"),
        (f"sqlite+pysqlite:///{SECRET}", "must begin with"),
        (f"mysql://user:{SECRET}@host", "names no database"),
        (f"mysql://user:{SECRET}@host/", "names no database"),
        (f"mysql://user:{SECRET}@host/name?charset=latin1", r"unknown parameters \(charset\)"),
        (f"mysql://user:{SECRET}@host/name?ssl=maybe", "ssl must be true or false"),
        (f"mysql://user:{SECRET}@host/name?ssl_verify=no", "ssl_verify must be true or false"),
        (f"mysql://user:{SECRET}@host/name?ssl=true&ssl=false", "ssl must be true or false"),
        (f"mysql://user:{SECRET}@host/name?ssl_ca=/no/such/file", "cannot be read"),
        (f"mysql://user:{SECRET}@host/name?ssl_key=/no/such/file", "ssl_cert"),
        (f"mysql://user:p@{SECRET}@host/name", "%40"),
        (f"mysql://user:p@ss?{SECRET}@host/name", "%40"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        (f"sqlite:///name.db?mode={SECRET}", "parameters"),
    ],
)
def test_an_unusable_url_is_a_clear_error_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        open_database(url, pool_size=1)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("password", ["p%40ss%2Fw%3Ard%3F%23", "%25%20ä", "plain"])
async def test_passwords_with_special_characters(empty_mysql_url: str, password: str) -> None:
    user = "u" + make_url(empty_mysql_url).database[-20:]  # type: ignore[index]
    url = make_url(empty_mysql_url)
    written = make_url(f"mysql://{user}:{password}@{url.host}:{url.port}/{url.database}")
    quoted = str(written.password).replace("'", "''")
    raw(empty_mysql_url, f"CREATE USER {user}@'%' IDENTIFIED BY '{quoted}'")
    try:
        raw(empty_mysql_url, f"GRANT ALL ON {url.database}.* TO {user}@'%'")
        text = f"mysql://{user}:{password}@{url.host}:{url.port}/{url.database}"
        database = open_database(text, pool_size=1)
        await database.migrate()
        await database.check()
        await database.aclose()
    finally:
        raw(empty_mysql_url, f"DROP USER {user}@'%'")


async def test_a_refused_login_shows_no_password(mysql_url: str) -> None:
    url = make_url(mysql_url).set(username="nobody", password=SECRET)
    database = open_database(url.render_as_string(hide_password=False), pool_size=1)
    try:
        with pytest.raises(DatabaseUnavailableError) as caught:
            await database.migrate()
    finally:
        await database.aclose()
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("parameters", ["ssl=true", "ssl_verify=false"])
async def test_tls_is_never_left_out(mysql_url: str, parameters: str) -> None:
    """A server (or who stands before it) that offers none gets no login."""
    if raw(mysql_url, "SELECT @@have_ssl") == [("YES",)]:
        lacking("a MySQL server without TLS")
    database = open_database(f"{mysql_url}?{parameters}", pool_size=1)
    try:
        with pytest.raises(DatabaseUnavailableError) as caught:
            await database.check()
    finally:
        await database.aclose()
    assert "TLS" in str(caught.value.__cause__)


async def test_tls_can_be_said_to_be_off(empty_mysql_url: str) -> None:
    ca = ssl.get_default_verify_paths().openssl_cafile
    database = open_database(f"{empty_mysql_url}?ssl=false&ssl_ca={ca}", pool_size=1)
    await database.migrate()
    await database.check()
    await database.aclose()


async def test_a_unix_socket(empty_mysql_url: str) -> None:
    socket = raw(empty_mysql_url, "SELECT @@socket")[0][0]
    if not Path(socket).exists():
        lacking("a MySQL server on this machine, with its socket,")
    url = make_url(empty_mysql_url)
    through_socket = f"mysql://root@localhost/{url.database}?unix_socket={socket}"
    database = open_database(through_socket, pool_size=1)
    await database.migrate()
    await database.check()
    await database.aclose()


async def test_a_database_that_is_slow_at_start_is_waited_for(empty_mysql_url: str) -> None:
    url = make_url(empty_mysql_url)
    async with Proxy(url.port or 3306) as proxy:
        await proxy.accept_nothing()
        database = open_database(through(proxy, url), pool_size=1)
        migrating = asyncio.create_task(database.migrate())
        await asyncio.sleep(1.2 * DEADLINE_S)
        await proxy.accept()
        await migrating
        await database.check()
        await database.aclose()


async def test_a_database_that_stays_silent_is_told_of(
    mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixyproxy.data.init.START_DEADLINE_S", 1.0)
    url = make_url(mysql_url)
    async with Proxy(url.port or 3306) as proxy:
        proxy.fall_silent()
        database = open_database(through(proxy, url), pool_size=1)
        with pytest.raises(DatabaseUnavailableError, match="no answer within 1 s"):
            await database.migrate()
        await database.aclose()


def through(proxy: Proxy, url: URL) -> str:
    """Return the URL by which a server is reached through a proxy."""
    return url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
async def test_both_names_of_mysql(empty_mysql_url: str, scheme: str) -> None:
    database = open_database(empty_mysql_url.replace("mysql", scheme, 1), pool_size=1)
    await database.migrate()
    await database.check()
    await database.aclose()


async def test_sqlite_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    for path in ("relative.db", "new folder/ä b.db", f"{tmp_path}/absolute@home.db"):
        database = open_database(f"sqlite:///{path}", pool_size=2)
        monkeypatch.chdir(tmp_path / "elsewhere")  # the path is of where it was opened
        await database.migrate()
        await database.check()
        await database.aclose()
        monkeypatch.chdir(tmp_path)
        assert (tmp_path / path).is_file()


async def test_sqlite_keeps_through_a_power_cut(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/a.db", pool_size=1)
    await database.migrate()
    async with database.open_context() as context:
        assert (await context.execute(sa.text("PRAGMA journal_mode")))[0][0] == "wal"
        assert (await context.execute(sa.text("PRAGMA synchronous")))[0][0] == 2
    await database.aclose()


async def test_a_sqlite_disk_with_too_little_space_counts_as_full(sqlite_url: str) -> None:
    database = open_database(sqlite_url, pool_size=1, min_free_mb=2**40)
    await database.migrate()
    with pytest.raises(StorageFullError):
        await database.check()
    await database.aclose()


async def test_a_new_sqlite_file_that_another_process_is_using_is_waited_for(
    empty_sqlite_url: str,
) -> None:
    """SQLite itself does not wait when the journal's mode is to change."""
    database = open_database(empty_sqlite_url, pool_size=1)
    with closing(open_raw(empty_sqlite_url)) as other:
        other.execute("CREATE TABLE being_made (id INTEGER)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM being_made")
        asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
        await database.migrate()
    await database.check()
    await database.aclose()
