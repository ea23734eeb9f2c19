"""The numbers of the codec's extensions; ``codec`` says what stands in each."""

from __future__ import annotations

from typing import Final

from msgpack import ExtType

# fmt: off
KEYWORD, SYMBOL, CHAR, INTEGER, RATIO, DECIMAL, INSTANT, DURATION = range(1, 9)
UUID, REGEX, SECRET, RUN, VAR = range(9, 14)
MARKER, REFERENCE, NODE = 32, 33, 34
# fmt: on

MARK_LIST: Final = ExtType(MARKER, b"l")
MARK_SET: Final = ExtType(MARKER, b"e")
MARK_META: Final = ExtType(MARKER, b"m")
MARK_TAG: Final = ExtType(MARKER, b"t")
MARK_ERROR: Final = ExtType(MARKER, b"x")
MARK_RECORD: Final = ExtType(MARKER, b"r")
MARK_SORTED_MAP: Final = ExtType(MARKER, b"o")
MARK_SORTED_SET: Final = ExtType(MARKER, b"s")
MARK_FLAT: Final = ExtType(MARKER, b"f")


class TooLarge(Exception):
    """A value has more parts than may leave a program at once."""


class NotData(Exception):
    """What the packer met is not data."""
