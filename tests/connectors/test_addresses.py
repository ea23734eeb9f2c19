"""Addresses are judged, not names."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from flowmetal.connectors.addresses import choose, is_public
from flowmetal.effects.requests import EffectFailed
from flowmetal.runtime.grants import RunGrants, parse_grants
from flowmetal.values import keyword

INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "240.0.0.1",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1" , "::127.0.0.1", "::169.254.169.254",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:a9fe:a9fe::1", "2002:7f00:1::",
    "2001:0:a9fe:a9fe::1", "192.0.0.192", "168.63.129.16", "fec0::1", "3fff::1", "64:ff9b:1:7f00:0:100::",
    "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1", "5f00::1", "::ffff:168.63.129.16",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_an_inside_address_is_not_public_however_it_is_wrapped(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    "text", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_a_public_address_is_public(text: str) -> None:
    assert is_public(ip_address(text))


def test_only_judged_addresses_are_left() -> None:
    assert choose("h", 80, ["10.0.0.1", "8.8.8.8"], parse_grants(http=["*"])) == ["8.8.8.8"]


def test_a_name_that_leads_inside_is_refused_with_the_flag() -> None:
    with pytest.raises(EffectFailed) as failed:
        choose("rebind.example", 80, ["169.254.169.254"], parse_grants(http=["rebind.example"]))
    assert "--allow-http=169.254.169.254" in (failed.value.error.message or "")


@pytest.mark.parametrize("text", INSIDE)
def test_the_flag_that_is_named_is_enough(text: str) -> None:
    """Whatever is wrapped in whatever: whoever follows the hint gets there."""
    with pytest.raises(EffectFailed) as failed:
        choose("h", 80, [text], RunGrants())
    flag = failed.value.error.data.get(keyword("flag"))
    assert choose("h", 80, [text], parse_grants(http=[flag.removeprefix("--allow-http=")])) == [
        text
    ]


@pytest.mark.parametrize("grant", ["10.0.0.5", "10.0.0.5:80", "10.0.0.0/8"])
def test_a_granted_inside_address_is_reached(grant: str) -> None:
    assert choose("h", 80, ["10.0.0.5"], parse_grants(http=[grant])) == ["10.0.0.5"]


@pytest.mark.parametrize("grant", ["10.0.0.6", "10.0.0.5:81", "11.0.0.0/8", "localhost", "*"])
def test_another_grant_does_not_reach_it(grant: str) -> None:
    with pytest.raises(EffectFailed):
        choose("h", 80, ["10.0.0.5"], parse_grants(http=[grant]))


def test_everything_reaches_everything() -> None:
    assert choose("h", 80, ["127.0.0.1"], RunGrants(everything=True)) == ["127.0.0.1"]
