"""The body of a response without its ``Content-Encoding``: whole, and within a limit.

gzip and deflate are what is asked for. A stream that ends before its end is damaged, and no
shorter body; several members of gzip, one after the other, are one. What comes in is limited as well as
what comes out, of each encoding where there are several: a stream may go on for ever and stand for nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final, Protocol

ACCEPTED: Final = "gzip, deflate"

_PIECE: Final = 1 << 20
"""Bytes that are taken out of a stream at a time: a thousandth of them may have come in."""

_STEP: Final = 1 << 14
"""Bytes that are looked at at a time: what is behind the end of a member is copied for each of them."""

_MOST_MEMBERS: Final = 10_000
"""Of one stream, whose members may be twenty bytes each and stand for nothing: so many take some tenths of a second."""

MOST_ENCODINGS: Final = 5
"""Of one body; the world uses one."""

_GZIP: Final = b"\x1f\x8b"
_KNOWN: Final = {"gzip": True, "x-gzip": True, "deflate": False}


class Damaged(Exception):
    """The stream is not what its encoding says, or ends too soon."""


class TooBig(Exception):
    """More than the limit."""


class _Zlib(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


def encodings_of(header: str) -> list[str]:
    """Return what a ``Content-Encoding`` names, the first that was applied first; "identity" is none."""
    names = (name.strip().lower() for name in header.split(","))
    return [name for name in names if name not in ("", "identity")]


def unknown_in(encodings: list[str]) -> str | None:
    """Return an encoding that is not known here; so many of them are none that is."""
    if len(encodings) > MOST_ENCODINGS:
        return ", ".join(encodings[: MOST_ENCODINGS + 1])
    return next((name for name in encodings if name not in _KNOWN), None)


async def decoded(parts: AsyncIterator[bytes], encodings: list[str], most: int) -> bytes:
    """Return what the parts of a body stand for. Raises Damaged and TooBig."""
    layers = [_Layer(name, most) for name in reversed(encodings)]
    found: list[bytes] = []
    size = 0
    async for part in parts:
        for piece in _through(layers, part):
            size += len(piece)
            if size > most:
                raise TooBig
            found.append(piece)
    for layer in layers:
        layer.end()
    return b"".join(found)


def _through(layers: list[_Layer], data: bytes) -> Iterator[bytes]:
    """Yield what comes out below all layers, in pieces, so that nothing large is ever held."""
    if not layers:
        yield data
        return
    for piece in layers[0].pieces(data):
        yield from _through(layers[1:], piece)


class _Layer:
    """One encoding."""

    def __init__(self, name: str, most: int) -> None:
        self._is_gzip = _KNOWN[name]
        self._left = most
        self._members = 0
        self._stream: _Zlib | None = None
        self._head = b""
        self._ended = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what some more bytes stand for. Raises Damaged and TooBig."""
        for at in range(0, len(data), _STEP):
            yield from self._pieces(data[at : at + _STEP])
        self._left -= len(data)
        if self._left < 0:
            raise TooBig

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream is None:
                self._head += data
                if len(self._head) < 2:
                    return
                data, self._head = self._head, b""
                if self._ended and not (self._is_gzip and data.startswith(_GZIP)):
                    self._head = b"\0"  # what stands behind the end means nothing
                    return
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise TooBig
                self._stream = zlib.decompressobj(self._bits(data))
                self._ended = False
            yield from self._inflated(self._stream, data)
            if not self._stream.eof:
                return
            data = self._stream.unused_data
            self._stream, self._ended = None, True

    def end(self) -> None:
        """Raise Damaged if the end of the stream has not come. No bytes at all are no stream."""
        is_cut = self._head == _GZIP[:1] if self._ended else self._stream is not None or self._head
        if is_cut:
            raise Damaged("the compressed body ends before its end")

    def _inflated(self, stream: _Zlib, data: bytes) -> Iterator[bytes]:
        while not stream.eof:
            try:
                piece = stream.decompress(data, _PIECE)
            except zlib.error as problem:
                raise Damaged(f"the compressed body is damaged: {problem}") from None
            if piece:
                yield piece
            data = stream.unconsumed_tail
            if not data and len(piece) < _PIECE:
                return

    def _bits(self, data: bytes) -> int:
        """Return which format zlib reads; deflate comes with the header of zlib and without one."""
        if self._is_gzip:
            return zlib.MAX_WBITS | 16
        has_header = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
