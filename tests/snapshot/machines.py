"""Machines made by hand, for tests of the snapshot that need no compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from flowmetal.bytecode.code import Body, Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.bytecode.opcodes import Op
from flowmetal.effects.requests import EffectRequest
from flowmetal.ids import EffectNumber, RunId
from flowmetal.snapshot import Encoded, decode, encode
from flowmetal.values import Value, hash_map, keyword, vector
from flowmetal.vm.link import Image
from flowmetal.vm.machine import run
from flowmetal.vm.state import (
    Closure,
    Fiber,
    FiberStatus,
    Finish,
    Frame,
    Machine,
    MachineStatus,
    Native,
    OpenEffect,
)

LITERAL = vector([1, vector([keyword("inner")]), hash_map([(keyword("a"), vector([]))])])


def function(
    name: str, slots: int, *code: tuple[Op, int], constants: Sequence[Value] = (), captures: int = 0
) -> Function:
    return Function(name, captures, tuple(constants), (), (Body(1, False, slots, code),))


def calling(name: str, slots: int, callee: str) -> Function:
    """A function that calls another one: its pc is 4 while it waits for the result."""
    return function(
        name,
        slots,
        (Op.LOCAL, 0),
        (Op.VAR, 0),
        (Op.LOCAL, 0),
        (Op.CALL, 1),
        (Op.RETURN, 0),
        constants=[callee],
    )


MAIN = calling("user/main", 4, "user/step")
STEP = calling("user/step", 8, "user/ask")
ASK = function(
    "user/ask",
    8,
    (Op.CONST, 1),
    (Op.PERFORM, 0),
    (Op.RETURN, 0),
    constants=["http/request", LITERAL],
)
INNER = function("user/inner", 1, (Op.CAPTURED, 1), (Op.RETURN, 0), captures=2)
FUNCTIONS = (MAIN, STEP, ASK, INNER)
INC = Native("flow.core/inc", lambda x: x + 1, 1, 1)


def program(functions: Sequence[Function] = FUNCTIONS) -> Program:
    definitions = tuple(
        Definition(each.name, DefinitionKind.FUNCTION, each.hash)
        for each in functions
        if not each.captures
    )
    constant = Definition("user/config", DefinitionKind.CONSTANT, None, LITERAL)
    native = Definition("flow.core/inc", DefinitionKind.NATIVE, None, "flow.core/inc")
    module = Module("user", (), (*definitions, constant, native), tuple(functions))
    return read_program(write_program(Program("user", (module,))))


def image(functions: Sequence[Function] = FUNCTIONS) -> Image:
    return Image(program(functions), {"flow.core/inc": INC})


def frame(
    image: Image, of: Function, pc: int, operands: Sequence[Value], slots: Sequence[Value] = ()
) -> Frame:
    linked = image.functions[of.hash]
    body = linked.bodies[0]
    padding = [None] * (body.local_count - len(slots))
    made = Frame(body, [*slots, *padding, *operands], linked.plain)
    made.pc = pc
    return made


def closure(image: Image, *captured: Value) -> Closure:
    return Closure(image.functions[INNER.hash], list(captured))


def machine(*values: Value, image_: Image | None = None) -> Machine:
    """A machine of three frames that waits for an effect; ``values`` are in vars user/v0, ..."""
    own = image_ or image()
    made = Machine(RunId("r1"), own, "user/main", ("x",))
    made.globals.update(own.static)
    request = hash_map([(keyword("url"), "/a")])
    bottom = frame(own, MAIN, 4, [7], ["x"])
    bottom.then = Finish()
    frames = [
        bottom,
        frame(own, STEP, 4, [1], [1, "abc", True, keyword("done"), 3.5]),
        frame(own, ASK, 1, [request], [1, 2, "five", keyword("ok")]),
    ]
    made.fibers[1] = Fiber(1, frames, FiberStatus.WAITING, EffectNumber(1))
    made.open[1] = OpenEffect(EffectRequest(EffectNumber(1), "http/request", request, "1"), 1)
    made.status = MachineStatus.WAITING
    made.started = 1
    made.next_effect = made.next_fiber = 2
    made.random = 0x0123456789ABCDEF
    for index, value in enumerate(values):
        made.globals[f"user/v{index}"] = value
        made.defined[f"user/v{index}"] = None
    return made


def by_instruction(machine: Machine, answer: Callable[[Machine], None]) -> Iterator[int]:
    """Run to the end, one instruction at a time, and yield how many were done. ``answer`` answers its effects."""
    done = 0
    while machine.status in (MachineStatus.READY, MachineStatus.WAITING):
        if machine.status is MachineStatus.WAITING:
            answer(machine)
        machine.steps = 1
        run(machine)
        done += 1
        yield done


def fetch(chunks: Mapping[str, bytes]):  # type: ignore[no-untyped-def]
    return lambda names: {name: chunks[name] for name in names if name in chunks}


def restored(encoded: Encoded, chunks: Mapping[str, bytes] | None = None) -> Machine:
    """The machine as another interpreter finds it, with its own copy of the program."""
    return decode(encoded.data, image(), fetch(chunks or encoded.chunks))


def trip(*values: Value) -> list[Value]:
    """Save the values in a machine and return them as they come back; the bytes must not change."""
    encoded = encode(machine(*values))
    back = restored(encoded)
    again = encode(back)
    assert again.data == encoded.data
    assert again.chunks == {}
    return [back.globals[f"user/v{index}"] for index in range(len(values))]
