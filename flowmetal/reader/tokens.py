r"""The tokens of Flowmetal, as PLY rules.

A token is cut by its first character only; what a number, a symbol or a
string *means* is decided in ``literals.py``, which can explain itself better
than a pattern can. So ``12ab`` is one NUMBER token here and one error there.

Rules that are functions are tried first, in the order of this file; no two of
the plain ones match at one place, so that their order (PLY sorts them by
length) does not matter. Commas are white space, and so is whatever Unicode
calls so; other invisible characters and lone surrogates are no part of any
token, because nobody could see them in a name, or encode them.
"""

from __future__ import annotations

import re
import sys

from flowmetal.reader.ply_recipe import Lazily, Token, build_lexer, run_lexer, token_rule

OPENERS = {
    "LIST_OPEN": "ROUND_CLOSE",
    "VECTOR_OPEN": "SQUARE_CLOSE",
    "MAP_OPEN": "CURLY_CLOSE",
    "SET_OPEN": "CURLY_CLOSE",
    "FN_OPEN": "ROUND_CLOSE",
}
CLOSERS = {"ROUND_CLOSE": ")", "SQUARE_CLOSE": "]", "CURLY_CLOSE": "}"}
ATOMS = (
    "NUMBER",
    "STRING",
    "CHAR",
    "KEYWORD",
    "SYMBOL",
    "REGEX",
    "SYMBOLIC",
    "UNREADABLE",
    "BROKEN",
)
PREFIXES = (
    "QUOTE",
    "SYNTAX_QUOTE",
    "UNQUOTE",
    "UNQUOTE_SPLICING",
    "DEREF",
    "VAR",
    "READ_EVAL",
    "TAG",
    "NAMESPACED_MAP",
    "CONDITIONAL",
    "SPLICED",
)

# What the grammar sees. BROKEN and END are not cut from the text: delimiters.py puts a BROKEN
# where a form cannot be read, and grammar.py an END after the last token.
TERMINALS = (*OPENERS, *CLOSERS, *ATOMS, *PREFIXES, "META", "DISCARD", "END")

tokens = (*TERMINALS, "UNCLOSED_STRING")

_INVISIBLE = r"\x00-\x08\x0e-\x1b\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_SURROGATES = r"\ud800-\udfff"
_STOPS = r"\s,\"();\[\]{}\\^@`~" + _INVISIBLE + _SURROGATES
_NAME = f"[^{_STOPS}]*+"
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'

t_ignore = " \t\r\n,"
t_ignore_SPACE = r"\s+"
t_ignore_COMMENT = r"(?:;|\#!)[^\n]*"
t_LIST_OPEN = r"\("
t_VECTOR_OPEN = r"\["
t_MAP_OPEN = r"\{"
t_SET_OPEN = r"\#\{"
t_FN_OPEN = r"\#\("
t_ROUND_CLOSE = r"\)"
t_SQUARE_CLOSE = r"\]"
t_CURLY_CLOSE = r"\}"
t_SYMBOL = rf"(?![+-]?[0-9])[^#':{_STOPS}]{_NAME}"
t_NUMBER = rf"[+-]?[0-9]{_NAME}"
t_KEYWORD = rf":{_NAME}"
t_CHAR = rf"\\[^{_SURROGATES}]{_NAME}"
t_QUOTE = "'"
t_SYNTAX_QUOTE = "`"
t_UNQUOTE = "~(?!@)"
t_UNQUOTE_SPLICING = "~@"
t_DEREF = "@"
t_VAR = r"\#'"
t_META = r"\#?\^"
t_READ_EVAL = r"\#="
t_DISCARD = r"\#_"
t_CONDITIONAL = r"\#\?(?!@)"
t_SPLICED = r"\#\?@"
t_NAMESPACED_MAP = rf"\#:{_NAME}"
t_SYMBOLIC = rf"\#\#{_NAME}"
t_TAG = rf"\#[^#'_:?!<=%+\-0-9{_STOPS}]{_NAME}"


@token_rule(_STRING)
def t_STRING(token: Token) -> Token:
    return token


@token_rule(r"\#" + _STRING)
def t_REGEX(token: Token) -> Token:
    return token


@token_rule(r'\#?".*+')
def t_UNCLOSED_STRING(token: Token) -> Token:
    return token


_UNREADABLE = re.compile(rf"\#{_NAME}|.", re.DOTALL)


def t_error(token: Token) -> Token:
    """Cut off what no rule takes: ``#`` before something unknown, or one odd character."""
    match = _UNREADABLE.match(token.value)
    assert match is not None
    token.type = "UNREADABLE"
    token.value = match.group()
    token.lexer.skip(match.end())
    return token


_lexer = Lazily(lambda: build_lexer(sys.modules[__name__]))


def tokenize(text: str, offset: int = 0) -> list[Token]:
    """Cut ``text`` from ``offset`` on; token offsets count from the start of the whole text."""
    return run_lexer(_lexer(), text, offset)
