from __future__ import annotations

import io

import pytest

from flowmetal.cli import output
from flowmetal.embed.views import iso, rough_time


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("one\x1b]two\nthree", "onetwo\nthree"),
        ("one\x1b]two\nthree\x07 four", "onetwo\nthree four"),
        ("\x1b]\x1bPa\x1b\\b", "b"),
        ("over\rwritten", "overwritten"),
        ("c1 \x9b31mred", "c1 31mred"),
        ("bell\x07", "bell"),
        ("lone \x1b", "lone "),
        ("zo\u0308e 日本 😀", "zo\u0308e 日本 😀"),
    ],
)
def test_terminal_escapes_are_stripped(text: str, shown: str) -> None:
    assert output.plain(text) == shown


def test_a_table_lines_up_and_holds_no_line_breaks() -> None:
    text = output.table(("RUN", "STATE"), [("a", "ready"), ("long id", "x\ny")])
    assert text == "RUN      STATE\na        ready\nlong id  x y"


def test_times_are_iso_8601_in_utc() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_795_000_000_123_456) == "2026-11-18T11:06:40.123Z"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (7200, "2 hours"), (3e5, "3 days")],
)
def test_lengths_of_time_are_rough(seconds: float, words: str) -> None:
    assert rough_time(seconds) == words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_there_is_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.coloured(Terminal())
    assert not output.coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.coloured(Terminal())
