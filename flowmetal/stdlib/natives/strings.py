"""Natives of flow.string."""

from __future__ import annotations

import re

from flowmetal.stdlib.natives.arguments import WHITE_SPACE, need_int, need_text, wrong
from flowmetal.stdlib.natives.regex import Match, compile_regex, compiled, match_value, matches_in
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.text import to_text
from flowmetal.stdlib.natives.walking import all_of, items_of
from flowmetal.values import (
    Char,
    Map,
    Regex,
    Unrealised,
    Value,
    char,
    display_top,
    fail,
    list_of,
    vector,
)
from flowmetal.values.limits import allow_characters, need_characters
from flowmetal.values.meter import charge

native = Table("flow.string")


@native("join")
def join(separator: Value, coll: Value = MISSING) -> str:
    """Join the texts of all items, with a separator if there is one."""
    if coll is MISSING:
        separator, coll = "", separator
    items = items_of("join", coll)
    try:
        texts = [x if type(x) is str else display_top(x) for x in items]
    except Unrealised:
        raise all_of(vector(items)) from None
    between = to_text(separator)
    need_characters("join", sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


@native("split")
def split(text: Value, pattern: Value, limit: Value = 0) -> Value:
    """Split at each match; without a limit empty texts at the end are dropped."""
    need_text("split", 1, text)
    if type(pattern) is str:
        pattern = Regex(re.escape(pattern), "")
    elif type(pattern) is Char:
        pattern = Regex(re.escape(pattern.text), "")
    elif type(pattern) is not Regex:
        raise wrong("split", "a regular expression or a string", 2, pattern)
    most = need_int("split", 3, limit)
    parts = _split(text, matches_in(compile_regex(pattern.pattern, pattern.flags), text), most)
    charge(len(parts))
    return vector(_without_empty_end(parts, text) if most == 0 else parts)


def _without_empty_end(parts: list[str], text: str) -> list[str]:
    """Drop empty parts at the end of what a text was split into; a text that was not split stays."""
    while parts and not parts[-1] and text:
        parts.pop()
    return parts


def _split(text: str, matches: list[Match], most: int) -> list[str]:
    parts: list[str] = []
    at = 0
    for found in matches:
        if 0 < most <= len(parts) + 1:
            break
        if found.end() == 0:
            continue  # nothing comes before an empty match at the beginning
        parts.append(text[at : found.start()])
        at = found.end()
    return [*parts, text[at:]]


@native("split-lines")
def split_lines(text: Value) -> Value:
    """Split at line ends; empty lines at the end are dropped."""
    lines = re.split(r"\r?\n", need_text("split-lines", 1, text))
    charge(len(text) >> 8)
    charge(len(lines))
    return vector(_without_empty_end(lines, text))


# Replacing. The replacement by a function is written in Flowmetal over -pieces.


@native("-replace")
def replace(text: Value, pattern: Value, by: Value, once: Value) -> str:
    """Replace all matches, or the first; in the text for a regex $1 is a group."""
    text = _said("replace", text)
    if type(pattern) is Char:
        pattern = pattern.text
    if type(by) is Char:
        by = by.text
    if type(pattern) is str:
        need_text("replace", 3, by)
        count = min(1, text.count(pattern)) if once else text.count(pattern)
        need_characters("replace", len(text) + count * (len(by) - len(pattern)))
        return str(text.replace(pattern, by, 1 if once else -1))
    machine = compiled("replace", pattern)
    template = need_text("replace", 3, by)
    parts: list[str] = []
    at, size = 0, len(text)
    for found in matches_in(machine, text)[: 1 if once else None]:
        parts += [text[at : found.start()], _filled(template, found)]
        size += len(parts[-1])
        need_characters("replace", size)
        at = found.end()
    return "".join([*parts, text[at:]])


_TEMPLATE = re.compile(r"\\(.)|\$([0-9]+)|\$\{(\w+)\}", re.DOTALL)


def _filled(template: str, found: Match) -> str:
    def fill(part: re.Match[str]) -> str:
        if part.group(1) is not None:
            return part.group(1)
        if part.group(3) is not None:
            return found.groupdict().get(part.group(3)) or ""
        number, literal = _group_of(part.group(2), len(found.groups()))
        return (found.group(number) or "") + literal

    return _TEMPLATE.sub(fill, template) if "\\" in template or "$" in template else template


def _group_of(digits: str, most: int) -> tuple[int, str]:
    """Return the group that digits after a $ name, and those that belong to no group of ``most``."""
    number = int(digits[0])
    if number > most:
        fail("FM0322", "index/out-of-bounds", f"`replace`: there is no group {number}")
    for at, digit in enumerate(digits[1:], 1):
        if number * 10 + int(digit) > most:
            return number, digits[at:]
        number = number * 10 + int(digit)
    return number, ""


@native("-pieces")
def pieces(text: Value, pattern: Value, once: Value) -> Value:
    """Return text between matches and matches in turn: [text match text match ... text]."""
    need_text("replace", 1, text)
    parts: list[Value] = []
    at = 0
    for found in matches_in(compiled("replace", pattern), text)[: 1 if once else None]:
        parts += [text[at : found.start()], match_value(found)]
        at = found.end()
    return vector([*parts, text[at:]])


native.add(
    "re-quote-replacement", lambda s: re.sub(r"([\\$])", r"\\\1", _said("re-quote-replacement", s))
)
native.add("-re-quote", lambda s: re.escape(_t("re-quote", s)))


@native("-escape")
def escape(text: Value, replacements: Value) -> str:
    """Replace each character that is a key of a map."""
    if type(replacements) is not Map:
        raise wrong("escape", "a map of characters", 2, replacements)
    parts, size = [], 0
    text = _said("escape", text)
    charge(len(text) >> 3)
    for c in text:
        by = replacements.get(char(c))
        parts.append(c if by is None or by is False else to_text(by))
        size += len(parts[-1])
        allow_characters("escape", size)
    return "".join(parts)


# Tests and searches.


def _t(function: str, x: Value, position: int = 1) -> str:
    return need_text(function, position, x)


def _part(function: str, x: Value) -> str:
    return str(x.text) if type(x) is Char else need_text(function, 2, x)


native.add(
    "starts-with?", lambda s, part: _said("starts-with?", s).startswith(_t("starts-with?", part, 2))
)
native.add("ends-with?", lambda s, part: _said("ends-with?", s).endswith(_t("ends-with?", part, 2)))
native.add("includes?", lambda s, part: _t("includes?", part, 2) in _said("includes?", s))
native.add("blank?", lambda s: s is None or not _t("blank?", s).strip(WHITE_SPACE))


@native("index-of")
def index_of(text: Value, part: Value, start: Value = 0) -> int | None:
    """Return where ``part`` first occurs from ``start`` on, or nil."""
    found = _said("index-of", text).find(
        _part("index-of", part), max(0, need_int("index-of", 3, start))
    )
    return None if found < 0 else found


@native("last-index-of")
def last_index_of(text: Value, part: Value, end: Value = MISSING) -> int | None:
    """Return where ``part`` last occurs, at or before ``end``, or nil."""
    searched = _said("last-index-of", text)
    sought = _part("last-index-of", part)
    stop = len(searched) if end is MISSING else need_int("last-index-of", 3, end)
    if stop < 0:
        return None
    found = searched.rfind(sought, 0, stop + len(sought))
    return None if found < 0 else int(found)


# Case and white space.


def _said(function: str, x: Value) -> str:
    """Return the text of anything but nil, and charge for it: keywords and symbols have capitals too."""
    text = need_text(function, 1, x) if x is None else to_text(x)
    charge(len(text) >> 10)
    return text


def _cased(function: str, x: Value) -> str:
    """Return a text that will be changed letter by letter, and charge for that."""
    text = _said(function, x)
    charge(len(text) >> 7)
    return text


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:].lower()


native.add("upper-case", lambda s: _cased("upper-case", s).upper())
native.add("lower-case", lambda s: _cased("lower-case", s).lower())
native.add("capitalize", lambda s: _capitalized(_cased("capitalize", s)))
native.add("reverse", lambda s: _cased("reverse", _t("reverse", s))[::-1])
native.add("trim", lambda s: _t("trim", s).strip(WHITE_SPACE))
native.add("triml", lambda s: _t("triml", s).lstrip(WHITE_SPACE))
native.add("trimr", lambda s: _t("trimr", s).rstrip(WHITE_SPACE))
native.add("trim-newline", lambda s: _t("trim-newline", s).rstrip("\r\n"))


@native("lines")
def lines(text: Value) -> Value:
    """Return the lines of a text."""
    found = _cased("lines", _t("lines", text)).splitlines()
    charge(len(found))
    return list_of(found)


@native("pad-left")
def pad_left(text: Value, width: Value, fill: Value = " ") -> str:
    """Fill up on the left to ``width`` characters."""
    return _fill("pad-left", text, width, fill) + to_text(text)


@native("pad-right")
def pad_right(text: Value, width: Value, fill: Value = " ") -> str:
    """Fill up on the right to ``width`` characters."""
    return to_text(text) + _fill("pad-right", text, width, fill)


def _fill(function: str, text: Value, width: Value, fill: Value) -> str:
    unit = fill.text if type(fill) is Char else need_text(function, 3, fill)
    missing = need_int(function, 2, width) - len(to_text(text))
    need_characters(function, missing)
    if missing <= 0 or not unit:
        return ""
    return str(unit * (missing // len(unit) + 1))[:missing]


@native("truncate")
def truncate(text: Value, width: Value, ellipsis: Value = "...") -> str:
    """Cut a text to ``width`` characters, an ellipsis included."""
    need_text("truncate", 1, text)
    need_int("truncate", 2, width)
    need_text("truncate", 3, ellipsis)
    if len(text) <= width:
        return str(text)
    return str((text[: max(0, width - len(ellipsis))] + ellipsis)[: max(0, width)])


# fmt: "{name} owes {amount:.2f}"

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}:]*)(?::([^{}]*))?\}|[{}]")


@native("-fmt-fields")
def fmt_fields(template: Value) -> Value:
    """Return the parts of a template: texts and [name format] vectors in turn."""
    parts: list[Value] = []
    at = 0
    for found in _FIELD.finditer(_t("fmt", template)):
        parts.append(template[at : found.start()])
        at = found.end()
        if found.group() in ("{{", "}}"):
            parts.append(found.group()[0])
        elif found.group() in ("{", "}"):
            fail("FM0506", "format/wrong", f"`fmt`: a lone {found.group()}, write it twice")
        else:
            parts.append(vector((found.group(1).strip(), found.group(2) or "")))
    return vector([*parts, template[at:]])


@native("dedent")
def dedent(text: Value) -> str:
    """Remove the indentation that all lines share."""
    import textwrap

    charge(len(need_text("dedent", 1, text)) >> 2)
    return textwrap.dedent(text)
