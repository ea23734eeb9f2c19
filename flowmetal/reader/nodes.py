"""What the grammar builds: a tree of text stretches, not yet of values.

The tree is made without knowing namespaces, features or tags, so that a whole
file is parsed once while its forms become values one at a time (``build.py``):
a later form may depend on what evaluating an earlier one did. A node says
where it stands as offsets into the text; ``children`` are in source order and
hold no discarded forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a node is; the value is how an error calls it."""

    # fmt: off
    NUMBER           = "a number"
    STRING           = "a string"
    CHAR             = "a character"
    KEYWORD          = "a keyword"
    SYMBOL           = "a symbol"
    REGEX            = "a regular expression"
    SYMBOLIC         = "a symbolic value"
    LIST             = "a list"
    VECTOR           = "a vector"
    MAP              = "a map"
    SET              = "a set"
    FN               = "a function literal"
    QUOTE            = "a quoted form"
    SYNTAX_QUOTE     = "a syntax-quoted form"
    UNQUOTE          = "an unquoted form"
    UNQUOTE_SPLICING = "a spliced form"
    DEREF            = "a dereferenced form"
    VAR              = "a var"
    READ_EVAL        = "an evaluated form"
    META             = "a form with metadata"
    TAG              = "a tagged literal"
    NAMESPACED_MAP   = "a namespaced map"
    CONDITIONAL      = "a reader conditional"
    SPLICED          = "a splicing reader conditional"
    DISCARD          = "a discard without a form"
    MISSING          = "nothing"
    UNREADABLE       = "unreadable text"
    BROKEN           = "a form already reported"
    # fmt: on

    # Members are singletons; the inherited hash of an Enum runs in Python.
    __hash__ = object.__hash__


class Node(NamedTuple):
    """One form as written.

    ``text`` is the token itself for atoms and the opening token otherwise.
    A MISSING node stands where an operand should, with the end of its prefix
    as its place.
    """

    kind: Kind
    start: int
    end: int
    text: str
    children: Sequence[Node] = ()
