"""match: patterns to plain tests.

```
(match subject              (let* [s subject]
  [:ok v] (use v)             (match* (let* [i (-match-items s 2 false)]
  :else   nil)                          (if i (if (= (nth i 0) :ok)
                                                (let* [v (nth i 1)] (use v))
                                                (no-match*))
                                          (no-match*)))
                                      nil))
```

Each pattern becomes a list of steps, names to bind and tests to pass, in the
order in which they are evaluated; a clause is those steps folded around its
result. ``(no-match*)`` jumps to the next clause, so a result stands in the code
once, in tail position if the ``match`` does, and the code is as long as the
patterns are. The subject is evaluated once, and a lazy sequence is realised
only as far as a pattern looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.expanders.map_patterns import MapEntryPattern, parse_map_pattern
from flowmetal.compiler.forms import (
    Syntax,
    bracketed,
    children,
    core,
    is_sequence,
    is_symbol,
    is_vector,
    keyword_text,
    listed,
    listed_of,
    local,
    without_spans,
)
from flowmetal.errors import CompileError, Label
from flowmetal.source import Span
from flowmetal.values import Map, Regex, Set, keyword, pr_str

_AS = keyword("as")
_ELSE = keyword("else")

MOST_NESTED = 100
"""Alternatives inside of alternatives; more are a mistake of a macro."""


@dataclass(frozen=True, slots=True)
class _Bind:
    """A step: give a name to a value."""

    name: Syntax
    value: Syntax


@dataclass(frozen=True, slots=True)
class _Test:
    """A step: go to the next clause unless a form holds."""

    form: Syntax


@dataclass(frozen=True, slots=True)
class _Inner:
    """A pattern for a part of the value, still to be taken apart."""

    pattern: Syntax
    value: Syntax


_Step: TypeAlias = _Bind | _Test
_Steps: TypeAlias = Iterator[_Bind | _Test | _Inner]


@dataclass(slots=True)
class _Pattern:
    """The steps of one pattern, and the names that it gives to the program."""

    call: MacroCall
    nested: int = 0
    steps: list[_Step] = field(default_factory=list)
    names: dict[str, Syntax] = field(default_factory=dict)

    @property
    def takes_everything(self) -> bool:
        return not any(isinstance(step, _Test) for step in self.steps)


def expand_match(call: MacroCall) -> Syntax:
    if not call.arguments:
        raise _wrong("`match` needs a value and clauses", call.span, "(match x pattern result ...)")
    subject, clauses = call.arguments[0], call.arguments[1:]
    if len(clauses) % 2:
        raise _wrong(
            "this clause of `match` has no result",
            clauses[-1].span,
            "each pattern is followed by one expression; the last one may be :else",
        )
    name = call.fresh("match", subject.span)
    attempts: list[Syntax] = []
    last: Syntax | None = None
    for written, result in zip(clauses[::2], clauses[1::2], strict=True):
        if last is not None:
            raise _unreachable(last, written)
        pattern = _Pattern(call)
        if written.form is not _ELSE:
            _take_apart(pattern, written, name)
        attempts.append(_folded(pattern.steps, result))
        last = written if pattern.takes_everything else None
    if last is None:
        error = listed(call.span, core("-no-clause"), name)
        attempts.append(listed(call.span, local("throw"), error))
    body = listed_of(call.span, [local("match*"), *attempts])
    return listed(call.span, local("let*"), bracketed(call.span, [name, subject]), body)


def _folded(steps: list[_Step], result: Syntax) -> Syntax:
    """Put the steps around what they lead to, names that follow each other into one ``let*``."""
    made, waiting = result, list(steps)
    while waiting:
        step = waiting.pop()
        if isinstance(step, _Test):
            span = step.form.span
            made = listed(span, local("if"), step.form, made, listed(span, local("no-match*")))
            continue
        pairs = [step.name, step.value]
        while waiting and isinstance(before := waiting[-1], _Bind):
            pairs[:0] = [before.name, before.value]
            waiting.pop()
        span = step.value.span
        made = listed(span, local("let*"), bracketed(span, pairs), made)
    return made


def _take_apart(pattern: _Pattern, written: Syntax, subject: Syntax) -> None:
    """Add the steps that match ``subject``. Patterns may be of any depth."""
    waiting: list[_Step | _Inner] = [_Inner(written, subject)]
    while waiting:
        step = waiting.pop()
        if isinstance(step, _Inner):
            waiting.extend(reversed(list(_steps(pattern, step.pattern, step.value))))
        else:
            pattern.steps.append(step)


# -- patterns, one level of them -----------------------------------------------------------


def _steps(pattern: _Pattern, written: Syntax, value: Syntax) -> _Steps:
    form, span = written
    if is_symbol(form):
        yield from _name(pattern, written, value)
    elif is_vector(form) or isinstance(form, Map) or (is_sequence(form) and _kind(written)):
        name = value
        if not is_symbol(value.form):
            name = pattern.call.fresh("part", span)
            yield _Bind(name, value)
        if is_vector(form):
            yield from _sequence(pattern, written, name)
        elif isinstance(form, Map):
            yield from _map(pattern, written, name)
        else:
            yield from _list(pattern, written, name)
    elif isinstance(form, Set):
        shown = pr_str(without_spans(form), 40)
        raise _wrong("a set is no pattern", span, f"one of them: (? {shown}); the set: '{shown}")
    elif isinstance(form, Regex):
        shown = pr_str(form, 40)
        raise _wrong("a regular expression is no pattern", span, f"(? #(re-matches {shown} %))")
    elif is_sequence(form) and not _is_quote(written):
        raise _wrong(
            "a list is no pattern",
            span,
            "sequences match [a b]; there are (? pred), (:or a b), (pattern :as name) and 'data",
        )
    else:
        yield _Test(listed(span, core("="), value, written))


def _name(pattern: _Pattern, written: Syntax, value: Syntax) -> _Steps:
    form, span = written
    if form.text == "_":
        return
    compare = f"to compare with it: (? #(= {form.text} %))"
    if form.ns is not None:
        raise _wrong(f"`{form.text}` has a namespace, it cannot be bound", span, compare)
    if form.text == "&":
        raise _wrong("`&` stands inside of a vector only", span)
    before = pattern.names.get(form.name)
    if before is not None:
        raise CompileError(
            "FM0140",
            f"this pattern binds `{form.name}` twice",
            span,
            labels=(Label(before.span, "the first time", primary=False),),
            hint=compare,
        )
    pattern.names[form.name] = written
    yield _Bind(written, value)


def _sequence(pattern: _Pattern, written: Syntax, value: Syntax) -> _Steps:
    items, rest, whole = _parts(written)
    span = written.span
    if whole is not None:
        yield _Inner(whole, value)
    found = pattern.call.fresh("items", span)
    yield _Bind(found, listed(span, core("-match-items"), value, len(items), rest is not None))
    yield _Test(found)
    for index, item in enumerate(items):
        yield _Inner(item, listed(item.span, core("nth"), found, index))
    if rest is not None:
        yield _Inner(rest, listed(rest.span, core("-match-rest"), value, len(items)))


def _parts(written: Syntax) -> tuple[list[Syntax], Syntax | None, Syntax | None]:
    """Split a vector into its items, what follows ``&`` and what follows ``:as`` at its end."""
    items = children(*written)
    rest: Syntax | None = None
    whole: Syntax | None = None
    if len(items) >= 2 and items[-2].form is _AS:
        whole = _plain_name(items[-1], "`:as`")
        del items[-2:]
    marks = [index for index, item in enumerate(items) if is_symbol(item.form, "&")]
    if marks:
        mark = marks[0]
        if mark != len(items) - 2 or len(marks) > 1:
            raise _wrong("one pattern must follow `&`, as the last one", items[mark].span)
        rest = items[-1]
        del items[mark:]
    return items, rest, whole


def _map(pattern: _Pattern, written: Syntax, value: Syntax) -> _Steps:
    entries, whole = parse_map_pattern(written)
    if whole is not None:
        yield _Inner(_plain_name(whole, "`:as`"), value)
    yield _Test(listed(written.span, core("map?"), value))
    for entry in entries:
        yield from _entry(entry, value)


def _entry(entry: MapEntryPattern, value: Syntax) -> _Steps:
    """Match what stands under a key. A key that is not there matches nothing, unless by default."""
    span = entry.key.span
    if entry.default is not None:
        yield _Inner(entry.pattern, listed(span, core("get"), value, entry.key, entry.default))
        return
    yield _Test(listed(span, core("contains?"), value, entry.key))
    yield _Inner(entry.pattern, listed(span, core("get"), value, entry.key))


# -- lists: guards, alternatives, names ----------------------------------------------------


def _kind(written: Syntax) -> str | None:
    """Return which of the lists that mean something this is: "?", "or", "as", "guard"."""
    items = children(*written)
    if items and is_symbol(items[0].form, "?"):
        return "?"
    if items and keyword_text(items[0].form) == "or":
        return "or"
    middle = keyword_text(items[1].form) if len(items) == 3 else None
    return middle if middle in ("as", "guard") else None


def _is_quote(written: Syntax) -> bool:
    items = children(*written)
    return len(items) == 2 and is_symbol(items[0].form, "quote")


def _list(pattern: _Pattern, written: Syntax, value: Syntax) -> _Steps:
    items = children(*written)
    match _kind(written):
        case "?":
            if len(items) not in (2, 3):
                hint = "write (? pred) or (? pred pattern)"
                raise _wrong("a guard has one predicate", written.span, hint)
            yield _Test(listed(items[1].span, items[1], value))
            if len(items) == 3:
                yield _Inner(items[2], value)
        case "or":
            yield from _alternatives(pattern, written, items[1:], value)
        case "as":
            yield _Inner(items[0], value)
            yield _Inner(_plain_name(items[2], "`:as`"), value)
        case _:
            yield _Inner(items[0], value)
            yield _Test(listed(items[2].span, items[2], value))


def _alternatives(
    pattern: _Pattern, written: Syntax, choices: list[Syntax], value: Syntax
) -> _Steps:
    """Match one of several patterns, which bind the same names.

    The names that outer patterns have bound are in sight, but what the
    alternatives bind comes out as a vector, so that what follows stands in the code once.
    """
    span = written.span
    if not choices:
        raise _wrong("`:or` needs patterns", span, "write (:or pattern pattern ...)")
    if pattern.nested >= MOST_NESTED:
        raise _wrong("alternatives are nested too deeply", span)
    parsed: list[_Pattern] = []
    for before, choice in zip([None, *choices], choices, strict=False):
        if before is not None and parsed[-1].takes_everything:
            raise _unreachable(before, choice)
        inner = _Pattern(pattern.call, pattern.nested + 1)
        _take_apart(inner, choice, value)
        _need_same_names(parsed[0] if parsed else inner, inner, choice)
        parsed.append(inner)
    names = parsed[0].names
    given = bracketed(span, [local(name) for name in names]) if names else Syntax(True, span)
    attempts = [_folded(inner.steps, given) for inner in parsed]
    found = pattern.call.fresh("chosen", span)
    yield _Bind(found, listed_of(span, [local("match*"), *attempts, Syntax(None, span)]))
    yield _Test(found)
    for index, name in enumerate(names.values()):
        yield _Inner(name, listed(name.span, core("nth"), found, index))


def _need_same_names(first: _Pattern, other: _Pattern, choice: Syntax) -> None:
    for name in first.names.keys() ^ other.names.keys():
        span = (first.names.get(name) or other.names[name]).span
        raise CompileError(
            "FM0140",
            f"only some of the alternatives bind `{name}`",
            choice.span,
            labels=(Label(span, "bound here", primary=False),) if span != choice.span else (),
            hint="all patterns of an `:or` bind the same names",
        )


# -- errors --------------------------------------------------------------------------------


def _plain_name(item: Syntax, after: str) -> Syntax:
    if not is_symbol(item.form) or item.form.ns is not None:
        raise _wrong(f"a name must follow {after}", item.span)
    return item


def _unreachable(before: Syntax, after: Syntax) -> CompileError:
    form = before.form
    named = is_symbol(form) and form.text != "_"
    return CompileError(
        "FM0141",
        "nothing is left for this clause of `match`",
        after.span,
        labels=(Label(before.span, "this takes every value", primary=False),),
        hint=f"to compare with the value of `{form.text}`: (? #(= {form.text} %))"
        if named
        else None,
    )


def _wrong(message: str, span: Span, hint: str | None = None) -> CompileError:
    return CompileError("FM0140", message, span, hint=hint)
