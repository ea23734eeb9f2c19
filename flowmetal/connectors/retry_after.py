"""``Retry-After``: seconds, or a date (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

_MOST_DIGITS: Final = 9
"""Of a number of seconds: some 30 years."""


def retry_after_us(header: str | None, now_s: int) -> int | None:
    """Return how long to wait, in microseconds; None if there is no such wish or it makes no sense."""
    if not header:
        return None
    word = header.strip()
    if word.isascii() and word.isdigit():
        return int(word.lstrip("0")[:_MOST_DIGITS] or "0") * 1_000_000
    try:
        moment = parsedate_to_datetime(word)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # the form of asctime names no zone: all dates of HTTP are in GMT
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp()) - now_s) * 1_000_000
