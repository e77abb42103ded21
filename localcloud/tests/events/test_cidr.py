"""CIDR blocks of patterns as AWS's matcher takes them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from localcloud.events.cidr import Cidr, CidrInvalid


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.0/32", "IPv4 mask bits must be < 32"),
        ("2001:db8::/128", "IPv6 mask bits must be < 128"),
        ("10.0.0.0/-1", "Malformed CIDR, mask bits must not be negative"),
        ("10.0.0.0/x", "Malformed CIDR, mask bits must be an integer"),
        ("10.0.0.0", "Malformed CIDR, one '/' required"),
        ("10.0.0.256/8", "Invalid IP address: 10.0.0.256"),
        ("xx.11.xx/8", "Nonstandard IP address: xx.11.xx"),
    ],
)
def test_a_block_is_refused_with_the_matchers_reason(text: str, reason: str) -> None:
    with pytest.raises(CidrInvalid, match=f"^{reason}$"):
        Cidr(text)


@given(address=st.ip_addresses(v=4), mask=st.integers(0, 31), value=st.ip_addresses(v=4))
def test_an_ipv4_block_holds_the_addresses_of_its_network(
    address: ipaddress.IPv4Address, mask: int, value: ipaddress.IPv4Address
) -> None:
    network = ipaddress.ip_network(f"{address}/{mask}", strict=False)
    block = Cidr(f"{address}/{mask}")
    for one in (value, network.network_address, network.broadcast_address):
        assert (str(one) in block) == (one in network)


@given(address=st.ip_addresses(v=6), mask=st.integers(0, 127), value=st.ip_addresses(v=6))
def test_an_ipv6_block_holds_the_addresses_of_its_network(
    address: ipaddress.IPv6Address, mask: int, value: ipaddress.IPv6Address
) -> None:
    if address.ipv4_mapped or value.ipv4_mapped:
        return  # Java, which the matcher is written in, makes IPv4 of them
    network = ipaddress.ip_network(f"{address}/{mask}", strict=False)
    block = Cidr(f"{address}/{mask}")
    for one in (value, network.network_address, network.broadcast_address):
        if not getattr(one, "ipv4_mapped", None):
            assert (str(one) in block) == (one in network)


def test_every_address_of_either_kind_is_in_the_widest_block() -> None:
    block = Cidr("0.0.0.0/0")
    assert "203.0.113.7" in block
    assert "2001:db8::1" in block  # the matcher has decided at the first digit
    assert "hello" not in block
    assert 7 not in block


def test_octets_are_decimal_whatever_stands_before_them() -> None:
    assert "010.1.2.3" in Cidr("10.0.0.0/8")
    assert "8.1.2.3" not in Cidr("010.0.0.0/8")
