"""Which addresses may be contacted on somebody else's word.

An address passes when it is an ordinary public unicast address, or lies in a network the operator
named. The lists are our own, not `ipaddress.is_global`, whose answers differ between Python
releases; a test holds them to be at least as strict.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; cloud metadata services live here
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Outside of it lie loopback, unspecified, IPv4-compatible, unique-local, link-local, multicast.
_UNICAST_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # the last 32 bits are the IPv4 address that is contacted


def is_public(address: Address) -> bool:
    """Whether `address`, or the IPv4 address it stands for, is ordinary public unicast."""
    address = _contacted(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _REFUSED_V6)


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    contacted = _contacted(address)
    return any(contacted in network for network in networks)


def parse_address(text: str) -> Address:
    """An address as resolvers print it; a zone (`fe80::1%eth0`) is dropped."""
    return ip_address(text.partition("%")[0])


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation. Raises `ValueError` for anything else, host bits included."""
    return tuple(ip_network(text) for text in texts)


def _contacted(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
