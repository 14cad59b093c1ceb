"""Which addresses are public."""

from __future__ import annotations

import csv
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver.address import address_fault

VECTORS = list(csv.DictReader((Path(__file__).parent / "data" / "ssrf_addresses.csv").read_text("utf-8").splitlines()))
METADATA = ["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254"]


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["address"])
def test_collected_addresses(row: dict[str, str]) -> None:
    """Every address of the collected attack vectors is judged as the collection expects."""
    assert (address_fault(row["address"]) is None) == (row["expected"] == "allow"), row["why"]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_is_never_opened(address: str) -> None:
    """A metadata service stays closed even where private addresses are allowed."""
    assert "metadata service" in (address_fault(address, allow_private=True) or "")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.7", "172.16.0.1", "::1", "fd00::1"])
def test_private_addresses_open_only_on_request(address: str) -> None:
    """A developer's own network passes with `allow_private`, and only with it."""
    assert address_fault(address) is not None
    assert address_fault(address, allow_private=True) is None


@pytest.mark.parametrize("address", ["0.0.0.0", "169.254.1.1", "224.0.0.1", "255.255.255.255", "fe80::1%lo", "::"])  # noqa: S104
def test_allow_private_opens_nothing_else(address: str) -> None:
    """Link-local, multicast and reserved addresses are nobody's development server."""
    assert address_fault(address, allow_private=True) is not None


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_the_same_in_every_dress(number: int) -> None:
    """Mapped and NAT64 forms are judged exactly as the address inside them."""
    plain = address_fault(IPv4Address(number))
    assert address_fault(IPv6Address((0xFFFF << 32) | number)) == plain
    assert address_fault(IPv6Address((0x64FF9B << 96) | number)) == plain


@given(st.integers(0, 2**128 - 1))
def test_only_global_unicast_is_public(number: int) -> None:
    """No IPv6 address outside 2000::/3 is public, unless it carries a public IPv4 address."""
    address = IPv6Address(number)
    if address_fault(address) is None:
        assert number >> 125 == 1 or address.ipv4_mapped is not None or number >> 32 == 0x64FF9B << 64


@given(st.ip_addresses())
def test_whoever_is_public_stays_public(address: str) -> None:
    """Allowing private addresses closes nothing that was open."""
    if address_fault(address) is None:
        assert address_fault(address, allow_private=True) is None
