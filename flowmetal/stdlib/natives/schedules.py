"""Natives of flow.time for what comes again and again: cron expressions and intervals.

A schedule is a plain map, so that it prints, is saved and can be read from a configuration:
``{:cron "0 9 * * MON-FRI", :tz "Europe/Berlin"}`` or ``{:every #dur "6h"}``. When it comes
next is a function of the schedule and an instant alone. Cron expressions are cronsim's, which does as the cron of
Debian does on the days on which clocks are changed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from flowmetal.stdlib.natives.arguments import need_duration, need_instant, need_text, wrong
from flowmetal.stdlib.natives.options import need_options
from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.times import instant_at, zone_named, zoned
from flowmetal.values import Instant, Map, Value, fail, hash_map, keyword, show

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

native = Table("flow.time")

_CRON, _TZ, _EVERY, _ALIGN = map(keyword, ("cron", "tz", "every", "align?"))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_A_MONDAY_US: Final = 4 * 86_400_000_000
"""1970-01-05: where aligned intervals are counted from, so that those of a week begin on Mondays."""

_SHORT_FORMS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_TAKEN: Final = {
    "Bad minute": "the minute is 0 to 59",
    "Bad hour": "the hour is 0 to 23",
    "Bad day-of-month": "the day of the month is 1 to 31, L or LW, and in one of the months",
    "Bad month": "the month is 1 to 12 or JAN to DEC",
    "Bad day-of-week": "the day of the week is 0 to 7, from Sunday to Sunday, or SUN to SAT",
}
_LONGEST: Final = 200
"""Characters of a cron expression; lists inside of lists take their time."""


@lru_cache(256)
def _checked(text: str) -> str:
    """Return the five fields of a cron expression that is one. Raises FlowError."""
    from cronsim import CronSim, CronSimError

    fields = _SHORT_FORMS.get(text.strip().lower(), text)
    if len(fields) > _LONGEST or len(fields.split()) != 5:
        _no_cron(
            text, 'write "minute hour day-of-month month day-of-week", as in "0 9 * * MON-FRI"'
        )
    try:
        CronSim(fields, _EPOCH)
    except (CronSimError, ValueError) as problem:
        _no_cron(text, _TAKEN.get(str(problem), str(problem)))
    return fields


def _no_cron(text: str, reason: str) -> NoReturn:
    fail("FM0507", "parse/cron", f"{show(text)} is not a cron expression: {reason}")


@native("cron")
def cron(expression: Value, options: Value = None) -> Map:
    """Return the schedule of a cron expression and a time zone."""
    text = need_text("cron", 1, expression)
    zone = need_options("cron", 2, options, {_TZ: ()}).get(_TZ)
    _checked(text)
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
        found = _next(_checked(checked.get(_CRON)), zone_named(checked.get(_TZ)), _EPOCH + us * _US)
        return None if found is None else Instant((found - _EPOCH) // _US)
    if type(schedule) is Map and _EVERY in schedule:
        checked = every(schedule.get(_EVERY), schedule.dissoc(_EVERY))
        step = checked.get(_EVERY).us
        if checked.get(_ALIGN):
            return instant_at("next-after", us + step - (us - _A_MONDAY_US) % step)
        return instant_at("next-after", us + step)
    raise wrong("next-after", "a schedule, as cron and every make it", 1, schedule)


def _next(fields: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first moment of a cron expression after another."""
    from cronsim import CronSim

    try:
        for found in CronSim(fields, after.astimezone(zone)):
            moment = found.astimezone(UTC)
            if moment > after:  # when clocks show a time twice, the first of them may be over
                return moment
    except OverflowError:  # the calendar ends with the year 9999
        pass
    return None
