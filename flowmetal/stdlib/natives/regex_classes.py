"""Sets of characters of regular expressions, as java.util.regex names them.

A ``CharSet`` answers for one character and remembers the answer, so that a
class costs one look-up however it was written. ``\\d \\w \\s`` and the POSIX names
are of ASCII, as in Java; ``\\p{L}`` and the ``Is...`` names are of Unicode.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

_REMEMBERED = 4_096
"""Characters that a set remembers its answer for; sets of the process last as long as it does."""


class CharSet:
    """A set of characters. ``single`` is its one character, if it was written as one."""

    __slots__ = ("_known", "_test", "single")

    def __init__(self, test: Callable[[str], bool], single: str | None = None) -> None:
        self._test = test
        self._known: dict[str, bool] = {}
        self.single = single

    def __contains__(self, char: str) -> bool:
        found = self._known.get(char)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[char] = self._test(char)
        return found

    def negated(self) -> CharSet:
        """Return the set of all other characters."""
        return CharSet(lambda char: char not in self)

    def both(self, other: CharSet) -> CharSet:
        """Return the characters that are in both sets."""
        return CharSet(lambda char: char in self and char in other)


def one_of(chars: str) -> CharSet:
    """Return the set of some characters."""
    return CharSet(lambda char: char in chars, chars if len(chars) == 1 else None)


def span(low: str, high: str) -> CharSet:
    """Return the set of all characters from one to another."""
    return CharSet(lambda char: low <= char <= high)


def either(sets: Sequence[CharSet]) -> CharSet:
    """Return the characters that are in any of some sets."""
    if len(sets) == 1:
        return sets[0]
    return CharSet(lambda char: any(char in each for each in sets))


def folded(chars: CharSet, is_unicode: bool) -> CharSet:
    """Return the set with the other case of its letters; those of ASCII alone if not ``is_unicode``."""

    def test(char: str) -> bool:
        if char in chars:
            return True
        if not is_unicode and not char.isascii():
            return False
        return any(len(other) == 1 and other in chars for other in (char.lower(), char.upper()))

    return CharSet(test)


_LINE_ENDS = "\n\r\x85\u2028\u2029"
_BLANKS = " \t\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"

LINE_BREAK = one_of("\n\x0b\x0c\r\x85\u2028\u2029")
DOT = one_of(_LINE_ENDS).negated()
DOT_ALL = CharSet(lambda char: True)
HORIZONTAL = one_of(_BLANKS)
VERTICAL = LINE_BREAK
_DIGIT = one_of("0123456789")
_SPACE = one_of(" \t\n\x0b\f\r")
_WORD = CharSet(lambda char: char.isascii() and (char.isalnum() or char == "_"))

ESCAPES = {
    "d": _DIGIT,
    "D": _DIGIT.negated(),
    "s": _SPACE,
    "S": _SPACE.negated(),
    "w": _WORD,
    "W": _WORD.negated(),
    "h": HORIZONTAL,
    "H": HORIZONTAL.negated(),
    "v": VERTICAL,
    "V": VERTICAL.negated(),
}

_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

# fmt: off
_NAMED: dict[str, Callable[[str], bool]] = {
    "Lower":  lambda c: "a" <= c <= "z",
    "Upper":  lambda c: "A" <= c <= "Z",
    "ASCII":  str.isascii,
    "Alpha":  lambda c: c.isascii() and c.isalpha(),
    "Digit":  lambda c: "0" <= c <= "9",
    "Alnum":  lambda c: c.isascii() and c.isalnum(),
    "Punct":  lambda c: c in _PUNCTUATION,
    "Graph":  lambda c: "!" <= c <= "~",
    "Print":  lambda c: " " <= c <= "~",
    "Blank":  lambda c: c in " \t",
    "Cntrl":  lambda c: c < " " or c == "\x7f",
    "XDigit": lambda c: c in "0123456789abcdefABCDEF",
    "Space":  lambda c: c in _SPACE,
    "javaLowerCase":  str.islower,
    "javaUpperCase":  str.isupper,
    "javaWhitespace": str.isspace,
    "javaLetter":     str.isalpha,
    "javaDigit":      str.isdecimal,
    "javaLetterOrDigit": lambda c: c.isalpha() or c.isdecimal(),
    "javaAlphabetic": str.isalpha,
    "IsAlphabetic":   lambda c: c.isalpha() or unicodedata.category(c) in ("Nl", "Mn", "Mc"),
    "IsLetter":       str.isalpha,
    "IsDigit":        str.isdecimal,
    "IsLowercase":    str.islower,
    "IsUppercase":    str.isupper,
    "IsPunctuation":  lambda c: unicodedata.category(c).startswith("P"),
    "IsWhite_Space":  str.isspace,
    "IsControl":      lambda c: unicodedata.category(c) == "Cc",
    "IsIdeographic":  lambda c: unicodedata.name(c, "").startswith("CJK"),
    "IsHex_Digit":    lambda c: c in "0123456789abcdefABCDEF",
}
# fmt: on

_CATEGORIES = re.compile("L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfon]?")
_SCRIPTS = re.compile(
    "LATIN|GREEK|CYRILLIC|HEBREW|ARABIC|ARMENIAN|THAI|HANGUL|HIRAGANA|KATAKANA|DEVANAGARI"
)


def _of_category(name: str) -> CharSet:
    return CharSet(lambda char: unicodedata.category(char).startswith(name))


def _of_script(name: str) -> CharSet:
    return CharSet(lambda char: unicodedata.name(char, "").startswith(name))


def named_class(name: str) -> CharSet | None:
    """Return the set that ``\\p{name}`` means, None if there is none of that name."""
    if name in _NAMED:
        return CharSet(_NAMED[name])
    for prefix in ("", "Is", "general_category=", "gc="):
        if name.startswith(prefix) and _CATEGORIES.fullmatch(name[len(prefix) :]):
            return _of_category(name[len(prefix) :])
    for prefix in ("Is", "script=", "sc="):
        if name.startswith(prefix) and _SCRIPTS.fullmatch(name[len(prefix) :].upper()):
            return _of_script(name[len(prefix) :].upper())
    if name == "InGreek":
        return span("\u0370", "\u03ff")
    return None
