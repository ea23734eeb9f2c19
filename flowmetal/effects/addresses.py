"""Which addresses of the network are public: the rest needs a grant that names it.

What is not public is a table here, and not ``is_global``: what that says of site-local addresses,
of 192.0.0.0/24 and of new networks depends on the patch of Python.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""What stands before the IPv4 address in the lower half of an address of an ISATAP tunnel."""

_UNICAST: Final = IPv6Network("2000::/3")
"""All that is given out in the Internet of IPv6."""

_NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "168.63.129.16/32",  # looks public; in Azure it is what a machine asks about itself
        ),
    )
)  # fmt: skip
_NOT_PUBLIC_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20"))
)  # protocols (Teredo and others), documentation


def plain(host: str) -> str:
    """Return an address as it is usually written, without brackets; what is no address as it is.

    An IPv4 address that is mapped into IPv6 is that address: a connection to the one is one to the other.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def unwrap(address: Address) -> tuple[Address, ...]:
    """Return the address and every IPv4 address that is wrapped in it."""
    if isinstance(address, IPv4Address):
        return (address,)
    inside: list[Address] = [address]
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        inside.append(address.sixtofour)
    if address.teredo is not None:
        inside.extend(address.teredo)
    number = int(address)
    lower = number >> 32
    if address in _NAT64 or (lower == 0 and number > 1) or lower & 0xFFFFFFFF in _ISATAP:
        inside.append(IPv4Address(number & 0xFFFFFFFF))
    return tuple(inside)


def is_public(address: Address) -> bool:
    """Say whether an address belongs to nobody's inside."""
    return all(map(_is_public_alone, told(address)))


def _is_public_alone(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _UNICAST and not any(address in network for network in _NOT_PUBLIC_6)


def told(address: Address) -> tuple[Address, ...]:
    """Return the addresses that say where ``address`` leads: each has to be public, or granted."""
    found = unwrap(address)
    if len(found) > 1 and address in _NAT64:
        return found[1:]  # the well-known prefix itself is global by definition
    return found
