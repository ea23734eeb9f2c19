"""What a server is told when it is started, checked before it opens anything.

Anybody who reaches the API without a token can start programs that are deployed. So
there is no listening beyond the loopback without one.
"""

from __future__ import annotations

import ipaddress
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from flowmetal.errors import UsageError

PARTS: Final = ("api", "callbacks", "connectors", "interpreter")
SHORTEST_TOKEN: Final = 16
MAX_BODY: Final = 1 << 20
PROGRAM_FACTOR: Final = 64
"""A program may be as many times as large as another body."""

_LOOPBACK_NAMES: Final = ("localhost", "localhost.localdomain")
_SECRET = "whsec_"


@dataclass(frozen=True, slots=True)
class Settings:
    """See ``checked``, which makes them."""

    parts: frozenset[str]
    host: str
    port: int
    public_url: str | None
    token: str | None
    hosts: frozenset[str]
    webhook_secrets: tuple[bytes, ...] = ()
    max_body: int = MAX_BODY


def checked(
    *,
    only: Iterable[str] = (),
    host: str = "127.0.0.1",
    port: int = 7460,
    public_url: str | None = None,
    token: str | None = None,
    allow_hosts: Iterable[str] = (),
    webhook_secrets: str | None = None,
    max_body: int = MAX_BODY,
) -> Settings:
    """Return the settings. Raises UsageError FM1340 or FM1343."""
    parts = frozenset(word for given in only for word in given.split(",")) or frozenset(PARTS)
    for word in sorted(parts.difference(PARTS)):
        why = f"`{word}` is no part of a server"
        raise UsageError("FM1343", why, hint=f"--only takes {', '.join(PARTS)}")
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            "FM1340",
            f"the token has less than {SHORTEST_TOKEN} characters",
            hint="make one with: openssl rand -hex 32",
        )
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token):
        raise UsageError(
            "FM1343",
            "the token has spaces, line ends or other characters that no client can send",
            hint="make one with: openssl rand -hex 32",
        )
    if "api" in parts and token is None and not is_loopback(host):
        raise UsageError(
            "FM1340",
            f"{host} can be reached from other machines, and there is no token",
            hint="set FLOWMETAL_TOKEN=$(openssl rand -hex 32), or listen on 127.0.0.1",
        )
    hosts = {name.lower() for name in (*_LOOPBACK_NAMES, host, *allow_hosts)}
    if public_url is not None:
        public_url = public_url.rstrip("/")
        hosts.add(host_of(public_url))
    secrets = () if webhook_secrets is None else _secrets_in(webhook_secrets)
    return Settings(parts, host, port, public_url, token, frozenset(hosts), secrets, max_body)


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES


def host_of(url: str) -> str:
    """Return the name in the address of a server. Raises UsageError FM1343 if it is none."""
    try:
        parts = urlsplit(url)
        host = None if parts.port == 0 else parts.hostname
    except ValueError:  # a port beyond 65535, half an IPv6 address
        host = None
    more = host and (parts.query or parts.fragment or "@" in parts.netloc or " " in url)
    if not host or more or parts.scheme not in ("http", "https"):
        raise UsageError(
            "FM1343", f"`{url}` is no address of a server", hint="write https://flow.example.com"
        )
    return host


def _secrets_in(path: str) -> tuple[bytes, ...]:
    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8").splitlines()]
        found = [b64decode(line.removeprefix(_SECRET), validate=True) for line in lines if line]
    except (OSError, ValueError) as problem:
        raise UsageError("FM1343", f"the secrets in {path} cannot be read: {problem}") from None
    if not found or any(len(secret) < SHORTEST_TOKEN for secret in found):
        raise UsageError(
            "FM1343",
            f"{path} has no secrets, or one of less than {SHORTEST_TOKEN} bytes",
            hint="write one to a line: echo whsec_$(openssl rand -base64 32)",
        )
    return tuple(found)
