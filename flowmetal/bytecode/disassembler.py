"""Code as text: for people, and for the assembler, which reads it back.

```
function user/twice
  captures 1
  function 3f0c...              one line per nested function
  constant 0 "flow.core/*"      as the language prints it
  body 1 of 2 locals            a variadic body says "body 1+"
    ; example.flow:3  (defn twice [x]
    0  LOCAL 0          ; x
    1  CONST 0          ; 2
    ...
    handler 0 4 -> 6 depth 0 ANY 0
    table 0 1:5 2:7 else 9
```

What follows a semicolon is for people only.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowmetal.bytecode.code import Body, Function, Program
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.ids import CodeHash
from flowmetal.source import Source
from flowmetal.values import pr_str


def disassemble(code: Program | Function, source: Source | None = None) -> str:
    """Return a listing; with the lines of the source where there are any.

    Of a program, the functions of its own namespaces are listed, not the library's.
    """
    if isinstance(code, Function):
        return "\n".join(_function(code, source, {})) + "\n"
    names = {name: function.name for name, function in code.functions.items()}
    parts = [
        "\n".join(_function(function, module.source, names))
        for module in code.modules
        if not module.library
        for function in module.functions
    ]
    return "\n\n".join(parts) + "\n"


def _function(
    function: Function, source: Source | None, names: dict[CodeHash, str]
) -> Iterator[str]:
    yield f"function {function.name}"
    for flag in sorted(function.flags):
        yield f"  flag {flag}"
    if function.captures:
        yield f"  captures {function.captures}{_note(', '.join(function.capture_names))}"
    for name in function.functions:
        yield f"  function {name}{_note(names.get(name, ''))}"
    for index, value in enumerate(function.constants):
        yield f"  constant {index} {pr_str(value)}"
    for body in function.bodies:
        yield f"  body {body.parameters}{'+' if body.variadic else ''} of {body.locals} locals"
        yield from _body(function, body, source, names)


def _body(
    function: Function, body: Body, source: Source | None, names: dict[CodeHash, str]
) -> Iterator[str]:
    lines = {position.pc: position.line for position in body.positions}
    text = source.text.splitlines() if source is not None else []
    shown = 0
    for pc, (op, operand) in enumerate(body.instructions):
        line = lines.get(pc, shown)
        if line != shown:
            shown = line
            code = text[line - 1].strip() if 0 < line <= len(text) else ""
            yield f"    ; {function.path}:{line}  {code}".rstrip()
        words = op.name if op.operand is Operand.NONE else f"{op.name} {operand}"
        yield f"    {pc:<3} {words}{_note(_meaning(function, body, op, operand, names), words)}"
    for row in body.handlers:
        yield (
            f"    handler {row.start} {row.end} -> {row.target} depth {row.depth} "
            f"{row.kind.name} {row.operand}"
        )
    for index, table in enumerate(body.tables):
        cases = "".join(
            f" {key}:{target}" for key, target in zip(table.keys, table.targets, strict=True)
        )
        yield f"    table {index}{cases} else {table.default}"


def _meaning(
    function: Function, body: Body, op: Op, operand: int, names: dict[CodeHash, str]
) -> str:
    """Say what an operand stands for."""
    match op.operand:
        case Operand.CONSTANT | Operand.NAME | Operand.NAMES | Operand.KIND | Operand.NATIVE:
            return pr_str(function.constants[operand], 60)
        case Operand.LOCAL:
            return body.local_names[operand] if operand < len(body.local_names) else ""
        case Operand.CAPTURE:
            return function.capture_names[operand] if operand < len(function.capture_names) else ""
        case Operand.FUNCTION:
            return names.get(function.functions[operand], function.functions[operand])
        case _:
            return ""


def _note(text: str, before: str = "") -> str:
    padding = " " * max(2, 18 - len(before)) if before else "  "
    return f"{padding}; {text}" if text else ""
