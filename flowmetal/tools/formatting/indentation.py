"""How the arguments of a call are indented: the table, and what its words mean.

A call is written in one of two ways::

    (name first        arguments stand below the first one,
          second)
    (name              or one space in, if the first has a line of its own
     first)

Forms that have a body are written otherwise. ``BODY``: whatever begins a line
is two spaces in. ``after(n)``: n arguments belong to the head, and the ones
after them are a body if the first of them begins a line (if not, all stand below the first
argument). The rules are those of the Clojure style guide, as cljfmt reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flowmetal.values.names import split_name


@dataclass(frozen=True, slots=True)
class Rule:
    """How the arguments of a form are indented; ``special`` is None where all of them are a body.

    ``methods``: the lists right inside it are functions, with bodies of their
    own; ``local_functions``: those in its vector are.
    """

    special: int | None
    methods: bool = False
    local_functions: bool = False


BODY = Rule(None)

Rules = Mapping[str, Rule]
"""Rules by the name that stands at the head of a list."""


def after(special: int) -> Rule:
    return Rule(special)


# fmt: off
_BY_SPECIAL: dict[int, tuple[str, ...]] = {
    0: ("all!", "any!", "comment", "cond", "delay", "do", "finally", "future", "go!", "io!", "lazy-cat",
        "lazy-seq", "on-cancel", "race!", "saga!", "select!", "settle!", "try"),
    1: ("as->", "binding", "binding*", "case", "cond->", "cond->>", "doseq", "dotimes", "doto", "for", "if",
        "if-let", "if-not", "if-some", "let", "let*", "loop", "loop*", "match", "ns", "scope!", "set-test", "singleton!",
        "testing", "when", "when-first", "when-let", "when-not", "when-some", "while"),
    2: ("are", "catch", "condp", "crash-at"),
}
_BODIES = ("bound-fn", "def", "fn", "fn*", "step!", "use-fixtures")
_METHODS = ("defprotocol", "defrecord", "extend-protocol", "extend-type", "reify")
STANDARD: Rules = {
    **{name: after(special) for special, names in _BY_SPECIAL.items() for name in names},
    **dict.fromkeys(_BODIES, BODY),
    **dict.fromkeys(_METHODS, Rule(None, methods=True)),
    "letfn":           Rule(1, local_functions=True),
    "letfn*":          Rule(1, local_functions=True),
}
# fmt: on
"""The rules of the language and its library."""

_DEFINES = re.compile(r"(?:def(?!ault|late|er|ine)[a-z-]+|with-.+)!?\Z")
"""Names that say of themselves that they have a body."""


def rule_for(head: str, rules: Rules) -> Rule | None:
    """Return the rule for a list with the symbol ``head``, None for an ordinary call."""
    found = rules.get(head)
    if found is not None:
        return found
    name = split_name(head)[1] if "/" in head else head
    return rules.get(name) or (BODY if _DEFINES.match(name) else None)
