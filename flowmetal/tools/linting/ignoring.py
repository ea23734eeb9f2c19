"""Where a source switches lints off, for the next form.

``;; lint: ignore unused-binding deprecated`` or ``#_{:lint/ignore [:unused-binding]}``;
without names, all of them. A name that no lint has is a finding itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flowmetal.errors import Diagnostic
from flowmetal.errors.suggestions import did_you_mean
from flowmetal.reader.delimiters import balance
from flowmetal.reader.grammar import parse
from flowmetal.reader.ply_recipe import Token
from flowmetal.reader.positions import Positions
from flowmetal.reader.tokens import CLOSERS, OPENERS, tokenize
from flowmetal.source import Source
from flowmetal.tools.linting.lints import CODES, Findings

_COMMENT = re.compile(r";+[ \t]*lint:[ \t]*ignore\b[ \t]*([^\n;]*)")
_KEY = ":lint/ignore"


@dataclass(frozen=True, slots=True)
class _Ignore:
    """From ``start`` to ``end`` the lints of these codes say nothing; all of them if there are none."""

    start: int
    end: int
    codes: frozenset[str]


class Ignores:
    """What one source switches off."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self._positions = Positions(source)
        self._findings = findings
        self._starts = _nodes(source)
        self._ignores = [*self._read(source.text)]

    def without(self, found: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Return the findings that nobody switched off."""
        return [each for each in found if not self._ignored(each)]

    def _ignored(self, finding: Diagnostic) -> bool:
        span = finding.span
        assert span is not None
        at = self._positions.starts[span.line - 1] + span.col - 1
        return any(
            each.start <= at < each.end and (not each.codes or finding.code in each.codes)
            for each in self._ignores
        )

    def _read(self, text: str) -> Iterator[_Ignore]:
        tokens = tokenize(text)
        end = 0
        for at, token in enumerate(tokens):
            for match in _COMMENT.finditer(text, end, token.lexpos):
                words = [
                    (w.group(), match.start(1) + w.start())
                    for w in re.finditer(r"[^\s,]+", match[1])
                ]
                yield from self._next_form(match.end(), words)
            end = token.lexpos + len(token.value)
            if token.type == "DISCARD" and _is_ignore(tokens[at + 1 : at + 3]):
                words, after = _discarded(tokens[at + 2 :])
                yield from self._next_form(after, words)

    def _next_form(self, after: int, words: list[tuple[str, int]]) -> Iterator[_Ignore]:
        codes = []
        for word, at in words:
            code = word if word in CODES.values() else CODES.get(word)
            if code is None:
                span = self._positions.span(at, at + len(word))
                self._findings.report(
                    "unknown-lint",
                    f"there is no lint `{word}`",
                    span,
                    help=did_you_mean(word, CODES),
                )
            else:
                codes.append(code)
        if words and not codes:
            return
        following = next((place for place in self._starts if place[0] >= after), None)
        if following is not None:
            yield _Ignore(*following, frozenset(codes))


def _is_ignore(tokens: list[Token]) -> bool:
    return [t.type for t in tokens] == ["MAP_OPEN", "KEYWORD"] and tokens[1].value == _KEY


def _discarded(tokens: list[Token]) -> tuple[list[tuple[str, int]], int]:
    """Return the names in a discarded map, and where it ends; the tokens begin with its key."""
    depth = 1
    words = []
    for token in tokens[1:]:
        depth += (token.type in OPENERS) - (token.type in CLOSERS)
        if token.type in ("KEYWORD", "SYMBOL"):
            words.append((token.value.lstrip(":"), token.lexpos + token.value.startswith(":")))
        if depth == 0:
            break
    return words, token.lexpos + 1


def _nodes(source: Source) -> list[tuple[int, int]]:
    """Return where each form begins and ends, the outermost first where several begin."""
    waiting = parse(balance(Positions(source)).tokens, len(source.text))
    places = []
    while waiting:
        node = waiting.pop()
        places.append((node.start, node.end))
        waiting.extend(node.children)
    return sorted(places, key=lambda place: (place[0], -place[1]))
