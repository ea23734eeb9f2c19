"""What a run may do to the world. Denied unless granted; stored with the run as data.

```
--allow-http=HOST[:PORT],...   a host (every port of it) or one port; *.example.com; *;
                               an address or a network (10.0.0.0/8) for private ranges
--allow-sh=git,make            programs by name, or by path
--allow-env=TOKEN              variables; *
--allow-fs=read:./data,write:/out
-A                             everything
```

The name of a host says nothing about where it points to: the HTTP connector
resolves it once and asks ``allows_address`` for the address it got. An address
that is not public is refused unless the grant names that address, a network
around it, or (for loopback) ``localhost``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flowmetal.errors import UsageError
from flowmetal.values import DataError, Map, Value, Vector, hash_map, keyword, vector
from flowmetal.values.codec import decode_data, encode_data

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_SHAPE: Final = re.compile(r"(?!\*\.+(:|$))(\[[^][]+\]|[^][:@\s]+)(:[0-9]+)?")
"""Of HOST and HOST:PORT. What is nearly one is refused: without a value in the environment `localhost:$PORT` would grant
every port, and `*.$DOMAIN` every host."""

CAPABILITIES = ("http", "sh", "env", "fs")
_ALL = keyword("all")


@dataclass(frozen=True, slots=True)
class RunGrants:
    """The grants of one run. ``everything`` is -A."""

    http: frozenset[str] = field(default=frozenset())
    sh: frozenset[str] = field(default=frozenset())
    env: frozenset[str] = field(default=frozenset())
    fs: frozenset[str] = field(default=frozenset())
    everything: bool = False

    def allows(self, capability: str, subject: str) -> bool:
        """Say whether ``subject`` is granted: host:port, program, variable, "read:/real/path"."""
        if self.everything:
            return True
        match capability:
            case "http":
                return self._allows_host(subject)
            case "sh":
                any_name = "*" in self.sh and subject != "sh" and "/" not in subject
                return any_name or subject in self.sh
            case "env":
                return subject in self.env or "*" in self.env
            case "fs":
                return self.root_of(subject) is not None
            case _:
                return False

    def allows_address(self, address: IPv4Address | IPv6Address, port: int) -> bool:
        """Say whether an address that is not public is granted by name of the address."""
        return self.everything or any(
            (host == "localhost" and address.is_loopback) or _in_network(str(address), host)
            for host in self.hosts_for(port)
        )

    def hosts_for(self, port: int | None) -> Iterator[str]:
        """Yield the granted hosts at which a port is granted; None: every port."""
        for granted in self.http:
            host, granted_port = split_host(granted)
            if granted_port in (None, port):
                yield host

    def root_of(self, subject: str) -> str | None:
        """Return the granted root of "read:/real/path" ("/" if everything is granted)."""
        if self.everything:
            return "/"
        mode, _, path = subject.partition(":")
        for granted in sorted(self.fs):
            granted_mode, _, root = granted.partition(":")
            if granted_mode != mode:
                continue
            real = os.path.realpath(root)
            if path == real or path.startswith(real.rstrip("/") + "/"):
                return real
        return None

    def roots(self) -> frozenset[str]:
        """Return the paths that are granted, as they were given; none if everything is."""
        words = () if self.everything else self.fs
        return frozenset(word.partition(":")[2] for word in words)

    def _allows_host(self, subject: str) -> bool:
        host, port = split_host(subject)
        for granted in self.hosts_for(port):
            if granted in ("*", host):
                return True
            if granted.startswith("*.") and host.endswith(granted[1:]):
                return True
            if "/" in granted and _in_network(host, granted):
                return True
        return False

    def intersection(self, other: RunGrants) -> RunGrants:
        """Return what both allow, by their words: what a child run gets."""
        if self.everything:
            return other
        if other.everything:
            return self
        return RunGrants(
            frozenset(h for h in self.http | other.http if _both(self, other, "http", h)),
            frozenset(p for p in self.sh | other.sh if _both(self, other, "sh", p)),
            frozenset(n for n in self.env | other.env if _both(self, other, "env", n)),
            frozenset(p for p in self.fs | other.fs if _both(self, other, "fs", p)),
        )

    def union(self, other: RunGrants) -> RunGrants:
        """Return what one of them allows."""
        return RunGrants(
            self.http | other.http,
            self.sh | other.sh,
            self.env | other.env,
            self.fs | other.fs,
            self.everything or other.everything,
        )

    def as_data(self) -> Map:
        """Return the grants as a map of the language."""
        if self.everything:
            return hash_map([(_ALL, True)])
        pairs: list[tuple[Value, Value]] = []
        for capability in CAPABILITIES:
            granted = sorted(getattr(self, capability))
            if granted:
                pairs.append((keyword(capability), vector(granted)))
        return hash_map(pairs)

    def encode(self) -> bytes:
        return encode_data(self.as_data())

    def as_options(self) -> list[str]:
        """Return the options of the command line that grant this."""
        if self.everything:
            return ["-A"]
        return [
            f"--allow-{capability}={','.join(sorted(getattr(self, capability)))}"
            for capability in CAPABILITIES
            if getattr(self, capability)
        ]


@lru_cache(256)  # many runs of a program have the same
def decode_grants(data: bytes) -> RunGrants:
    """Read what ``RunGrants.encode`` wrote. Raises DataError for anything else."""
    if not data:
        return RunGrants()
    try:
        found = decode_data(data)
    except DataError:
        raise _damaged("they are no data") from None
    if not isinstance(found, Map):
        raise _damaged("they are no map")
    if found.get(_ALL) is True:
        return RunGrants(everything=True)
    given = [found.get(keyword(name), vector(())) for name in CAPABILITIES]
    for words in given:
        if not isinstance(words, Vector) or not all(isinstance(word, str) for word in words):
            raise _damaged("one is not a list of words")
    http, sh, env, fs = (frozenset(words) for words in given)
    return RunGrants(http, sh, env, fs)


def _damaged(how: str) -> DataError:
    message = f"the stored grants of the run are damaged: {how}"
    return DataError("FM0331", message, hint="restore a backup of the store")


def parse_grants(
    *,
    http: Iterable[str] = (),
    sh: Iterable[str] = (),
    env: Iterable[str] = (),
    fs: Iterable[str] = (),
    everything: bool = False,
) -> RunGrants:
    """Read the words of the command line; each may hold several, separated by commas.

    Paths become absolute here: a run may go on in another folder. Raises UsageError FM1310.
    """
    return RunGrants(
        frozenset(_host(word) for word in _words(http)),
        frozenset(_program(word) for word in _words(sh)),
        frozenset(_variable(word) for word in _words(env)),
        frozenset(_path(word) for word in _words(fs)),
        everything,
    )


def split_host(subject: str) -> tuple[str, int | None]:
    """Split host:port; the port is None if there is none. IPv6 addresses stand in brackets."""
    if subject.startswith("["):
        host, _, rest = subject[1:].partition("]")
        port = rest.removeprefix(":")
    elif subject.count(":") > 1:
        host, port = subject, ""
    else:
        host, _, port = subject.partition(":")
    host = host.rstrip(".").lower()
    return host, int(port) if port.isascii() and port.isdigit() else None


def _words(options: Iterable[str]) -> list[str]:
    return [word.strip() for option in options for word in option.split(",") if word.strip()]


def _host(word: str) -> str:
    if "://" in word:
        raise UsageError(
            "FM1310",
            f"--allow-http takes a host, not the address {word}",
            hint=f"write --allow-http={word.split('://', 1)[1].split('/', 1)[0]}",
        )
    host, port = split_host(word)
    if ":" in host:
        from flowmetal.effects.addresses import plain

        host = plain(host)
    has_shape = _SHAPE.fullmatch(word) or (word.count(":") > 1 and "[" not in word)
    no_address = ("/" in host or ":" in host) and not _in_network(host, host)
    if not host or not has_shape or no_address or (port or 0) > 65535:
        raise UsageError("FM1310", f"--allow-http={word} is not HOST or HOST:PORT")
    host = f"[{host}]" if ":" in host else ".".join(map(_as_read, host.split(".")))
    return host if port is None else f"{host}:{port}"


def _as_read(label: str) -> str:
    """Return one part of a host's name in the one spelling that is stored: with its letters, composed."""
    if label.startswith("xn--"):  # as the network has it
        try:
            label = label[4:].encode("ascii").decode("punycode")
        except UnicodeError:
            return label  # no name that any host has
    if label.isascii():
        return label
    from unicodedata import normalize

    return normalize("NFC", label)


def _variable(word: str) -> str:
    if "=" in word or "\0" in word:
        name = word.partition("=")[0]
        raise UsageError(
            "FM1310",
            f"--allow-env={word} is not the name of a variable",
            hint=f"write --allow-env={name}; its value is that of the environment"
            if name
            else None,
        )
    return word


def _path(word: str) -> str:
    mode, colon, path = word.partition(":")
    if mode not in ("read", "write") or not colon or not path:
        raise UsageError(
            "FM1310",
            f"--allow-fs={word} says neither read nor write",
            hint=f"write --allow-fs=read:{word}",
        )
    return f"{mode}:{os.path.abspath(os.path.expanduser(path))}"


def _program(word: str) -> str:
    return os.path.abspath(os.path.expanduser(word)) if "/" in word else word


def _in_network(host: str, network_text: str) -> bool:
    """Say whether an address, or a network, lies in a network."""
    from ipaddress import ip_network

    try:
        inner, outer = ip_network(host, strict=False), ip_network(network_text, strict=False)
    except ValueError:
        return False
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _both(one: RunGrants, other: RunGrants, capability: str, word: str) -> bool:
    subject = word
    if capability == "fs":
        mode, _, path = word.partition(":")
        subject = f"{mode}:{os.path.realpath(path)}"
    return _says(one, capability, word, subject) and _says(other, capability, word, subject)


def _says(grants: RunGrants, capability: str, word: str, subject: str) -> bool:
    if word in getattr(grants, capability):
        return True
    if not grants.allows(capability, subject):
        return False
    return capability != "http" or not _is_inside(word) or _names_addresses(grants, word)


def _is_inside(word: str) -> bool:
    """Say whether a grant reaches addresses that are not public: no name does, nor does ``*``."""
    host, _ = split_host(word)
    if host == "localhost":
        return True
    from ipaddress import ip_address, ip_network

    from flowmetal.effects.addresses import is_public

    try:
        return not is_public(ip_address(host))
    except ValueError:
        pass
    try:
        ip_network(host, strict=False)
    except ValueError:
        return False
    return True  # of a network it is not known, and seldom so


def _names_addresses(grants: RunGrants, word: str) -> bool:
    """Say whether some grant reaches all the addresses that ``word`` reaches."""
    host, port = split_host(word)
    return any(granted == host or _in_network(host, granted) for granted in grants.hosts_for(port))
