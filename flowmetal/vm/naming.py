"""The function that an error is about, where only the machine can know it.

``map`` and ``first`` alike find out deep inside that something is no collection; what is
called is found to be no function by the instruction that calls it. What people know is the
function that they called: the innermost public one of the library on the stack, else the native
that the program's own code calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flowmetal.bytecode.opcodes import Op
from flowmetal.values import ErrorValue
from flowmetal.vm.state import Fiber
from flowmetal.vm.tracing import LIBRARY

_NO_COLLECTION: Final = "a collection is needed here, this is "
_NO_FUNCTION: Final = " is not a function"


def named(error: ErrorValue, fiber: Fiber) -> ErrorValue:
    """Return the error with the function in its message, if it is one that does not name any."""
    text = error.message or ""
    if error.code == "FM0323" and text.startswith(_NO_COLLECTION):
        called = next(_library_functions(fiber), None) or _native(fiber)
        if called is not None:
            text = f"`{called}` needs a collection, got {text.removeprefix(_NO_COLLECTION)}"
    elif error.code == "FM0302" and text.endswith(_NO_FUNCTION):
        called = next(_library_functions(fiber), None)
        if called is not None:
            text = f"`{called}` needs a function, got {text.removesuffix(_NO_FUNCTION)}"
    if text == (error.message or ""):
        return error
    return ErrorValue(
        error.type, text, error.data, error.cause, error.frames, error.retryable, error.code
    )


def _library_functions(fiber: Fiber) -> Iterator[str]:
    """Yield the public functions of the library at the top of the stack, innermost first."""
    for frame in reversed(fiber.frames):
        for body in (frame.body, *(body for body, _ in frame.history)):
            full = body.owner.name
            if not full.startswith(LIBRARY):
                return
            name = full.partition("/")[2]
            name = name.partition("/")[0] or name  # a function inside of it; division is a slash
            if not (name[:1] == "-" and name[1:2].isalpha()):
                yield name


def _native(fiber: Fiber) -> str | None:
    """Return the native that the topmost frame calls, None if it is an internal one or none."""
    frame = fiber.frames[-1]
    op, _ = frame.body.body.instructions[frame.pc]
    if op is not Op.NATIVE:
        return None
    name = frame.body.native_at(frame.pc).partition("/")[2]
    return None if name[:1] == "-" and name[1:2].isalpha() else name
