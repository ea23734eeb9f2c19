"""Brackets and strings that match, or an explanation of why they do not.

``balance`` hands on the tokens whose brackets match and reports the rest. A
top-level form that does not close is replaced by one BROKEN token, and
reading goes on at the next form that opens in column 1; so one missing bracket
costs one complaint, wherever the text ends.

Whose bracket is missing is a guess, made from how the text is indented: the
first line that starts no further right than the innermost open bracket, or a
new form in column 1, is where the author thought it was closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowmetal.errors import Diagnostic, Label
from flowmetal.reader.ply_recipe import Token, make_token
from flowmetal.reader.positions import Positions
from flowmetal.reader.problems import MAX_PROBLEMS
from flowmetal.reader.tokens import CLOSERS, OPENERS, tokenize

BYTE_ORDER_MARK = "\ufeff"
_STARTERS = frozenset({*OPENERS, "CONDITIONAL", "SPLICED", "META", "DISCARD"})


@dataclass(slots=True)
class Balanced:
    """The tokens that can be parsed, and what was wrong with the others.

    ``lacks_only_closers`` is true when more text could make it right.
    """

    tokens: list[Token] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    lacks_only_closers: bool = True


def balance(positions: Positions) -> Balanced:
    """Cut the text into tokens, and keep those whose brackets match."""
    result = Balanced()
    offset: int | None = int(positions.text.startswith(BYTE_ORDER_MARK))
    while offset is not None and len(result.problems) < MAX_PROBLEMS:
        tokens = tokenize(positions.text, offset)
        offset = _Scan(positions, tokens, result).run()
    return result


class _Scan:
    """One pass over tokens, until all are seen or the text must be cut anew."""

    def __init__(self, positions: Positions, tokens: list[Token], result: Balanced) -> None:
        self.positions = positions
        self.tokens = tokens
        self.result = result

    def run(self) -> int | None:
        """Return the offset to go on from with a fresh cut, if an open string demands one."""
        string_at = self._open_string()
        end = len(self.tokens) if string_at is None else string_at
        begin = 0
        while begin < end and len(self.result.problems) < MAX_PROBLEMS:
            begin = self._forms(begin, end, string_at is not None)
        if string_at is None or len(self.result.problems) >= MAX_PROBLEMS:
            return None
        return self._report_string(string_at)

    def _forms(self, begin: int, end: int, in_string: bool) -> int:
        """Hand on forms from ``begin`` until one is broken; return where to go on."""
        stack: list[Token] = []
        tokens, top = self.tokens, begin
        for index in range(begin, end):
            token = tokens[index]
            kind = token.type
            if kind in OPENERS:
                if not stack:
                    top = index
                stack.append(token)
            elif kind in CLOSERS:
                if not stack:
                    self.result.tokens += tokens[begin:index]
                    self._report_stray(token)
                    return index + 1
                if OPENERS[stack[-1].type] != kind:
                    self._hand_on(begin, top)
                    return self._report_wrong(top, index, stack[-1])
                stack.pop()
        if not stack:
            self.result.tokens += tokens[begin:end]
            return end
        self._hand_on(begin, top)
        if in_string:
            return end  # the string took the closers with it, and is reported itself
        return self._report_unclosed(top, end, stack)

    def _hand_on(self, begin: int, top: int) -> None:
        broken = make_token("BROKEN", self.tokens[top].value, self.tokens[top].lexpos)
        self.result.tokens += [*self.tokens[begin:top], broken]

    # -- closers -------------------------------------------------------------------------

    def _report_stray(self, closer: Token) -> None:
        self._problem(
            Diagnostic(
                "FM0002",
                f"nothing is open that this `{closer.value}` could close",
                (self._label(closer, "no bracket is open here"),),
                help=(f"remove the `{closer.value}`, or look for one too many before it",),
            )
        )
        self.result.lacks_only_closers = False

    def _report_wrong(self, top: int, index: int, opener: Token) -> int:
        fresh = self._fresh_form(top, index)
        if fresh < index:
            # Forms began in column 1 in between: more likely a closer is missing before them.
            self.result.lacks_only_closers = False
            return self._report_unclosed(top, fresh, self._open_at(top, fresh))
        closer = self.tokens[index]
        expected = CLOSERS[OPENERS[opener.type]]
        self._problem(
            Diagnostic(
                "FM0010",
                f"`{closer.value}` does not close `{opener.value}`",
                (
                    self._label(closer, f"`{expected}` expected here"),
                    self._label(opener, "opened here", primary=False),
                ),
            )
        )
        self.result.lacks_only_closers = False
        return self._fresh_form(index, len(self.tokens))

    # -- openers -------------------------------------------------------------------------

    def _report_unclosed(self, top: int, end: int, stack: list[Token]) -> int:
        """Explain the brackets of ``stack``, open where the tokens ``top`` to ``end`` end."""
        resume = self._fresh_form(top, end)
        still_open = self._open_at(top, resume) if resume < end else stack
        opener, hint_at = self._culprit(top, resume) or (still_open[-1], resume)
        closer = CLOSERS[OPENERS[opener.type]]
        labels = [self._label(opener, "opened here")]
        helps: tuple[str, ...] = ()
        if hint_at < len(self.tokens):
            what = "a new top-level form starts here" if hint_at == resume else "not inside it"
            last = self.positions.line(self.tokens[hint_at - 1].lexpos)
            text = f"{what}, so the missing `{closer}` is probably at the end of line {last}"
            labels.append(self._label(self.tokens[hint_at], text, primary=False))
        else:
            missing = "".join(CLOSERS[OPENERS[token.type]] for token in reversed(still_open))
            helps = (f"add `{missing}` where it should end",)
        message = f"this `{opener.value}` is never closed"
        self._problem(Diagnostic("FM0011", message, tuple(labels), help=helps))
        return resume

    def _culprit(self, top: int, end: int) -> tuple[Token, int] | None:
        """Return the first bracket that a line's indentation says is closed, and that line."""
        stack: list[Token] = []
        line = 0
        for index in range(top, end):
            token = self.tokens[index]
            token_line, column = self.positions.place(token.lexpos)
            first, line = token_line > line, token_line
            if token.type in CLOSERS:
                if stack and OPENERS[stack[-1].type] == token.type:
                    stack.pop()
                continue
            if first and stack and column <= self.positions.column(stack[-1].lexpos):
                return stack[-1], index
            if token.type in OPENERS:
                stack.append(token)
        return None

    def _open_at(self, top: int, end: int) -> list[Token]:
        stack: list[Token] = []
        for token in self.tokens[top:end]:
            if token.type in OPENERS:
                stack.append(token)
            elif token.type in CLOSERS and stack:
                stack.pop()
        return stack

    def _fresh_form(self, after: int, end: int) -> int:
        """Return the first token between that opens a form in column 1, or ``end``."""
        for index in range(after + 1, end):
            token = self.tokens[index]
            if token.type in _STARTERS and self.positions.column(token.lexpos) == 1:
                return index
        return end

    # -- strings -------------------------------------------------------------------------

    def _open_string(self) -> int | None:
        """Return the index of the string to blame when the last one never ends."""
        if not self.tokens or self.tokens[-1].type != "UNCLOSED_STRING":
            return None
        for index, token in enumerate(self.tokens):
            # A quote that is missing turns every later string inside out; the first that
            # runs over a form in column 1 is probably the one.
            if token.type in ("STRING", "REGEX") and "\n(" in token.value:
                return index
        return len(self.tokens) - 1

    def _report_string(self, index: int) -> int | None:
        token = self.tokens[index]
        at = token.value.find("\n(")
        quote = token.value.index('"') + 1
        span = self.positions.span(token.lexpos, token.lexpos + quote)
        labels = [Label(span, "opened here")]
        if at >= 0:
            fresh = token.lexpos + at + 1
            text = 'a new top-level form starts here, so the missing `"` is probably before it'
            labels.append(Label(self.positions.span(fresh, fresh + 1), text, primary=False))
        what = "regular expression" if token.value[0] == "#" else "string"
        helps = () if at >= 0 else ('add `"` where it should end',)
        message = f"this {what} is never closed"
        self._problem(Diagnostic("FM0012", message, tuple(labels), help=helps))
        return token.lexpos + at + 1 if at >= 0 else None

    def _problem(self, problem: Diagnostic) -> None:
        self.result.problems.append(problem)

    def _label(self, token: Token, text: str, primary: bool = True) -> Label:
        span = self.positions.span(token.lexpos, token.lexpos + len(token.value))
        return Label(span, text, primary)
