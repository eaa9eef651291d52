"""Which network addresses a URL from outside may lead to.

The check looks at the address that will really be dialled, so the many ways to write one (decimal,
octal, hexadecimal, full-width digits, a name that resolves to it) need no rules of their own.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from yarl import URL

IPAddress: TypeAlias = IPv4Address | IPv6Address

# The IANA special-purpose registries (RFC 6890 and later), written out: what `ipaddress.is_global`
# says differs between patch releases of Python 3.11.
_CLOSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, ORCHID, benchmarking: tunnels may end anywhere
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address inside
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: IPAddress) -> bool:
    """Tell whether `address` is an ordinary host of the public internet.

    IPv4-mapped and NAT64 addresses count as the IPv4 address inside; every other IPv6 address
    outside 2000::/3 and every tunnel inside it is refused.
    """
    if isinstance(address, IPv6Address):
        inner = _inner_v4(address)
        if inner is None:
            return address in _GLOBAL_V6 and not any(address in net for net in _CLOSED_V6)
        address = inner
    return not any(address in net for net in _CLOSED_V4)


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def parse_ip(text: str) -> IPAddress | None:
    """Read an address as resolvers and sockets write it (zone ids allowed); None for a name."""
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def host_port(url: str | URL) -> str:
    """Return `host:port` in the form `GuardedHttp` compares: lower case, default port filled in.

    Raises:
        ValueError: not an absolute http or https URL.
    """
    parsed = url if isinstance(url, URL) else URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.raw_host or parsed.port is None:
        raise ValueError("not an absolute http(s) URL")
    return f"{parsed.raw_host.rstrip('.').lower()}:{parsed.port}"
