"""Builds the instructions of one body: labels, operand depth, slots, handlers, positions.

The builder knows the operand depth at every instruction. Code after an
instruction that never falls through is dead until a label is placed that
something jumps to, and is not emitted at all. Jumps to jumps are resolved at
the end; indices do not change by that, so handlers and positions stay right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowmetal.bytecode.code import Body, CaseTable, Handler, HandlerKind, NameScope, Position
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.source import Span

_JUMPS = frozenset({Op.JUMP, Op.JUMP_IF_FALSE})


@dataclass(eq=False, slots=True)
class Label:
    """A place in the code. ``depth`` is the operand depth there, known from the first jump."""

    pc: int = -1
    depth: int = -1


@dataclass(slots=True)
class _Table:
    keys: tuple[int, ...]
    targets: tuple[Label, ...]
    default: Label


@dataclass(slots=True)
class BodyBuilder:
    """See the module's docstring."""

    parameters: int
    variadic: bool
    path: str
    depth: int = 0
    alive: bool = True
    code: list[tuple[Op, int]] = field(default_factory=list)
    _labels: list[Label] = field(default_factory=list)
    _label_index: dict[Label, int] = field(default_factory=dict)
    _handlers: list[tuple[int, int, Label, int, HandlerKind, int]] = field(default_factory=list)
    _tables: list[_Table] = field(default_factory=list)
    _positions: list[Position] = field(default_factory=list)
    _names: list[list[str]] = field(default_factory=list)
    _free: list[int] = field(default_factory=list)
    _begun: dict[int, tuple[int, str]] = field(default_factory=dict)
    _scopes: list[NameScope] = field(default_factory=list)
    _barrier: int = 0

    @property
    def pc(self) -> int:
        return len(self.code)

    # -- slots ---------------------------------------------------------------------------

    def take_slot(self, name: str) -> int:
        """Reserve the lowest free slot for a local of this name.

        What somebody has named shares no slot with what the compiler makes: who looks at a frame would see
        the one under the name of the other.
        """
        fit = [slot for slot in self._free if bool(self._names[slot]) == bool(name)]
        if fit:
            slot = min(fit)
            self._free.remove(slot)
        else:
            slot = len(self._names)
            self._names.append([])
        if name and name not in self._names[slot]:
            self._names[slot].append(name)
        self._begun[slot] = (self.pc or -1, name)
        return slot

    def free_slots(self, slots: list[int]) -> None:
        self._free.extend(slots)
        for slot in slots:
            self._end_scope(slot)

    def _end_scope(self, slot: int) -> None:
        start, name = self._begun.pop(slot)
        if name:
            self._scopes.append(NameScope(slot, start, self.pc, name))

    def _scopes_that_tell(self) -> tuple[NameScope, ...]:
        """Return where the locals are in scope, if their slots alone do not say which is which."""
        for slot in list(self._begun):
            self._end_scope(slot)
        named = [name for names in self._names for name in names]
        if len(named) == len(set(named)) and all(len(names) < 2 for names in self._names):
            return ()
        return tuple(sorted(self._scopes, key=lambda scope: (scope.start, scope.slot)))

    # -- instructions --------------------------------------------------------------------

    def emit(self, op: Op, operand: int = 0, *, span: Span, count: int = 0) -> None:
        """Add an instruction. ``count`` is what ``x*`` in its stack picture stands for."""
        if not self.alive:
            return
        self._mark(span)
        self.code.append((op, operand))
        self.depth += op.pushes(count) - op.pops(count)
        if not op.falls_through:
            self.alive = False

    def last(self) -> tuple[Op, int] | None:
        """Return the instruction before this place, if nothing can jump in between."""
        if self.alive and self.pc > self._barrier:
            return self.code[-1]
        return None

    def drop_last(self) -> None:
        """Take back the last instruction, which must not have jumped."""
        op, _ = self.code.pop()
        self.depth += op.pops(0) - op.pushes(0)
        while self._positions and self._positions[-1].pc >= self.pc:
            self._positions.pop()

    def jump(self, op: Op, label: Label, *, span: Span) -> None:
        """Add a jump to a label that is placed later."""
        if not self.alive:
            return
        index = self._label_index.setdefault(label, len(self._labels))
        if index == len(self._labels):
            self._labels.append(label)
        self.emit(op, index, span=span)
        label.depth = self.depth

    def place(self, label: Label) -> None:
        """Put a label here. Dead code comes to life if something jumps to it."""
        if label.depth >= 0:
            self.depth = label.depth
            self.alive = True
        label.pc = self.pc
        self._barrier = self.pc

    def start(self) -> int:
        """Return this place as the target of a LOOP or the beginning of what is protected: what
        comes before it is not taken back any more."""
        self._barrier = self.pc
        return self.pc

    def case(
        self, keys: tuple[int, ...], targets: tuple[Label, ...], default: Label, *, span: Span
    ) -> None:
        """Add a CASE."""
        if not self.alive:
            return
        self._tables.append(_Table(keys, targets, default))
        self.emit(Op.CASE, len(self._tables) - 1, span=span)
        for label in (*targets, default):
            label.depth = self.depth

    def protect(
        self, start: int, end: int, target: Label, depth: int, kind: HandlerKind, operand: int = 0
    ) -> None:
        """Add a handler for ``start <= pc < end``; inner ones must be added before outer ones."""
        if start < end:
            self._handlers.append((start, end, target, depth, kind, operand))

    def enter_handler(self, label: Label, depth: int) -> None:
        """Begin the code of a handler: it is entered by unwinding, with so many operands."""
        label.depth = depth
        self.place(label)

    def _mark(self, span: Span) -> None:
        last = self._positions[-1] if self._positions else None
        if span.path != self.path:
            return  # from another file: the code around it says where we are
        if last is not None and (last.line, last.col, last.end_line, last.end_col) == (
            span.line,
            span.col,
            span.end_line,
            span.end_col,
        ):
            return
        self._positions.append(Position(self.pc, span.line, span.col, span.end_line, span.end_col))

    # -- the end -------------------------------------------------------------------------

    def finish(self) -> Body:
        """Resolve labels and return the body."""
        assert not self.alive, "a body ends with a return, a tail call, a throw or a loop"
        code = tuple(self._resolved(op, operand) for op, operand in self.code)
        return Body(
            parameters=self.parameters,
            variadic=self.variadic,
            locals=len(self._names),
            instructions=code,
            handlers=tuple(
                Handler(start, end, target.pc, depth, kind, operand)
                for start, end, target, depth, kind, operand in self._handlers
            ),
            tables=tuple(
                CaseTable(
                    table.keys,
                    tuple(self._final(target.pc) for target in table.targets),
                    self._final(table.default.pc),
                )
                for table in self._tables
            ),
            positions=tuple(self._positions),
            local_names=tuple("/".join(names) for names in self._names),
            scopes=self._scopes_that_tell(),
        )

    def _resolved(self, op: Op, operand: int) -> tuple[Op, int]:
        if op not in _JUMPS:
            return op, operand
        target = self._final(self._labels[operand].pc)
        if op is Op.JUMP and self.code[target][0] is Op.RETURN:
            return Op.RETURN, 0
        assert op.operand is Operand.TARGET
        return op, target

    def _final(self, pc: int) -> int:
        """Follow jumps to where they end."""
        while self.code[pc][0] is Op.JUMP:
            pc = self._labels[self.code[pc][1]].pc
        return pc
