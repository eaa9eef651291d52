"""Which addresses the guard lets through, in every notation an address has."""

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.adapters.kit.target import host_port, is_public, parse_ip

INSIDE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1",
    "2001:db8::1", "2001::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "100::1", "5f00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8",
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1",
    "192.0.1.1", "193.0.0.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_inside_addresses_are_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", OUTSIDE)
def test_public_addresses_pass(text: str) -> None:
    assert is_public(ip_address(text))


@settings(max_examples=200)
@given(st.ip_addresses(v=4))
def test_never_more_open_than_the_standard_library_says(address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert is_public(IPv6Address(f"::ffff:{address}"))
    else:
        assert not is_public(IPv6Address(f"::ffff:{address}"))
        assert not is_public(IPv6Address(f"64:ff9b::{address}"))


@settings(max_examples=200)
@given(st.ip_addresses(v=6))
def test_ipv6_outside_the_global_block_never_passes(address: IPv6Address) -> None:
    if is_public(address) and address.ipv4_mapped is None and address.sixtofour is None:
        assert str(address.exploded)[0] in "23" or str(address.exploded).startswith("0064:ff9b")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://API.Twilio.com/x", "api.twilio.com:443"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:80/a", "::1:80"),
        ("https://example.org./", "example.org:443"),
    ],
)
def test_host_port_has_one_form(url: str, key: str) -> None:
    assert host_port(url) == key


@pytest.mark.parametrize("url", ["ftp://a/", "/path", "", "mailto:a@b", "file:///etc/passwd"])
def test_host_port_refuses_other_urls(url: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        host_port(url)


def test_a_name_is_no_address() -> None:
    assert parse_ip("example.org") is None
    assert parse_ip("[::1]") == ip_address("::1")
