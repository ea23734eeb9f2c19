"""What the verifier checks of protected ranges: unwindings, bindings and scopes.

An unwinding that waits for a finally block lies on the operand stack, where
only END_FINALLY may ever take it. So each operand gets a tag, and control is
followed once more, for those bodies only that have handlers or bindings:

```
VALUE     anything but an unwinding
NIL       the constant nil, with which normal flow enters a finally block
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

from flowmetal.bytecode.code import Body, Function, HandlerKind
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.bytecode.verifier import SCOPES, Depths, refuse

VALUE, NIL, PENDING = "value", "nil", "pending"


class Begun(NamedTuple):
    """How many pairs have begun and not ended, of each kind."""

    bindings: int = 0
    scopes: int = 0


State: TypeAlias = tuple[tuple[str, ...], Begun]
"""The tags of the operands, and what has begun."""

_LEAVES = frozenset({Op.RETURN, Op.TAIL_CALL, Op.TAIL_APPLY})


def pendings(function: Function, body: Body, depths: Depths) -> dict[int, tuple[int, ...]]:
    """Check the ranges of a body whose ``depths`` are right; return where unwindings lie.

    Raises ProgramError FM0811.
    """
    states = _Regions(function, body, depths).walk()
    found: dict[int, tuple[int, ...]] = {}
    for pc, state in enumerate(states):
        if state is not None and PENDING in state[0]:
            found[pc] = tuple(at for at, tag in enumerate(state[0]) if tag is PENDING)
    return found


class _Regions:
    def __init__(self, function: Function, body: Body, depths: Depths) -> None:
        self.function = function
        self.body = body
        self.depths = depths
        self.pc = 0
        self.states: list[State | None] = [None] * len(depths)

    def walk(self) -> list[State | None]:
        self.states[0] = ((), Begun())
        for pc, (op, operand) in enumerate(self.body.instructions):
            self.pc = pc
            state = self.states[pc]
            if state is None:
                continue
            self._protect(op, state)
            after = self._after(op, operand, state)
            if op.operand is Operand.TARGET:
                self._join(operand, after)
            elif op.operand is Operand.BACK:
                if self._joined(operand, after) != self.states[operand]:
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
        tags, begun = state
        left, pushed = self._left(op, tags), op.pushes(0)
        taken = tags[left:]
        if op is Op.END_FINALLY:
            if taken[1] is VALUE or taken[0] is PENDING:
                self._refuse("the top of the stack may be something else than an unwinding")
        elif PENDING in taken:
            self._refuse("it takes an unwinding, as END_FINALLY alone may")
        begun = self._begun(op, operand, begun)
        is_nil = op is Op.CONST and self.function.constants[operand] is None
        return (*tags[:left], *((NIL if is_nil else VALUE,) * pushed)), begun

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

    def _left(self, op: Op, tags: tuple[str, ...]) -> int:
        """Return how many operands an instruction does not touch."""
        if op.falls_through or op.operand in (Operand.TARGET, Operand.BACK, Operand.TABLE):
            following = self._following(op)
            depth = self.depths[following]
            assert depth is not None, "the depths have been checked"
            return depth - op.pushes(0)
        # It leaves the body; the counts tell what it takes.
        count = self.body.instructions[self.pc][1] if op.operand is Operand.COUNT else 0
        return len(tags) - op.pops(count)

    def _following(self, op: Op) -> int:
        operand = self.body.instructions[self.pc][1]
        if op.falls_through:
            return self.pc + 1
        return self.body.tables[operand].default if op.operand is Operand.TABLE else operand

    def _protect(self, op: Op, state: State) -> None:
        """Note the state that each handler of this instruction would find, innermost first."""
        tags, begun = state
        is_next = True  # until a finally block comes between, which may close scopes
        for row in self.body.handlers:
            if not row.start <= self.pc < row.end:
                continue
            if row.kind is HandlerKind.FINALLY:
                if op in _LEAVES:
                    self._refuse(f"it leaves without the finally block at {row.target}")
                entered = (*tags[: row.depth], NIL, PENDING)
            else:
                entered = (*tags[: row.depth], VALUE)
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
        known = self.states[target]
        if known is None or known == state:
            return state
        for name, one, other in zip(Begun._fields, known[1], state[1], strict=True):
            if one != other:
                self._refuse(f"ways with {one} and {other} {name} meet at {target}")
        return tuple(map(self._meet, known[0], state[0])), known[1]

    def _meet(self, one: str, other: str) -> str:
        if one is other:
            return one
        if {one, other} == {VALUE, PENDING}:
            self._refuse("an unwinding and a value meet in one place")
        return PENDING if PENDING in (one, other) else VALUE

    def _refuse(self, problem: str) -> NoReturn:
        refuse(self.function, self.body, self.pc, problem, "FM0811")
