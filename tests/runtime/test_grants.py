"""Denied unless granted."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from flowmetal.errors import UsageError
from flowmetal.runtime.grants import RunGrants, decode_grants, parse_grants
from flowmetal.values import DataError, Value, encode_data, hash_map, keyword, vector


@pytest.mark.parametrize(
    ("grant", "subject", "allowed"),
    [
        ("api.example.com", "api.example.com:443", True),
        ("api.example.com", "API.example.com.:8080", True),
        ("API.Example.COM", "api.example.com:443", True),
        ("api.example.com:443", "api.example.com:443", True),
        ("api.example.com:443", "api.example.com:80", False),
        ("example.com", "api.example.com:443", False),
        ("*.example.com", "api.example.com:443", True),
        ("*.example.com", "example.com:443", False),
        ("*.example.com", "evilexample.com:443", False),
        ("*", "anything:1", True),
        ("[::1]:80", "[::1]:80", True),
        ("::1", "[::1]:81", True),
        ("10.0.0.0/8", "10.1.2.3:80", True),
        ("10.0.0.0/8", "11.1.2.3:80", False),
        ("10.0.0.0/8:80", "10.1.2.3:81", False),
    ],
)
def test_hosts(grant: str, subject: str, allowed: bool) -> None:
    assert parse_grants(http=[grant]).allows("http", subject) is allowed


def test_words_are_split_at_commas() -> None:
    grants = parse_grants(http=["a,b:1"], sh=["git, make"], env=["A"], fs=["read:/a,write:/b"])
    assert grants.allows("http", "b:1")
    assert grants.allows("sh", "make")
    assert grants.allows("env", "A")
    assert not grants.allows("env", "B")
    assert grants.allows("fs", "read:/a/x")
    assert not grants.allows("fs", "read:/b/x")
    assert not grants.allows("fs", "read:/ab")
    assert grants.allows("fs", "write:/b")


def test_a_star_of_programs_is_not_the_shell() -> None:
    grants = parse_grants(sh=["*"])
    assert grants.allows("sh", "git")
    assert not grants.allows("sh", "sh")
    assert not grants.allows("sh", "/bin/sh"), "a path is granted by that path alone"


def test_relative_paths_are_those_of_the_folder_where_they_were_granted(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    grants = parse_grants(fs=["read:./data"])
    monkeypatch.chdir("/")
    assert grants.allows("fs", f"read:{tmp_path}/data/x")


@pytest.mark.parametrize(
    "words",
    [
        {"http": ["https://x/y"]},
        {"http": ["a:b"]},
        {"http": [":80"]},
        {"env": ["A=b"]},
        {"env": ["=b"]},
        {"fs": ["./data"]},
        {"fs": ["read:"]},
        {"fs": ["rw:/x"]},
        {"http": ["api.example.com/v1"]},
        {"http": ["10.0.0.0/99"]},
        {"http": ["api.example.com:65536"]},
        {"http": ["api example.com"]},
    ],
)
def test_what_is_no_grant_is_wrong_usage(words: dict[str, list[str]]) -> None:
    with pytest.raises(UsageError) as refused:
        parse_grants(**words)  # type: ignore[arg-type]
    assert refused.value.code == "FM1310"


@pytest.mark.parametrize(
    "grants",
    [
        RunGrants(),
        RunGrants(everything=True),
        parse_grants(http=["a", "b:1"], sh=["git"], env=["T"], fs=["read:/x"]),
    ],
)
def test_grants_survive_being_stored(grants: RunGrants) -> None:
    assert decode_grants(grants.encode()) == grants


@pytest.mark.parametrize("stored", [5, None, "all", hash_map(((keyword("sh"), 5),)), vector((1,))])
def test_damaged_grants_are_refused(stored: Value) -> None:
    with pytest.raises(DataError):
        decode_grants(encode_data(stored))


def test_nothing_stored_grants_nothing() -> None:
    assert decode_grants(b"") == RunGrants()


def test_a_child_gets_what_both_have() -> None:
    one = parse_grants(http=["*.example.com"], sh=["git", "make"], fs=["read:/data"])
    other = parse_grants(
        http=["api.example.com", "other.org"], sh=["make"], fs=["read:/data/in", "write:/data"]
    )
    both = one.intersection(other)
    assert both == parse_grants(http=["api.example.com"], sh=["make"], fs=["read:/data/in"])
    assert RunGrants(everything=True).intersection(other) == other
    assert one.intersection(RunGrants()) == RunGrants()


@pytest.mark.parametrize(
    "spelling", ["b\u00fccher.example", "xn--bcher-kva.example", "bu\u0308cher.example", "B\u00dcCHER.example."]
)  # fmt: skip
def test_a_host_is_granted_however_it_is_spelled(spelling: str) -> None:
    granted = parse_grants(http=[f"*.{spelling}", f"{spelling}:8080"])
    assert granted == parse_grants(http=["*.b\u00fccher.example,b\u00fccher.example:8080"])
    assert parse_grants(
        http=["xn--\u00fc.example,xn--99999999999.example"]
    ).http  # no name, and no crash


@pytest.mark.parametrize(
    "word",
    ["localhost:", "*:", "[::1]:", "[::1]:8o80", "[::1]:-1", "[::1]80", "[::1", "::1]", "[fd00::]/8", "[zz::1]", "a:b:c",
     "https:", "ada@example.com", "exa\tmple", "[::1]:99999", "[10.0.0.0]/8",
     "*.", "*.:80"],
)  # fmt: skip
def test_what_is_nearly_a_host_and_a_port_is_wrong_usage(word: str) -> None:
    """It granted every port, or another address than was meant."""
    with pytest.raises(UsageError, match="is not HOST or HOST:PORT"):
        parse_grants(http=[word])


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("*", "127.0.0.1", []),
        ("*", "localhost", []),
        ("*", "10.0.0.0/8", []),
        ("*", "0.0.0.0/0", []),
        ("*", "[::1]:80", []),
        ("*", "::ffff:127.0.0.1", []),
        ("*", "168.63.129.16", []),
        ("*", "8.8.8.8", ["8.8.8.8"]),
        ("*", "*.example.com:80", ["*.example.com:80"]),
        ("*", "*", ["*"]),
        ("*,localhost", "localhost:80", ["localhost:80"]),
        ("localhost:81", "localhost", ["localhost:81"]),
        ("*,localhost:81", "localhost", ["localhost:81"]),
        ("10.0.0.0/8", "10.1.2.3", ["10.1.2.3"]),
        ("10.0.0.0/8", "10.1.0.0/16:80", ["10.1.0.0/16:80"]),
        ("10.0.0.0/8:81", "10.1.0.0/16:80", []),
    ],
)
def test_no_child_reaches_an_inside_address_that_its_parent_does_not(
    one: str, other: str, both: list[str]
) -> None:
    parent, child = parse_grants(http=[one]), parse_grants(http=[other])
    assert parent.intersection(child) == parse_grants(http=both)
    assert child.intersection(parent) == parse_grants(http=both)


def test_inside_addresses_are_granted_by_address_only() -> None:
    loopback, private = ip_address("127.0.0.1"), ip_address("10.0.0.1")
    assert parse_grants(http=["localhost"]).allows_address(loopback, 80)
    assert parse_grants(http=["localhost:80"]).allows_address(loopback, 80)
    assert not parse_grants(http=["localhost:81"]).allows_address(loopback, 80)
    assert not parse_grants(http=["localhost"]).allows_address(private, 80)
    assert not parse_grants(http=["*", "internal.corp"]).allows_address(private, 80)
