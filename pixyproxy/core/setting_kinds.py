"""Kinds of settings, as they stand in environment variables: lists, pairs, URLs."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from pixyproxy.core.addresses import parse_allowed


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _pair(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs: dict[str, str] = {}
    for item in _split(value):
        name, equals, other = (part.strip() for part in item.partition("="))
        if not (name and equals and other):
            raise ValueError("must be name=name, several with commas between them")
        if name in pairs:
            raise ValueError(f"names {name} twice")
        pairs[name] = other
    return pairs


def _check_proxies(entries: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for entry in entries if entries != ("*",) else ():
            (ipaddress.ip_network if "/" in entry else ipaddress.ip_address)(entry)
    except ValueError:
        raise ValueError(
            "must be addresses or networks, such as 10.0.0.1 or 10.0.0.0/8, or * alone"
        ) from None
    return entries


def _check_hosts(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        parse_allowed(entry)
    return entries


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
Proxies = Annotated[Names, AfterValidator(_check_proxies)]
Hosts = Annotated[Names, AfterValidator(_check_hosts)]
NamePairs = Annotated[Mapping[str, str] | None, NoDecode, BeforeValidator(_pair)]


def check_http_url(url: str) -> None:
    """Raise ValueError for what is no plain HTTP URL, such as one with credentials."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ValueError("must be an http or https URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must have no credentials, query or fragment")
