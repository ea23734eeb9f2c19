"""Natives of flow.test: where forms stand, how nested data differs, errors as data for a report."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from flowmetal.source import Span
from flowmetal.stdlib.natives.arguments import need_int
from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.walking import unrealised_inside
from flowmetal.values import (
    DataError,
    ErrorValue,
    List,
    Map,
    Set,
    Symbol,
    Value,
    VarRef,
    Vector,
    encode_data,
    equal,
    hash_map,
    is_seq,
    keyword,
    pr_str,
    require_realised,
    vector,
)

native = Table("flow.test")

MOST_DIFFERENCES = 20
"""More than that tell nobody anything."""

MOST_ITEMS = 100
"""Items of a collection that a report shows or compares; a sequence may have no end."""

_DEEPEST = 30
"""Steps of a path; what differs further inside is shown there."""

_TEXT_LIMIT = 2_000
"""Characters of a printed value in a report."""


@native("-place")
def place(form: Value, item: Value = None) -> Value:
    """Return where a form, or an item of it, was read; nil if it was made."""
    span: Span | None = getattr(form, "span", None)
    if item is not None:
        spans = getattr(form, "item_spans", None)
        index = need_int("-place", 2, item)
        span = spans[index] if spans is not None and index < len(spans) else None
    return None if span is None else _place(span)


@native("-var-symbol")
def var_symbol(var: Value) -> Value:
    """Return the full name of a var, a symbol."""
    assert isinstance(var, VarRef)
    space, _, name = var.name.partition("/")
    return Symbol(space, name)


@native("-shown")
def shown(value: Value) -> str:
    """Return a value as a report shows it: readable, cut if it is very long."""
    return pr_str(value, _TEXT_LIMIT, MOST_ITEMS)


@native("-unrealised?")
def is_unrealised(value: Value) -> bool:
    """Say whether a lazy sequence inside of a value is not realised: it may have no end."""
    return bool(unrealised_inside(value))


@native("-sendable")
def sendable(value: Value) -> Value:
    """Return a value if it is data, else its text."""
    try:
        encode_data(value)
    except DataError:
        require_realised(value)
        return pr_str(value, _TEXT_LIMIT)
    return value


@native("-error-report")
def error_report(error: Value) -> Value:
    """Return what a report says of an error, as data; nil for anything else."""
    if not isinstance(error, ErrorValue):
        return None
    causes = []
    cause = error.cause
    while cause is not None:
        causes.append(f"{pr_str(cause.type)}: {cause.message}")
        cause = cause.cause
    frames = (vector((name, None if span is None else _place(span))) for name, span in error.frames)
    return _map(
        type=error.type,
        message=error.message,
        code=error.code,
        data=pr_str(error.data, _TEXT_LIMIT) if len(error.data) else None,
        causes=vector(causes),
        frames=vector(frames),
    )


@native("-differences")
def differences(expected: Value, actual: Value) -> Value:
    """Return how two values differ, path by path: [{:path :kind :expected :actual}], texts."""
    require_realised(expected)
    require_realised(actual)
    found = []
    for difference in _differences(expected, actual):
        found.append(difference)
        if len(found) == MOST_DIFFERENCES:
            break
    return vector(found)


def _differences(expected: Value, actual: Value) -> Iterator[Value]:
    waiting: list[tuple[tuple[str, ...], Value, Value]] = [((), expected, actual)]
    while waiting:
        path, wanted, got = waiting.pop()
        if equal(wanted, got):
            continue
        if len(path) == _DEEPEST:
            yield _difference(path, "different", wanted, got, both=True)
            continue
        inner: list[tuple[tuple[str, ...], Value, Value]] = []
        if isinstance(wanted, Map) and isinstance(got, Map):
            for key, value in wanted.items():
                if key in got:
                    inner.append(((*path, _key(key)), value, got.get(key)))
                else:
                    yield _difference((*path, _key(key)), "missing", expected=value)
            for key, value in got.items():
                if key not in wanted:
                    yield _difference((*path, _key(key)), "extra", actual=value)
        elif isinstance(wanted, Set) and isinstance(got, Set):
            for item in wanted:
                if item not in got:
                    yield _difference(path, "missing", expected=item)
            for item in got:
                if item not in wanted:
                    yield _difference(path, "extra", actual=item)
        elif _is_sequential(wanted) and _is_sequential(got):
            left, right = (list(islice(items, MOST_ITEMS + 1)) for items in (wanted, got))
            for index, (one, other) in enumerate(zip(left, right, strict=False)):
                inner.append(((*path, str(index)), one, other))
            for index in range(len(right), len(left)):
                yield _difference((*path, str(index)), "missing", expected=left[index])
            for index in range(len(left), len(right)):
                yield _difference((*path, str(index)), "extra", actual=right[index])
        else:
            yield _difference(path, "different", wanted, got, both=True)
        waiting.extend(reversed(inner))


def _difference(
    path: tuple[str, ...],
    kind: str,
    expected: Value = None,
    actual: Value = None,
    both: bool = False,
) -> Value:
    parts: dict[str, Value] = {"path": vector(path), "kind": kind}
    if both or kind == "missing":
        parts["expected"] = pr_str(expected, 200, MOST_ITEMS)
    if both or kind == "extra":
        parts["actual"] = pr_str(actual, 200, MOST_ITEMS)
    return _map(**parts)


def _is_sequential(value: Value) -> bool:
    return isinstance(value, (Vector, List)) or (value is not None and is_seq(value))


def _key(value: Value) -> str:
    return pr_str(value, 80)


def _place(span: Span) -> Map:
    return hash_map(
        (
            (keyword("file"), span.path),
            (keyword("line"), span.line),
            (keyword("column"), span.col),
            (keyword("end-line"), span.end_line),
            (keyword("end-column"), span.end_col),
        )
    )


def _map(**parts: Value) -> Map:
    return hash_map((keyword(name), value) for name, value in parts.items())
