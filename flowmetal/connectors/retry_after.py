"""``Retry-After``: seconds, or a date (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after_us(header: str | None, now_s: int) -> int | None:
    """Return how long to wait, in microseconds; None if there is no such wish or it makes no sense."""
    if not header:
        return None
    word = header.strip()
    if word.isascii() and word.isdigit():
        return min(int(word[:9]), 10**9) * 1_000_000
    try:
        moment = parsedate_to_datetime(word)
    except (ValueError, TypeError, IndexError):
        return None
    if moment.tzinfo is None:  # the form of asctime names no zone: all dates of HTTP are in GMT
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp()) - now_s) * 1_000_000
