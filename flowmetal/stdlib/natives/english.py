"""Integers in English words and in Roman numerals, as cl-format's ``~R`` writes them."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(" "))


_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = _words("- - twenty thirty forty fifty sixty seventy eighty ninety")
_UNITS = _words(
    "- thousand million billion trillion quadrillion quintillion sextillion septillion "
    "octillion nonillion decillion undecillion duodecillion tredecillion quattuordecillion "
    "quindecillion sexdecillion septendecillion octodecillion novemdecillion vigintillion"
)
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
    (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_OLD_ROMAN = tuple(pair for pair in _ROMAN if len(pair[1]) == 1)

LARGEST = 1000 ** len(_UNITS) - 1
"""The largest number that has words."""
LARGEST_ROMAN = 3999
LARGEST_OLD_ROMAN = 4999


def cardinal(number: int) -> str:
    """Return "one thousand, two hundred thirty-four"; ``number`` is at most LARGEST."""
    if number == 0:
        return _ONES[0]
    groups = []
    rest, unit = abs(number), 0
    while rest:
        rest, group = divmod(rest, 1000)
        if group:
            words = _below_thousand(group)
            groups.append(f"{words} {_UNITS[unit]}" if unit else words)
        unit += 1
    return ("minus " if number < 0 else "") + ", ".join(reversed(groups))


def ordinal(number: int) -> str:
    """Return "twenty-first"; ``number`` is at most LARGEST."""
    if number == 0:
        return "zeroth"
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return f"{head}{last[:-1]}ieth" if last.endswith("y") else f"{head}{last}th"


def roman(number: int, *, old: bool = False) -> str:
    """Return a Roman numeral; the old style writes IIII for IV."""
    parts = []
    for value, letters in _OLD_ROMAN if old else _ROMAN:
        count, number = divmod(number, value)
        parts.append(letters * count)
    return "".join(parts)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    parts = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if 0 < rest < 20:
        parts.append(_ONES[rest])
    elif rest:
        tens, ones = divmod(rest, 10)
        parts.append(f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens])
    return " ".join(parts)
