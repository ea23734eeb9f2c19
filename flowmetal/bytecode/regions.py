"""What the verifier checks of protected ranges: unwindings, bindings and scopes.

An unwinding that waits for a finally block lies on the operand stack, where
only END_FINALLY may ever take it. So each operand gets a tag, and control is
followed once more, for those bodies only that have handlers or bindings:

```
VALUE     anything but an unwinding
NIL       the constant nil, with which normal flow enters a finally block, where one is entered
PENDING   an unwinding or nil
```

Where ways meet, NIL and PENDING make PENDING, VALUE and NIL make VALUE, and
VALUE and PENDING are refused. BIND and UNBIND, and the natives that open and
close scopes of fibers, are counted in the same walk: a body ends none that it has
not begun, and leaves none begun when it returns. A handler finds at least the bindings
that its range began with, and just as many scopes: nothing but code ends a scope.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn, TypeAlias

from flowmetal.bytecode.code import Body, Function, Handler, HandlerKind
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.bytecode.verifier import SCOPES, Depths, protecting, refuse

VALUE, NIL, PENDING = "value", "nil", "pending"


class Begun(NamedTuple):
    """How many pairs have begun and not ended, of each kind."""

    bindings: int = 0
    scopes: int = 0


class Marked(NamedTuple):
    """An operand that is no plain value, at its place in the stack, and those below it."""

    at: int
    tag: str
    below: Marked | None
    pendings: tuple[int, ...]
    """Where unwindings lie up to here, bottom first."""


Marks: TypeAlias = Marked | None
"""All others are values, however many: states share what lies below, so that they take no space of their own."""

State: TypeAlias = tuple[Marks, Begun]
"""The tags of the operands, and what has begun."""

_LEAVES = frozenset({Op.RETURN, Op.TAIL_CALL, Op.TAIL_APPLY})


def pendings(function: Function, body: Body, depths: Depths) -> dict[int, tuple[int, ...]]:
    """Check the ranges of a body whose ``depths`` are right; return where unwindings lie.

    Raises ProgramError FM0811.
    """
    states = _Regions(function, body, depths).walk()
    return {
        pc: state[0].pendings
        for pc, state in enumerate(states)
        if state is not None and state[0] is not None and state[0].pendings
    }


def _marked(at: int, tag: str, below: Marks) -> Marks:
    if tag is VALUE:
        return below
    known = () if below is None else below.pendings
    return Marked(at, tag, below, (*known, at) if tag is PENDING else known)


def _cut(marks: Marks, depth: int) -> Marks:
    """Return the tags of the lowest operands."""
    while marks is not None and marks.at >= depth:
        marks = marks.below
    return marks


def _tag(marks: Marks, at: int) -> str:
    found = _cut(marks, at + 1)
    return VALUE if found is None or found.at < at else found.tag


class _Regions:
    def __init__(self, function: Function, body: Body, depths: Depths) -> None:
        self.function = function
        self.body = body
        self.depths = depths
        self.pc = 0
        self.states: list[State | None] = [None] * len(depths)
        self.places = {row.depth + 1 for row in body.handlers if row.kind is HandlerKind.FINALLY}
        """Where a nil may stand for an unwinding."""
        for depth, (op, _) in zip(depths, body.instructions, strict=True):
            if depth is not None and op is Op.END_FINALLY:
                self.places.add(depth - 1)

    def walk(self) -> list[State | None]:
        self.states[0] = (None, Begun())
        protected = protecting(self.body)
        for pc, (op, operand) in enumerate(self.body.instructions):
            self.pc = pc
            rows = next(protected)
            state = self.states[pc]
            if state is None:
                continue
            self._protect(op, state, rows)
            after = self._after(op, operand, state)
            if op.operand is Operand.TARGET:
                self._join(operand, after)
            elif op.operand is Operand.BACK:
                if self._joined(operand, after) is not self.states[operand]:
                    self._refuse("it leads back with something else on the stack")
            elif op.operand is Operand.TABLE:
                table = self.body.tables[operand]
                for target in (*table.targets, table.default):
                    self._join(target, after)
            if op.falls_through:
                self._join(pc + 1, after)
        return self.states

    def _after(self, op: Op, operand: int, state: State) -> State:
        """Return the state behind an instruction."""
        marks, begun = state
        left = self._left(op)
        if op is Op.END_FINALLY:
            if _tag(marks, left + 1) is VALUE or _tag(marks, left) is PENDING:
                self._refuse("the top of the stack may be something else than an unwinding")
        elif marks is not None and marks.pendings and marks.pendings[-1] >= left:
            self._refuse("it takes an unwinding, as END_FINALLY alone may")
        begun = self._begun(op, operand, begun)
        kept = _cut(marks, left)
        if op is Op.CONST and left in self.places and self.function.constants[operand] is None:
            kept = _marked(left, NIL, kept)
        return kept, begun

    def _begun(self, op: Op, operand: int, before: Begun) -> Begun:
        bindings, scopes = before
        if op is Op.BIND:
            bindings += 1
        elif op is Op.UNBIND:
            bindings -= 1
        elif op is Op.NATIVE:
            scopes += SCOPES.get(self.function.constants[operand][0], 0)
        for name, count in (("bindings", bindings), ("scopes", scopes)):
            if count < 0:
                self._refuse(f"it ends {name} that have not begun")
            if count and op in _LEAVES:
                self._refuse(f"it leaves {name} behind")
        return Begun(bindings, scopes)

    def _left(self, op: Op) -> int:
        """Return how many operands an instruction does not touch."""
        if op.falls_through or op.operand in (Operand.TARGET, Operand.BACK, Operand.TABLE):
            depth = self.depths[self._following(op)]
            assert depth is not None, "the depths have been checked"
            return depth - op.pushes(0)
        # It leaves the body; the counts tell what it takes.
        before = self.depths[self.pc]
        assert before is not None, "there is a way to here"
        count = self.body.instructions[self.pc][1] if op.operand is Operand.COUNT else 0
        return before - op.pops(count)

    def _following(self, op: Op) -> int:
        operand = self.body.instructions[self.pc][1]
        if op.falls_through:
            return self.pc + 1
        return self.body.tables[operand].default if op.operand is Operand.TABLE else operand

    def _protect(self, op: Op, state: State, rows: tuple[Handler, ...]) -> None:
        """Note the state that each handler of this instruction would find, innermost first."""
        marks, begun = state
        is_next = True  # until a finally block comes between, which may close scopes
        for row in rows:
            entered = _cut(marks, row.depth)
            if row.kind is HandlerKind.FINALLY:
                if op in _LEAVES:
                    self._refuse(f"it leaves without the finally block at {row.target}")
                entered = _marked(row.depth + 1, PENDING, _marked(row.depth, NIL, entered))
            known = self.states[row.target]
            found = begun if known is None else known[1]
            if begun.bindings < found.bindings:
                self._refuse(f"its handler at {row.target} needs bindings that have ended")
            if is_next and begun.scopes != found.scopes:
                self._refuse(f"its handler at {row.target} finds other scopes")
            self._join(row.target, (entered, found))
            is_next = is_next and row.kind is not HandlerKind.FINALLY

    def _join(self, target: int, state: State) -> None:
        self.states[target] = self._joined(target, state)

    def _joined(self, target: int, state: State) -> State:
        """Return what is known at ``target`` of both ways that lead there; what was known if that is no less."""
        known = self.states[target]
        if known is None:
            return state
        for name, one, other in zip(Begun._fields, known[1], state[1], strict=True):
            if one != other:
                self._refuse(f"ways with {one} and {other} {name} meet at {target}")
        met = self._met(known[0], state[0])
        return known if met is known[0] else (met, known[1])

    def _met(self, known: Marks, other: Marks) -> Marks:
        """Return the tags where two ways meet: the very ones that were known if they are no others."""
        one, is_known = known, True
        above: list[tuple[int, str]] = []
        while one is not other:
            at = max(-1 if each is None else each.at for each in (one, other))
            tags = []
            for each in (one, other):
                tags.append(VALUE if each is None or each.at < at else each.tag)
            above.append((at, self._meet(*tags)))
            is_known = is_known and above[-1][1] is tags[0]
            one, other = _cut(one, at), _cut(other, at)
        if is_known:
            return known
        met = one
        for at, tag in reversed(above):
            met = _marked(at, tag, met)
        return met

    def _meet(self, one: str, other: str) -> str:
        if one is other:
            return one
        if {one, other} == {VALUE, PENDING}:
            self._refuse("an unwinding and a value meet in one place")
        return PENDING if PENDING in (one, other) else VALUE

    def _refuse(self, problem: str) -> NoReturn:
        refuse(self.function, self.body, self.pc, problem, "FM0811")
