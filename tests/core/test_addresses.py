"""Addresses as people and strangers write them."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixyproxy.core.addresses import is_loopback, is_public_address, parse_allowed, read_place


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"],
)
def test_hosts_that_mean_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "[::2]", "localhost.example.org", "127.1", "pc"],
)
def test_hosts_that_others_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("example.org", ("example.org", None)),
        ("Example.ORG:8080", ("example.org", 8080)),
        ("example.org.", ("example.org.", None)),
        ("b\u00fccher.example", ("xn--bcher-kva.example", None)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[::1]", ("::1", None)),
        ("[2001:0DB8::1]:65535", ("2001:db8::1", 65535)),
    ],
)
def test_allowed_hosts_are_read_as_they_are_looked_up(
    entry: str, expected: tuple[str, int | None]
) -> None:
    assert parse_allowed(entry) == expected


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ":80",
        "example.org:",
        "example.org:0",
        "example.org:65536",
        "example.org:80:80",
        "http://example.org",
        "example.org/x",
        "user@example.org",
        "two words",
        "a..b",
        "::1",
        "[::1",
        "[10.0.0.1]",
        "[fe80::1%eth0]",
        "\u00ad.example",
    ],
)
def test_allowed_hosts_that_are_none(entry: str) -> None:
    with pytest.raises(ValueError, match="must be host or host:port"):
        parse_allowed(entry)


@given(st.text())
def test_whatever_is_allowed_can_be_written_again(entry: str) -> None:
    try:
        host, port = parse_allowed(entry)
    except ValueError:
        return
    name = f"[{host}]" if ":" in host else host
    assert parse_allowed(name if port is None else f"{name}:{port}") == (host, port)


@pytest.mark.parametrize(
    "place",
    ["ftp://x/y", "s3://", "s3:///prefix", "S3://bucket", "s3://key:secret@bucket", "s3://b?c=d"],
)
def test_places_that_are_none(place: str) -> None:
    with pytest.raises(ValueError, match="s3://"):
        read_place(place)


def test_places() -> None:
    assert read_place("images") == Path("images")
    assert read_place("/images") == Path("/images")
    assert read_place(Path("s3://x")) == Path("s3://x")
    assert read_place("s3://bucket/prefix/") == "s3://bucket/prefix"
    assert read_place("gs://bucket") == "gs://bucket"


@pytest.mark.parametrize(
    "ip",
    ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00::1"],
)
def test_public_addresses(ip):
    assert is_public_address(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2606:4700:4700::1111%1",
        "",
        "localhost",
        "1.1.1",
        "01.1.1.1",
        "16843009",
        "0x1.1.1.1",
        " 1.1.1.1",
        "[2606:4700:4700::1111]",
        "1.1.1.1:80",
    ],
)
def test_addresses_that_are_not_public(ip):
    assert not is_public_address(ip)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_the_standard_library_knows_as_inside_is_never_public(ip):
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        assert not is_public_address(str(ip))


@given(st.text() | st.ip_addresses().map(str))
def test_public_is_always_an_address(text):
    if is_public_address(text):
        assert ip_address(text)
