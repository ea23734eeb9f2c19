"""Natives of flow.csv, after RFC 4180: rows are vectors of strings, or maps with a header.

Nothing is mended: an open quote, or a row that does not have as many fields as
the header, is an error that names the line. A line end is one of LF and CRLF;
empty lines are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from flowmetal.stdlib.natives.arguments import library_error, need_text, wrong
from flowmetal.stdlib.natives.options import need_options, refused
from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.walking import MAPS, SETS, items_of
from flowmetal.stdlib.natives.words import words_of
from flowmetal.values import EMPTY_SET, FlowError, Map, Value, hash_map, keyword, show, vector
from flowmetal.values.limits import allow_characters, need_characters
from flowmetal.values.meter import charge

native = Table("flow.csv")

_HEADER, _SEPARATOR, _COLUMNS = keyword("header"), keyword("separator"), keyword("columns")
_KEYWORD, _STRING = keyword("keyword"), keyword("string")
_READING: Final = {_HEADER: (_KEYWORD, _STRING, None), _SEPARATOR: ()}
_WRITING: Final[dict[Value, Sequence[Value]]] = {_COLUMNS: (), _SEPARATOR: ()}
_BYTE_ORDER_MARK: Final = "\ufeff"


@native("parse")
def parse(text: Value, options: Value = None) -> Value:
    """Return the rows of a CSV text."""
    given = need_options("parse", 2, options, _READING)
    source = need_text("parse", 1, text).removeprefix(_BYTE_ORDER_MARK)
    charge(len(source))
    rows = _rows(source, _separator("parse", given))
    header = given.get(_HEADER)
    if header is None:
        return vector(vector(fields) for _, fields in rows)
    return vector(_under_header(rows, header is _KEYWORD))


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row begins (from 1) and its fields."""
    mark = re.escape(separator)
    field = re.compile(
        rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{mark}\r\n]*))({mark}|\r?\n|\Z)',
    )
    at, line = 0, 1
    while at < len(text):
        start, fields, end = line, list[str](), separator
        while end == separator:
            found = field.match(text, at)
            if found is None:
                raise _no_field(text, at, line)
            quoted, plain, end = found.groups()
            fields.append(plain if quoted is None else quoted.replace('""', '"'))
            line += text.count("\n", at, found.end())
            at = found.end()
        if fields != [""] or quoted is not None:
            yield start, fields


def _no_field(text: str, at: int, line: int) -> FlowError:
    if text[at] != '"':
        why = "has a quote or a carriage return inside of a field without quotes"
    elif re.compile(r'"[^"]*(?:""[^"]*)*\Z').match(text, at):
        why = "opens a quote that is never closed"
    else:
        why = "has something after a closing quote"
    return _no_csv(f"line {line} {why}")


def _under_header(rows: Iterator[tuple[int, list[str]]], keywords: bool) -> Iterator[Value]:
    _, names = next(rows, (1, list[str]()))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _no_csv(f"the header has {show(twice)} twice")
    keys: list[Value] = [keyword(name) for name in names] if keywords else list(names)
    for line, fields in rows:
        if len(fields) != len(keys):
            raise _no_csv(
                f"line {line} has {_fields(len(fields))}, the header has {_fields(len(keys))}"
            )
        yield hash_map(zip(keys, fields, strict=True))


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _no_csv(why: str) -> FlowError:
    return library_error("FM0507", "parse/csv", f"the text is not CSV: {why}")


@native("write")
def write(rows: Value, options: Value = None) -> str:
    """Return rows, vectors or maps, as CSV text."""
    given = need_options("write", 2, options, _WRITING)
    separator = _separator("write", given)
    found = items_of("write", rows)
    if type(rows) in MAPS or type(rows) is str:
        raise wrong("write", "a sequence of rows", 1, rows)
    columns = given.get(_COLUMNS)
    keys = _all_keys(found) if columns is None else items_of("write", columns)
    lines, size = [], 0
    for cells in chain([keys] if keys else [], (_cells(row, keys) for row in found)):
        texts = [_cell(cell, separator) for cell in cells]
        size += sum(map(len, texts)) + len(texts)
        charge(2 * len(texts))
        allow_characters("write", size)
        lines.append(('""' if texts == [""] else separator.join(texts)) + "\n")
    need_characters("write", size)
    return "".join(lines)


def _all_keys(rows: Sequence[Value]) -> Sequence[Value]:
    """Return the keys of all rows that are maps, in the order in which they first occur."""
    keys = EMPTY_SET
    for row in rows:
        if type(row) in MAPS:
            for key, _ in row.items():
                keys = keys.conj(key)
    return tuple(keys)


def _cells(row: Value, keys: Sequence[Value]) -> Sequence[Value]:
    if type(row) in MAPS:
        return [row.get(key) for key in keys]
    if row is None or type(row) in (str, bytes) or type(row) in SETS:
        raise wrong("write", "rows that are vectors or maps", 1, row)
    return items_of("write", row)


def _cell(value: Value, separator: str) -> str:
    text = "" if value is None else words_of(value)
    if text is None:
        raise wrong("write", "cells that are strings, numbers, keywords or nil", 1, value)
    if not {separator, '"', "\n", "\r"}.isdisjoint(text) or text.startswith(_BYTE_ORDER_MARK):
        return '"' + text.replace('"', '""') + '"'
    return text


def _separator(function: str, options: Map) -> str:
    found = options.get(_SEPARATOR, ",")
    text = words_of(found)
    if text is None or len(text) != 1 or text in '"\r\n':
        raise refused(f"`{function}` takes one character as :separator, not {show(found)}")
    return text
