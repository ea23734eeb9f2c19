"""Instructions for control flow: tests, loops, case, handlers, dynamic bindings.

A test never makes a boolean only to look at it: ``(if (and a (not b)) x y)`` is
two jumps. What ``and`` and ``or`` expand to is recognised by its shape, a local
that is bound, tested and given back, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowmetal.bytecode.code import HandlerKind
from flowmetal.bytecode.opcodes import Op
from flowmetal.compiler.assembler import Label
from flowmetal.compiler.emitter import BodyState, Branch, Emit, Steps, Use
from flowmetal.compiler.nodes import (
    Attempts,
    Bind,
    Binding,
    Case,
    Catch,
    Constant,
    If,
    Let,
    Local,
    Loop,
    Node,
    NoMatch,
    Operation,
    Recur,
    Try,
)
from flowmetal.values import Keyword, Symbol


def emit_if(body: BodyState, node: If, use: Use) -> Steps:
    if isinstance(node.test, Constant):
        yield Emit(_chosen(node), use)
        return
    if isinstance(node.test, Operation) and node.test.op is Op.NOT:
        yield Emit(If(node.span, node.test.arguments[0], node.otherwise, node.then), use)
        return
    builder, yes, no = body.builder, Label(), Label()
    yield Branch(node.test, yes, no, yes)
    builder.place(yes)
    yield Emit(node.then, use)
    if use is Use.TAIL or (use is Use.EFFECT and isinstance(node.otherwise, Constant)):
        builder.place(no)
        yield Emit(node.otherwise, use)
        return
    end = Label()
    builder.jump(Op.JUMP, end, span=node.span)
    builder.place(no)
    yield Emit(node.otherwise, use)
    builder.place(end)


def _chosen(node: If) -> Node:
    assert isinstance(node.test, Constant)
    return node.otherwise if node.test.value is None or node.test.value is False else node.then


def and_or(node: Node) -> tuple[Node, Node, bool] | None:
    """Recognise ``(let [x a] (if x b x))`` as (a, b, True) and ``(if x x b)`` as (a, b, False)."""
    if not (isinstance(node, Let) and len(node.bindings) == 1 and isinstance(node.body, If)):
        return None
    (binding, first), choice = node.bindings[0], node.body
    if not _is(choice.test, binding):
        return None
    if _is(choice.otherwise, binding):
        return first, choice.then, True
    if _is(choice.then, binding):
        return first, choice.otherwise, False
    return None


def _is(node: Node, binding: Binding) -> bool:
    return isinstance(node, Local) and node.binding is binding


def emit_and_or(body: BodyState, node: Let, use: Use) -> Steps:
    """Emit an ``and`` or ``or`` whose value is wanted, without a slot for it."""
    shape = and_or(node)
    assert shape is not None
    first, second, is_and = shape
    builder, short, long = body.builder, Label(), Label()
    yield Emit(first, Use.VALUE)
    builder.emit(Op.DUP, span=node.span)
    if is_and:
        builder.jump(Op.JUMP_IF_FALSE, short, span=node.span)
    else:
        builder.jump(Op.JUMP_IF_FALSE, long, span=node.span)
        if use is Use.TAIL:
            builder.emit(Op.RETURN, span=node.span)
        else:
            builder.jump(Op.JUMP, short, span=node.span)
        builder.place(long)
    builder.emit(Op.POP, span=node.span)
    yield Emit(second, use)
    if short.depth >= 0:
        builder.place(short)
        if use is Use.TAIL:
            builder.emit(Op.RETURN, span=node.span)


def emit_branch(body: BodyState, request: Branch, uses: dict[Binding, int]) -> Steps:
    """Emit a test: go to ``yes`` or ``no``, or fall through to the one that is next."""
    node, yes, no, after = request
    builder = body.builder
    if isinstance(node, Constant):
        target = no if node.value is None or node.value is False else yes
        if target is not after:
            builder.jump(Op.JUMP, target, span=node.span)
        return
    if isinstance(node, Operation) and node.op is Op.NOT:
        yield Branch(node.arguments[0], no, yes, after)
        return
    shape = and_or(node)
    if shape is not None and isinstance(node, Let) and uses[node.bindings[0][0]] == 2:
        first, second, is_and = shape
        middle = Label()
        yield Branch(first, middle, no, middle) if is_and else Branch(first, yes, middle, middle)
        builder.place(middle)
        yield Branch(second, yes, no, after)
        return
    if isinstance(node, If) and not isinstance(node.test, Constant):
        then, otherwise = Label(), Label()
        yield Branch(node.test, then, otherwise, then)
        builder.place(then)
        yield Branch(node.then, yes, no, None)
        builder.place(otherwise)
        yield Branch(node.otherwise, yes, no, after)
        return
    yield Emit(node, Use.VALUE)
    builder.jump(Op.JUMP_IF_FALSE, no, span=node.span)
    if yes is not after:
        builder.jump(Op.JUMP, yes, span=node.span)


def emit_loop(body: BodyState, node: Loop, use: Use, uses: Mapping[Binding, int]) -> Steps:
    builder, bindings = body.builder, node.target.bindings
    for binding, initial in zip(bindings, node.initial, strict=True):
        yield Emit(initial, Use.VALUE)
        builder.emit(Op.SET_LOCAL, body.bind(binding), span=initial.span)
    # The loop's own names have just been bound for the loop, so they are not dead.
    own = {binding: body.slots.pop(binding) for binding in bindings}
    body.forget_dead(uses, node.span)
    body.slots.update(own)
    body.loops[node.target] = builder.start()
    yield Emit(node.body, use)
    del body.loops[node.target]
    body.unbind(list(bindings))


def emit_recur(body: BodyState, node: Recur) -> Steps:
    builder = body.builder
    changed: list[tuple[int, Node]] = []
    for binding, argument in zip(node.target.bindings, node.arguments, strict=True):
        if not _is(argument, binding):
            yield Emit(argument, Use.VALUE)
            changed.append((body.slots[binding], argument))
    for slot, argument in reversed(changed):
        builder.emit(Op.SET_LOCAL, slot, span=argument.span)
    builder.emit(Op.LOOP, body.loops[node.target], span=node.span)


def emit_case(body: BodyState, node: Case, use: Use) -> Steps:
    yield Emit(node.value, Use.VALUE)
    builder, default, end = body.builder, Label(), Label()
    labels = tuple(Label() for _ in node.branches)
    keys, targets = [], []
    for label, constants in zip(labels, node.keys, strict=True):
        keys += [body.function.constants.index_of(constant) for constant in constants]
        targets += [label] * len(constants)
    builder.case(tuple(keys), tuple(targets), default, span=node.span)
    for label, branch in zip((*labels, default), (*node.branches, node.default), strict=True):
        builder.place(label)
        yield Emit(branch, use)
        if use is not Use.TAIL and label is not default:
            builder.jump(Op.JUMP, end, span=node.span)
    builder.place(end)


def emit_attempts(body: BodyState, node: Attempts, use: Use) -> Steps:
    builder, end = body.builder, Label()
    for attempt in node.attempts[:-1]:
        after = Label()
        body.attempts.append(after)
        yield Emit(attempt, use)
        body.attempts.pop()
        if use is not Use.TAIL:
            builder.jump(Op.JUMP, end, span=attempt.span)
        if after.depth < 0:
            break  # it always succeeds
        builder.place(after)
    else:
        yield Emit(node.attempts[-1], use)
    builder.place(end)


def emit_no_match(body: BodyState, node: NoMatch) -> None:
    body.builder.jump(Op.JUMP, body.attempts[-1], span=node.span)


def emit_try(body: BodyState, node: Try, use: Use) -> Steps:
    """Emit a body and its handlers. The body is never in tail position: it must stay protected."""
    builder = body.builder
    end, cleanup = Label(), Label()
    slots: list[int] = []
    selectors: list[int] = []
    for catch in node.catches:
        slot = -1
        if not isinstance(catch.selector, (Keyword, Symbol, type(None))):
            yield Emit(catch.selector, Use.VALUE)
            slot = builder.take_slot("")
            slots.append(slot)
            builder.emit(Op.SET_LOCAL, slot, span=catch.selector.span)
        selectors.append(slot)
    if not builder.alive:
        return
    depth, start = builder.depth, builder.start()
    inner = Use.VALUE if node.finally_ is not None or use is Use.TAIL else use
    yield Emit(node.body, inner)
    protected = builder.pc
    if start == protected:
        builder.free_slots(slots)
        return  # the body does nothing, so nothing is to be caught
    _leave(body, node, use, cleanup, end, last=not node.catches)
    for index, (catch, slot) in enumerate(zip(node.catches, selectors, strict=True)):
        target = Label()
        builder.protect(start, protected, target, depth, *_selection(body, catch, slot))
        builder.enter_handler(target, depth + 1)
        yield from _emit_catch(body, catch, use if node.finally_ is None else Use.VALUE)
        last = index == len(node.catches) - 1
        _leave(body, node, use, cleanup, end, last=last)
    if node.finally_ is not None:
        builder.protect(start, builder.pc, cleanup, depth, HandlerKind.FINALLY)
        builder.enter_handler(cleanup, depth + 2)
        yield Emit(node.finally_, Use.EFFECT)
        builder.emit(Op.END_FINALLY, span=node.finally_.span)
        body.done(use, node.span)
    else:
        builder.place(end)
    builder.free_slots(slots)


def _leave(body: BodyState, node: Try, use: Use, cleanup: Label, end: Label, *, last: bool) -> None:
    """Go on after the body or a catch: return, or go to the finally block or to the end.

    What comes ``last`` in the code stands right before those.
    """
    if node.finally_ is not None:
        body.constant(None, node.span)
        if not last:
            body.builder.jump(Op.JUMP, cleanup, span=node.span)
    elif use is Use.TAIL:
        body.builder.emit(Op.RETURN, span=node.span)
    elif not last:
        body.builder.jump(Op.JUMP, end, span=node.span)


def _selection(body: BodyState, catch: Catch, slot: int) -> tuple[HandlerKind, int]:
    if catch.selector is None:
        return HandlerKind.ANY, 0
    if isinstance(catch.selector, (Keyword, Symbol)):
        return HandlerKind.TYPE, body.function.constants.index_of(catch.selector)
    return catch.kind, slot


def _emit_catch(body: BodyState, catch: Catch, use: Use) -> Steps:
    body.builder.emit(Op.SET_LOCAL, body.bind(catch.binding), span=catch.span)
    yield Emit(catch.body, use)
    body.unbind([catch.binding])


def emit_bind(body: BodyState, node: Bind, use: Use) -> Steps:
    builder, cleanup = body.builder, Label()
    for value in node.values:
        yield Emit(value, Use.VALUE)
    if not builder.alive:
        return
    index = body.function.constants.names(node.names)
    builder.emit(Op.BIND, index, span=node.span, count=len(node.names))
    depth, start = builder.depth, builder.start()
    yield Emit(node.body, Use.VALUE)
    body.constant(None, node.span)
    builder.protect(start, builder.pc, cleanup, depth, HandlerKind.FINALLY)
    builder.enter_handler(cleanup, depth + 2)
    builder.emit(Op.UNBIND, span=node.span)
    builder.emit(Op.END_FINALLY, span=node.span)
    body.done(use, node.span)
