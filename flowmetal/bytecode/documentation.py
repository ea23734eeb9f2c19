"""Writes docs/instructions.md from the table of instructions.

    python -m flowmetal.bytecode.documentation [--check] FILE

``--check`` writes nothing and fails if the file is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flowmetal.bytecode.opcodes import Op, Operand

_OPERANDS: dict[Operand, str] = {
    Operand.NONE: "none",
    Operand.CONSTANT: "index of a constant of the function",
    Operand.LOCAL: "slot of the frame",
    Operand.CAPTURE: "index of a captured value",
    Operand.NAME: "index of a constant: the full name of a var",
    Operand.NAMES: "index of a constant: a vector of full names of vars",
    Operand.KIND: "index of a constant: a kind of effect",
    Operand.NATIVE: "index of a constant: a vector of a native function's name and the number of arguments",
    Operand.FUNCTION: "index of a nested function",
    Operand.COUNT: "how many values",
    Operand.TARGET: "a later instruction of the body",
    Operand.BACK: "an earlier instruction of the body",
    Operand.TABLE: "index of a case table of the body",
}

_HEAD = """\
# Instructions

*Generated from `flowmetal/bytecode/opcodes.py` by `python -m flowmetal.bytecode.documentation`; do not edit.*

The machine has, per fiber, a stack of frames. A frame runs one body of a function and
has a program counter, local slots and an operand stack. An instruction is a number and
an operand; a jump target is the index of an instruction in its body.

The stack picture shows the operand stack before and after, its top at the right. `x*`
stands for as many values as the operand says, `pair*` for twice as many. An instruction
whose picture ends in `!` never goes on to the next one. Numbers are for ever: none is
given to another instruction, ever.

| no. | name | operand | stack | meaning |
|---|---|---|---|---|
"""

_OPERAND_HEAD = """
## Operands

| operand | is |
|---|---|
"""


def document() -> str:
    """Return the page as Markdown."""
    rows = [
        f"| {op.number:02x} | `{op.name}` | {op.operand.value} | `{op.picture}` | {op.meaning} |\n"
        for op in Op
    ]
    operands = [f"| {operand.value} | {_OPERANDS[operand]} |\n" for operand in Operand]
    return _HEAD + "".join(rows) + _OPERAND_HEAD + "".join(operands)


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit status."""
    check = "--check" in arguments
    (path,) = [Path(argument) for argument in arguments if argument != "--check"]
    if not check:
        path.write_text(document(), encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == document():
        return 0
    sys.stderr.write(f"{path} is not what the table of instructions says: generate it again\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
