"""Sets of characters of regular expressions."""

from __future__ import annotations

from flowmetal.stdlib.natives.regex_classes import CharSet


def test_a_set_that_lasts_does_not_grow_with_all_that_it_was_asked_for() -> None:
    asked: list[str] = []

    def is_vowel(char: str) -> bool:
        asked.append(char)
        return char in "aeiou"

    vowels = CharSet(is_vowel)
    assert "a" in vowels
    assert "a" in vowels
    assert asked == ["a"]
    assert sum(chr(code) in vowels for code in range(0x10000)) == 5
    assert len(vowels._known) <= 4_096
