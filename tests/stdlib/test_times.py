"""What a time is as text depends on nothing of the process: no zone, no locale, no C library."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from flowmetal.stdlib.natives.time_patterns import read_time, write_time
from tests.lang.test_lang import Session


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/New_York"])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session in a process of a zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    session = Session()
    session.compile("(ns user (:require [flow.time :as time]))")
    yield session
    monkeypatch.undo()
    time.tzset()


def test_the_zone_of_the_process_changes_no_text_of_a_time(session: Session) -> None:
    moment = '#inst "2026-01-01T00:00:00Z"'
    assert session.printed(f'(time/format {moment} "%s %Z %z %c")') == (
        '"1767225600 UTC +0000 Thu Jan  1 00:00:00 2026"'
    )


@pytest.mark.parametrize("zone", ["CET", "CEST", "EST", "EDT"])
def test_the_zone_of_the_process_names_no_zone_in_a_text(session: Session, zone: str) -> None:
    read = f'(time/parse "2026-01-01 10:00 {zone}" "%Y-%m-%d %H:%M %Z")'
    assert session.printed(f"(try {read} (catch :parse/time e :none))") == ":none"


MOMENTS = [
    datetime(1000 + 997 * n % 9000, 1 + 5 * n % 12, 1 + 7 * n % 28, 11 * n % 24, 13 * n % 60, n,
             n * 16_661, tzinfo=ZoneInfo(("UTC", "Europe/Berlin", "Asia/Kolkata")[n % 3]))
    for n in range(60)
]  # fmt: skip


@pytest.mark.parametrize("directive", "aAbBdfGHIjmMpSuUVwWyYzZ%")
def test_a_directive_means_what_python_says(directive: str) -> None:
    pattern = f"%{directive}"
    for moment in MOMENTS:
        assert write_time(moment, pattern) == moment.strftime(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "%Y-%m-%d %H:%M:%S.%f", "%a %b %d %I:%M %p %y", "%A %d %B %Y %z", "%j %Y", "%G-W%V-%u",
        "%Y %U %w", "%Y %W %a", "%c", "%x  %X", "%d%m%Y%H%M", "100%% of %y (%m.%d)",
    ],
)  # fmt: skip
def test_a_text_is_read_as_python_reads_it(pattern: str) -> None:
    for moment in MOMENTS:
        text = moment.strftime(pattern)
        assert read_time(text, pattern) == datetime.strptime(text, pattern)


def test_a_time_that_was_written_is_read_again() -> None:
    for moment in MOMENTS:
        again = read_time(write_time(moment, "%F %T.%f %z"), "%F %T.%f %z")
        assert again.astimezone(UTC) == moment
