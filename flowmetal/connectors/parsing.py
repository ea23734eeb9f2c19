"""JSON that the world sends: no more of it than a run could hold, and read beside the event loop if it is long.

Thirty megabytes of ``[],[],`` are ten million values. To read them takes a minute, in which an interpreter
would do nothing else and lose its leases, and more memory than it may have.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from flowmetal.connectors.blocking import Blocking
from flowmetal.values import Value, json_loads

T = TypeVar("T")

MOST_PARTS: Final = 1_000_000
"""Values in one document; reading them takes a second or two."""

LONG: Final = 64 * 1024
"""Bytes that are read in a thread of their own."""

_STRING: Final = re.compile(rb'"[^"]*"?')
"""Without escapes in it. One that is not closed reaches to the end: to look for its end from each quote would take days."""

_MARKS: Final = (b",", b"[", b"{")


class TooManyParts(Exception):
    """More values than a document may have."""

    def __init__(self) -> None:
        super().__init__(f"it has more than {MOST_PARTS:,} parts")


def parse_json(data: bytes) -> Value:
    """Return the value of a document. Raises TooManyParts, UnicodeError and DataError."""
    text = data.decode("utf-8-sig")
    if _parts(data) > MOST_PARTS and _parts(_without_strings(data)) > MOST_PARTS:
        raise TooManyParts
    return json_loads(text)


async def beside(blocking: Blocking, size: int, read: Callable[[], T]) -> T:
    """Call what reads so many bytes, in a thread if they are many."""
    return await blocking.call(read) if size > LONG else read()


def _parts(data: bytes) -> int:
    """Return how many values there are, at most: what stands in strings counts, too."""
    return sum(map(data.count, _MARKS))


def _without_strings(data: bytes) -> bytes:
    return _STRING.sub(b"", data.replace(rb"\\", b"").replace(rb"\"", b""))
