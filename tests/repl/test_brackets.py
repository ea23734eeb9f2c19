from __future__ import annotations

from flowmetal.repl.brackets import bracket_at, brackets


def test_a_bracket_knows_its_partner() -> None:
    found = brackets("(a [b] #{c})")
    assert found[0].partner == 11
    assert found[3].partner == 5
    assert found[8].partner == 10


def test_brackets_in_strings_comments_and_characters_are_none() -> None:
    assert sorted(brackets('("(" \\( ; (\n)')) == [0, 12]


def test_a_bracket_of_another_kind_is_no_partner() -> None:
    assert not brackets("(]")[1].matches


def test_the_cursor_is_on_a_bracket_or_just_behind_a_closing_one() -> None:
    assert bracket_at("(a)", 0) == brackets("(a)")[0]
    assert bracket_at("(a)", 3) == brackets("(a)")[2]
    assert bracket_at("(a)", 1) is None
