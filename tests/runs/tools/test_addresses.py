from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.tools.addresses import is_in, is_public, parse_address, parse_networks


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",  # noqa: S104 - an address to refuse, not one to bind
        "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.0", "100.127.255.255",
        "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1", "172.31.255.255",
        "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250",
        "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1",
        "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
        "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd12::1",
        "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_unicast_are_refused(text):
    assert not is_public(parse_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
        "192.0.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111",
        "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    ],
)  # fmt: skip
def test_ordinary_public_addresses_pass(text):
    assert is_public(parse_address(text))


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_passes_that_the_standard_library_calls_private(address):
    if is_public(address):
        inner = address
        if isinstance(address, IPv6Address) and (
            address.ipv4_mapped or address in parse_networks(["64:ff9b::/96"])[0]
        ):
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        assert inner.is_global
        assert not inner.is_multicast


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_ipv6(address):
    mapped = ip_address(f"::ffff:{address}")
    translated = IPv6Address(int(IPv6Address("64:ff9b::")) + int(address))

    assert is_public(mapped) == is_public(translated) == is_public(address)


def test_an_exception_for_a_network_covers_its_mapped_form():
    networks = parse_networks(["10.0.0.0/8"])

    assert is_in(parse_address("::ffff:10.1.2.3"), networks)
    assert not is_in(parse_address("11.0.0.1"), networks)


def test_a_network_with_host_bits_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="host bits"):
        parse_networks(["10.0.0.1/8"])
