"""Java's regular expressions as a tree: what the second matcher runs, and what decides who matches.

``parse`` reads an expression by the rules of java.util.regex and returns its
tree. ``Tree.needs_backtracking`` says that RE2 has no equal for it: back
references, look-around, possessive and atomic groups and the like. Literals,
classes and flags are resolved here: a ``One`` holds a set of characters, so the
matcher knows nothing of spelling.

Raises ``Wrong`` with a sentence and a position for what is no expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from flowmetal.stdlib.natives.regex_classes import (
    DOT,
    DOT_ALL,
    ESCAPES,
    LINE_BREAK,
    CharSet,
    either,
    folded,
    named_class,
    one_of,
    span,
)

ENDLESS = -1
DEEPEST = 60


class Wrong(Exception):
    """The text is no regular expression: why, and where."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(f"{reason}, at index {at}")


@dataclass(frozen=True, slots=True)
class One:
    """One character of a set."""

    chars: CharSet


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The first part that leads to a match."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part ``least`` to ``most`` times; ``mode`` is "" (greedy), "?" (reluctant) or "+" (possessive)."""

    part: Node
    least: int
    most: int
    mode: str


@dataclass(frozen=True, slots=True)
class Group:
    """A part whose text is kept under a number."""

    number: int
    part: Node


@dataclass(frozen=True, slots=True)
class Back:
    """The text of a group again."""

    number: int
    ignore_case: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What is before or after has to match, or must not."""

    part: Node
    behind: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Atomic:
    """A part whose first way to match is the only one."""

    part: Node


@dataclass(frozen=True, slots=True)
class At:
    """A place: one of ``^ ^m $ $m A Z z b B G``."""

    place: str


Node: TypeAlias = One | Sequence | Choice | Repeat | Group | Back | Look | Atomic | At


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression: its tree, how many groups it has and their names, and what decides who matches it.

    ``minds_lines``: it looks at ends of lines, of which Java has more than RE2;
    ``minds_words``: at boundaries of words and the other case of letters, which Java sees differently
    beyond ASCII.
    """

    root: Node
    groups: int
    names: dict[str, int]
    needs_backtracking: bool
    minds_lines: bool
    minds_words: bool


@dataclass(frozen=True, slots=True)
class _Flags:
    ignore_case: bool = False
    multiline: bool = False
    dot_all: bool = False
    comments: bool = False
    unix_lines: bool = False
    unicode: bool = False


_FLAGS = {
    "i": "ignore_case",
    "m": "multiline",
    "s": "dot_all",
    "x": "comments",
    "d": "unix_lines",
    "u": "unicode",
    "U": "unicode",
}
_COUNTED = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_MOST_DIGITS = 9  # of a count, as in Java
_GROUP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_SPECIAL = frozenset("*+?")
_META = frozenset("|)")
_WORDS = frozenset("AZzbBG")


def parse(pattern: str, flags: str = "") -> Tree:
    """Return the tree of an expression. Raises Wrong."""
    return _Parser(pattern, flags).tree()


def width(node: Node) -> tuple[int, int]:
    """Return the least and the most characters that a node takes; ENDLESS if there is no most."""
    match node:
        case One():
            return 1, 1
        case At() | Look():
            return 0, 0
        case Back():
            return 0, ENDLESS
        case Group(_, part) | Atomic(part):
            return width(part)
        case Sequence(parts):
            found = [width(part) for part in parts]
            most = ENDLESS if any(m == ENDLESS for _, m in found) else sum(m for _, m in found)
            return sum(least for least, _ in found), most
        case Choice(parts):
            found = [width(part) for part in parts]
            most = ENDLESS if any(m == ENDLESS for _, m in found) else max(m for _, m in found)
            return min(least for least, _ in found), most
        case Repeat(part, least, most, _):
            low, high = width(part)
            if high == 0 or most == 0:
                return low * least, 0
            return low * least, ENDLESS if ENDLESS in (most, high) else high * most


class _Parser:
    def __init__(self, pattern: str, flags: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0
        self._flags = self._with(_Flags(), flags, True)
        self._groups = 0
        self._names: dict[str, int] = {}
        self._backtracking = any(flag in flags for flag in "xduU")
        self._minds_lines = False
        self._multiline = False
        self._minds_words = False

    def tree(self) -> Tree:
        root = self._choice()
        if self._at < len(self._text):
            raise self._wrong("unmatched closing ')'")
        return Tree(
            root,
            self._groups,
            self._names,
            # The wrapper of RE2 finds an empty match at the end of a line twice.
            self._backtracking or (self._multiline and width(root)[0] == 0),
            self._minds_lines,
            self._minds_words,
        )

    # -- reading

    def _wrong(self, reason: str) -> Wrong:
        return Wrong(reason, self._at)

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._text[at] if at < len(self._text) else ""

    def _next(self, what: str = "the expression ends too early") -> str:
        if self._at >= len(self._text):
            raise self._wrong(what)
        self._at += 1
        return self._text[self._at - 1]

    def _taken(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _skip_comments(self) -> None:
        while self._flags.comments and self._at < len(self._text):
            if self._peek() in " \t\n\r\f\v":
                self._at += 1
            elif self._peek() == "#":
                while self._at < len(self._text) and self._peek() not in "\n\r":
                    self._at += 1
            else:
                return

    # -- structure

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"groups are nested more than {DEEPEST} deep")
        flags = self._flags
        parts = [self._sequence()]
        while self._taken("|"):
            parts.append(self._sequence())
        self._flags = flags
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while True:
            self._skip_comments()
            if self._at >= len(self._text) or self._peek() in _META:
                break
            atom = self._atom()
            if atom is not None:
                parts.append(self._repeated(atom))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, atom: Node) -> Node:
        repeated = False
        while True:
            self._skip_comments()
            # java.util.regex ignores a count here, as if it were for an empty text: nobody means that.
            if repeated and self._peek() and self._peek() in "*+?{":
                raise self._wrong(f"nothing stands before '{self._peek()}'")
            counts = self._counts()
            if counts is None:
                return atom
            repeated = True
            least, most = counts
            mode = self._peek() if self._peek() in ("?", "+") else ""
            self._at += len(mode)
            if mode == "+":
                self._backtracking = True
            atom = Repeat(atom, least, most, mode)

    def _counts(self) -> tuple[int, int] | None:
        char = self._peek()
        if char and char in "*+?":
            self._at += 1
            return {"*": (0, ENDLESS), "+": (1, ENDLESS), "?": (0, 1)}[char]
        if char != "{":
            return None
        found = _COUNTED.match(self._text, self._at)
        if found is None:
            raise self._wrong("a count such as {2} or {2,5} is expected")
        if max(len(group or "") for group in found.group(1, 3)) > _MOST_DIGITS:
            raise self._wrong("a count is too large")
        self._at = found.end()
        least = int(found.group(1))
        if found.group(2) is None:
            return least, least
        most = int(found.group(3)) if found.group(3) else ENDLESS
        if most != ENDLESS and most < least:
            raise self._wrong("the most of a repetition is below its least")
        return least, most

    def _atom(self) -> Node | None:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return One(self._class())
        if char == "\\":
            return self._escape()
        if char == ".":
            self._minds_lines = True
            if self._flags.dot_all:
                return One(DOT_ALL)
            return One(one_of("\n").negated() if self._flags.unix_lines else DOT)
        if char in "^$":
            self._minds_lines = True
            self._multiline = self._multiline or self._flags.multiline
            return At(char + "m" if self._flags.multiline else char)
        if char in _SPECIAL or char == "{":
            self._at -= 1
            raise self._wrong(f"nothing stands before '{char}'")
        return self._literal(char)

    def _literal(self, char: str) -> Node:
        return One(self._cased(one_of(char)))

    def _cased(self, chars: CharSet) -> CharSet:
        if not self._flags.ignore_case:
            return chars
        self._minds_words = True
        return folded(chars, self._flags.unicode)

    # -- groups

    def _group(self) -> Node | None:
        if not self._taken("?"):
            self._groups += 1
            return self._closed_group(self._groups)
        if self._taken("<=") or self._taken("<!"):
            negative = self._text[self._at - 1] == "!"
            part = self._inside()
            return self._look(part, True, negative)
        if self._taken("<"):
            return self._named()
        if self._taken("="):
            return self._look(self._inside(), False, False)
        if self._taken("!"):
            return self._look(self._inside(), False, True)
        if self._taken(">"):
            self._backtracking = True
            return Atomic(self._inside())
        return self._flagged()

    def _inside(self) -> Node:
        part = self._choice()
        if not self._taken(")"):
            raise self._wrong("unclosed group")
        return part

    def _closed_group(self, number: int) -> Node:
        return Group(number, self._inside())

    def _look(self, part: Node, behind: bool, negative: bool) -> Node:
        self._backtracking = True
        return Look(part, behind, negative)

    def _named(self) -> Node:
        found = _GROUP_NAME.match(self._text, self._at)
        if found is None:
            raise self._wrong("a name of a group is letters and digits")
        name = found.group()
        self._at = found.end()
        if not self._taken(">"):
            raise self._wrong("a name of a group ends with '>'")
        if name in self._names:
            raise self._wrong(f"two groups are named '{name}'")
        self._groups += 1
        self._names[name] = self._groups
        return self._closed_group(self._groups)

    def _flagged(self) -> Node | None:
        on = True
        flags = self._flags
        while True:
            char = self._next("unclosed group")
            if char == "-":
                on = False
            elif char == ")":
                self._flags = flags
                return None
            elif char == ":":
                outside = self._flags
                self._flags = flags
                part = self._inside()
                self._flags = outside
                return part if isinstance(part, Choice | Sequence) else Sequence((part,))
            else:
                flags = self._with(flags, char, on)
                if char in "xduU":
                    self._backtracking = True

    def _with(self, flags: _Flags, letters: str, on: bool) -> _Flags:
        for letter in letters:
            name = _FLAGS.get(letter)
            if name is None:
                raise self._wrong(f"'{letter}' is no flag of a group")
            values = {each: getattr(flags, each) for each in _Flags.__slots__}
            flags = _Flags(**{**values, name: on})
        return flags

    # -- escapes

    def _escape(self) -> Node | None:
        char = self._next("the expression ends with a backslash")
        if char in "123456789":
            return self._back(char)
        if char == "k":
            return self._back_by_name()
        if char in _WORDS:
            self._minds_words = self._minds_words or char in "bB"
            if char in "ZG":
                self._backtracking = True
            return At(char)
        if char == "Q":
            return self._quoted()
        if char == "E":
            return None
        if char == "R":
            self._backtracking = True
            return Choice((Sequence((One(one_of("\r")), One(one_of("\n")))), One(LINE_BREAK)))
        if char == "X":
            raise self._wrong("\\X is not supported")
        return One(self._cased(self._escaped(char)))

    def _back(self, digit: str) -> Node:
        number = int(digit)
        while self._peek() and self._peek() in "0123456789":
            longer = number * 10 + int(self._peek())
            if longer > self._groups:
                break
            number = longer
            self._at += 1
        self._backtracking = True
        return Back(number, self._flags.ignore_case)

    def _back_by_name(self) -> Node:
        found = re.compile(r"<([A-Za-z][A-Za-z0-9]*)>").match(self._text, self._at)
        if found is None:
            raise self._wrong("\\k needs a name: \\k<name>")
        number = self._names.get(found.group(1))
        if number is None:
            raise self._wrong(f"there is no group named '{found.group(1)}'")
        self._at = found.end()
        self._backtracking = True
        return Back(number, self._flags.ignore_case)

    def _quoted(self) -> Node:
        end = self._text.find("\\E", self._at)
        inside = self._text[self._at : end if end >= 0 else len(self._text)]
        self._at = end + 2 if end >= 0 else len(self._text)
        if not inside:
            return Sequence(())
        *before, last = [self._literal(char) for char in inside]
        last = self._repeated(last)
        return Sequence((*before, last)) if before else last

    def _escaped(self, char: str) -> CharSet:
        """Return the characters of an escape that stands for one character."""
        if char in ESCAPES:
            if char in "hHvV":
                self._backtracking = True
            return ESCAPES[char]
        if char in "pP":
            return self._property(char == "P")
        if char in _CONTROLS:
            if char == "e":
                self._backtracking = True
            return one_of(_CONTROLS[char])
        if char == "x":
            return one_of(self._hexadecimal())
        if char == "u":
            return one_of(self._code_point(self._digits(4)))
        if char == "0":
            self._backtracking = True
            found = re.compile(r"[0-3]?[0-7]{1,2}").match(self._text, self._at)
            if found is None:
                raise self._wrong("\\0 needs octal digits")
            self._at = found.end()
            return one_of(chr(int(found.group(), 8)))
        if char == "c":
            self._backtracking = True
            return one_of(chr(ord(self._next()) ^ 64))
        if char.isascii() and char.isalpha():
            raise self._wrong(f"\\{char} is no escape")
        return one_of(char)

    def _hexadecimal(self) -> str:
        if self._taken("{"):
            end = self._text.find("}", self._at)
            digits = self._text[self._at : end] if end >= 0 else ""
            self._at = end + 1
        else:
            digits = self._digits(2)
        return self._code_point(digits)

    def _digits(self, count: int) -> str:
        digits = self._text[self._at : self._at + count]
        self._at += count
        return digits if len(digits) == count else ""

    def _code_point(self, digits: str) -> str:
        if not re.fullmatch("[0-9a-fA-F]{1,6}", digits) or int(digits, 16) > 0x10FFFF:
            raise self._wrong("hexadecimal digits of a character are expected")
        return chr(int(digits, 16))

    def _property(self, negative: bool) -> CharSet:
        if self._taken("{"):
            end = self._text.find("}", self._at)
            if end < 0:
                raise self._wrong("unclosed name of a class")
            name = self._text[self._at : end]
            self._at = end + 1
        else:
            name = self._next()
        found = named_class(name)
        if found is None:
            raise self._wrong(f"there is no class of characters named '{name}'")
        return found.negated() if negative else found

    # -- classes

    def _class(self) -> CharSet:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"classes are nested more than {DEEPEST} deep")
        negative = self._taken("^")
        found = self._class_items(True)
        while self._taken("&&"):
            self._backtracking = True
            other = self._class_items(False)
            found = other if found is _NOTHING else found.both(other)
        if not self._taken("]"):
            raise self._wrong("unclosed class of characters")
        self._depth -= 1
        return found.negated() if negative else found

    def _class_items(self, is_first: bool) -> CharSet:
        items: list[CharSet] = []
        while True:
            if self._at >= len(self._text):
                raise self._wrong("unclosed class of characters")
            if self._peek() == "]" and (items or not is_first):
                break
            if self._text.startswith("&&", self._at):
                break
            if self._taken("["):
                self._backtracking = True  # RE2 reads [[:alpha:]] in its own way
                items.append(self._class())
                continue
            items.append(self._class_item())
        return either(items) if items else _NOTHING

    def _class_item(self) -> CharSet:
        char = self._next()
        if self._flags.comments and char in " \t\n\r\f\v":
            return either([])
        if char == "\\":
            letter = self._next()
            if letter == "Q":
                end = self._text.find("\\E", self._at)
                inside = self._text[self._at : end if end >= 0 else len(self._text)]
                self._at = end + 2 if end >= 0 else len(self._text)
                return self._cased(one_of(inside))
            low = self._escaped(letter)
        else:
            low = one_of(char)
        is_range = self._peek() == "-" and self._peek(1) not in ("]", "", "[")
        if low.single is None or not is_range or self._text.startswith("&&", self._at + 1):
            return self._cased(low)
        self._at += 1
        char = self._next()
        high = self._escaped(self._next()) if char == "\\" else one_of(char)
        if high.single is None or high.single < low.single:
            raise self._wrong("the end of a range of characters is before its beginning")
        return self._cased(span(low.single, high.single))


_NOTHING = either([])
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
