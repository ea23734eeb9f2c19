"""What travels along while a form is analysed.

``Ask`` is a request for the node of a form. ``Place`` says what a ``recur``
there would mean. ``Unit`` collects what one top-level form tells besides its
tree. ``Context`` is what the parts of the analyser share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import Evaluator
from flowmetal.compiler.forms import Syntax, span_of
from flowmetal.compiler.nodes import Node, Target
from flowmetal.compiler.options import CompileOptions
from flowmetal.compiler.problems import Problems
from flowmetal.compiler.resolution import Names
from flowmetal.compiler.scopes import Scope
from flowmetal.source import Span
from flowmetal.values import Value

_MADE_UP = re.compile(r" |__([0-9a-f]{8}_)?\d+(__auto__|#)?\Z|\AG__\d+\Z")


def is_made_up(name: str) -> bool:
    """Say whether a local name comes from a macro, ours or another, and not from the source."""
    return _MADE_UP.search(name) is not None


class Place(NamedTuple):
    """Where a form stands: the loop or function around it, and whether it is its last word.

    ``attempt``: it is the last word of an attempt of ``match*`` that another one follows.
    """

    target: Target | None = None
    tail: bool = False
    in_try: bool = False
    attempt: bool = False

    def away(self) -> Place:
        """Return the place of a form after which something is still to be done."""
        return self._replace(tail=False, attempt=False) if self.tail or self.attempt else self


NOWHERE = Place()


class Ask(NamedTuple):
    """A request to analyse a form.

    ``made`` counts the macro calls since the last form that somebody wrote, so
    that an expansion without end is noticed. ``name`` is a full name for the
    function that the form may turn out to be.
    """

    form: Value
    span: Span
    place: Place = NOWHERE
    made: int = 0
    name: str = ""

    def inner(self, syntax: Syntax, place: Place) -> Ask:
        """Return the request for a form inside this one."""
        form, span = syntax
        written = span != self.span and span_of(form, self.span) is span
        return Ask(form, span, place, 0 if written else self.made)

    def value(self, syntax: Syntax) -> Ask:
        """Return the request for a form inside this one that is not in tail position."""
        return self.inner(syntax, self.place.away())

    def same(self, syntax: Syntax) -> Ask:
        """Return the request for a form inside this one whose value is this one's value."""
        return self.inner(syntax, self.place)


Walk: TypeAlias = Generator[Ask, Node, Node]
SpecialForm: TypeAlias = Callable[["Context", Ask, list[Syntax]], "Walk | Node"]
"""Analyses a list whose head is a special name; gets its items, the head first."""


@dataclass(slots=True)
class Unit:
    """One top-level form. ``name`` begins the names of the functions in it."""

    name: str
    performs: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    defines: list[tuple[str, Syntax, Value]] = field(default_factory=list)
    _functions: int = 0
    _symbols: int = 0

    def begin(self, name: str) -> None:
        """Begin a definition or an expression inside of the form."""
        self.name = name
        self.performs = set()
        self.calls = set()
        self.defines = []
        self._functions = 0

    def function_name(self, given: str | None) -> str:
        """Return a name for a function inside: its own, else a number."""
        self._functions += 1
        return f"{self.name}/{given or f'fn-{self._functions}'}"

    def fresh(self, hint: str) -> str:
        """Return a local name that no program has, because no reader reads it."""
        self._symbols += 1
        return f"{hint} {self._symbols}"


@dataclass(slots=True)
class Context:
    """What the parts of the analyser share while one top-level form is analysed."""

    names: Names
    evaluator: Evaluator
    problems: Problems
    options: CompileOptions
    unit: Unit
    scope: Scope = field(default_factory=Scope)

    @property
    def environment(self) -> Environment:
        return self.names.environment

    @property
    def namespace_name(self) -> str:
        return self.names.namespace.name
