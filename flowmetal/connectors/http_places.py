"""Where a request may go: every hop of it is judged here, by its URL and by what its ``Host`` header names."""

from __future__ import annotations

import re
from typing import Final

import httpx2

from flowmetal.connectors.arguments import refuse
from flowmetal.effects.addresses import plain
from flowmetal.effects.errors import refused
from flowmetal.effects.requests import Call, EffectFailed

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[-._0-9A-Za-z]+)(:[0-9]{1,5})?")


def same_origin(one: httpx2.URL, other: httpx2.URL) -> bool:
    """Say whether credentials may go on: same place, or the same host by https instead of http."""
    if one.host != other.host:
        return False
    here, there = (one.scheme, _port(one)), (other.scheme, _port(other))
    return here == there or (here, there) == (("http", 80), ("https", 443))


def check_scheme(call: Call, url: httpx2.URL) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise refuse(call, f"{shown(url)!r} is not a URL that begins with http:// or https://")


def check_host_header(call: Call, url: httpx2.URL, headers: list[tuple[str, str]]) -> None:
    """Check what a ``Host`` header asks for: one address often answers for many hosts."""
    for name, value in headers:
        if name.lower() == "host":
            if not _HOST.fullmatch(value):
                raise refuse(call, f"the header {name} holds no host")
            check_grant(call, httpx2.URL(f"{url.scheme}://{value}"))


def check_grant(call: Call, url: httpx2.URL) -> None:
    """Check scheme, host and port of one hop."""
    check_scheme(call, url)
    port = _port(url)
    if port > 65535:
        raise refuse(call, f"{shown(url)!r} has a port that no host has")
    host = plain(url.host)
    if ":" in host:
        names = [host := f"[{host}]"]
    else:  # letters beyond ASCII are granted as they are read, and as the network has them
        names = [host, url.raw_host.decode("ascii")]
    if not any(call.grants.allows("http", f"{name}:{port}") for name in names):
        what = host if url.port is None else f"{host}:{port}"
        flag = f"--allow-http={what}"
        raise EffectFailed(
            refused("http", f"{host}:{port}", flag, f"a request to {what} is not granted")
        )


def shown(url: httpx2.URL) -> str:
    """Return a URL without the password that may be in it."""
    return str(url.copy_with(username=None, password=None)) if url.userinfo else str(url)


def _port(url: httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
