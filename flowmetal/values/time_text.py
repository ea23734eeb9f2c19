"""Instants and durations as text: ``2026-11-22T06:10:00.000Z`` and ``1h30m``.

Dates are computed by rule (the proleptic Gregorian calendar), for any year,
without ``datetime``.
"""

from __future__ import annotations

import re
from typing import Final

from flowmetal.values.scalars import Duration, Instant

_SECOND: Final = 1_000_000
_DAY_SECONDS: Final = 86_400
_UNITS: Final = (
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
)
_UNIT_US: Final = dict(_UNITS) | {"w": 7 * 86_400_000_000}
_LONGEST: Final = 1 << 62  # microseconds: 146,000 years

_INSTANT_PATTERN: Final = (
    r"(?P<year>\d{4}|[+-]\d{4,9})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?)?"
    r"(?P<zone>[Zz]|[+-]\d\d:?\d\d)?)?)?)?"
)
_ISO_PATTERN: Final = (
    r"(?P<sign>[+-]?)P(?:(?P<w>\d+)W)?(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
_UNIT_PATTERN: Final = r"(\d+(?:\.\d+)?)\s*(us|ms|w|d|h|m|s)\s*"


def days_from_date(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date."""
    if month <= 2:
        year -= 1
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (
        era * 146_097
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + (day_of_year - 719_468)
    )


def date_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a count of days from 1970-01-01."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_index = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_index + 2) // 5 + 1
    month = month_index + 3 if month_index < 10 else month_index - 9
    return era * 400 + year_of_era + (month <= 2), month, day


def instant_text(instant: Instant, zone: str = "Z") -> str:
    """Return an instant in UTC with milliseconds, or microseconds where it has them."""
    seconds, us = divmod(instant.us, _SECOND)
    days, rest = divmod(seconds, _DAY_SECONDS)
    year, month, day = date_from_days(days)
    shown_year = f"{year:04d}" if 0 <= year <= 9999 else f"{year:+05d}"
    fraction = f"{us:06d}" if us % 1_000 else f"{us // 1_000:03d}"
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{fraction}"
    return f"{shown_year}-{month:02d}-{day:02d}T{clock}{zone}"


def parse_instant(text: str) -> Instant | None:
    """Return the instant that an RFC 3339 text names, None if it names none.

    Parts may be left out from the right (``2026-11``), the zone too, which is
    then UTC. Digits below a microsecond are cut off.
    """
    match = re.fullmatch(_INSTANT_PATTERN, text, re.ASCII)
    if match is None:
        return None
    part = match.groupdict()
    year, month, day = int(part["year"]), int(part["month"] or 1), int(part["day"] or 1)
    hour, minute, second = (int(part[name] or 0) for name in ("hour", "minute", "second"))
    if not 1 <= month <= 12 or not 1 <= day <= _days_in(year, month):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    offset = _zone_seconds(part["zone"])
    if offset is None:
        return None
    seconds = days_from_date(year, month, day) * _DAY_SECONDS
    seconds += hour * 3600 + minute * 60 + second - offset
    us = int(((part["fraction"] or "") + "000000")[:6])
    return Instant(seconds * _SECOND + us)


def _days_in(year: int, month: int) -> int:
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return days_from_date(*following, 1) - days_from_date(year, month, 1)


def _zone_seconds(zone: str | None) -> int | None:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        return None
    seconds = hours * 3600 + minutes * 60
    return -seconds if zone[0] == "-" else seconds


def duration_text(duration: Duration) -> str:
    """Return a duration as ``1d2h3m4s5ms6us``, units of zero left out."""
    rest = abs(duration.us)
    pieces = []
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number:
            pieces.append(f"{number}{unit}")
    return ("-" if duration.us < 0 else "") + ("".join(pieces) or "0s")


def parse_duration(text: str) -> Duration | None:
    """Return the duration that ``1h30m``, ``200ms``, ``1.5s`` or ``PT5M`` names, or None."""
    if len(text) > 100:
        return None
    stripped = text.strip()
    iso = re.fullmatch(_ISO_PATTERN, stripped, re.ASCII)
    if iso is not None:
        sign = iso.group("sign")
        amounts = [(iso.group(unit), unit) for unit in "wdhms" if iso.group(unit)]
        if stripped.endswith("T"):
            return None
    else:
        sign = stripped[:1] if stripped[:1] in ("+", "-") else ""
        rest = stripped[len(sign) :]
        if not re.fullmatch(f"(?:{_UNIT_PATTERN})+", rest, re.ASCII):
            return None
        amounts = re.findall(_UNIT_PATTERN, rest, re.ASCII)
        if len({unit for _, unit in amounts}) < len(amounts):
            return None
    if not amounts:
        return None
    us = sum(_scaled(number, _UNIT_US[unit]) for number, unit in amounts)
    if us > _LONGEST:
        return None
    return Duration(-us if sign == "-" else us)


def _scaled(number: str, unit_us: int) -> int:
    whole, _, fraction = number.partition(".")
    us = int(whole) * unit_us
    return us + int(fraction) * unit_us // 10 ** len(fraction) if fraction else us
