"""Functions: their bodies emitted, closures made, every nested function named by its hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import TypeAlias

from flowmetal.bytecode.code import MOST_SLOTS, Body
from flowmetal.bytecode.code import Function as FunctionCode
from flowmetal.bytecode.opcodes import Op
from flowmetal.compiler.assembler import BodyBuilder
from flowmetal.compiler.emit_control import (
    and_or,
    emit_and_or,
    emit_attempts,
    emit_bind,
    emit_branch,
    emit_case,
    emit_if,
    emit_loop,
    emit_no_match,
    emit_recur,
    emit_try,
)
from flowmetal.compiler.emitter import (
    BodyState,
    Branch,
    Emit,
    FunctionState,
    Step,
    Steps,
    Use,
    emit_call,
    emit_do,
    emit_leaf,
    emit_let,
    emit_native,
    emit_on_name,
    emit_operation,
    emit_throw,
    visible_name,
)
from flowmetal.compiler.nodes import (
    Apply,
    Attempts,
    Bind,
    Binding,
    Call,
    Case,
    Constant,
    Define,
    Do,
    Function,
    If,
    Let,
    LetFunctions,
    Local,
    Loop,
    NativeCall,
    NoMatch,
    Operation,
    Perform,
    Recur,
    SetVar,
    Throw,
    Try,
    Var,
)
from flowmetal.compiler.trampoline import follow
from flowmetal.errors import CompileError
from flowmetal.ids import CodeHash

Uses: TypeAlias = dict[Binding, int]


def emit_function(
    node: Function, uses: Uses, known: Mapping[CodeHash, FunctionCode]
) -> tuple[FunctionCode, dict[CodeHash, FunctionCode]]:
    """Emit a function that captures nothing. Return it and all functions, nested ones first.

    ``known`` are those that the module has: none of the new ones is taken for one of them that
    stands elsewhere.
    """
    emitter = _Emitter(uses, known)
    start: Step = Emit(node, Use.VALUE)
    follow(emitter.visit, start)
    assert emitter.last is not None
    return emitter.last, emitter.functions


class _Emitter:
    """Walks the tree of one top-level form. ``bodies`` are those begun, innermost last."""

    def __init__(self, uses: Uses, known: Mapping[CodeHash, FunctionCode]) -> None:
        self.uses = uses
        self._known = known
        self.functions: dict[CodeHash, FunctionCode] = {}
        self.last: FunctionCode | None = None
        self._bodies: list[BodyState] = []

    def visit(self, step: Step) -> Steps | None:
        body = self._bodies[-1] if self._bodies else None
        if isinstance(step, Branch):
            assert body is not None
            return emit_branch(body, step, self.uses)
        node, use = step
        if isinstance(node, Function):
            return self._function(node, body, use)
        assert body is not None
        if not body.builder.alive or emit_leaf(body, node, use, self.uses):
            return None
        match node:
            case If():
                return emit_if(body, node, use)
            case Let():
                if and_or(node) is not None and self.uses[node.bindings[0][0]] == 2:
                    return self._and_or(body, node, use)
                return emit_let(body, node, use, self.uses)
            case Call() | Apply():
                return emit_call(body, node, use)
            case NativeCall():
                return emit_native(body, node, use)
            case Operation():
                return emit_operation(body, node, use)
            case Do():
                return emit_do(body, node, use)
            case Loop():
                return emit_loop(body, node, use, self.uses)
            case Recur():
                return emit_recur(body, node)
            case LetFunctions():
                return self._let_functions(body, node, use)
            case Try():
                return emit_try(body, node, use)
            case Throw():
                return emit_throw(body, node, use)
            case Case():
                return emit_case(body, node, use)
            case Attempts():
                return emit_attempts(body, node, use)
            case NoMatch():
                emit_no_match(body, node)
                return None
            case Bind():
                return emit_bind(body, node, use)
            case Perform() | Define() | SetVar():
                return emit_on_name(body, node, use)
            case Constant() | Local() | Var():
                raise AssertionError("a leaf was not emitted as one")

    def _and_or(self, body: BodyState, node: Let, use: Use) -> Steps:
        if use is not Use.EFFECT:
            return emit_and_or(body, node, use)
        shape = and_or(node)
        assert shape is not None
        first, second, is_and = shape
        nothing = Constant(node.span, None)
        branches = (second, nothing) if is_and else (nothing, second)
        return emit_if(body, If(node.span, first, *branches), use)

    def _function(self, node: Function, outer: BodyState | None, use: Use) -> Steps:
        """Emit the bodies of a function, then the making of its closure where it stands."""
        if outer is not None and use is Use.EFFECT:
            return
        state = FunctionState(node.captures, node.depth)
        bodies: list[Body] = []
        for arity in node.arities:
            fixed = len(arity.target.bindings) - (1 if arity.variadic else 0)
            builder = BodyBuilder(fixed, arity.variadic, node.span.path)
            body = BodyState(state, builder)
            body.loops[arity.target] = builder.start()
            for binding in arity.target.bindings:
                body.bind(binding)
            self._bodies.append(body)
            yield Emit(arity.body, Use.TAIL)
            self._bodies.pop()
            bodies.append(builder.finish())
            _refuse_more("parameters and locals", bodies[-1].locals, node)
        _refuse_more("captured values", len(node.captures), node)
        self._finish(node, state, tuple(bodies))
        if outer is not None:
            self._close(outer, node, use)

    def _finish(self, node: Function, state: FunctionState, bodies: tuple[Body, ...]) -> None:
        made = FunctionCode(
            name=node.name,
            captures=len(node.captures),
            constants=tuple(state.constants.values),
            functions=tuple(CodeHash(code) for code in state.functions),
            bodies=bodies,
            path=node.span.path,
            capture_names=tuple(visible_name(binding.name) for binding in node.captures),
            flags=frozenset({"sealed"}) if node.sealed else frozenset(),
        )
        self.last = self._told_apart(made)
        self.functions[self.last.hash] = self.last

    def _told_apart(self, made: FunctionCode) -> FunctionCode:
        """Return the function, marked if one of the same name and code stands elsewhere in the module.

        The hash knows nothing of places: under one hash both would have those of one of them.
        """
        first = made
        for number in count(2):
            twin = self.functions.get(made.hash) or self._known.get(made.hash)
            if twin is None or twin == made:
                return made
            made = replace(first, flags=first.flags | {f"twin-{number}"})
        raise AssertionError("numbers have no end")

    def _close(self, outer: BodyState, node: Function, use: Use) -> None:
        for binding in node.captures:
            outer.read(binding, node.span)
        self._emit_closure(outer, node)
        outer.done(use, node.span)

    def _emit_closure(self, outer: BodyState, node: Function) -> None:
        assert self.last is not None
        hashes = outer.function.functions
        if self.last.hash not in hashes:
            hashes.append(self.last.hash)
        count = len(node.captures)
        outer.builder.emit(Op.CLOSURE, hashes.index(self.last.hash), span=node.span, count=count)

    def _let_functions(self, body: BodyState, node: LetFunctions, use: Use) -> Iterator[Step]:
        """Make the closures with nil for their siblings, then patch those in."""
        siblings = {binding for binding, _ in node.bindings}
        for binding, function in node.bindings:
            slot = body.bind(binding)
            yield from self._emitted(function)
            for captured in function.captures:
                if captured in siblings:
                    body.constant(None, function.span)
                else:
                    body.read(captured, function.span)
            self._emit_closure(body, function)
            body.builder.emit(Op.SET_LOCAL, slot, span=function.span)
        for binding, function in node.bindings:
            for index, captured in enumerate(function.captures):
                if captured in siblings:
                    for each in (binding, captured):  # reads that no source has written
                        body.builder.emit(Op.LOCAL, body.slots[each], span=function.span)
                    body.builder.emit(Op.PATCH, index, span=function.span)
                    body.builder.emit(Op.POP, span=function.span)
        yield Emit(node.body, use)
        body.unbind([binding for binding, _ in node.bindings])

    def _emitted(self, function: Function) -> Steps:
        """Emit the code of a function without making a closure of it."""
        return self._function(function, None, Use.VALUE)


def _refuse_more(what: str, count: int, node: Function) -> None:
    """Raise CompileError for a function that no file could hold."""
    if count > MOST_SLOTS:
        message = f"this function has {count:,} {what}, {MOST_SLOTS:,} are the most"
        raise CompileError(
            "FM0101", message, node.span, hint="put what belongs together into a vector or a map"
        )
