"""Which addresses are public: an explicit table, because the standard library's idea of it changes and has gaps.

A provider fetches media from the public internet. An address outside it cannot be reached by the provider, and
must not be reached by us on behalf of a stranger's URL. IPv4 denies the special-purpose blocks (IANA registry) and
multicast; IPv6 allows only the global unicast block less its special parts. An IPv4 address inside an IPv6 one
(mapped, or translated by NAT64) is judged as the IPv4 address that it is.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

#: Services that hand out a machine's credentials: never opened, whatever is allowed.
_METADATA = {
    ip_address(text): f"the metadata service of {owner}"
    for text, owner in {
        "169.254.169.254": "a cloud machine",
        "169.254.170.2": "AWS containers",
        "169.254.170.23": "AWS containers",
        "fd00:ec2::254": "AWS",
        "fd00:ec2::23": "AWS containers",
        "fd20:ce::254": "Google Cloud",
        "fe80::a9fe:a9fe": "OpenStack",
        "100.100.100.200": "Alibaba Cloud",
        "168.63.129.16": "Azure",
        "192.0.0.192": "Oracle Cloud",
    }.items()
}

#: A developer's own machine and network: what `allow_private` opens.
_PRIVATE = {
    ip_network(text): words
    for text, words in {
        "127.0.0.0/8": "a loopback address",
        "10.0.0.0/8": "a private address",
        "172.16.0.0/12": "a private address",
        "192.168.0.0/16": "a private address",
        "100.64.0.0/10": "an address shared inside a carrier's network",
        "198.18.0.0/15": "an address for benchmarks",
        "::1/128": "a loopback address",
        "fc00::/7": "a private address",
    }.items()
}

_SPECIAL = {
    ip_network(text): words
    for text, words in {
        "0.0.0.0/8": "an address of this host alone",
        "169.254.0.0/16": "a link-local address",
        "192.0.0.0/24": "reserved for protocols",
        "192.0.2.0/24": "for documentation",
        "192.31.196.0/24": "reserved for AS112",
        "192.52.193.0/24": "reserved for AMT",
        "192.88.99.0/24": "a 6to4 relay",
        "192.175.48.0/24": "reserved for AS112",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
        "::/128": "an address of this host alone",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a site-local address",
        "ff00::/8": "a multicast address",
        "2001::/23": "reserved for protocols",
        "2001:db8::/32": "for documentation",
        "2002::/16": "a 6to4 address",
        "2620:4f:8000::/48": "reserved for AS112",
        "3fff::/20": "for documentation",
    }.items()
}

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def address_fault(address: Address | str, *, allow_private: bool = False) -> str | None:
    """Why a public service could not reach this address ("a loopback address"), or None when it could.

    `allow_private` lets a developer's own machine and network pass, and nothing else.

    Raises:
        ValueError: a text that is not an address.
    """
    address = embedded(ip_address(address) if isinstance(address, str) else address)
    if address in _METADATA:
        return _METADATA[address]
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address of one network interface"
    for network, words in _PRIVATE.items():
        if address in network:
            return None if allow_private else words
    for network, words in _SPECIAL.items():
        if address in network:
            return words
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "outside the public IPv6 range"
    return None


def embedded(address: Address) -> Address:
    """The IPv4 address that a mapped or NAT64 IPv6 address stands for; any other address as it is."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
