"""Natives of flow.time for what comes again and again: cron expressions and intervals.

A schedule is a plain map, so that it prints, is saved and can be read from a configuration:
``{:cron "0 9 * * MON-FRI", :tz "Europe/Berlin"}`` or ``{:every #dur "6h"}``. When it comes
next is a function of the schedule and an instant alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from flowmetal.stdlib.natives.arguments import need_duration, need_instant, need_text, wrong
from flowmetal.stdlib.natives.options import need_options
from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.times import zone_named, zoned
from flowmetal.values import (
    Instant,
    Map,
    Value,
    fail,
    hash_map,
    keyword,
    show,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

native = Table("flow.time")

_CRON, _TZ, _EVERY, _ALIGN = map(keyword, ("cron", "tz", "every", "align?"))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US, _SECOND, _MINUTE, _DAY = (
    timedelta(microseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(days=1),
)
_A_MONDAY_US: Final = 4 * 86_400_000_000
"""1970-01-05: where aligned intervals are counted from, so that those of a week begin on Mondays."""

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SHORT_FORMS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a cron expression: what it is called, and which numbers and names it takes."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, ("", *_MONTHS)),
    _Field("day of the week", 0, 7, tuple(_WEEKDAYS)),
)


@dataclass(frozen=True, slots=True)
class _Cron:
    """A cron expression, taken apart."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool  # a day of the month or of the week is enough: both fields say something
    at_set_hours: bool  # no `*` for the hour: it is meant to come once a day

    def on(self, day: date) -> bool:
        """Say whether it comes on a day whose month is right."""
        of_month = day.day in self.days
        of_week = day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either_day else of_month and of_week

    def first(self, wall: datetime) -> datetime | None:
        """Return the first time from ``wall`` on, as clocks that are never changed show it."""
        start = wall.replace(second=0, microsecond=0)
        if start < wall:
            start += _MINUTE
        day = start.date()
        if day.month in self.months and self.on(day):
            for hour in self.hours:
                for minute in self.minutes if hour >= start.hour else ():
                    if (hour, minute) >= (start.hour, start.minute):
                        return datetime(day.year, day.month, day.day, hour, minute)
        try:
            while True:
                day += _DAY
                while day.month not in self.months:
                    day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                if self.on(day):
                    return datetime(day.year, day.month, day.day, self.hours[0], self.minutes[0])
        except OverflowError:  # the calendar ends with the year 9999
            return None


def _no_cron(text: str, reason: str) -> NoReturn:
    fail("FM0507", "parse/cron", f"{show(text)} is not a cron expression: {reason}")


@lru_cache(256)
def _parsed(text: str) -> _Cron:
    words = _SHORT_FORMS.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        _no_cron(
            text, 'write "minute hour day-of-month month day-of-week", as in "0 9 * * MON-FRI"'
        )
    minutes, hours, days, months, weekdays = (
        _numbers(text, field, word) for field, word in zip(_FIELDS, words, strict=True)
    )
    stars = [word.startswith(("*", "?")) for word in words]
    cron = _Cron(
        minutes,
        hours,
        frozenset(days),
        frozenset(months),
        frozenset(n % 7 for n in weekdays),
        either_day=not stars[2] and not stars[4],
        at_set_hours=not stars[1],
    )
    if not cron.either_day and all(_LONGEST_MONTH[m - 1] < min(days) for m in months):
        _no_cron(text, "there is no such day")
    return cron


def _numbers(text: str, field: _Field, word: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in word.split(","):
        match = re.fullmatch(r"([*?]|(\w+)(?:-(\w+))?)(?:/([0-9]{1,4}))?", part, re.ASCII)
        if match is None:
            _no_cron(text, f"{show(part)} is no {field.name}")
        whole, first, last, step = match.groups()
        if whole in ("*", "?"):
            low, high = field.least, field.most if field.most != 7 else 6
        else:
            low = _number(text, field, first)
            high = _number(text, field, last) if last else field.most if step else low
        if field.most == 7 and last and high == 0:
            high = 7  # FRI-SUN
        if low > high:
            _no_cron(text, f"{show(part)} ends before it begins")
        if step is not None and int(step) == 0:
            _no_cron(text, f"the step in {show(part)} is 0")
        found.update(range(low, high + 1, int(step or 1)))
    return tuple(sorted(found))


def _number(text: str, field: _Field, word: str) -> int:
    if word.upper() in field.names:
        return field.names.index(word.upper())
    if not word.isdigit() or len(word) > 2 or not field.least <= int(word) <= field.most:
        named = [name for name in field.names if name]
        names = f" or {named[0]} to {named[-1]}" if named else ""
        _no_cron(text, f"the {field.name} is {field.least} to {field.most}{names}, not {word}")
    return int(word)


@native("cron")
def cron(expression: Value, options: Value = None) -> Map:
    """Return the schedule of a cron expression and a time zone."""
    text = need_text("cron", 1, expression)
    zone = need_options("cron", 2, options, {_TZ: ()}).get(_TZ)
    _parsed(text)
    zone = "UTC" if zone is None else need_text("cron", 2, zone)
    zone_named(zone)
    return hash_map([(_CRON, text), (_TZ, zone)])


@native("every")
def every(d: Value, options: Value = None) -> Map:
    """Return the schedule of an interval."""
    found = need_options("every", 2, options, {_ALIGN: (True, False, None)})
    if need_duration("every", 1, d).us <= 0:
        raise wrong("every", "a duration that is longer than nothing", 1, d)
    return hash_map([(_EVERY, d), *([(_ALIGN, True)] if found.get(_ALIGN) else [])])


@native("next-after")
def next_after(schedule: Value, instant: Value) -> Instant | None:
    """Return when a schedule comes next after an instant; nil if that is not before the year 10000."""
    us = need_instant("next-after", 2, instant).us
    if type(schedule) is Map and _CRON in schedule:
        checked = cron(schedule.get(_CRON), schedule.dissoc(_CRON))
        zoned("next-after", instant, "UTC")  # the calendar ends somewhere, and says so
        found = _next(_parsed(checked.get(_CRON)), zone_named(checked.get(_TZ)), _EPOCH + us * _US)
        return None if found is None else Instant((found - _EPOCH) // _US)
    if type(schedule) is Map and _EVERY in schedule:
        checked = every(schedule.get(_EVERY), schedule.dissoc(_EVERY))
        step = checked.get(_EVERY).us
        if checked.get(_ALIGN):
            return Instant(us + step - (us - _A_MONDAY_US) % step)
        return Instant(us + step)
    raise wrong("next-after", "a schedule, as cron and every make it", 1, schedule)


def _next(cron: _Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first moment of a cron expression after another.

    Between two changes of a zone's clocks, what they show grows with the time; so each such
    stretch is searched for itself. What is meant to come once a day comes once on the days of a
    change, too: where the clocks leave its time out, when they have done so; where they show it
    twice, the first time.
    """
    here, strictly = after, True
    try:
        while True:
            offset = _offset(zone, here)
            wall = here.replace(tzinfo=None) + offset
            found = cron.first(wall + _US if strictly else wall)
            if found is None:
                return None
            candidate = (found - offset).replace(tzinfo=UTC)
            change = _change(zone, here, candidate)
            if change is None:
                if not cron.at_set_hours or candidate.astimezone(zone).fold == 0:
                    return candidate
                here, strictly = candidate, True
                continue
            shown_next = change.replace(tzinfo=None) + _offset(zone, change)
            if cron.at_set_hours and found < shown_next:
                return change
            here, strictly = change, False
    except OverflowError:
        return None


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """Return the first second after ``start``, and up to ``end``, whose offset is another."""
    offset = _offset(zone, start)
    same = start.replace(microsecond=0)
    while same < end:
        other = min(same + _DAY, end)
        if _offset(zone, other) != offset:
            while other - same > _SECOND:
                middle = same + (other - same) // _SECOND // 2 * _SECOND
                same, other = (same, middle) if _offset(zone, middle) != offset else (middle, other)
            return other
        same = other
    return None
