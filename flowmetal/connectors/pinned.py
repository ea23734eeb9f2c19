"""A transport for the HTTP client that connects only to judged addresses.

Resolving, judging and connecting happen in one place and with one answer of the
resolver: there is no second look-up that could say something else.

A name may have several addresses of which some do not answer, such as all of IPv6 in a network without it: the next
one is tried beside those before it, and what answers first is it (RFC 8305). All of them together have the time of one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import httpcore2
import httpx2

from flowmetal.connectors.addresses import choose
from flowmetal.connectors.blocking import Blocking
from flowmetal.effects.requests import Grants

NEXT_S = 0.25
"""How long an address is waited for before the next one is tried beside it."""

CONNECTIONS = 100
"""At a time, for all runs of the same grants; further requests wait for their turn."""


class PinnedBackend(httpcore2.AsyncNetworkBackend):  # type: ignore[misc,unused-ignore]
    """Opens connections for one set of grants."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self._inner = httpcore2.AnyIOBackend()
        self._blocking = Blocking()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        addresses = choose(host, port, await self._resolve(host, port, timeout), self._grants)
        connect = partial(
            self._inner.connect_tcp,
            port=port,
            timeout=timeout,
            local_address=local_address,
            socket_options=socket_options,
        )
        try:
            async with asyncio.timeout(timeout):
                return await _first(host, addresses, connect)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"{host} did not answer in time") from None

    async def _resolve(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            async with asyncio.timeout(timeout):
                found = await self._blocking.call(
                    socket.getaddrinfo, host, port, socket.AF_UNSPEC, socket.SOCK_STREAM
                )
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"the name {host} was not resolved in time") from None
        except (OSError, UnicodeError) as problem:
            raise httpcore2.ConnectError(f"the name {host} does not resolve: {problem}") from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def connect_unix_socket(self, *arguments: Any, **options: Any) -> Any:
        raise httpcore2.ConnectError("sockets of this machine are not reached by HTTP")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _first(host: str, addresses: list[str], connect: Callable[[str], Awaitable[Any]]) -> Any:
    """Return the connection to the address that answers first."""
    problem: BaseException = httpcore2.ConnectError(f"{host} has no address")
    left, tried = list(addresses), set[asyncio.Future[Any]]()
    try:
        while left or tried:
            if left:
                tried.add(asyncio.ensure_future(connect(left.pop(0))))
            done, tried = await asyncio.wait(
                tried, timeout=NEXT_S if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            answered = [one for one in done if one.exception() is None]
            if answered:
                tried.update(answered[1:])
                return answered[0].result()
            for one in done:
                problem = one.exception() or problem
        raise problem
    finally:
        await _let_go(tried)


async def _let_go(tried: set[asyncio.Future[Any]]) -> None:
    """Cancel what is under way, and close what has connected meanwhile."""
    for one in tried:
        one.cancel()
    for stream in await asyncio.gather(*tried, return_exceptions=True):
        if not isinstance(stream, BaseException):
            await stream.aclose()


class PinnedTransport(httpx2.AsyncBaseTransport):  # type: ignore[misc,unused-ignore]
    """A pool of connections for one set of grants: what one run may reach, another may not."""

    def __init__(self, grants: Grants, ssl_context: ssl.SSLContext) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=CONNECTIONS,
            max_keepalive_connections=20,
            keepalive_expiry=15.0,
            network_backend=PinnedBackend(grants),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=url.port,
                    target=url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Stream(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx2.AsyncByteStream):  # type: ignore[misc,unused-ignore]
    def __init__(self, response: Any) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.stream:
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()
