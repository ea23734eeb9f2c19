"""Natives of flow.time: durations, instants, zones. Pure; what time it is, is an effect."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, NoReturn

from flowmetal.stdlib.natives.arguments import (
    library_error,
    need_duration,
    need_instant,
    need_int,
    need_map,
    need_text,
    wrong,
)
from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.text import bad_format
from flowmetal.stdlib.natives.time_patterns import DAYS, read_time, write_time
from flowmetal.values import (
    Duration,
    Instant,
    Keyword,
    Map,
    Ratio,
    Value,
    fail,
    hash_map,
    is_number,
    keyword,
    le,
    mul,
    parse_duration,
    parse_instant,
    show,
)
from flowmetal.values.scalars import LONGEST_US
from flowmetal.values.time_text import days_from_date

if TYPE_CHECKING:
    from uuid import UUID
    from zoneinfo import ZoneInfo

native = Table("flow.time")
core = Table("flow.core")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)

UNITS_US = {
    "ms": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
    "weeks": 604_800_000_000,
}


_FIRST_US = days_from_date(-999_999_999, 1, 1) * 86_400_000_000
_END_US = days_from_date(1_000_000_000, 1, 1) * 86_400_000_000
"""Where the calendar begins and ends: what is outside has no text that can be read."""


def instant_at(function: str, us: int) -> Instant:
    """Return the instant so many microseconds after 1970. Raises FM0501 outside of the calendar."""
    if _FIRST_US <= us < _END_US:
        return Instant(us)
    why = "there is no instant beyond the year 999,999,999"
    raise library_error("FM0501", "type/mismatch", f"`{function}`: {why}")


def _duration(function: str, us: int) -> Duration:
    if abs(us) <= LONGEST_US:
        return Duration(us)
    why = "there is no duration of more than 146,000 years"
    raise library_error("FM0501", "type/mismatch", f"`{function}`: {why}")


def _length(function: str, us: int, n: Value, position: int) -> Duration:
    """Return the duration of n times ``us``; one of more than 146,000 years is a mistake."""
    if not is_number(n) or (type(n) is float and not isfinite(n)):
        raise wrong(function, "a finite number", position, n)
    # By the arithmetic of the language: Python's of decimals rounds, and raises for large ones.
    product = mul(us, n)
    if not (le(-LONGEST_US, product) and le(product, LONGEST_US)):
        raise wrong(function, "a length of less than 146,000 years", position, n)
    if type(product) is Ratio:
        return Duration(product.numerator // product.denominator)
    return Duration(int(product))


def _unit(name: str, us: int) -> None:
    native.add(name, lambda n: _length(name, us, n, 1))


for _name, _size in UNITS_US.items():
    _unit(_name, _size)


@native("dur")
def duration(x: Value) -> Duration:
    """Return the duration written in a text, such as 1h30m or PT5M."""
    if type(x) is Duration:
        return x
    made = parse_duration(need_text("dur", 1, x))
    if made is None:
        fail("FM0507", "parse/duration", f'{show(x)} is not a duration, write "1h30m" or "PT5M"')
    return made


# Arithmetic.


@native("plus")
def plus(x: Value, *more: Value) -> Value:
    """Add durations to an instant or a duration."""
    us = _moment_or_length("plus", x)
    for at, d in enumerate(more):
        us += need_duration("plus", at + 2, d).us
    return _like(x, "plus", us)


@native("minus")
def minus(x: Value, *more: Value) -> Value:
    """Subtract durations from an instant or a duration."""
    us = _moment_or_length("minus", x)
    for at, d in enumerate(more):
        us -= need_duration("minus", at + 2, d).us
    return _like(x, "minus", us)


def _like(x: Value, function: str, us: int) -> Value:
    return instant_at(function, us) if type(x) is Instant else _duration(function, us)


def _moment_or_length(function: str, x: Value) -> int:
    if type(x) not in (Instant, Duration):
        hint = ": write (seconds 5)" if type(x) in (int, float) else ""
        raise wrong(function, f"an instant or a duration{hint}", 1, x)
    return int(x.us)


@native("between")
def between(start: Value, end: Value) -> Duration:
    """Return how long it is from one instant to the other."""
    us = need_instant("between", 2, end).us - need_instant("between", 1, start).us
    return _duration("between", us)


native.add(
    "before?", lambda a, b: need_instant("before?", 1, a).us < need_instant("before?", 2, b).us
)
native.add("after?", lambda a, b: need_instant("after?", 1, a).us > need_instant("after?", 2, b).us)


@native("times")
def times(d: Value, n: Value) -> Duration:
    """Return a duration n times as long."""
    return _length("times", need_duration("times", 1, d).us, n, 2)


@native("in")
def count_of(unit: Value, d: Value) -> Value:
    """Return how many units there are in a duration, exactly: an integer or a ratio."""
    from flowmetal.values import ratio

    return ratio(need_duration("in", 2, d).us, UNITS_US[_unit_name("in", unit)])


def _unit_name(function: str, unit: Value) -> str:
    if type(unit) is not Keyword or unit.text not in UNITS_US:
        raise wrong(function, "a unit: :ms :seconds :minutes :hours :days :weeks", 1, unit)
    return str(unit.text)


@native("inst-ms")
def inst_ms(x: Value) -> int:
    """Return the milliseconds since 1970."""
    return int(need_instant("inst-ms", 1, x).us // 1000)


core.add("inst-ms", inst_ms)


@native("of-ms")
def of_ms(ms: Value) -> Instant:
    """Return the instant so many milliseconds after 1970."""
    return instant_at("of-ms", need_int("of-ms", 1, ms) * 1000)


# Zones. An instant has none; a zone only says what clocks on the wall show.


@lru_cache(64)
def zone_named(name: str) -> ZoneInfo:
    """Return a time zone by its name."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        fail("FM0507", "parse/time-zone", f"there is no time zone {show(name)}")


def zoned(function: str, x: Value, zone: Value) -> datetime:
    """Return the wall clock in a zone at an instant."""
    us = need_instant(function, 1, x).us
    try:
        return (_EPOCH + us * _US).astimezone(zone_named(need_text(function, 2, zone)))
    except OverflowError:
        fail("FM0507", "parse/time", f"`{function}`: the year is not within 1 to 9999")


_FIELDS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


@native("in-zone")
def in_zone(x: Value, zone: Value) -> Map:
    """Return what clocks and calendars show in a zone, as a map."""
    shown_there = zoned("in-zone", x, zone)
    offset = shown_there.utcoffset() or timedelta()
    pairs: list[tuple[Value, Value]] = [(keyword(f), getattr(shown_there, f)) for f in _FIELDS]
    pairs += [
        (keyword("weekday"), keyword(DAYS[shown_there.weekday()].lower())),
        (keyword("zone"), zone),
        (keyword("offset"), Duration(offset // _US)),
    ]
    return hash_map(pairs)


@native("from-zone")
def from_zone(fields: Value, zone: Value) -> Instant:
    """Return the instant at which clocks in a zone show a map of fields; the earlier of two."""
    shown = need_map("from-zone", 1, fields)
    values = [shown.get(keyword(f), 1 if f in ("month", "day") else 0) for f in _FIELDS]
    try:
        local = datetime(*values).replace(tzinfo=zone_named(need_text("from-zone", 2, zone)))
    except (TypeError, ValueError, OverflowError) as error:
        _no_time(fields, str(error))
    return Instant((local - _EPOCH) // _US)


@native("truncate")
def truncate(x: Value, unit: Value, zone: Value = "UTC") -> Instant:
    """Return the beginning of the minute, hour, day ... that an instant lies in."""
    name = _unit_name("truncate", unit) if unit is not None else ""
    if name in ("ms", "seconds", "minutes"):
        return Instant(need_instant("truncate", 1, x).us // UNITS_US[name] * UNITS_US[name])
    there = zoned("truncate", x, zone)
    start = there.replace(minute=0, second=0, microsecond=0)
    if name != "hours":
        start = start.replace(hour=0, fold=0)  # a day begins at the first of two midnights
    if name == "weeks":
        start -= timedelta(days=there.weekday())
    return Instant((start - _EPOCH) // _US)


# Text.


@native("parse")
def parse(text: Value, pattern: Value = None, zone: Value = "UTC") -> Instant:
    """Return the instant written in a text: ISO 8601, or by a strftime pattern in a zone."""
    need_text("parse", 1, text)
    if pattern is None:
        made = parse_instant(text)
        if made is None:
            _no_time(text, 'write "2026-11-22T06:10:00Z"')
        return made
    try:
        local = read_time(text, need_text("parse", 2, pattern))
    except (ValueError, OverflowError) as error:
        _no_time(text, str(error))
    if local.tzinfo is None:
        local = local.replace(tzinfo=zone_named(need_text("parse", 3, zone)))
    return Instant((local - _EPOCH) // _US)


@native("format")
def format_time(x: Value, pattern: Value = None, zone: Value = "UTC") -> str:
    """Return an instant as text: ISO 8601, or by a strftime pattern in a zone."""
    local = zoned("format", x, zone)
    if pattern is None:
        return local.isoformat().replace("+00:00", "Z")
    try:
        return write_time(local, need_text("format", 2, pattern))
    except ValueError as error:
        raise bad_format(str(error)) from None


@native("-date")
def date_text(x: Value, zone: Value) -> str:
    """Return the date in a zone as YYYY-MM-DD."""
    there: date = zoned("today!", x, zone).date()
    return there.isoformat()


def _no_time(given: Value, reason: str) -> NoReturn:
    fail("FM0507", "parse/time", f"{show(given)} is not a time: {reason}")


# UUIDs.


@core("parse-uuid")
def parse_uuid(text: Value) -> UUID | None:
    """Return the UUID in a text, or nil."""
    import re
    from uuid import UUID

    found = re.fullmatch(
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", need_text("parse-uuid", 1, text)
    )
    return UUID(text) if found else None


@core("-uuid-of")
def uuid_of(a: Value, b: Value, c: Value, d: Value) -> UUID:
    """Return a version 4 UUID made of four floats in [0, 1)."""
    from uuid import UUID

    word = 0
    for f in (a, b, c, d):
        if type(f) is not float:
            raise TypeError("four floats")  # an integer times that would be fine, a text gigabytes
        word = word << 32 | int(f * (1 << 32))
    return UUID(int=word & (1 << 128) - 1, version=4)
