"""How this project uses PLY; the only file that imports it.

PLY 3.11 has traps, and each has its answer here:

- it writes ``parser.out`` and ``parsetab.py`` by default: both are switched off;
- grammar in docstrings is gone under ``python -OO``: ``production`` sets ``__doc__`` itself;
- complaints about a grammar go to standard error: they are collected and must be none;
- lexers and parsers keep the state of a run in themselves: each run gets a copy;
- importing it and building take milliseconds: a ``Lazily`` does both on first use, once for
  all threads.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
Rule = TypeVar("Rule", bound=Callable[..., object])


class Token(Protocol):
    """A token as PLY makes it; ``lexpos`` is the offset of its first character."""

    type: str
    value: str
    lexpos: int
    lexer: Any


def make_token(kind: str, text: str, offset: int) -> Token:
    """Make a token that the lexer did not cut."""
    from ply.lex import LexToken

    token: Token = LexToken()
    token.type, token.value, token.lexpos = kind, text, offset
    return token


def token_rule(pattern: str) -> Callable[[Rule], Rule]:
    """Give a token function its pattern as ``@TOKEN`` of PLY does, which survives ``-OO``."""

    def attach(rule: Rule) -> Rule:
        vars(rule)["regex"] = pattern
        return rule

    return attach


def production(name: str, alternatives: Sequence[str]) -> Callable[[Rule], Rule]:
    """Make an action that of ``name : alternative | ...``, in a way that survives ``-OO``."""

    def attach(action: Rule) -> Rule:
        action.__doc__ = f"{name} : " + "\n | ".join(alternatives)
        return action

    return attach


class Lazily(Generic[T]):
    """A value built on first use; threads that come at once wait for one of them."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._built: list[T] = []
        self._lock = threading.Lock()

    def __call__(self) -> T:
        if not self._built:
            with self._lock:
                if not self._built:
                    self._built.append(self._build())
        return self._built[0]


def build_lexer(module: object) -> Any:
    """Build the lexer of the rules in ``module``; patterns are not verbose ones."""
    from ply import lex

    complaints = _Complaints()
    lexer = lex.lex(module=module, reflags=int(re.DOTALL), errorlog=complaints)
    complaints.expect_none()
    return lexer


def build_parser(module: object, start: str) -> Any:
    """Build the LALR tables of the productions in ``module``."""
    from ply import yacc

    complaints = _Complaints()
    try:
        parser = yacc.yacc(
            module=module, start=start, write_tables=False, debug=False, errorlog=complaints
        )
    except yacc.YaccError:
        parser = None  # and there are complaints
    complaints.expect_none()
    return parser


def run_lexer(prototype: Any, text: str, offset: int) -> list[Token]:
    """Cut ``text`` from ``offset`` on, with a lexer of its own."""
    lexer = prototype.clone()
    lexer.input(text)
    lexer.lexpos = offset
    return list(iter(lexer.token, None))


def run_parser(prototype: Any, tokens: Iterable[Token]) -> Any:
    """Parse ``tokens`` with a parser of its own; return the start symbol's value."""
    stream = iter(tokens)
    return copy.copy(prototype).parse(lexer=_NO_LEXER, tokenfunc=lambda: next(stream, None))


_NO_LEXER = object()  # PLY would otherwise fall back on the lexer built last, a global


class _Complaints:
    """What PLY says about the rules, kept so that it can be required to be nothing."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, *args: object) -> None:
        self.lines.append(text % args)

    error = critical = warning

    def info(self, text: str, *args: object) -> None:
        """Ignore progress reports."""

    debug = info

    def expect_none(self) -> None:
        if self.lines:
            raise AssertionError("PLY complains: " + "; ".join(self.lines))
