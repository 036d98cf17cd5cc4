"""Addresses as people and strangers write them: parsed, and judged, without asking anybody."""

import ipaddress
import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import idna

HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
"""A host's name as it is looked up: ASCII, lower case."""
_ALLOWED = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/?#@\s]+))(?::([0-9]{1,5}))?")
_MAX_PORT = 2**16 - 1


def is_loopback(host: str) -> bool:
    """Tell whether `host`, a name or an address, means this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_allowed(entry: str) -> tuple[str, int | None]:
    """Return the host of `host` or `host:port` as it is looked up, and the port if there is one.

    Raises ValueError.
    """
    found = _ALLOWED.fullmatch(entry)
    try:
        if found:
            host = _host_of(*found.groups()[:2])
            port = int(found[3]) if found[3] else None
            if port is None or 0 < port <= _MAX_PORT:
                return host, port
    except ValueError:  # what idna and ipaddress raise is one too
        pass
    raise ValueError("must be host or host:port, with an IPv6 address in brackets")


def _host_of(bracketed: str | None, name: str | None) -> str:
    if name is None:
        return str(IPv6Address(bracketed or ""))
    host = name.lower() if name.isascii() else idna.encode(name.lower()).decode("ascii")
    if not HOST_NAME.fullmatch(host):
        raise ValueError(name)
    return host


SCHEMES = ("s3", "gs", "az")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)")


def read_place(place: str | Path) -> str | Path:
    """Return a folder, or a URL as it is. Raises ValueError where the URL is of no known kind."""
    match = _URL.match(str(place))
    if match is None or isinstance(place, Path):
        return Path(place)
    scheme, rest = match.groups()
    if scheme not in SCHEMES or not re.fullmatch(r"[^/\s@?#]+(/[^\s@?#]*)?", rest):
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(
            f"must be a folder, or a URL that begins with {known} and names a bucket (and perhaps "
            "a prefix), without credentials"
        )
    return str(place).rstrip("/")


_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6's global unicast space; what lies outside (loopback, ULA,
link- and site-local, multicast, NAT64, IPv4-mapped and -compatible, discard) is not public."""

# IANA's special-purpose registries, and more than is_global knows: see the names at the side.
_NOT_PUBLIC_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which leads to any IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_NOT_PUBLIC_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's virtual host, reachable from its machines only
            "169.254.0.0/16",  # link-local, cloud metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)


def is_public_address(ip: str) -> bool:
    """Say whether `ip`, in canonical spelling, is an address of the public Internet.

    What is no address, has a scope id, or can lead to an address inside (6to4, NAT64, Teredo,
    IPv4-mapped) is not public.
    """
    try:
        v4 = IPv4Address(ip)
    except AddressValueError:
        return _is_public_ipv6(ip)
    return not any(v4 in network for network in _NOT_PUBLIC_IPV4)


def _is_public_ipv6(ip: str) -> bool:
    try:
        v6 = IPv6Address(ip)
    except AddressValueError:
        return False
    return (
        v6.scope_id is None
        and v6 in _GLOBAL_IPV6
        and not any(v6 in network for network in _NOT_PUBLIC_IPV6)
    )
