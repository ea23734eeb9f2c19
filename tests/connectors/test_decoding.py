"""Compressed bodies: whole or not at all, within a limit, whatever a server sends."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncIterator, Iterable

import pytest

from flowmetal.connectors.decoding import (
    MOST_ENCODINGS,
    Damaged,
    TooBig,
    decoded,
    encodings_of,
    unknown_in,
)

TEXT = b"so it goes, and so it goes; " * 50
MOST = 1 << 20


def undone(data: bytes, header: str, step: int = 7, most: int = MOST) -> bytes:
    return gone_through((data[i : i + step] for i in range(0, len(data), step)), header, most)


def gone_through(parts: Iterable[bytes], header: str, most: int = MOST) -> bytes:
    async def sent() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return asyncio.run(decoded(sent(), encodings_of(header), most))


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


TWO = gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:])
ENCODED = {
    "plain": (TEXT, ""),
    "identity": (TEXT, "identity"),
    "gzip": (gzip.compress(TEXT), "X-GZIP"),
    "zlib": (zlib.compress(TEXT), "deflate"),
    "deflate": (raw_deflate(TEXT), "deflate"),
    "two layers": (gzip.compress(zlib.compress(TEXT)), "deflate, gzip"),
    "two members": (TWO, "gzip"),
    "padded": (gzip.compress(TEXT) + bytes(100), "gzip"),
}


@pytest.mark.parametrize("step", [1, 2, 1000, 1 << 20])
@pytest.mark.parametrize("name", ENCODED)
def test_a_body_is_what_was_encoded_however_it_comes(name: str, step: int) -> None:
    data, header = ENCODED[name]
    assert undone(data, header, step) == TEXT


def test_no_body_is_no_stream() -> None:
    assert undone(b"", "gzip") == b""


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("name", ["gzip", "zlib", "deflate", "two layers", "two members"])
def test_a_body_that_is_cut_is_damaged_wherever_it_is_cut(name: str, step: int) -> None:
    data, header = ENCODED[name]
    whole_member = len(gzip.compress(TEXT[:9]))
    for length in range(1, len(data)):
        if data is not TWO or length != whole_member:  # that is all of it, as far as anybody knows
            with pytest.raises(Damaged):
                undone(data[:length], header, step)


def test_what_is_not_what_it_says_is_damaged() -> None:
    for header in ("gzip", "deflate"):
        with pytest.raises(Damaged):
            undone(b"\xff" * 100, header)


def test_a_bomb_is_noticed_before_it_goes_off() -> None:
    bomb = gzip.compress(gzip.compress(gzip.compress(bytes(100 << 20), 9), 9), 9)
    assert len(bomb) < 2000
    with pytest.raises(TooBig):
        undone(bomb, "gzip, gzip, gzip")


@pytest.mark.parametrize(
    ("begin", "again"),
    [(gzip.compress(b""), os.urandom(1000)), (b"", b"\x00\x00\x00\xff\xff" * 200)],
    ids=["behind the end", "empty blocks"],
)
def test_a_stream_that_goes_on_and_says_nothing_ends_at_the_limit(
    begin: bytes, again: bytes
) -> None:
    def endless() -> Iterable[bytes]:
        yield begin
        while True:
            yield again

    with pytest.raises(TooBig):
        gone_through(endless(), "gzip" if begin else "deflate", 1 << 16)


@pytest.mark.parametrize(
    "member",
    [gzip.compress(b""), gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 9],
    ids=["empty members", "empty blocks"],
)
def test_what_stands_for_nothing_inside_of_another_encoding_ends_at_the_limit(
    member: bytes,
) -> None:
    """Nothing limited it there: a response of ten kilobytes held up the interpreter for a minute, or an hour."""
    nothing = gzip.compress(gzip.compress(member * (2_000_000 // len(member))))
    with pytest.raises((TooBig, Damaged)):
        undone(nothing, "gzip, gzip, gzip", step=1 << 16)


def test_a_stream_of_many_small_members_is_gone_through_once() -> None:
    """What was behind a member was copied for each: a megabyte took a second and a half."""
    member = gzip.compress(b"a")
    assert undone(member * 9_999, "gzip", step=1 << 20) == b"a" * 9_999
    with pytest.raises(TooBig):
        undone(member * 10_001, "gzip", step=1 << 20)


def test_more_encodings_than_anybody_uses_are_not_known() -> None:
    """A thousand of them were deeper than Python goes."""
    names = ["gzip"] * MOST_ENCODINGS
    assert unknown_in(names) is None
    assert unknown_in([*names, "gzip"]) == ", ".join([*names, "gzip"])
