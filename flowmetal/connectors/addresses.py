"""Which addresses a request may go to. Addresses are judged, not names.

A name is resolved once; every address it has is unwrapped (IPv4 inside IPv6 in
all its forms) and judged; the connection goes to the very address that passed.
An address that is not public (effects/addresses.py) needs a grant that names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from flowmetal.effects.addresses import Address, is_public, told
from flowmetal.effects.errors import refused
from flowmetal.effects.requests import EffectFailed, Grants


def choose(host: str, port: int, addresses: Iterable[str], grants: Grants) -> list[str]:
    """Return the addresses that may be connected to, in the order given.

    Raises EffectFailed (:effect/refused) if a name has none, naming the flag to add.
    """
    allowed: list[str] = []
    first_refused: Address | None = None
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if is_public(address) or all(grants.allows_address(a, port) for a in told(address)):
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
