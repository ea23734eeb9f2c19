"""Where every piece goes: line ends as written, columns computed.

One pass over the pieces with a stack of the brackets and prefixes around,
so nesting has no limit. A line that begins inside a bracket is indented by
what was laid out before it, never by what comes later.

Inside a line, white space becomes one space. More than one stays where it lines
something up with another line: the values of a map, the columns of a table.
That is looked at after laying out, and repeated until it agrees with itself,
so that formatting twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flowmetal.reader.tokens import CLOSERS, OPENERS, PREFIXES
from flowmetal.tools.formatting.indentation import BODY, Rule, Rules, rule_for
from flowmetal.tools.formatting.pieces import COMMENT, Piece

_LISTS = frozenset({"LIST_OPEN", "FN_OPEN"})
_OPERANDS = {**dict.fromkeys((*PREFIXES, "DISCARD"), 1), "META": 2}
_CHOICES = frozenset({"CONDITIONAL", "SPLICED"})
_MOST_PASSES = 8


def lay_out(pieces: Sequence[Piece], rules: Rules) -> str:
    """Return the text of the pieces, every one in its place."""
    spaces = [max(piece.spaces, 1) for piece in pieces]
    for _ in range(_MOST_PASSES):
        layout = _Layout(pieces, spaces, rules)
        layout.run()
        wide = layout.wide_for_nothing()
        if not wide:
            return layout.text()
        for index in wide:
            spaces[index] = 1
    return _with_single_spaces(pieces, rules)


def _with_single_spaces(pieces: Sequence[Piece], rules: Rules) -> str:
    spaces = [max(piece.spaces, 1) if piece.kind == COMMENT else 1 for piece in pieces]
    layout = _Layout(pieces, spaces, rules)
    layout.run()
    return layout.text()


@dataclass(slots=True, eq=False)
class _Bracket:
    """An open bracket. ``base`` is the column of its last character.

    ``first``: where the first argument stands, if not at the beginning of a
    line. ``own_line``: whether the first argument of the body begins a line.
    """

    base: int
    is_list: bool
    outer: _Bracket | None
    rule: Rule | None = None
    data: bool = False
    head: str = ""
    count: int = 0
    first: int | None = None
    own_line: bool = False

    def indent(self, index: int) -> int:
        """Return the column of the element ``index`` if it begins a line."""
        if not self.is_list or self.data or index == 0:
            return self.base + 1
        if self.rule is None:
            return self._beside()
        special = self.rule.special
        if special is None or index == special + 1 or (index > special + 1 and self.own_line):
            return self.base + 2
        return self._beside()

    def _beside(self) -> int:
        return self.base + 1 if self.first is None else self.first

    def place(self, index: int, column: int, begins_line: bool) -> None:
        """Note where the element ``index`` came to stand."""
        if index == 1 and not begins_line:
            self.first = column
        if (
            self.rule is not None
            and self.rule.special is not None
            and index == self.rule.special + 1
        ):
            self.own_line = begins_line


@dataclass(slots=True, eq=False)
class _Prefix:
    """A prefix and how many forms it still waits for. ``silent``: it is no operand of the one around."""

    kind: str
    column: int
    wanted: int
    silent: bool


@dataclass(slots=True)
class _Element:
    """Where an element of a bracket begins; ``piece`` is its first."""

    piece: int
    parent: _Bracket
    line: int
    column: int


@dataclass(slots=True)
class _Layout:
    pieces: Sequence[Piece]
    spaces: Sequence[int]
    rules: Rules
    out: list[str] = field(default_factory=list)
    line: int = 0
    column: int = 0
    stack: list[_Bracket | _Prefix] = field(default_factory=list)
    bracket: _Bracket = field(default_factory=lambda: _Bracket(-1, False, None))
    columns: list[_Element] = field(default_factory=list)

    def run(self) -> None:
        before: Piece | None = None
        for at, piece in enumerate(self.pieces):
            begins_line = self._separate(before, piece, self.spaces[at])
            if piece.kind in CLOSERS:
                self._write(piece.text)
                self._close()
            elif piece.kind == COMMENT:
                self._write(piece.text)
            else:
                self._begin(at, piece, begins_line)
            before = piece

    def text(self) -> str:
        return "".join([*self.out, "\n"]) if self.out else ""

    # -- between pieces ------------------------------------------------------------------

    def _separate(self, before: Piece | None, piece: Piece, spaces: int) -> bool:
        """Write what stands between two pieces; say whether the second begins a line."""
        if before is None:
            return True
        breaks = self._breaks(before, piece)
        comma = piece.comma and _is_form_end(before) and piece.kind not in CLOSERS
        if comma and not self._in_prefix():
            self._write(",")
        if breaks:
            self.out.append("\n" * breaks)
            self.line += breaks
            self.column = 0
            self._write(" " * self._indentation(piece))
            return True
        self._write(" " * self._gap(before, piece, spaces))
        return False

    def _breaks(self, before: Piece, piece: Piece) -> int:
        if piece.breaks == 0:
            return 0
        if piece.kind in CLOSERS:
            keeps = before.kind == COMMENT or (
                self.bracket.head == "comment" and self.bracket.count > 1
            )
            return int(keeps)
        if before.kind in OPENERS and piece.kind != COMMENT:
            return 0
        if before.kind in OPENERS or before.kind in _OPERANDS or self._in_prefix():
            return 1
        return min(piece.breaks, 2)

    def _indentation(self, piece: Piece) -> int:
        top = self.stack[-1] if self.stack else None
        if isinstance(top, _Prefix):
            return top.column
        return self.bracket.indent(self.bracket.count)

    def _gap(self, before: Piece, piece: Piece, spaces: int) -> int:
        """Return how many spaces stand between two pieces of one line."""
        if piece.kind == COMMENT:
            return spaces
        if piece.kind in CLOSERS or before.kind in OPENERS:
            return 0
        if before.kind not in _OPERANDS:
            return 1 if self._in_prefix() else spaces
        if before.kind == "TAG":
            return int(piece.spaces > 0 or piece.text not in ("(", "[", "{"))
        if before.kind == "NAMESPACED_MAP":
            return int(piece.text != "{")
        # ~ @x is not ~@x
        return int(before.kind in ("UNQUOTE", "CONDITIONAL") and piece.text.startswith("@"))

    def _in_prefix(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1], _Prefix)

    def _write(self, text: str) -> None:
        self.out.append(text)
        ends = text.count("\n")
        if ends:
            self.line += ends
            self.column = len(text) - text.rindex("\n") - 1
        else:
            self.column += len(text)

    # -- forms ---------------------------------------------------------------------------

    def _begin(self, at: int, piece: Piece, begins_line: bool) -> None:
        top = self.stack[-1] if self.stack else None
        if not isinstance(top, _Prefix):
            self._element(at, piece, begins_line)
        if piece.kind in _OPERANDS:
            silent = piece.kind == "DISCARD"
            self.stack.append(_Prefix(piece.kind, self.column, _OPERANDS[piece.kind], silent))
            self._write(piece.text)
        elif piece.kind in OPENERS:
            self._write(piece.text)
            self._open(piece, top)
        else:
            self._write(piece.text)
            self._complete()

    def _element(self, at: int, piece: Piece, begins_line: bool) -> None:
        bracket = self.bracket
        if not begins_line:
            self.columns.append(_Element(at, bracket, self.line, self.column))
        if piece.kind == "DISCARD":
            return
        bracket.place(bracket.count, self.column, begins_line)
        if bracket.count == 0 and bracket.is_list and piece.kind == "SYMBOL":
            self._name(bracket, piece.text)
        bracket.count += 1

    def _name(self, bracket: _Bracket, head: str) -> None:
        """Give a list the rule of its head, or of what it stands in."""
        bracket.head = head
        rule = rule_for(head, self.rules)
        outer = bracket.outer
        around = None if outer is None else outer.rule
        if around is not None and around.methods and rule is None:
            rule = BODY
        elif outer is not None and not outer.is_list and outer.outer is not None:
            functions = outer.outer
            if (
                functions.rule is not None
                and functions.rule.local_functions
                and functions.count == 2
            ):
                rule = BODY
        bracket.rule = rule
        bracket.data = bracket.data and rule is None

    def _open(self, piece: Piece, top: _Bracket | _Prefix | None) -> None:
        prefix = top.kind if isinstance(top, _Prefix) else ""
        is_list = piece.kind in _LISTS
        made = _Bracket(self.column - 1, is_list, self.bracket)
        made.data = prefix == "QUOTE" or prefix in _CHOICES
        self.stack.append(made)
        self.bracket = made

    def _close(self) -> None:
        closed = self.stack.pop()
        while isinstance(closed, _Prefix):  # the reader takes (#_^a), where one lacks a form
            closed = self.stack.pop()
        assert closed.outer is not None
        self.bracket = closed.outer
        self._complete()

    def _complete(self) -> None:
        """Let the prefixes around know that a form is whole."""
        while self.stack and isinstance(top := self.stack[-1], _Prefix):
            top.wanted -= 1
            if top.wanted:
                return
            self.stack.pop()
            if top.silent and self._in_prefix():
                return

    # -- columns -------------------------------------------------------------------------

    def wide_for_nothing(self) -> list[int]:
        """Return the pieces with more space before them than one, which lines nothing up."""
        wide = [e for e in self.columns if self.spaces[e.piece] > 1 and self._is_spaced(e.piece)]
        if not wide:
            return []
        rows: dict[tuple[int, int], set[int]] = {}
        tables: dict[tuple[int, int], set[int]] = {}
        for each in self.columns:
            rows.setdefault((id(each.parent), each.column), set()).add(each.line)
            tables.setdefault((id(each.parent.outer), each.column), set()).add(each.line)
        found = []
        for each in wide:
            same = rows[id(each.parent), each.column]
            near = tables[id(each.parent.outer), each.column]
            if len(same) == 1 and not near & {each.line - 1, each.line + 1}:
                found.append(each.piece)
        return found

    def _is_spaced(self, at: int) -> bool:
        return at > 0 and self.pieces[at - 1].kind not in OPENERS


def _is_form_end(piece: Piece) -> bool:
    return piece.kind not in OPENERS and piece.kind not in _OPERANDS and piece.kind != COMMENT
