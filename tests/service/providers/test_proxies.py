"""Which servers are reached through a proxy."""

import httpx2
import pytest

from pixyproxy.service.providers.proxies import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_direct"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "192.168.0.0/16, 10.1.2.0/24", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("models.example", "10.0.0.0/8", False),
        ("models.example", "models.example", True),
        ("[fd00::1]", "fd00::/8", True),
        ("10.1.2.3", "nonsense/x,10.1.2.3", True),
        ("10.1.2.3", "", False),
        ("127.0.0.1", "", True),
    ],
)
def test_no_proxy_may_name_networks(
    monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str, is_direct: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("no_proxy", no_proxy)
    expected = None if is_direct else PROXY
    assert proxy_for(httpx2.URL(f"http://{host}/v1")) == expected
