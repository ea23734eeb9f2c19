"""Instants and durations as text, against Python's datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.values import (
    Duration,
    Instant,
    duration_text,
    instant_text,
    parse_duration,
    parse_instant,
    pr_str,
)
from flowmetal.values.time_text import date_from_days, days_from_date

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_is_the_moment_that_python_says(moment):
    instant = Instant((moment - EPOCH) // US)
    assert parse_instant(moment.isoformat()) == instant
    assert datetime.fromisoformat(instant_text(instant)) == moment


@given(st.integers(-(10**17) * 3, 3 * 10**17))
def test_any_instant_reads_back(us):
    assert parse_instant(instant_text(Instant(us))) == Instant(us)


@given(st.integers(-(10**8), 10**8))
def test_days_and_dates_are_inverse(days):
    assert days_from_date(*date_from_days(days)) == days


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026", "2026-01-01T00:00:00Z"),
        ("2026-11", "2026-11-01T00:00:00Z"),
        ("2026-11-22", "2026-11-22T00:00:00Z"),
        ("2026-11-22T06", "2026-11-22T06:00:00Z"),
        ("2026-11-22T06:10", "2026-11-22T06:10:00Z"),
        ("2026-11-22T06:10:01.5", "2026-11-22T06:10:01.500Z"),
        ("2026-11-22T06:10:01.123456789Z", "2026-11-22T06:10:01.123456Z"),
        ("2026-11-22T06:10:00+02:00", "2026-11-22T04:10:00Z"),
        ("2026-11-22T06:10:00-0230", "2026-11-22T08:40:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("2000-02-29 00:00:00z", "2000-02-29T00:00:00Z"),
    ],
)
def test_parts_may_be_left_out(text, same):
    assert parse_instant(text) == parse_instant(same) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2026-13",
        "2026-00",
        "2026-02-29",
        "1900-02-29",
        "2026-11-31",
        "2026-11-22T24:00",
        "2026-11-22T00:60",
    ]
    + [
        "2026-11-22T00:00:60Z",
        "2026-11-22T00:00:00+24:00",
        "26-11-22",
        "2026-11-22T00:00:00Zx",
        "٢٠٢٦",
        "2026-11-22\n",
    ],
)
def test_this_is_no_instant(text):
    assert parse_instant(text) is None


def test_instants_are_printed_as_clojure_prints_them():
    assert pr_str(Instant(0)) == '#inst "1970-01-01T00:00:00.000-00:00"'
    assert pr_str(Instant(1)) == '#inst "1970-01-01T00:00:00.000001-00:00"'
    assert pr_str(Instant(-1000)) == '#inst "1969-12-31T23:59:59.999-00:00"'


@given(st.integers(-(2**62), 2**62))
def test_any_duration_reads_back(us):
    assert parse_duration(duration_text(Duration(us))) == Duration(us)


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("0s", 0), ("200ms", 200_000), ("1h30m", 5_400_000_000), ("1.5s", 1_500_000), ("-2m", -120_000_000),
        ("1h 30m", 5_400_000_000), ("2w", 1_209_600_000_000), ("5us", 5), ("PT5M", 300_000_000), ("P1DT2H", 93_600_000_000),
        ("-PT0.5S", -500_000), ("P2W", 1_209_600_000_000), ("+3d", 259_200_000_000), (" 1s ", 1_000_000),
    ],
)  # fmt: skip
def test_durations_are_written_in_units_or_as_iso_says(text, us):
    assert parse_duration(text) == Duration(us)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "1x",
        "P",
        "PT",
        "P1DT",
        "1s1s",
        "1h-30m",
        "--1s",
        "1,5s",
        "1e3s",
        "9" * 99 + "d",
        "٣s",
        "1s" * 60,
    ],
)
def test_this_is_no_duration(text):
    assert parse_duration(text) is None


def test_durations_leave_out_units_of_zero():
    assert duration_text(Duration(93_784_005_006)) == "1d2h3m4s5ms6us"
    assert duration_text(Duration(0)) == "0s"
    assert duration_text(Duration(-60_000_000)) == "-1m"
