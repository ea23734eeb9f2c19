"""Who may ask: the Host header, the token, and the origin of pages.

- A *name* in the Host header has to be one of the server's, or a page of a stranger could reach a
  server on the loopback by a name that it makes resolve there (DNS rebinding). Addresses pass:
  no name was resolved.
- The API needs the token if there is one. Without one (on the loopback alone) a browser may not use it
  for a page of another origin.
- Callbacks need nothing but their address: 256 bits that nobody guesses. Health needs nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowmetal.server.addresses import with_whole_names
from flowmetal.server.answers import HttpError, error_answer
from flowmetal.server.settings import Settings

API = "/v1/"


class Guard:
    """Answers what may not be asked, and passes on the rest."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = with_whole_names(scope)
            refused = self._refusal(Headers(scope=scope), scope["path"])
            if refused is not None:
                await error_answer(refused)(scope, receive, send)
                return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:  # the server ends, and has waited as long as it does
            if begun or scope["type"] != "http":
                raise
            await error_answer(_ending())(scope, receive, send)

    def _refusal(self, headers: Headers, path: str) -> HttpError | None:
        name = _name_in(headers.get("host", ""))
        if not self._is_ours(name):
            return HttpError(
                403,
                "FM1353",
                f"this server is not called {name[:100] or 'nothing'}",
                hint="start it with --allow-host NAME or --public-url",
            )
        if not path.startswith(API):
            return None
        if self._settings.token is not None:
            if _is_token(headers.get("authorization", ""), self._settings.token):
                return None
            return HttpError(
                401,
                "FM1353",
                "the token is missing or wrong",
                hint="send Authorization: Bearer TOKEN",
                headers={"www-authenticate": "Bearer"},
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_own_page(origin, headers.get("host", "")):
            return HttpError(403, "FM1353", "pages of other origins may not use the API")
        return None

    def _is_own_page(self, origin: str, host: str) -> bool:
        """Say whether a page is one of this server: another port of the same name is a stranger's."""
        own = {_place(f"//{host}"), _place(self._settings.public_url or "")}
        return _place(origin) in own - {None}

    def _is_ours(self, name: str) -> bool:
        if name in self._settings.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _ending() -> HttpError:
    """Return what is said to a request that was not done when the server had to end."""
    return HttpError(
        503,
        "FM1355",
        "the server ends, and the request was not done by then",
        hint="send it again",
        headers={"connection": "close"},
    )


def _name_in(host: str) -> str:
    """Return the name or address in ``NAME:PORT``, without brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _place(url: str) -> tuple[str, int | None] | None:
    """Return name and port in an address, without a port that goes without saying; None: there is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.hostname is None:
        return None
    return parts.hostname, None if port in (80, 443) else port


def _is_token(given: str, token: str) -> bool:
    scheme, _, word = given.partition(" ")
    same = hmac.compare_digest(word.strip().encode("utf-8", "replace"), token.encode())
    return scheme.lower() == "bearer" and same
