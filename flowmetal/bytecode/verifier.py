"""Decides whether code may be run: the machine checks nothing that is checked here.

For every instruction of a body it is known, before anything runs, how deep the
operand stack is and what the operand means; the same on every way that leads
there. What comes out is a stack map, which the snapshot decoder holds against
the frames that it is asked to believe.

Checked for each instruction: its operand is in range and names what the table
of instructions says; it never takes more than the stack has; ways that meet
agree on the depth; control stays inside of the body, forward but for LOOP, and
ends in an instruction that does not fall through. Checked for handlers and
bindings and scopes: see regions.py.

One pass in the order of the instructions is enough, because a way into an
instruction comes from before it; LOOP only ever meets a depth that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, NoReturn, TypeAlias

from flowmetal.bytecode.code import Body, Function, Handler, HandlerKind
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.errors import ProgramError
from flowmetal.ids import CodeHash
from flowmetal.values import Keyword, Symbol, Value, Vector

Resolve: TypeAlias = Callable[[CodeHash], Function | None]
"""Gives the function of a hash, None if the program has none."""

Depths: TypeAlias = list[int | None]
"""Operands on the stack before each instruction; None where nothing leads."""


class StackMap(NamedTuple):
    """What is known of a body before each of its instructions.

    ``pendings`` has the operand positions that hold an unwinding or nil,
    bottom first, for the instructions where there are any.
    """

    depths: tuple[int | None, ...]
    pendings: Mapping[int, tuple[int, ...]]


def verify(function: Function, resolve: Resolve) -> None:
    """Raise ProgramError FM0809 to FM0811 if any body of ``function`` must not be run."""
    _check_arities(function)
    for body in function.bodies:
        stack_map(function, body, resolve)


def stack_map(function: Function, body: Body, resolve: Resolve) -> StackMap:
    """Verify one body and return its stack map."""
    walk = _Walk(function, body, resolve)
    depths = walk.depths()
    paired = walk.has_scopes or not _PAIRED.isdisjoint([op.number for op, _ in body.instructions])
    if body.handlers or paired:
        from flowmetal.bytecode.regions import pendings

        return StackMap(tuple(depths), pendings(function, body, depths))
    return StackMap(tuple(depths), {})


def depths(function: Function, body: Body, resolve: Resolve) -> tuple[int | None, ...]:
    """Return how many operands are on the stack before each instruction of a body."""
    return stack_map(function, body, resolve).depths


def protecting(body: Body) -> Iterator[tuple[Handler, ...]]:
    """Yield for each instruction the handlers that protect it, in the order of the table."""
    changes: dict[int, list[int]] = {}
    for index, row in enumerate(body.handlers):
        if row.start < row.end:
            changes.setdefault(row.start, []).append(index)
            changes.setdefault(row.end, []).append(index)
    now: set[int] = set()
    rows: tuple[Handler, ...] = ()
    for pc in range(len(body.instructions)):
        if pc in changes:
            now.symmetric_difference_update(changes[pc])
            rows = tuple(body.handlers[index] for index in sorted(now))
        yield rows


def refuse(function: Function, body: Body, pc: int, problem: str, code: str) -> NoReturn:
    """Raise the error about one instruction of a body."""
    what = f"instruction {pc}"
    if 0 <= pc < len(body.instructions):
        op, operand = body.instructions[pc]
        what += f" ({op.name} {operand})"
    raise ProgramError(
        code,
        f"{function.name} must not be run: at {what}, {problem}",
        hint="compile the program again; if that does not help, this is a fault of the compiler",
    )


# Tables by number of instruction: a look-up at an enum member's property costs too much here.
_PAIRED = frozenset({Op.BIND.number, Op.UNBIND.number, Op.END_FINALLY.number})
SCOPES = {"flow.core/-open-scope!": 1, "flow.core/-close-scope!": -1}
"""How many more scopes are open after a native. It is paired in its body, as BIND and UNBIND are."""

_POPS: list[int] = [0] * 256
_MORE: list[int] = [0] * 256  # how many more it pops for each one that the operand counts
_PUSHES: list[int] = [0] * 256
_FALLS: list[bool] = [False] * 256
_OPERANDS: list[Operand] = [Operand.NONE] * 256
for _op in Op:
    _POPS[_op.number] = _op.pops(0)
    _MORE[_op.number] = _op.pops(1) - _op.pops(0)
    _PUSHES[_op.number] = _op.pushes(0)
    _FALLS[_op.number] = _op.falls_through
    _OPERANDS[_op.number] = _op.operand

_NONE = Operand.NONE
_LOCAL = Operand.LOCAL
_CONSTANT = Operand.CONSTANT
_COUNT = Operand.COUNT
_TARGET = Operand.TARGET
_CAPTURE = Operand.CAPTURE
_PATCH = Op.PATCH.number


class _Walk:
    """One pass over one body."""

    def __init__(self, function: Function, body: Body, resolve: Resolve) -> None:
        self.function = function
        self.body = body
        self.resolve = resolve
        self.pc = 0
        self.known: Depths = [None] * len(body.instructions)
        self.has_scopes = False

    def depths(self) -> Depths:
        """Return the depth before each instruction, once everything has been checked."""
        body = self.body
        slots = body.locals
        constants = len(self.function.constants)
        known = self.known
        end = len(known)
        if not end:
            self._refuse("there are no instructions")
        self._check_handlers()
        known[0] = 0
        protected = protecting(body) if body.handlers else None
        for pc, (op, operand) in enumerate(body.instructions):
            self.pc = pc
            rows = () if protected is None else next(protected)
            number = op.number
            kind = _OPERANDS[number]
            count = 0
            if operand < 0:
                self._refuse("the operand is negative")
            if kind is _LOCAL:
                if operand >= slots:
                    self._refuse(f"it has {slots} local{'s' * (slots != 1)}")
            elif kind is _CONSTANT:
                if operand >= constants:
                    self._refuse(f"there are {constants} constants")
            elif kind is _NONE:
                if operand:
                    self._refuse("there is no operand")
            elif kind is _COUNT:
                count = operand
            elif kind is not _TARGET:
                count = self._count(number, kind, operand)
            depth = known[pc]
            if depth is None:
                continue  # nothing leads here
            left = depth - _POPS[number] - _MORE[number] * count
            if left < 0:
                self._refuse(f"the stack has {depth} operands", "FM0810")
            if rows:
                self._protect(left, rows)
            depth = left + _PUSHES[number]
            if kind is _TARGET:
                self._join(operand, depth)
            elif kind is Operand.BACK:
                if operand > pc or known[operand] != depth:
                    self._refuse("it does not lead back to a place of the same depth", "FM0810")
            elif kind is Operand.TABLE:
                table = body.tables[operand]
                for target in (*table.targets, table.default):
                    self._join(target, depth)
            if _FALLS[number]:
                following = pc + 1
                if following < end and known[following] is None:
                    known[following] = depth  # what _join would do; this is the common case
                else:
                    self._join(following, depth)
        return known

    def _join(self, target: int, depth: int) -> None:
        """Note that control may come to ``target`` from here."""
        known = self.known
        if not self.pc < target < len(known):
            self._refuse(f"it leads to {target}, and there are {len(known)} instructions")
        if known[target] is None:
            known[target] = depth
        elif known[target] != depth:
            self._refuse(
                f"ways with {known[target]} and {depth} operands meet at {target}", "FM0810"
            )

    def _count(self, number: int, kind: Operand, operand: int) -> int:
        """Check an operand of a rarer kind; return how many values ``x*`` stands for."""
        function = self.function
        match kind:
            case Operand.NAME | Operand.KIND:
                if type(self._constant(operand)) is not str:
                    self._refuse(f"constant {operand} is not a name")
            case Operand.NATIVE:
                return self._native_count(self._constant(operand))
            case Operand.NAMES:
                names = self._constant(operand)
                if type(names) is not Vector or not all(type(name) is str for name in names):
                    self._refuse(f"constant {operand} is not a vector of names")
                return len(names)
            case Operand.CAPTURE:
                # PATCH is about another closure; the machine looks at that one.
                if number != _PATCH and operand >= function.captures:
                    self._refuse(f"{function.captures} values are captured")
            case Operand.FUNCTION:
                return self._captures(operand)
            case Operand.TABLE:
                self._check_table(operand)
            case Operand.BACK:
                if operand > self.pc:
                    self._refuse("it does not lead back")
            case _:
                pass
        return 0

    def _constant(self, index: int) -> Value:
        constants = self.function.constants
        if index >= len(constants):
            self._refuse(f"there are {len(constants)} constants")
        return constants[index]

    def _native_count(self, call: Value) -> int:
        parts: Value = call.body if type(call) is Vector else ()
        if (
            len(parts) != 2
            or type(parts[0]) is not str
            or type(parts[1]) is not int
            or parts[1] < 0
        ):
            self._refuse("the constant is not a vector of a name and a count")
        if parts[0] in SCOPES:
            self.has_scopes = True
        return int(parts[1])

    def _captures(self, index: int) -> int:
        nested = self.function.functions
        if index >= len(nested):
            self._refuse(f"there are {len(nested)} nested functions")
        function = self.resolve(nested[index])
        if function is None:
            self._refuse(f"the nested function {nested[index]} is missing", "FM0806")
        return function.captures

    def _check_table(self, index: int) -> None:
        if index >= len(self.body.tables):
            self._refuse(f"there are {len(self.body.tables)} case tables")
        table = self.body.tables[index]
        if len(table.keys) != len(table.targets):
            self._refuse("its table has not as many targets as keys")
        for key in table.keys:
            if not 0 <= key < len(self.function.constants):
                self._refuse(f"its table has the key {key}, which is no constant")
        for target in (*table.targets, table.default):
            if not self.pc < target < len(self.known):
                self._refuse(f"its table leads to {target}")

    def _check_handlers(self) -> None:
        """Check each handler for itself."""
        end = len(self.known)
        for row in self.body.handlers:
            self.pc = max(row.start, 0)
            if not 0 <= row.start <= row.end <= row.target < end or row.depth < 0:
                self._refuse(
                    f"its handler is for {row.start} to {row.end} at {row.target}", "FM0811"
                )
            match row.kind:
                case HandlerKind.TYPE:
                    fits = 0 <= row.operand < len(self.function.constants) and isinstance(
                        self.function.constants[row.operand], (Keyword, Symbol)
                    )
                case HandlerKind.PREDICATE | HandlerKind.RESTART | HandlerKind.OBSERVER:
                    fits = 0 <= row.operand < self.body.locals
                case _:
                    fits = row.operand == 0
            if not fits:
                self._refuse(f"its handler has the operand {row.operand}", "FM0811")

    def _protect(self, left: int, rows: tuple[Handler, ...]) -> None:
        """Note the ways from this instruction to the handlers that protect it."""
        for row in rows:
            if left < row.depth:
                self._refuse(f"it takes what its handler at {row.target} needs", "FM0811")
            self._join(row.target, row.depth + (2 if row.kind is HandlerKind.FINALLY else 1))

    def _refuse(self, problem: str, code: str = "FM0809") -> NoReturn:
        refuse(self.function, self.body, self.pc, problem, code)


def _check_arities(function: Function) -> None:
    """Check that a call has one body to go to, and the body a slot for each argument."""
    counts = [body.parameters for body in function.bodies if not body.variadic]
    variadic = len(function.bodies) - len(counts)
    if not function.bodies or len(set(counts)) < len(counts) or variadic > 1:
        raise ProgramError("FM0811", f"{function.name} does not have one body for each call")
    for body in function.bodies:
        if body.locals < body.parameters + (1 if body.variadic else 0):
            raise ProgramError("FM0811", f"{function.name} has fewer locals than parameters")
