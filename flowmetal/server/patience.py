"""The protocol of a connection, with an end to patience: headers have to come within a time, and
connections are counted.

uvicorn bounds the pause between two requests, but not how long a client takes to send the
headers of one. A thousand clients that send a byte a minute would hold a thousand connections.
It answers 503 when there are too many connections, but accepts any number of them, until the process has no
file left for its store and for the effects of its runs.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S: Final = 10.0
REFUSED: Final = 64
"""Connections beyond the limit that are told so; more are closed at once."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 by h11; a connection whose next request does not begin in time is closed."""

    headers_s = HEADERS_S
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > (self.limit_concurrency or 0) + REFUSED:
            transport.close()
            return
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._expect()  # the clock runs from the first byte, not from the last
        else:
            self._relax()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relax()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.headers_s, self._give_up)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()
