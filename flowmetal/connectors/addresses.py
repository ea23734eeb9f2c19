"""Which addresses a request may go to. Addresses are judged, not names.

A name is resolved once; every address it has is unwrapped (IPv4 inside IPv6 in
all its forms) and judged; the connection goes to the very address that passed.
An address that is not public (effects/addresses.py) needs a grant that names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from flowmetal.effects.addresses import Address, is_public, plain, told
from flowmetal.effects.errors import refused
from flowmetal.effects.requests import EffectFailed, Grants


def choose(host: str, port: int, addresses: Iterable[str], grants: Grants) -> list[str]:
    """Return the addresses that may be connected to, in the order given.

    Raises EffectFailed (:effect/refused) if a name has none, naming the flag to add.
    """
    allowed: list[str] = []
    refusal: EffectFailed | None = None
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        missing = [] if is_public(address) else _missing(address, port, grants)
        if not missing:
            allowed.append(text)
        elif refusal is None:
            refusal = _refusal(host, address, missing)
    if not allowed and refusal is not None:
        raise refusal
    return allowed


def _missing(address: Address, port: int, grants: Grants) -> list[str]:
    """Return what has to be granted yet for an address: it may lead to others, that are wrapped in it."""
    return [plain(str(a)) for a in told(address) if not grants.allows_address(a, port)]


def _refusal(host: str, address: Address, missing: list[str]) -> EffectFailed:
    shown = plain(str(address))
    flag = "--allow-http=" + ",".join(f"[{one}]" if ":" in one else one for one in missing)
    where = f"{host} is" if plain(host) == shown else f"{host} leads to {shown},"
    why = f"{where} an address that is not public and not granted"
    return EffectFailed(refused("http", shown, flag, why))
