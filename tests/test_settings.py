"""The settings: what cannot be is refused, with the variable's name and without its value."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from pixyproxy.cli.terminal import describe_settings_error
from pixyproxy.settings import PREFIX, Settings


def fault_of(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    return describe_settings_error(caught.value)


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "PUBLIC_BASE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "ftp://host",
        "http://",
        "http:///v1",
        "http://host:abc",
        "http://host:99999/v1",
        "http://host:0/v1",
        "http://[::1/v1",
        "http://exa mple/v1",
        "http://é..x/v1",
        "http://a..b/v1",
        "http://host\x07/v1",
        "http://user:hidden@host/v1",
        "http://host/v1?hidden=1",
    ],
)
def test_what_is_no_http_url(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    fault = fault_of(monkeypatch, {PREFIX + name: url})
    assert fault.startswith(PREFIX + name)
    assert "hidden" not in fault


@pytest.mark.parametrize(
    "url", ["http://host", "https://host:443/v1", "http://[::1]:8000/v1", "http://my_host/a%20b"]
)
def test_an_http_url(url: str) -> None:
    settings = Settings(openai_base_url=f"{url}/", public_base_url=url)
    assert settings.openai_base_url == settings.public_base_url == url


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "PIXYPROXY_OPENAI_API_KEY"])
def test_a_key_that_no_header_can_carry(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fault = fault_of(monkeypatch, {name: "schlüssel"})
    assert name in fault
    assert "ASCII" in fault
    assert "schl" not in fault


@pytest.mark.parametrize(
    "entry",
    ["http://host/path", "host:99999", "host:0", "host:abc", "user@host", "host?x", "::1", "a b"],
)
def test_what_is_no_host_to_fetch_from(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    fault = fault_of(monkeypatch, {"PIXYPROXY_FETCH_ALLOW": f"host,{entry}"})
    assert fault.startswith("PIXYPROXY_FETCH_ALLOW: ")
    assert "host:port" in fault


def test_hosts_to_fetch_from() -> None:
    allowed = ("host", "host.example:8080", "10.0.0.1", "[::1]", "[::1]:443", "bücher.example")
    assert Settings(fetch_allow=allowed).fetch_allow == allowed


@pytest.mark.parametrize(
    "proxies", ["bogus", "10.0.0.1/8", "10.0.0.0/33", "*,10.0.0.1", "proxy:80"]
)
def test_what_is_no_proxy_to_trust(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    fault = fault_of(monkeypatch, {"PIXYPROXY_TRUSTED_PROXIES": proxies})
    assert fault.startswith("PIXYPROXY_TRUSTED_PROXIES: ")


@pytest.mark.parametrize("proxies", [("*",), ("127.0.0.1", "::1", "10.0.0.0/8", "fd00::/8")])
def test_proxies_to_trust(proxies: tuple[str, ...]) -> None:
    assert Settings(trusted_proxies=proxies).trusted_proxies == proxies


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("PIXYPROXY_API_KEY", "PIXYPROXY_API_KEYS"),
        ("pixyproxy_Prot", "PIXYPROXY_PORT"),
        ("PIXYPROXY_OPENAI_KEY", "PIXYPROXY_OPENAI_API_KEY"),
        ("PIXYPROXY_", "PIXYPROXY_"),
    ],
)
def test_an_unknown_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, name: str, nearest: str
) -> None:
    if where == "environment":
        monkeypatch.setenv(name, "hidden")
    else:
        (tmp_path / "settings").write_text(f"OTHER=1\n{name}=hidden\n")
        monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / "settings")
    with pytest.raises(ValueError, match=f"{name.upper()} is no setting.*{nearest}") as caught:
        Settings()
    assert "hidden" not in str(caught.value)


def test_known_empty_and_foreign_variables_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(PREFIX + name.upper(), "")
    monkeypatch.setenv("PIXYPROXY_TEST_MYSQL_URL", "mysql://root@127.0.0.1")
    monkeypatch.setenv("PIXYPROXYLIKE", "1")
    monkeypatch.setenv("pixyproxy_port", "8001")
    assert Settings().port == 8001
