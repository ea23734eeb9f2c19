"""Addresses that a request must never reach, wrapped and spelled in every way that bytes can say.

A server listens on this machine while the claims are tried, and nobody may come to it. The other
addresses are of networks that no request may go to; what is asked of them is that they are refused
and not that they do not answer.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from flowmetal.connectors.addresses import choose
from flowmetal.connectors.http_request import HttpConnector
from flowmetal.effects.requests import EffectFailed
from flowmetal.runtime.grants import parse_grants
from tests.connectors.calls import call
from tests.fuzz.mutants import Choices

ANY_NAME = parse_grants(http=["*"])
INSIDE_4 = tuple(
    IPv4Network(text)
    for text in (
        "127.0.0.1/32", "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.169.254/32",
        "169.254.0.0/16", "100.64.0.0/10", "100.100.100.200/32", "0.0.0.0/8", "192.0.0.192/32", "168.63.129.16/32",
        "224.0.0.0/4", "240.0.0.0/4", "198.18.0.0/15",
    )
)  # fmt: skip
INSIDE_6 = tuple(
    IPv6Network(text)
    for text in (
        "::1/128", "::/128", "fe80::/10", "fc00::/7", "fd00:ec2::254/128", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_PUBLIC_4 = 0x08080808
_PUBLIC_6 = 0x2606_4700 << 96
_WAYS = 11


def address_of(choose_: Choices) -> IPv4Address | IPv6Address:
    """Return an address of a network that no request may go to, or one that leads to it."""
    wide = choose_.below(4) == 0
    if wide:
        network = INSIDE_6[choose_.below(len(INSIDE_6))]
        room = network.num_addresses
        number = sum(choose_.below(256) << 8 * at for at in range(16)) % room
        return network[number]
    inside = INSIDE_4[choose_.below(len(INSIDE_4))]
    number = sum(choose_.below(256) << 8 * at for at in range(4)) % inside.num_addresses
    four = int(inside[number])
    if four == 0:
        return IPv4Address(0)
    return _wrapped(four, choose_.below(_WAYS), choose_)


def _wrapped(four: int, way: int, choose_: Choices) -> IPv4Address | IPv6Address:
    """Return an IPv4 address inside of IPv6 in one of the ways of ``_WAYS``; 0 leaves it as it is."""
    some = choose_.below(256)
    return (
        IPv4Address(four),
        IPv6Address(0xFFFF << 32 | four),  # mapped
        IPv6Address(four if four > 1 else 0xFFFF << 32 | four),  # compatible
        IPv6Address(0xFFFF << 48 | four),  # translated
        IPv6Address(0x64_FF9B << 96 | four),  # NAT64
        IPv6Address(0x64_FF9B_0001 << 80 | some << 64 | four),  # NAT64 of a site
        # The same under a prefix of 48 bits: 16 bits, 8 of nothing, 16 bits.
        IPv6Address(0x64_FF9B_0001 << 80 | (four >> 16) << 64 | (four & 0xFFFF) << 40),
        IPv6Address(0x2002 << 112 | four << 80 | some),  # 6to4
        IPv6Address(0x2001 << 112 | _PUBLIC_4 << 64 | (four ^ 0xFFFFFFFF)),  # Teredo: the client
        IPv6Address(0x2001 << 112 | four << 64 | (_PUBLIC_4 ^ 0xFFFFFFFF)),  # Teredo: the server
        IPv6Address(_PUBLIC_6 | (some & 1) << 57 | 0x5EFE << 32 | four),  # ISATAP
    )[way]


def spelling_of(address: IPv4Address | IPv6Address, choose_: Choices) -> str:
    """Return an address as the host of a URL, as somebody may write it who hopes not to be understood."""
    if isinstance(address, IPv6Address):
        number = int(address)
        text = (
            str(address),
            address.exploded,
            address.exploded.upper(),
            f"{address.exploded[:30]}{IPv4Address(number & 0xFFFFFFFF)}",
        )[choose_.below(4)]
        zone = ("", "", "%25eth0", "%1", "%25lo", "%00")[choose_.below(6)]
        return f"[{text}{zone}]"
    parts = list(address.packed)
    short = choose_.below(4)
    if short:  # the last part stands for the rest: 127.1, 10.65537, 2130706433
        rest = int.from_bytes(bytes(parts[3 - short :]), "big")
        parts = [*parts[: 3 - short], rest]
    written = [_number(part, choose_) for part in parts]
    dot = (".", ".", "\u3002", "\uff0e", "\uff61", "%2e", "..", ".\u200b")[choose_.below(8)]
    text = dot.join(written)
    digits = choose_.below(5)
    if digits == 1:
        text = text.translate({48 + n: 0xFF10 + n for n in range(10)})
    elif digits == 2:
        text = text.translate({48 + n: 0x660 + n for n in range(10)})
    elif digits == 3:
        text = "".join(f"%{ord(c):02x}" if c.isdigit() else c for c in text)
    return text + ("", "", ".", "%00", "\u00ad", "%20", "%2f", "\t")[choose_.below(8)]


def _number(part: int, choose_: Choices) -> str:
    return (str(part), f"{part:#x}", f"0{part:o}", f"0X{part:X}", f"00{part:o}", f"0x000{part:x}")[
        choose_.below(6)
    ]


def url_of(host: str, port: int, choose_: Choices) -> str:
    """Return a URL whose host is ``host``, behind what may make somebody believe that it is another."""
    before = ("", "", "a@", "other.invalid@", "other.invalid:80@", "other.invalid%40", "other.invalid#@", "other.invalid\\@",
              "other.invalid%2f@", "a:b@c@", "\t", "//")[choose_.below(12)]  # fmt: skip
    after = ("/", "", "?x", "#x", "/@other.invalid", "\\@other.invalid", "/..;/")[choose_.below(7)]
    scheme = ("http", "http", "HTTP", "https")[choose_.below(4)]
    return f"{scheme}://{before}{host}:{port}{after}"


async def refused(data: bytes) -> None:
    """Check that an address is refused, and that a URL of it leads nowhere."""
    choose_ = Choices(data)
    address = address_of(choose_)
    for text in (str(address), f"{address}%eth0"):
        with pytest.raises(EffectFailed) as failed:
            choose("name.example", 80, [text], ANY_NAME)
        assert failed.value.error.type.text == "effect/refused"
    came: list[object] = []

    def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("sockname"))
        writer.close()

    server = await asyncio.start_server(come, "127.0.0.1", 0)
    connector = _connector()
    try:
        port = server.sockets[0].getsockname()[1]
        url = url_of(spelling_of(address, choose_), port, choose_)
        try:
            found = await connector.perform(call("http/request", ANY_NAME, url=url))
        except EffectFailed as failed:
            _check_error(url, failed)
        else:
            raise AssertionError(f"{url!r} gave {found!r}")
        assert not came, url
    finally:
        await connector.close()
        server.close()


def _check_error(url: str, failed: EffectFailed) -> None:
    """Check that nothing was connected to: the request was refused, or its name leads nowhere."""
    error = failed.error
    names_nothing = error.type.text == "http/connect" and (
        "does not resolve" in (error.message or "") or "has no address" in (error.message or "")
    )
    assert error.type.text in ("effect/refused", "effect/bad-argument") or names_nothing, (
        url,
        error,
    )


_kept: list[HttpConnector] = []


def _connector() -> HttpConnector:
    """Return the one connector: making one reads all certificates of this machine."""
    if not _kept:
        _kept.append(HttpConnector())
    return _kept[0]
