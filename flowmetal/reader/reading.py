"""The ways to read: whole, form by form, or one form."""

from __future__ import annotations

from collections.abc import Iterator

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
    options = options or ReadOptions()
    text = _Text(source)
    if text.problems:
        text.raise_problems(_check(text, text.nodes, options))
    builder = FormBuilder(text.positions, options)
    for index, node in enumerate(text.nodes):
        form = builder.build(node)
        if builder.problems.found:
            text.raise_problems(builder.problems, _check(text, text.nodes[index + 1 :], options))
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


def _place(problem: Diagnostic) -> tuple[int, int]:
    span = problem.span
    return (span.line, span.col) if span is not None else (0, 0)


def _check(text: _Text, nodes: list[Node], options: ReadOptions) -> Problems:
    """Build forms only to find their mistakes, with nothing evaluated before them."""
    lenient = ReadOptions(
        features=options.features, edn=options.edn, resolve_alias=lambda alias: alias or "user"
    )
    builder = FormBuilder(text.positions, lenient)
    for node in nodes:
        if builder.problems.found >= MAX_PROBLEMS:
            break
        builder.build(node)
    return builder.problems
