"""When a cron expression comes next, held against a search minute by minute."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from flowmetal.stdlib.natives.schedules import cron, next_after
from flowmetal.values import Instant, hash_map, keyword

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# Where clocks move by less than an hour (today Lord Howe alone), cronsim leaves out a time of a `*` hour.
CHANGES = (
    ("Europe/Berlin", "2026-03-28T20:00"),
    ("Europe/Berlin", "2026-10-24T20:00"),
    ("Australia/Lord_Howe", "2026-10-03T06:00"),
    ("America/St_Johns", "2006-10-28T20:00"),
    ("UTC", "2024-02-28T20:00"),
)


def _matches(wall: datetime, minutes: set[int], hours: set[int] | None) -> bool:
    return wall.minute in minutes and (hours is None or wall.hour in hours)


def _by_search(
    zone: ZoneInfo, start: datetime, end: datetime, minutes: set[int], hours: set[int] | None
) -> list[datetime]:
    """Return the moments after ``start``, found by looking at every minute of every clock."""
    found = set()
    at = start + MINUTE
    while at <= end:
        there = at.astimezone(zone)
        if _matches(there, minutes, hours) and (hours is None or there.fold == 0):
            found.add(at)
        at += MINUTE
    if hours is not None:  # what no clock shows comes when the clocks have been changed
        for before, after in pairwise(start + n * MINUTE for n in range((end - start) // MINUTE)):
            wall, later = (at.astimezone(zone).replace(tzinfo=None) for at in (before, after))
            missing = [wall + n * MINUTE for n in range(1, (later - wall) // MINUTE)]
            if any(_matches(each, minutes, hours) for each in missing):
                found.add(after)
    return sorted(found)


@pytest.mark.parametrize(("name", "around"), CHANGES)
def test_it_comes_when_a_search_of_all_minutes_finds_it(name: str, around: str) -> None:
    chance = random.Random(name + around)
    zone = ZoneInfo(name)
    start = datetime.fromisoformat(around).replace(tzinfo=UTC)
    for _ in range(12):
        minutes = set(chance.sample(range(60), chance.choice((1, 2, 5))))
        hours = chance.choice((None, set(chance.sample(range(5), chance.choice((1, 2))))))
        fields = [",".join(map(str, minutes)), "*" if hours is None else ",".join(map(str, hours))]
        schedule = cron(" ".join([*fields, "* * *"]), hash_map([(keyword("tz"), name)]))
        expected = _by_search(zone, start, start + timedelta(hours=30), minutes, hours)
        got, at = [], Instant((start - EPOCH) // timedelta(microseconds=1))
        while len(got) < len(expected):
            found = next_after(schedule, at)
            assert found is not None
            at = found
            got.append(EPOCH + timedelta(microseconds=at.us))
        assert got == expected, schedule
