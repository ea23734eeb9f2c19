"""Whatever calls a user's function can be saved in the middle of the call.

callers.flow has an expression for every public name of the library that calls
what it is given. Each runs through the function ``here``; whenever the machine
stands inside of it, the machine is saved, restored elsewhere and carried on,
and what comes out at the end is what comes out undisturbed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

import msgpack
import pytest

from flowmetal import compile
from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.effects.requests import EffectRequest, EffectResult
from flowmetal.embed.natives import natives
from flowmetal.ids import RunId
from flowmetal.reader import read_all_with_spans
from flowmetal.snapshot import decode, encode
from flowmetal.source import Source
from flowmetal.values import EMPTY_MAP, Instant, List, Symbol, Value, hash_map, keyword, pr_str
from flowmetal.vm.link import Image
from flowmetal.vm.machine import deliver, run, start
from flowmetal.vm.state import Machine, MachineStatus
from tests.lang.expectations import text_of
from tests.snapshot.callers import higher_order_names
from tests.snapshot.machines import fetch

CASES = Path(__file__).parent / "callers.flow"
SILENT = frozenset(
    {
        # other names of what has a case, and a definition like any other
        "flow.core/future-cancel",
        "flow.core/future-done?",
        "flow.event/defquery",
        # a test of a file that the runner holds open: no run has it
        "flow.test/with-cassette",
        # what a program is written with: nothing of it is called where it stands
        "flow.core/comment",
        "flow.core/declare",
        "flow.core/defmacro",
        "flow.core/alias",
        "flow.core/definline",
        "flow.core/import",
        "flow.core/io!",
        "flow.core/refer",
        "flow.core/in-ns",
        "flow.core/ns",
        "flow.core/refer-clojure",
        "flow.core/refer-flow",
        "flow.core/require",
        "flow.core/use",
        "flow.core/unquote",
        "flow.core/unquote-splicing",
        "flow.queue/defqueue",
        # what lets another run call it
        "flow.core/start!",
        "flow.queue/enqueue!",
        # what takes a callback, which is data
        "flow.event/await-callback!",
        # what only registers a test: run-test calls it
        "flow.test/deftest-",
        "flow.test/set-test",
        "flow.test/with-test",
        # what asks the runner of tests and has no body
        "flow.test/stub-calls",
    }
)
"""Names that call nothing of the user's, found by nobody but us."""


@dataclass(frozen=True, slots=True)
class Case:
    """An expression and the full names of what it is there for."""

    names: tuple[str, ...]
    text: str

    @property
    def title(self) -> str:
        return " ".join(name.removeprefix("flow.core/") for name in self.names)


@cache
def read_cases() -> tuple[str, tuple[Case, ...]]:
    """Return the definitions of the file and its cases."""
    source = Source(CASES.name, CASES.read_text("utf-8"))
    lines = source.text.split("\n")
    definitions = []
    cases = []
    for read in read_all_with_spans(source):
        form = list(read.form) if type(read.form) is List else []
        if form and form[0] == Symbol(None, "check"):
            text = text_of(lines, read.span)
            body = text[text.index("]") + 1 : -1]
            cases.append(Case(tuple(_full_name(name) for name in form[1]), body))
        else:
            definitions.append(text_of(lines, read.span))
    return "\n".join(definitions), tuple(cases)


def _full_name(name: Symbol) -> str:
    if name.ns is None:
        return f"flow.core/{name.text}"
    alias, _, own = name.text.rpartition("/")
    return f"flow.{'string' if alias == 'str' else alias}/{own}"


@cache
def program() -> Program:
    definitions, cases = read_cases()
    functions = [f"(defn case-{number} [] {case.text})" for number, case in enumerate(cases)]
    text = "\n".join([definitions, *functions])
    return read_program(write_program(compile(text)))


@cache
def image() -> Image:
    return Image(program(), natives())


@cache
def other_image() -> Image:
    """The image of another interpreter: no object of the first is in it."""
    return Image(read_program(write_program(program())), natives())


def answer_to(request: EffectRequest) -> Value:
    """Return the world's answer: the same one to the same question."""
    match request.kind:
        case "time/now":
            return Instant(request.number)
        case "step/begin":
            return f"step-{request.number}"
        case "lock/acquire":
            return hash_map([(keyword("token"), 1)])
        case "state/get":  # what the first effect of the program, id/uuid, has given
            return hash_map([(keyword("value"), str(UUID(int=1))), (keyword("version"), 1)])
        case "state/put":
            return EMPTY_MAP
        case "id/uuid":
            return UUID(int=request.number)
        case "sh/run":
            return hash_map([(keyword("exit"), 0), (keyword("out"), "a")])
        case "flow.test/-host!":
            return request.args.get(keyword("op")) == keyword("disarm") or None
    return None


def answer(machine: Machine) -> None:
    for effect in list(machine.open.values()):
        request = effect.request
        if request.kind == "time/sleep" and not only_waits(machine):
            continue
        result = EffectResult(request.number, answer_to(request), None)
        deliver(machine, result, 0, request.number)


def only_waits(machine: Machine) -> bool:
    return machine.status is MachineStatus.WAITING


def begin(number: int) -> Machine:
    return start(image(), f"callers/case-{number}", (), RunId("r1"))


def is_alive(machine: Machine) -> bool:
    return machine.status in (MachineStatus.READY, MachineStatus.WAITING)


def outcome(machine: Machine) -> str:
    """Run to the end at full speed and say what came out."""
    while is_alive(machine):
        answer(machine)
        run(machine)
    if machine.status is MachineStatus.COMPLETED:
        return f"{pr_str(machine.fibers[1].result)} after {machine.fuel_used}"
    return f"the run failed with {machine.fibers[1].error!r} after {machine.fuel_used}"


def stops_inside(machine: Machine) -> Iterator[Machine]:
    """Run, and stop whenever the machine stands inside of ``here``."""
    while is_alive(machine):
        answer(machine)
        run(machine, 1)
        tops = [fiber.frames[-1] for fiber in machine.fibers.values() if fiber.frames]
        if any(frame.body.owner.name == "callers/here" for frame in tops):
            yield machine


CALLS = 1000 if os.environ.get("FLOWMETAL_EVERYTHING") else 4
"""In how many calls of one case the machine moves; all of them in the long run."""


@pytest.mark.parametrize(
    "number", range(len(read_cases()[1])), ids=[case.title for case in read_cases()[1]]
)
def test_a_machine_saved_inside_a_call_goes_on_elsewhere(number: int) -> None:
    wanted = outcome(begin(number))
    assert "the run failed" not in wanted
    machine = begin(number)
    moved = 0
    chunks: dict[str, bytes] = {}
    places = [other_image(), image()]
    while moved < CALLS and next(stops_inside(machine), None) is not None:
        encoded = encode(machine)
        chunks |= encoded.chunks
        machine = decode(encoded.data, places[moved % 2], fetch(chunks))
        assert encode(machine).data == encoded.data
        moved += 1
    assert moved > 0, "the machine never stood inside of the function"
    assert outcome(machine) == wanted


def test_every_name_that_calls_a_function_has_a_case() -> None:
    covered = {name for case in read_cases()[1] for name in case.names}
    missing = sorted(higher_order_names() - covered - SILENT)
    assert not missing, f"write a case for each in {CASES.name}: {' '.join(missing)}"


def test_machines_saved_inside_calls_go_on_in_another_process() -> None:
    script = (
        "import sys, msgpack\n"
        "from tests.snapshot.test_callers import *\n"
        "for data, chunks in msgpack.unpackb(sys.stdin.buffer.read()):\n"
        "    print(outcome(decode(data, image(), fetch(chunks))))\n"
    )
    samples = []
    wanted = []
    for number in range(0, len(read_cases()[1]), 8 if CALLS < 1000 else 1):
        wanted.append(outcome(begin(number)))
        encoded = encode(next(stops_inside(begin(number))))
        samples.append((encoded.data, encoded.chunks))
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=msgpack.packb(samples),
        capture_output=True,
        env={"PYTHONHASHSEED": "11", "PYTHONPATH": "."},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == wanted
