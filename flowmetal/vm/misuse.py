"""What the library's own natives, and code that no compiler wrote, are told when values do not fit.

A native whose name begins with ``-`` trusts its callers, which are the library. A program gets at
it all the same: through ``#'flow.core/-name``, or in a file that was assembled by hand. What Python
says of its arguments is then an error of the program. Of any other native it is ours to mend,
and goes on as it is.
"""

from __future__ import annotations

from typing import Final, NoReturn

from flowmetal.bytecode.opcodes import Op
from flowmetal.values import FlowError, Value, VarRef, describe, type_error
from flowmetal.values.errors import flow_error
from flowmetal.vm.state import Closure, Frame, Machine, Native

CRASHES: Final = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError,
)  # fmt: skip
"""What Python raises when a value is not what code takes it for."""

_BELOW: Final = {Op.CALL: 1, Op.TAIL_CALL: 1, Op.APPLY: 2, Op.TAIL_APPLY: 2}
"""How far under the counted arguments the callee is."""


def misused(machine: Machine, frame: Frame, crash: Exception) -> FlowError:
    """Return the error of the program that ``crash`` at the frame's pc means; raise it if it is ours."""
    name = _native(machine, frame)
    if not name.rpartition("/")[2].startswith("-"):
        raise crash
    return flow_error(
        "FM0314",
        "type/mismatch",
        f"`{name}` is the library's own, and was not given what it takes",
    )


def _native(machine: Machine, frame: Frame) -> str:
    """Return the name of the native that the instruction at the frame's pc calls, or ""."""
    op, operand = frame.body.body.instructions[frame.pc]
    if op is Op.NATIVE:
        return frame.body.native_at(frame.pc)
    if op not in _BELOW:
        return ""
    callee = frame.stack[-operand - _BELOW[op]]
    if type(callee) is VarRef:
        callee = machine.globals.get(callee.name)
    return callee.name if type(callee) is Native else ""


def patch(closure: Value, at: int, value: Value) -> None:
    """Set a captured value: what PATCH does."""
    if type(closure) is not Closure or at >= len(closure.captured):
        raise type_error("FM0314", f"{describe(closure)} does not capture {at + 1} values")
    closure.captured[at] = value


def refuse_text(value: Value) -> NoReturn:
    """Raise the error of output that is no text."""
    raise type_error("FM0314", f"only text can be written, not {describe(value)}")
