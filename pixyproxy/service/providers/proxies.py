"""Which proxy leads to a server, by the environment variables that people use for that."""

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def proxy_for(url: httpx2.URL) -> str | None:
    """Return the URL of the proxy to a server; None where it is reached directly.

    As curl has it, NO_PROXY may name networks such as 10.0.0.0/8, for hosts that are addresses.
    Raises ValueError for a variable that names no HTTP proxy.
    """
    proxies = getproxies()
    is_direct = url.host in _LOOPBACK or proxy_bypass(url.host)
    if is_direct or _is_in_networks(url.host, proxies.get("no", "")):
        return None
    kind = url.scheme if proxies.get(url.scheme) else "all"
    proxy = proxies.get(kind)
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        httpx2.Proxy(proxy)
    except (httpx2.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise ValueError(
            f"{kind.upper()}_PROXY must be the URL of an http or https proxy, "
            "such as http://proxy:3128; no other kind is supported"
        )
    return proxy


def _is_in_networks(host: str, no_proxy: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _networks(no_proxy))


def _networks(
    no_proxy: str,
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    networks = []
    for entry in no_proxy.split(","):
        if "/" in entry:
            try:
                networks.append(ipaddress.ip_network(entry.strip(), strict=False))
            except ValueError:
                continue  # other programs may know what it means
    return networks
