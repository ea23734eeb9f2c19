"""Brackets and strings that do not match are explained where they were meant to."""

from __future__ import annotations

import pytest

from flowmetal.errors import Incomplete, ReadError
from flowmetal.reader import read_all
from flowmetal.source import Source


def complaints(text: str) -> list[tuple[str, list[str]]]:
    """Return code and places of each complaint, the primary place first."""
    with pytest.raises(ReadError) as caught:
        read_all(Source("t", text))
    return [
        (found.code, [f"{label.span.line}:{label.span.col}" for label in found.labels])
        for found in caught.value.diagnostics
    ]


# fmt: off
EXAMPLES = [
    ("(defn f [x]\n  (a)\n  (b)\n\n(f 1)",           [("FM0011", ["1:1", "5:1"])]),
    ("(defn f [x]\n  (when x\n    (a)\n  (b))\n\n(c)", [("FM0011", ["2:3", "4:3"])]),
    ("(a (b",                                        [("FM0011", ["1:4"])]),
    ("(a (b)",                                       [("FM0011", ["1:1"])]),
    ("#{1",                                          [("FM0011", ["1:1"])]),
    ("#(f",                                          [("FM0011", ["1:1"])]),
    ("(a]",                                          [("FM0010", ["1:3", "1:1"])]),
    ("(a [b c)\n(d)",                                [("FM0010", ["1:8", "1:4"])]),
    ("(a [b c)\n(d]\n(e}",                           [("FM0010", ["1:8", "1:4"]), ("FM0010", ["2:3", "2:1"]), ("FM0010", ["3:3", "3:1"])]),
    ("(f [x\n\n(g y)\n)",                            [("FM0011", ["1:4", "3:1"]), ("FM0002", ["4:1"])]),
    (")",                                            [("FM0002", ["1:1"])]),
    ("(a))\n(b",                                     [("FM0002", ["1:4"]), ("FM0011", ["2:1"])]),
    ("1 ] 2 }",                                      [("FM0002", ["1:3"]), ("FM0002", ["1:7"])]),
    ('"abc',                                         [("FM0012", ["1:1"])]),
    ('#"abc',                                        [("FM0012", ["1:1"])]),
    ('(a "b)\n(c)\n',                                [("FM0012", ["1:4", "2:1"])]),
    ('(a "b)\n(c "d")\n(e "f")',                     [("FM0012", ["1:4", "2:1"])]),
    ('(a)\n(b "c\\")',                               [("FM0012", ["2:4"])]),
    ('(a "b)\n(c 1ab)',                              [("FM0012", ["1:4", "2:1"]), ("FM0020", ["2:4"])]),
    ("(a\n(b)\n(1ab)",                               [("FM0011", ["1:1", "2:1"]), ("FM0020", ["3:2"])]),
    ("'(a\n(b)",                                     [("FM0011", ["1:2", "2:1"])]),
    ("^{:a 1} (a]",                                  [("FM0010", ["1:11", "1:9"])]),
    ("(a\n#?(:flow 1)",                              [("FM0011", ["1:1", "2:1"])]),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_the_places_that_explain_a_mistake_are_shown(
    text: str, expected: list[tuple[str, list[str]]]
) -> None:
    assert complaints(text) == expected


def test_the_line_where_the_bracket_is_missing_is_named() -> None:
    with pytest.raises(ReadError) as caught:
        read_all(Source("t", "(defn f [x]\n  (a)\n  (b)\n\n(f 1)"))
    assert caught.value.diagnostics[0].labels[1].text == (
        "a new top-level form starts here, so the missing `)` is probably at the end of line 3"
    )


def test_missing_closers_are_spelled_out_when_nothing_follows() -> None:
    with pytest.raises(ReadError) as caught:
        read_all(Source("t", "(a [b {c"))
    assert caught.value.diagnostics[0].help == ("add `}])` where it should end",)


def test_no_more_than_ten_complaints_are_made() -> None:
    assert len(complaints(") " * 50)) == 10
    assert len(complaints("(a\n" * 50)) == 10
    assert len(complaints('"\n(\n' * 51)) <= 10


# fmt: off
BEGINNINGS = ["(", "(defn f\n", "[1 {", '"', '(a "b', '#"', "'", "#_", "^:a", "^", "#foo", "(a\n(b",
              "@", "#'", "#?", "#:a", "`(~@", "1 2 (", "(f ; comment", "#_ ("]
MISTAKES = [")", "(]", "(]\n(", "1ab (", "(')", "(1ab)", "{:a}", "\\", "(a\n(b]\n(c"]
# fmt: on


@pytest.mark.parametrize("text", BEGINNINGS)
def test_a_text_that_more_text_could_complete_is_incomplete(text: str) -> None:
    with pytest.raises(Incomplete):
        read_all(Source("t", text))


@pytest.mark.parametrize("text", MISTAKES)
def test_a_text_that_no_more_text_could_mend_is_not_incomplete(text: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_all(Source("t", text))
    assert type(caught.value) is ReadError


@pytest.mark.parametrize(
    "text",
    ["(" * 20_000, ")" * 20_000, "\n(" * 20_000, '"\n(' * 20_001, "(]" * 20_000, "^" * 20_000],
)
def test_hostile_texts_are_refused_in_linear_time(text: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_all(Source("t", text))
    assert len(caught.value.diagnostics) <= 10
