"""What a server wishes for before the next attempt."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from flowmetal.connectors.retry_after import retry_after_us

NOW = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that is not set to GMT."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "date",
    [
        "Sun, 06 Nov 1994 08:49:40 GMT",
        "Sunday, 06-Nov-94 08:49:40 GMT",
        "Sun Nov  6 08:49:40 1994",
        "Sun, 06 Nov 1994 08:49:40 -0000",
        "Sun, 06 Nov 1994 09:49:40 +0100",
    ],
)
def test_a_date_in_any_form_of_http_is_in_gmt(date: str) -> None:
    assert retry_after_us(date, NOW) == 3_000_000


def test_a_date_that_has_passed_is_now() -> None:
    assert retry_after_us("Sun, 06 Nov 1994 08:49:37 GMT", NOW + 9) == 0


@pytest.mark.parametrize(
    "word",
    [
        None,
        "",
        "soon",
        "-5",
        "1.5",
        "\u0663",
        "Sun, 99 Nov 1994 08:49:40 GMT",
        "06 Nov 99999999999",
        "Sun, 06 Nov 99999999999999999999 08:49:40 GMT",
        "Sun, 06 Nov 1994 08:49:40 +99999999999999999",
    ],
)
def test_what_makes_no_sense_is_no_wish(word: str | None) -> None:
    assert retry_after_us(word, NOW) is None


def test_seconds_are_seconds_however_many() -> None:
    assert retry_after_us(" 120 ", NOW) == 120_000_000
    assert retry_after_us("0000000000120", NOW) == 120_000_000
    assert retry_after_us("9" * 400, NOW) is not None
