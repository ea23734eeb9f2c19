"""Regular expressions of flow.core: Java's, on RE2 where it can and on a matcher of ours elsewhere.

RE2 takes time in proportion to the text, whatever the expression. What it does not
have (back references, look-around and the like) is matched by
backtracking.py, whose steps are bounded: a hostile expression cannot stall an interpreter.
Where the two mean different things, Java's meaning decides, and with it who
matches: ends of lines other than ``\\n``, ``$`` before the last of them, words of other letters.
An expression as a value is text and flags; compiled ones are kept in a cache that
no program can see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, cast

from flowmetal.stdlib.natives.arguments import need_text, wrong
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.values import (
    Atom,
    Keyword,
    Map,
    Regex,
    Value,
    fail,
    hash_map,
    list_of,
    pr_str,
    vector,
)
from flowmetal.values.meter import charge, lend

if TYPE_CHECKING:
    from flowmetal.stdlib.natives.regex_parsing import Tree

native = Table("flow.core")

_CACHE_SIZE = 512


class Match(Protocol):
    """What we use of a match."""

    def group(self, index: int = 0) -> str | None: ...
    def groups(self) -> tuple[str | None, ...]: ...
    def groupdict(self) -> dict[str, str | None]: ...
    def start(self) -> int: ...
    def end(self) -> int: ...


class Compiled(Protocol):
    """What we use of a compiled expression."""

    def search(self, text: str) -> Match | None: ...
    def fullmatch(self, text: str) -> Match | None: ...
    def finditer(self, text: str) -> Iterator[Match]: ...


@lru_cache(_CACHE_SIZE)
def compile_regex(pattern: str, flags: str) -> Compiled:
    """Compile an expression in Java's spelling; raise FM0509 for what is none."""
    from flowmetal.stdlib.natives.backtracking import Backtracking
    from flowmetal.stdlib.natives.regex_parsing import Wrong, parse

    lend(2 * len(pattern))  # compiled before, it costs nothing
    try:
        tree = parse(pattern, flags)
        if tree.needs_backtracking:
            return Backtracking(pattern, tree)
        linear = _linear(pattern, flags)
        return Backtracking(pattern, tree) if linear is None else _ByText(linear, pattern, tree)
    except Wrong as wrong_expression:
        fail(
            "FM0509", "regex/wrong", f"the regular expression {pr_str(pattern)}: {wrong_expression}"
        )


def _linear(pattern: str, flags: str) -> Compiled | None:
    """Return RE2's form of an expression, None if it has none."""
    import re2

    options = re2.Options()
    options.log_errors = False
    spelled = (f"(?{flags})" if flags else "") + _spelled_for_re2(pattern)
    if _SURROGATE.search(spelled):
        return None
    try:
        return cast(Compiled, re2.compile(spelled, options))
    except re2.error:
        return None


class _ByText:
    """An expression that RE2 matches, but for texts on which it would answer otherwise than Java."""

    def __init__(self, linear: Compiled, pattern: str, tree: Tree) -> None:
        self._linear = linear
        self._pattern = pattern
        self._tree = tree
        self._backtracking: Compiled | None = None

    def search(self, text: str) -> Match | None:
        """Return the first match."""
        return self._for(text).search(text)

    def fullmatch(self, text: str) -> Match | None:
        """Return the match of the whole text."""
        return self._for(text).fullmatch(text)

    def finditer(self, text: str) -> Iterator[Match]:
        """Return the matches from left to right that do not overlap."""
        return self._for(text).finditer(text)

    def _for(self, text: str) -> Compiled:
        tree = self._tree
        if not (
            (tree.minds_lines and (text.endswith("\n") or _LINE_ENDS.search(text)))
            or (not text.isascii() and (tree.minds_words or _SURROGATE.search(text)))
        ):
            return self._linear
        if self._backtracking is None:
            from flowmetal.stdlib.natives.backtracking import Backtracking

            self._backtracking = Backtracking(self._pattern, tree)
        return self._backtracking


_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_JAVA_SPELLING = re.compile(r"\\u([0-9a-fA-F]{4})|\\.|\(\?<([A-Za-z][A-Za-z0-9]*)>", re.DOTALL)
_POSIX = {
    "Alpha": "[a-zA-Z]", "Digit": "[0-9]", "Alnum": "[a-zA-Z0-9]", "Upper": "[A-Z]",
    "Lower": "[a-z]", "Punct": "[!-/:-@\\[-`{-~]", "Space": "\\s", "XDigit": "[0-9a-fA-F]",
    "ASCII": "[\\x00-\\x7F]", "Blank": "[ \\t]", "IsAlphabetic": "\\p{L}", "javaLowerCase": "\\p{Ll}",
    "javaUpperCase": "\\p{Lu}", "IsDigit": "\\p{Nd}",
}  # fmt: skip
_CLASS = re.compile(r"\\p\{(\w+)\}")


def _spelled_for_re2(pattern: str) -> str:
    """Return the same expression in RE2's spelling: named groups, code points, POSIX classes."""

    def named(found: re.Match[str]) -> str:
        if found.group(1) is not None:
            return f"\\x{{{found.group(1)}}}"
        if found.group(2) is not None:
            return f"(?P<{found.group(2)}>"
        return found.group()

    def posix(found: re.Match[str]) -> str:
        inside = _POSIX.get(found.group(1))
        if inside is None:
            return found.group()
        before = pattern[: found.start()]
        in_class = before.rfind("[") > before.rfind("]")
        return inside[1:-1] if in_class and inside.startswith("[") else inside

    pattern = _CLASS.sub(posix, pattern)
    return _JAVA_SPELLING.sub(named, pattern)


@native("re-pattern")
def re_pattern(x: Value) -> Regex:
    """Make a regular expression; one that is none is found out now and not later."""
    if type(x) is Regex:
        return x
    pattern = need_text("re-pattern", 1, x)
    compile_regex(pattern, "")
    return Regex(pattern, "")


def compiled(function: str, x: Value) -> Compiled:
    """Return the compiled form of argument 1 of ``function``."""
    if type(x) is not Regex:
        raise wrong(function, "a regular expression", 1, x)
    return compile_regex(x.pattern, x.flags)


def match_value(found: Match | None) -> Value:
    """Return a match as a value: the text, or a vector of it and its groups."""
    if found is None:
        return None
    groups = found.groups()
    return vector((found.group(0), *groups)) if groups else found.group(0)


def _subject(function: str, text: Value) -> str:
    """Return the text to be searched, and charge for it."""
    charge(len(need_text(function, 2, text)) >> 6)
    return str(text)


# A matcher is an atom: all matches, found when it is made, and how many were taken.

_MATCHES = Keyword.of("re", "matches")
_TAKEN = Keyword.of("re", "taken")


@native("re-matcher")
def re_matcher(pattern: Value, text: Value) -> Atom:
    """Return a matcher."""
    machine = compiled("re-matcher", pattern)
    found = [match_value(m) for m in matches_in(machine, need_text("re-matcher", 2, text))]
    return Atom(hash_map(((_MATCHES, vector(found)), (_TAKEN, 0))))


def _state(function: str, matcher: Value) -> Map:
    state = matcher.value if type(matcher) is Atom else None
    if not isinstance(state, Map) or _MATCHES not in state:
        raise wrong(function, "a matcher", 1, matcher)
    return state


@native("re-groups")
def re_groups(matcher: Value) -> Value:
    """Return the last match of a matcher."""
    state = _state("re-groups", matcher)
    matches, taken = state.get(_MATCHES), state.get(_TAKEN)
    if not 0 < taken <= len(matches):
        fail("FM0523", "regex/no-match", "the matcher has no match: call re-find first")
    return matches.nth(taken - 1)


def _next_match(matcher: Value) -> Value:
    state = _state("re-find", matcher)
    matches, taken = state.get(_MATCHES), state.get(_TAKEN)
    matcher.value = state.assoc(_TAKEN, min(taken, len(matches)) + 1)
    return matches.nth(taken) if taken < len(matches) else None


@native("re-find")
def re_find(pattern: Value, text: Value = MISSING) -> Value:
    """Return the first match, nil if there is none; the next one of a matcher."""
    if text is MISSING:
        return _next_match(pattern)
    return match_value(compiled("re-find", pattern).search(_subject("re-find", text)))


@native("re-matches")
def re_matches(pattern: Value, text: Value) -> Value:
    """Return the match of the whole text, nil if it does not match."""
    return match_value(compiled("re-matches", pattern).fullmatch(_subject("re-matches", text)))


@native("re-seq")
def re_seq(pattern: Value, text: Value) -> Value:
    """Return all matches, nil if there are none."""
    machine = compiled("re-seq", pattern)
    made = [match_value(m) for m in matches_in(machine, need_text("re-seq", 2, text))]
    return list_of(made) if made else None


def matches_in(machine: Compiled, text: str) -> list[Match]:
    """Return all matches from left to right that do not overlap."""
    charge(len(text) >> 6)
    found = list(machine.finditer(text))
    charge(2 * len(found))
    return found
