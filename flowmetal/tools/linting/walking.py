"""Trees of the compiler, walked without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never

from flowmetal.compiler.nodes import (
    Apply,
    Attempts,
    Bind,
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
    Node,
    NoMatch,
    Operation,
    Perform,
    Recur,
    SetVar,
    Throw,
    Try,
    Var,
)


def parts(node: Node) -> list[Node]:
    """Return the nodes right inside a node, in the order of evaluation."""
    match node:
        case Constant() | Local() | Var() | NoMatch():
            return []
        case Do():
            return [*node.statements, node.result]
        case If():
            return [node.test, node.then, node.otherwise]
        case Let():
            return [*(value for _, value in node.bindings), node.body]
        case Loop():
            return [*node.initial, node.body]
        case Function():
            return [arity.body for arity in node.arities]
        case LetFunctions():
            return [*(function for _, function in node.bindings), node.body]
        case Call() | Apply():
            return [node.function, *node.arguments]
        case NativeCall() | Operation() | Recur():
            return [*node.arguments]
        case Throw():
            return [node.error]
        case Try():
            tests = [c.selector for c in node.catches if isinstance(c.selector, _NODES)]
            bodies = [catch.body for catch in node.catches]
            return [node.body, *tests, *bodies, *([] if node.finally_ is None else [node.finally_])]
        case Case():
            return [node.value, *node.branches, node.default]
        case Attempts():
            return [*node.attempts]
        case Perform():
            return [node.arguments]
        case Define() | SetVar():
            return [node.value]
        case Bind():
            return [*node.values, node.body]
        case _:
            assert_never(node)


_NODES = (Call, Constant, Function, Local, NativeCall, Operation, Var, If, Let, Do, Apply, Case)


def walk(node: Node, enter: Callable[[Node], list[Node]] = parts) -> Iterator[Node]:
    """Yield a node and all that is inside it; ``enter`` says what to look into."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(enter(current)))
