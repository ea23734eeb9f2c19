"""From the tree to instructions.

A node is emitted for one of three uses: its VALUE is pushed, its value is the
function's result (TAIL: then it returns, or calls in place of the frame), or it
is run for its EFFECT and leaves nothing. Tests have a use of their own
(``branches.py``): they jump.

The walk is iterative (``trampoline.follow``): a method for a node with children
is a generator of what to emit next. Control flow and handlers are in
``emit_control.py``, functions in ``emit_functions.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias

from flowmetal.bytecode.opcodes import Op
from flowmetal.compiler.assembler import BodyBuilder, Label
from flowmetal.compiler.constants import ConstantPool
from flowmetal.compiler.context import is_made_up
from flowmetal.compiler.nodes import (
    Apply,
    Binding,
    Call,
    Constant,
    Define,
    Do,
    Let,
    Local,
    NativeCall,
    Node,
    Operation,
    Perform,
    SetVar,
    Throw,
    Var,
)
from flowmetal.ids import CodeHash
from flowmetal.source import Span


class Use(Enum):
    """What becomes of a node's value."""

    VALUE = "value"
    TAIL = "tail"
    EFFECT = "effect"


class Emit(NamedTuple):
    """A request to emit a node."""

    node: Node
    use: Use


class Branch(NamedTuple):
    """A request to test a node: go to one of two labels. ``next`` is placed right after."""

    node: Node
    yes: Label
    no: Label
    next: Label | None


Step: TypeAlias = Emit | Branch
Steps: TypeAlias = Iterator[Step]


class FunctionState:
    """What the bodies of a function share while it is emitted."""

    def __init__(self, captures: tuple[Binding, ...], depth: int) -> None:
        self.constants = ConstantPool()
        self.captures = {binding: index for index, binding in enumerate(captures)}
        self.depth = depth
        self.functions: list[CodeHash] = []  # hashes of nested functions


class BodyState:
    """Where the locals of the body that is being emitted live."""

    def __init__(self, function: FunctionState, builder: BodyBuilder) -> None:
        self.function = function
        self.builder = builder
        self.slots: dict[Binding, int] = {}
        self.loops: dict[object, int] = {}
        self.attempts: list[Label] = []  # where those around this place go on, innermost last
        self.reads: Counter[Binding] = Counter()
        self._begun: dict[Binding, int] = {}

    # -- leaves --------------------------------------------------------------------------

    def read(self, binding: Binding, span: Span, uses: int = 0) -> None:
        """Push a local, a captured value or the running closure."""
        self.reads[binding] += 1
        slot = self.slots.get(binding)
        if slot is not None:
            if uses == 1 and self.builder.last() == (Op.SET_LOCAL, slot):
                self.builder.drop_last()  # stored, read at once and never again
                return
            self.builder.emit(Op.LOCAL, slot, span=span)
        elif binding.is_self and binding.depth == self.function.depth:
            self.builder.emit(Op.SELF, span=span)
        else:
            self.builder.emit(Op.CAPTURED, self.function.captures[binding], span=span)

    def constant(self, value: object, span: Span) -> None:
        if self.builder.alive:
            self.builder.emit(Op.CONST, self.function.constants.index_of(value), span=span)

    def done(self, use: Use, span: Span) -> None:
        """A value was pushed: do with it what ``use`` says."""
        if use is Use.TAIL:
            self.builder.emit(Op.RETURN, span=span)
        elif use is Use.EFFECT:
            self.builder.emit(Op.POP, span=span)

    def bind(self, binding: Binding) -> int:
        """Give a local a slot."""
        slot = self.builder.take_slot(visible_name(binding.name))
        self.slots[binding] = slot
        self._begun[binding] = len(self.loops)
        return slot

    def unbind(self, bindings: list[Binding]) -> None:
        self.builder.free_slots([self.slots.pop(b) for b in bindings if b in self.slots])

    def forget_dead(self, uses: Mapping[Binding, int], span: Span) -> None:
        """Set locals to nil that nothing reads any more, before a loop that may run for long.

        What they hold, such as the head of a lazy sequence that the loop walks along,
        would otherwise be in every snapshot. A local that was bound outside of a loop
        around this place is left alone: the next round may read it.
        """
        for binding, slot in self.slots.items():
            if self._begun[binding] == len(self.loops) and self.reads[binding] == uses[binding]:
                self.constant(None, span)
                self.builder.emit(Op.SET_LOCAL, slot, span=span)


def visible_name(name: str) -> str:
    """Return the name of a local as people should see it: nothing for one that a macro made up.

    Generated names are left out of the code altogether: their numbers depend on what else
    was compiled before, and the same source must give the same bytes.
    """
    return "" if is_made_up(name) else name


def emit_leaf(body: BodyState, node: Node, use: Use, uses: dict[Binding, int]) -> bool:
    """Emit a node without children; say whether it was one."""
    if isinstance(node, Constant):
        if use is not Use.EFFECT:
            body.constant(node.value, node.span)
            body.done(use, node.span)
    elif isinstance(node, Local):
        if use is not Use.EFFECT:
            body.read(node.binding, node.span, uses[node.binding])
            body.done(use, node.span)
    elif isinstance(node, Var):
        # Also for its effect: reading a var that has no value is an error.
        if body.builder.alive:
            index = body.function.constants.index_of(node.name)
            body.builder.emit(Op.DYNAMIC if node.dynamic else Op.VAR, index, span=node.span)
            body.done(use, node.span)
    else:
        return False
    return True


def emit_do(body: BodyState, node: Do, use: Use) -> Steps:
    for statement in node.statements:
        yield Emit(statement, Use.EFFECT)
    yield Emit(node.result, use)


def emit_let(body: BodyState, node: Let, use: Use, uses: dict[Binding, int]) -> Steps:
    for binding, value in node.bindings:
        if not uses[binding]:
            yield Emit(value, Use.EFFECT)
            continue
        yield Emit(value, Use.VALUE)
        body.builder.emit(Op.SET_LOCAL, body.bind(binding), span=value.span)
    yield Emit(node.body, use)
    body.unbind([binding for binding, _ in node.bindings])


def emit_call(body: BodyState, node: Call | Apply, use: Use) -> Steps:
    yield Emit(node.function, Use.VALUE)
    for argument in node.arguments:
        yield Emit(argument, Use.VALUE)
    plain = isinstance(node, Call)
    count = len(node.arguments) - (0 if plain else 1)
    if use is Use.TAIL:
        op = Op.TAIL_CALL if plain else Op.TAIL_APPLY
        body.builder.emit(op, count, span=node.span, count=count)
        return
    body.builder.emit(Op.CALL if plain else Op.APPLY, count, span=node.span, count=count)
    body.done(use, node.span)


def emit_native(body: BodyState, node: NativeCall, use: Use) -> Steps:
    for argument in node.arguments:
        yield Emit(argument, Use.VALUE)
    count = len(node.arguments)
    if body.builder.alive:
        index = body.function.constants.native(node.name, count)
        body.builder.emit(Op.NATIVE, index, span=node.span, count=count)
    body.done(use, node.span)


def emit_operation(body: BodyState, node: Operation, use: Use) -> Steps:
    for argument in node.arguments:
        yield Emit(argument, Use.VALUE)
    body.builder.emit(node.op, node.operand, span=node.span, count=node.operand)
    body.done(use, node.span)


def emit_throw(body: BodyState, node: Throw, use: Use) -> Steps:
    """Emit what follows, too: a run that failed here may be told to go on with a value."""
    yield Emit(node.error, Use.VALUE)
    body.builder.emit(Op.THROW, span=node.span)
    body.done(use, node.span)


def emit_on_name(body: BodyState, node: Perform | Define | SetVar, use: Use) -> Steps:
    """Emit an instruction that takes one value and has a name as its operand."""
    if isinstance(node, Perform):
        op, name, value = Op.PERFORM, node.kind, node.arguments
    elif isinstance(node, Define):
        op, name, value = Op.DEF, node.name, node.value
    else:
        op, name, value = Op.SET_VAR, node.name, node.value
    yield Emit(value, Use.VALUE)
    if body.builder.alive:
        body.builder.emit(op, body.function.constants.index_of(name), span=node.span)
    body.done(use, node.span)
