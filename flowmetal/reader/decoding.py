"""Bytes of a file become a ``Source``: UTF-8, with or without a byte order mark, any line ends."""

from __future__ import annotations

from flowmetal.errors import UsageError
from flowmetal.source import Source, Span


def decode_source(path: str, data: bytes) -> Source:
    """Decode the bytes of the file that is shown as ``path``.

    ``\\r\\n`` becomes ``\\n``, so that a program is the same program whatever
    the line ends of its file. Raises UsageError FM1304 for bytes that are not UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        offset = fault.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        raise _not_utf8(path, data, offset) from None
    return Source(path, text.replace("\r\n", "\n"))


def _not_utf8(path: str, data: bytes, offset: int) -> UsageError:
    before = data[:offset].decode("utf-8-sig")
    line = before.count("\n") + 1
    col = len(before) - (before.rfind("\n") + 1) + 1
    return UsageError(
        "FM1304",
        f"{path} is not UTF-8: byte {data[offset]:#04x} at offset {offset} (line {line})",
        Span(path, line, col, line, col + 1),
        label="this byte begins no character",
        hint="save the file as UTF-8",
    )
