"""Formats of Common Lisp, taken apart: text, directives, and directives that enclose clauses.

``~{ ~}``, ``~[ ~; ~]``, ``~( ~)`` and ``~< ~>`` enclose. What a directive needs to know of its
closing one (``~:}``) or of its separators (``~:;``) stands in the directive itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from flowmetal.values import FlowError, pr_str
from flowmetal.values.errors import flow_error

_DIRECTIVE = re.compile(
    r"~((?:(?:[+-]?\d+|'.|[vV]|#)?,)*(?:[+-]?\d+|'.|[vV]|#)?)([:@]*)(\n\s*|.)", re.DOTALL
)
_PLAIN = frozenset("ASWDBOXRPCFEG$%&|~T*?^_I")
"""Directives that enclose nothing."""
_DEEPEST = 50
_ENCLOSING = {"{": "}", "[": "]", "(": ")", "<": ">"}


@dataclass(slots=True)
class Directive:
    char: str
    params: list[str]
    colon: bool
    at: bool
    clauses: list[list[Part]] = field(default_factory=list)
    has_default: bool = False
    at_least_once: bool = False


Part = str | Directive


def wrong(text: str, what: str) -> FlowError:
    return flow_error("FM0528", "argument/wrong", f"cl-format cannot use {pr_str(text)}: {what}")


def parse(form: str) -> list[Part]:
    root = Directive("", [], False, False, [[]])
    stack = [root]
    at = 0
    while at < len(form):
        start = form.find("~", at)
        if start < 0:
            start = len(form)
        if start > at:
            stack[-1].clauses[-1].append(form[at:start])
        if start == len(form):
            break
        found = _DIRECTIVE.match(form, start)
        if found is None:
            raise wrong(form, "a directive is missing after the last ~")
        at = found.end()
        _take(form, stack, found)
    if len(stack) > 1:
        raise wrong(form, f"~{stack[-1].char} is never closed")
    return root.clauses[0]


def _take(form: str, stack: list[Directive], found: re.Match[str]) -> None:
    words, flags, char = found.groups()
    params = _split(words) if words else []
    made = Directive(char[0].upper(), params, ":" in flags, "@" in flags)
    if char == ";":
        if stack[-1].char not in ("[", "<"):
            raise wrong(form, "~; belongs into ~[ ~]")
        stack[-1].has_default = stack[-1].has_default or made.colon
        stack[-1].clauses.append([])
    elif char in _ENCLOSING:
        stack[-1].clauses[-1].append(made)
        made.clauses.append([])
        stack.append(made)
        if len(stack) > _DEEPEST:
            raise wrong(form, f"it is nested more than {_DEEPEST} deep")
    elif char in _ENCLOSING.values():
        if _ENCLOSING.get(stack[-1].char) != char:
            raise wrong(form, f"~{char} closes nothing")
        stack.pop().at_least_once = made.colon
    elif char[0] == "\n":
        kept = "\n" if made.at else ""
        stack[-1].clauses[-1].append(kept + (char[1:] if made.colon else ""))
    elif made.char in _PLAIN:
        stack[-1].clauses[-1].append(made)
    else:
        raise wrong(form, f"there is no directive ~{char}")


def _split(words: str) -> list[str]:
    """Split parameters at commas, of which one may be a parameter itself: ``',``."""
    made = [""]
    at = 0
    while at < len(words):
        if words[at] == "'":
            made[-1] = words[at : at + 2]
            at += 2
        elif words[at] == ",":
            made.append("")
            at += 1
        else:
            made[-1] += words[at]
            at += 1
    return made
