"""Regular expressions of flow.core, on RE2.

RE2 takes time in proportion to the text, whatever the expression: a hostile
one cannot stall an interpreter. The price is no look-around and no back
references. An expression as a value is text and flags; compiled ones are kept
in a cache that no program can see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

from flowmetal.stdlib.natives.arguments import need_text, wrong
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Regex, Value, fail, list_of, pr_str, show, vector

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
    """Compile an expression in Java's spelling; raise FM0509 for what RE2 does not have."""
    import re2

    options = re2.Options()
    options.log_errors = False
    prefix = f"(?{flags})" if flags else ""
    spelled = _encodable(prefix + _spelled_for_re2(pattern))
    try:
        return cast(Compiled, re2.compile(spelled, options))
    except re2.error as error:
        said = error.args[0] if error.args else error
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        extra = "" if not _LOOKS_AROUND.search(pattern) else " (no look-around, no back references)"
        fail("FM0509", "regex/wrong", f"the regular expression {pr_str(pattern)}: {reason}{extra}")


_LOOKS_AROUND = re.compile(r"\(\?<?[=!]|\\[1-9]|\(\?>")
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


@native("re-find")
def re_find(pattern: Value, text: Value) -> Value:
    """Return the first match, nil if there is none."""
    return match_value(
        compiled("re-find", pattern).search(_encodable(need_text("re-find", 2, text)))
    )


@native("re-matches")
def re_matches(pattern: Value, text: Value) -> Value:
    """Return the match of the whole text, nil if it does not match."""
    return match_value(
        compiled("re-matches", pattern).fullmatch(_encodable(need_text("re-matches", 2, text)))
    )


@native("re-seq")
def re_seq(pattern: Value, text: Value) -> Value:
    """Return all matches, nil if there are none."""
    machine = compiled("re-seq", pattern)
    made = [match_value(m) for m in matches_in(machine, need_text("re-seq", 2, text))]
    return list_of(made) if made else None


def matches_in(machine: Compiled, text: str) -> list[Match]:
    """Return all matches from left to right that do not overlap."""
    return list(machine.finditer(_encodable(text)))


def _encodable(text: str) -> str:
    """Return ``text``; RE2 reads UTF-8, in which half of a surrogate pair cannot be written."""
    if not text.isascii() and _SURROGATE.search(text):
        fail("FM0509", "regex/wrong", f"{show(text)} has half of a surrogate pair")
    return text


_SURROGATE = re.compile(r"[\ud800-\udfff]")
