"""A transport for the HTTP client that connects only to judged addresses.

Resolving, judging and connecting happen in one place and with one answer of the
resolver: there is no second look-up that could say something else.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore2
import httpx2

from flowmetal.connectors.addresses import choose
from flowmetal.connectors.blocking import Blocking
from flowmetal.effects.requests import Grants

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
        problem: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise problem

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
