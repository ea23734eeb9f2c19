"""Small programs for the tests of the bytecode."""

from __future__ import annotations

from collections.abc import Sequence

from flowmetal.bytecode.code import (
    Body,
    CaseTable,
    DeclaredKind,
    Definition,
    DefinitionKind,
    Function,
    Handler,
    HandlerKind,
    Module,
    Position,
    Program,
)
from flowmetal.bytecode.opcodes import Op
from flowmetal.ids import CodeHash
from flowmetal.source import Source, Span
from flowmetal.values import Value, hash_map, keyword, symbol, vector

INNER = Function("user/f/fn-1", 1, (), (), (Body(0, False, 0, ((Op.CAPTURED, 0), (Op.RETURN, 0))),))

F = Function(
    "user/f",
    0,
    (
        None,
        "user/g",
        vector(["flow.core/str", 2]),
        keyword("a/b"),
        symbol("Error"),
        hash_map([(keyword("x"), 1.5)]),
        1 << 80,
        "http/request",
        vector(["user/*d*"]),
        "semi; colon  ; here",
    ),
    (INNER.hash,),
    (
        Body(
            1,
            True,
            4,
            (
                (Op.LOCAL, 0),
                (Op.JUMP_IF_FALSE, 4),
                (Op.LOCAL, 1),
                (Op.RETURN, 0),
                (Op.LOCAL, 0),
                (Op.BIND, 8),
                (Op.CONST, 5),
                (Op.PERFORM, 7),
                (Op.LOCAL, 0),
                (Op.NATIVE, 2),
                (Op.JUMP, 13),
                (Op.POP, 0),
                (Op.CONST, 0),
                (Op.CONST, 0),
                (Op.UNBIND, 0),
                (Op.END_FINALLY, 0),
                (Op.CLOSURE, 0),
                (Op.SET_LOCAL, 2),
                (Op.LOCAL, 2),
                (Op.CASE, 0),
                (Op.LOCAL, 2),
                (Op.TAIL_CALL, 0),
                (Op.CONST, 6),
                (Op.RETURN, 0),
            ),
            (
                Handler(6, 10, 11, 0, HandlerKind.TYPE, 4),
                Handler(6, 13, 14, 0, HandlerKind.FINALLY),
            ),
            (CaseTable((3, 6), (20, 22), 22),),
            (Position(0, 3, 2, 3, 9), Position(5, 4, 1, 6, 2)),
            ("x", "rest", "inner", ""),
        ),
        Body(
            0,
            False,
            1,
            (
                (Op.CONST, 0),
                (Op.SET_LOCAL, 0),
                (Op.LOCAL, 0),
                (Op.JUMP_IF_FALSE, 5),
                (Op.LOOP, 0),
                (Op.CONST, 3),
                (Op.RETURN, 0),
            ),
        ),
    ),
    "user.flow",
    (),
    frozenset({"sealed"}),
)


def program(functions: Sequence[Function] = (F, INNER)) -> Program:
    definitions = (
        Definition("user/g", DefinitionKind.DECLARED),
        Definition(
            "user/f",
            DefinitionKind.FUNCTION,
            functions[0].hash,
            meta=hash_map([(keyword("doc"), "what it does")]),
            span=Span("user.flow", 3, 1, 6, 2),
        ),
        Definition("user/c", DefinitionKind.CONSTANT, None, vector([1, vector([2])])),
    )
    module = Module(
        "user",
        ("flow.core",),
        definitions,
        tuple(functions),
        (("s", "flow.string"),),
        (("inc", "flow.core/inc"),),
        (DeclaredKind("my/kind", hash_map([(keyword("timeout"), 5)])),),
        hash_map([(keyword("doc"), "a namespace")]),
        Source("user.flow", "(ns user)\n"),
    )
    return Program("user", (module,), frozenset({"contracts"}))


def simple(
    *code: tuple[Op, int],
    constants: Sequence[Value] = (),
    locals_: int = 1,
    handlers: tuple[Handler, ...] = (),
    functions: tuple[CodeHash, ...] = (),
    tables: tuple[CaseTable, ...] = (),
    parameters: int = 0,
    captures: int = 0,
) -> Function:
    return Function(
        "user/f",
        captures,
        tuple(constants),
        functions,
        (Body(parameters, False, locals_, code, handlers, tables),),
    )
