"""The ways to read: whole, form by form, or one form."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from copy import copy
from functools import lru_cache

from flowmetal.errors import Diagnostic, Incomplete, ReadError
from flowmetal.reader.build import FormBuilder, ReadForm
from flowmetal.reader.delimiters import balance
from flowmetal.reader.grammar import parse
from flowmetal.reader.nodes import Node
from flowmetal.reader.options import ReadOptions
from flowmetal.reader.positions import Positions
from flowmetal.reader.problems import MAX_PROBLEMS, Problems
from flowmetal.source import Source, Span
from flowmetal.values.kinds import Value


def read_all(source: Source, options: ReadOptions | None = None) -> list[Value]:
    """Return all forms of ``source``."""
    return [form for form, _ in read_all_with_spans(source, options)]


def read_all_with_spans(source: Source, options: ReadOptions | None = None) -> list[ReadForm]:
    """Return all forms of ``source`` with their places, which atoms do not carry themselves."""
    text = _Text(source)
    builder = FormBuilder(text.positions, options or ReadOptions())
    forms = []
    for node in text.nodes:
        if (form := builder.build(node)) is not None:
            forms.append(form)
        if builder.problems.found >= MAX_PROBLEMS:
            break
    text.raise_problems(builder.problems)
    return forms


def read_forms(source: Source, options: ReadOptions | None = None) -> Iterator[ReadForm]:
    """Yield the forms of ``source`` one at a time, each read when it is asked for.

    So ``options`` may learn of aliases from the forms before. Brackets that do
    not match are reported before the first form; another mistake when its
    form's turn comes, together with the mistakes of the forms after it.
    """
    return _forms(_Text(source), options or ReadOptions(), 0)


def read_forms_from(
    source: Source, options: ReadOptions, line: int, column: int
) -> Iterator[ReadForm]:
    """Yield the forms that begin at a place or behind it, as ``read_forms`` does.

    Who reads a text form by form in calls of their own has it taken apart once.
    """
    text = _text_of(source)
    return _forms(text, options, text.positions.starts[line - 1] + column - 1)


def _forms(text: _Text, options: ReadOptions, start: int) -> Iterator[ReadForm]:
    positions = copy(text.positions)  # it remembers a line, and others may read the same text
    if text.problems:
        text.raise_problems(_check(positions, text.nodes, options))
    builder = FormBuilder(positions, options)
    first = bisect_left(text.nodes, start, key=lambda node: node.start)
    for index in range(first, len(text.nodes)):
        form = builder.build(text.nodes[index])
        if builder.problems.found:
            text.raise_problems(
                builder.problems, _check(positions, text.nodes[index + 1 :], options)
            )
        if form is not None:
            yield form


def read_string(text: str, options: ReadOptions | None = None, path: str = "<string>") -> Value:
    """Return the first form of ``text``, the whole of which must be readable.

    Raises Incomplete FM0016 if there is none.
    """
    forms = read_all(Source(path, text), options)
    if not forms:
        span = Span(path, 1, 1, 1, 1)
        raise Incomplete(
            "FM0016", "there is no form to read", span, label="only white space and comments"
        )
    return forms[0]


class _Text:
    """A source as nodes, and what was wrong with its brackets."""

    def __init__(self, source: Source) -> None:
        self.positions = Positions(source)
        balanced = balance(self.positions)
        self.problems = balanced.problems
        self.nodes = parse(balanced.tokens, len(source.text))
        self._lacks_only_closers = balanced.lacks_only_closers

    def raise_problems(self, *found: Problems) -> None:
        """Raise what was found here and while building, in the order of the text."""
        listed = [problem for problems in found for problem in problems.listed]
        in_order = sorted([*self.problems, *listed], key=_place)
        if not in_order:
            return
        lacks_only_more = all(problems.lacks_only_more for problems in found)
        kind = Incomplete if self._lacks_only_closers and lacks_only_more else ReadError
        raise kind.of(tuple(in_order[:MAX_PROBLEMS]))


_text_of = lru_cache(maxsize=2)(_Text)


def _place(problem: Diagnostic) -> tuple[int, int]:
    span = problem.span
    return (span.line, span.col) if span is not None else (0, 0)


def _check(positions: Positions, nodes: list[Node], options: ReadOptions) -> Problems:
    """Build forms only to find their mistakes, with nothing evaluated before them."""
    lenient = ReadOptions(
        features=options.features, edn=options.edn, resolve_alias=lambda alias: alias or "user"
    )
    builder = FormBuilder(positions, lenient)
    for node in nodes:
        if builder.problems.found >= MAX_PROBLEMS:
            break
        builder.build(node)
    return builder.problems
