"""Addresses of requests: what stands between two slashes is one name, whatever is in it.

A run may be called ``order/17``, and is reached as ``/v1/runs/order%2F17``. What the server underneath
hands on is decoded as a whole, so that such a slash looks like any other. Here it stays written as
``%2F`` until a handler asks for the name, and ``%`` as ``%25``.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.types import Scope


def with_whole_names(scope: Scope) -> Scope:
    """Return the scope of a request whose path keeps the slashes that are part of a name."""
    raw = scope.get("raw_path")
    if not isinstance(raw, bytes):
        return scope
    names = (unquote(name) for name in _path_in(raw.decode("ascii", "replace")).split("/"))
    path = "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)
    return {**scope, "path": path}


def _path_in(target: str) -> str:
    """Return the path of what is asked for; some write a whole URL, as to a proxy (RFC 9112, section 3.2.2)."""
    path = target.partition("?")[0]
    if not path.lower().startswith(("http://", "https://")):
        return path
    return "/" + path.partition("://")[2].partition("/")[2]


def name_in(request: Request, parameter: str) -> str:
    """Return what the address of a request has in place of a parameter."""
    found: str = request.path_params[parameter]
    return found.replace("%2F", "/").replace("%25", "%")


def address_of(run: str) -> str:
    """Return the address of a run."""
    return f"/v1/runs/{quote(run, safe='')}"
