"""Which addresses a request may go to. Addresses are judged, not names.

A name is resolved once; every address it has is unwrapped (IPv4 inside IPv6 in
all its forms) and judged; the connection goes to the very address that passed.
An address that is not public needs a grant that names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from flowmetal.effects.errors import refused
from flowmetal.effects.requests import EffectFailed, Grants

Address = IPv4Address | IPv6Address

_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")


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
    if address in _NAT64 or address in _NAT64_LOCAL or (number >> 32 == 0 and number > 1):
        inside.append(IPv4Address(number & 0xFFFFFFFF))
    return tuple(inside)


def is_public(address: Address) -> bool:
    """Say whether an address belongs to nobody's inside."""
    return all(
        one.is_global and not one.is_multicast and not one.is_reserved for one in _told(address)
    )


def _told(address: Address) -> tuple[Address, ...]:
    found = unwrap(address)
    if len(found) > 1 and address in _NAT64:
        return found[1:]  # the well-known prefix itself is global by definition
    return found


def choose(host: str, port: int, addresses: Iterable[str], grants: Grants) -> list[str]:
    """Return the addresses that may be connected to, in the order given.

    Raises EffectFailed (:effect/refused) if a name has none, naming the flag to add.
    """
    allowed: list[str] = []
    first_refused: Address | None = None
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if is_public(address) or all(grants.allows_address(a, port) for a in _told(address)):
            allowed.append(text)
        elif first_refused is None:
            first_refused = address
    if not allowed and first_refused is not None:
        shown = str(first_refused)
        flag = f"--allow-http=[{shown}]" if ":" in shown else f"--allow-http={shown}"
        where = f"{host} is" if host == shown else f"{host} leads to {shown},"
        raise EffectFailed(
            refused("http", shown, flag, f"{where} an address that is not public and not granted")
        )
    return allowed
