"""Calls: of natives by name, of instructions that are spelled as functions, of everything else.

A call of a var whose arguments are known when compiling is checked here.
``(+ a b c)`` becomes two additions; a keyword in front of a map becomes ``get``.
"""

from __future__ import annotations

from collections.abc import Generator

from flowmetal.bytecode.arities import takes
from flowmetal.bytecode.code import DefinitionKind
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.compiler.context import Ask, Context, Walk
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.foreigners import without_package
from flowmetal.compiler.forms import CORE, Syntax, is_vector
from flowmetal.compiler.macroexpansion import defined_here, wrong_count
from flowmetal.compiler.nodes import Apply, Call, NativeCall, Node, Operation
from flowmetal.compiler.statics import STATICS
from flowmetal.values import Keyword, Symbol, Value, show
from flowmetal.values.kinds import LAST_SCALAR, kind_of

_APPLY = frozenset({f"{CORE}/apply", f"{CORE}/-apply"})
_CALL_THEIR_FIRST = frozenset(
    {f"{CORE}/spawn!", f"{CORE}/future-call", f"{CORE}/pmap"}
    | {"flow.async/pmap!", "flow.async/poll-until!"}
)
"""Functions whose effects are those of the function that they are given."""

_GET = f"{CORE}/get"
_TEST = "flow.test"
_FOLDING = frozenset({Op.ADD, Op.SUB, Op.MUL})


def analyse_call(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    """Analyse a list that is neither a special form nor a macro call."""
    head, *arguments = items
    if _is_unknown_macro(context, items):
        # Its arguments are names and bodies that only it could make sense of.
        return (yield ask.value(head))
    var = called_var(context, head)
    if not arguments and var is not None and _is_static_constant(head.form, var):
        return (yield ask.value(head))  # (Long/MAX_VALUE) reads it too
    if var is not None:
        context.unit.calls.add(var.name)
        if var.name in _CALL_THEIR_FIRST and arguments:
            started = called_var(context, arguments[0])
            if started is not None:
                context.unit.calls.add(started.name)
        if var.name in _APPLY and len(arguments) >= 2:
            function, *rest = yield from values(ask, arguments)
            return Apply(ask.span, function, tuple(rest))
        op = None if var.inline is None else Op.__members__.get(var.inline)
        if op is not None and _fits(op, len(arguments)):
            return _operations(ask, op, (yield from values(ask, arguments)))
        if _takes(context, ask, var, len(arguments)) and var.kind is DefinitionKind.NATIVE:
            return NativeCall(ask.span, var.name, tuple((yield from values(ask, arguments))))
    if _is_plain_literal(head.form) and _TEST not in context.names.namespace.requires:
        context.problems.report(
            "FM0132",
            f"{show(head.form)} cannot be called",
            head.span,
            label="the first form of a list is called",
            help=("write (list ...) or a quote for a list of data",),
        )
    if isinstance(head.form, Keyword) and len(arguments) in (1, 2) and _has_get(context):
        subject, *rest = yield from values(ask, [arguments[0], head, *arguments[1:]])
        return NativeCall(ask.span, _GET, (subject, *rest))
    function, *nodes = yield from values(ask, items)
    return Call(ask.span, function, tuple(nodes))


def values(ask: Ask, items: list[Syntax]) -> Generator[Ask, Node, list[Node]]:
    """Analyse forms whose values are all wanted."""
    nodes: list[Node] = []
    for item in items:
        nodes.append((yield ask.value(item)))
    return nodes


def called_var(context: Context, head: Syntax) -> VarInfo | None:
    """Return the var that the head of a list names, None for a local or any other form."""
    if not isinstance(head.form, Symbol):
        return None
    if head.form.ns is None and context.scope.find(head.form.name) is not None:
        return None
    found = context.names.find(head.form)
    return found if isinstance(found, VarInfo) else None


def _is_plain_literal(form: Value) -> bool:
    """Say whether a form is a literal that nobody can call: a number, a string, nil and the like."""
    if isinstance(form, Keyword | Symbol):
        return False
    return kind_of(form) <= LAST_SCALAR


def _is_static_constant(symbol: Value, var: VarInfo) -> bool:
    """Say whether a symbol names a constant of a class of Java, such as Long/MAX_VALUE."""
    if not isinstance(symbol, Symbol) or symbol.ns is None:
        return False
    is_static = STATICS.get(f"{without_package(symbol.ns)}/{symbol.name}") == var.name
    return is_static and var.kind is DefinitionKind.CONSTANT


def _is_unknown_macro(context: Context, items: list[Syntax]) -> bool:
    """Say whether an unknown head looks like a macro: it defines, or it has a vector of bindings."""
    symbol = items[0].form
    if not isinstance(symbol, Symbol) or context.scope.find(symbol.text) is not None:
        return False
    if context.names.find(symbol) is not None:
        return False
    return symbol.name.startswith("def") or any(is_vector(item.form) for item in items[1:])


def _has_get(context: Context) -> bool:
    var = context.environment.var(_GET)
    return var is not None and var.kind is DefinitionKind.NATIVE


def _fits(op: Op, count: int) -> bool:
    wanted = op.pops(0)
    return count == wanted or (count > wanted and op in _FOLDING)


def _operations(ask: Ask, op: Op, arguments: list[Node]) -> Node:
    """Make one instruction, or several that fold from the left."""
    assert op.operand is Operand.NONE
    wanted = op.pops(0)
    node: Node = Operation(ask.span, op, tuple(arguments[:wanted]))
    for argument in arguments[wanted:]:
        node = Operation(ask.span, op, (node, argument))
    return node


def _takes(context: Context, ask: Ask, var: VarInfo, count: int) -> bool:
    """Check the number of arguments if it is known; report a wrong one."""
    arities = var.arities
    if arities is None:
        return False
    if takes(arities, count):
        return True
    if _TEST in context.names.namespace.requires:
        return False  # a test may call wrongly to see it fail, which it does when it runs
    labels = defined_here(var)
    name = var.name
    if name.startswith((f"{CORE}/", f"{context.namespace_name}/")):
        name = name.partition("/")[2]
    context.problems.report(
        "FM0103", wrong_count(name, var.arglists, count), ask.span, labels=labels
    )
    return False
