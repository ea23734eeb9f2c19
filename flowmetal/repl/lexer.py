"""Pygments tokens of Flowmetal sources.

The text is cut by the reader's own rules, so that a literal is one token here
exactly if it is one there; this file only says how each kind looks. What
cannot be read is an Error token, except a string that is not closed *yet*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)
from pygments.token import _TokenType as TokenType

from flowmetal.repl.vocabulary import DEFINITIONS, MACROS, SPECIAL_FORMS

_GAP = re.compile(r"(?:;|#!)[^\n]*|[^;#]+|#")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)

# fmt: off
_PLAIN: dict[str, TokenType] = {
    "LIST_OPEN":        Punctuation,
    "VECTOR_OPEN":      Punctuation,
    "MAP_OPEN":         Punctuation,
    "SET_OPEN":         Punctuation,
    "FN_OPEN":          Punctuation,
    "ROUND_CLOSE":      Punctuation,
    "SQUARE_CLOSE":     Punctuation,
    "CURLY_CLOSE":      Punctuation,
    "KEYWORD":          String.Symbol,
    "CHAR":             String.Char,
    "REGEX":            String.Regex,
    "UNCLOSED_STRING":  String,
    "SYMBOLIC":         Number.Float,
    "QUOTE":            Operator,
    "SYNTAX_QUOTE":     Operator,
    "UNQUOTE":          Operator,
    "UNQUOTE_SPLICING": Operator,
    "DEREF":            Operator,
    "VAR":              Operator,
    "META":             Operator,
    "READ_EVAL":        Error,
    "CONDITIONAL":      Operator,
    "SPLICED":          Operator,
    "NAMESPACED_MAP":   String.Symbol,
    "TAG":              Name.Decorator,
    "DISCARD":          Comment.Preproc,
    "UNREADABLE":       Error,
}
# fmt: on

CONSTANTS = frozenset({"nil", "true", "false"})
ASCRIPTIONS = frozenset({"⊢", "|-"})


class FlowLexer(Lexer):
    """Lexer for Flowmetal, a durable dialect of Clojure."""

    name = "Flowmetal"
    url = "https://pypi.org/project/flowmetal/"
    aliases: ClassVar[list[str]] = ["flow", "flowmetal"]
    filenames: ClassVar[list[str]] = ["*.flow"]
    mimetypes: ClassVar[list[str]] = ["text/x-flowmetal"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, TokenType, str]]:
        """Yield (offset, token type, text); the texts joined are ``text``."""
        from flowmetal.reader.tokens import tokenize

        end = 0
        before: Any = None
        head = ""
        for token in tokenize(text):
            yield from _gap(text, end, token.lexpos)
            end = token.lexpos + len(token.value)
            opens = before is not None and before.type in ("LIST_OPEN", "FN_OPEN")
            if token.type == "STRING":
                yield from _string(token.lexpos, token.value)
            elif token.type == "NUMBER":
                yield token.lexpos, _number(token.value), token.value
            elif token.type == "SYMBOL":
                yield token.lexpos, _symbol(token.value, opens, head), token.value
            elif token.type == "UNREADABLE" and token.value == "\ufeff" and not token.lexpos:
                yield 0, Whitespace, token.value
            else:
                yield token.lexpos, _PLAIN[token.type], token.value
            # ``(defn ^:private name``: metadata does not come between.
            if token.type == "SYMBOL":
                head = token.value if opens else ""
            elif token.type not in ("META", "KEYWORD"):
                head = ""
            before = token
        yield from _gap(text, end, len(text))


def _gap(text: str, start: int, end: int) -> Iterator[tuple[int, TokenType, str]]:
    """Yield what the reader skips: comments and white space."""
    for match in _GAP.finditer(text, start, end):
        comment = match.group().startswith((";", "#!"))
        yield match.start(), Comment.Single if comment else Whitespace, match.group()


def _string(offset: int, text: str) -> Iterator[tuple[int, TokenType, str]]:
    end = 0
    for match in _ESCAPE.finditer(text):
        if match.start() > end:
            yield offset + end, String, text[end : match.start()]
        yield offset + match.start(), String.Escape, match.group()
        end = match.end()
    if end < len(text):
        yield offset + end, String, text[end:]


def _number(text: str) -> TokenType:
    from flowmetal.reader.literals import Unreadable, read_number

    try:
        value = read_number(text)
    except Unreadable:
        return Error
    return Number.Integer if type(value) is int else Number.Float


def _symbol(text: str, opens: bool, head: str) -> TokenType:
    if text in CONSTANTS:
        return Keyword.Constant
    if text in ASCRIPTIONS:
        return Operator
    if opens:
        if text in DEFINITIONS:
            return Keyword.Declaration
        if text in SPECIAL_FORMS or text in MACROS:
            return Keyword
        return Name.Function
    if head in DEFINITIONS:
        return Name.Namespace if head == "ns" else Name.Function
    if len(text) > 2 and text[0] == text[-1] == "*":
        return Name.Variable.Global
    return Name.Variable
