"""The machine behind a REPL: code is added to it form by form, and its effects are performed.

Each evaluation gets a machine of its own; they share the vars, the code and
the bindings of what ``set!`` may change. A form that a file brings in and a
macro call run sealed, as they do when a program is compiled; a form that was
typed may do whatever was granted.

The effects go through the runtime, as those of a run do, with one difference:
nothing is kept. There is no snapshot of a REPL, so a commit only shows what was printed.

``interrupt`` may be called at any time, from a signal handler too. The
evaluation is cancelled, as a run would be: its ``finally`` blocks run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flowmetal.bytecode.code import Module, Program
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.embed.evaluating import EvaluatingMachine
from flowmetal.embed.evaluator import compile_at_once
from flowmetal.embed.unkept import Interrupted, UnkeptRun, drive_unkept
from flowmetal.ids import InterpreterId, RunId
from flowmetal.stdlib.natives.walking import unrealised_inside
from flowmetal.values import EMPTY_MAP, ErrorValue, FlowError, Symbol, Value, vector
from flowmetal.vm.calls import call_value
from flowmetal.vm.link import Image, Linker
from flowmetal.vm.machine import run
from flowmetal.vm.spaces import NAMESPACE
from flowmetal.vm.state import (
    Bindings,
    Fiber,
    Finish,
    Frame,
    Machine,
    MachineStatus,
    Native,
)
from flowmetal.vm.vars import root_value

if TYPE_CHECKING:
    from flowmetal.effects.world import World
    from flowmetal.runtime.grants import RunGrants
    from flowmetal.runtime.host import Host
    from flowmetal.runtime.observer import Observer
    from flowmetal.store.protocol import Claim

_EVALUATE: Final = "flow.repl/-evaluate"
_REALISE: Final = "flow.core/-realise-deep"

_SLICE: Final = 200_000
"""Fuel between two looks at whether somebody interrupted; some tens of milliseconds."""

_FOR_EVER_US: Final = 1 << 55


class LiveMachine(EvaluatingMachine):
    """Evaluates definitions and expressions, whose effects are performed."""

    prelude = Path(__file__).parent / "live.flow"

    def __init__(
        self,
        natives: Mapping[str, Native],
        modules: Sequence[Module],
        world: Callable[[], World],
        grants: RunGrants,
        observer: Observer,
    ) -> None:
        super().__init__({}, Bindings({}, None))
        own = (
            Native("flow.repl/-done!", self._done, 1, 1, wants_machine=True),
            Native("flow.repl/-failed!", self._failed, 1, 1, wants_machine=True),
        )
        self._natives = {**natives, **{native.name: native for native in own}}
        self.image = Image(Program("user", ()), self._natives)
        self.image.grows = True
        self.run = RunId(f"repl-{os.urandom(4).hex()}")
        self._defined: dict[str, None] = {}
        self._outcomes: dict[int, Value | FlowError] = {}
        self._running: list[Machine] = []
        self._generation = 0
        self._next_gensym = 1
        self._random = int.from_bytes(os.urandom(8), "big")
        self._world = world
        self._grants = grants
        self._observer = observer
        self._claimed: tuple[Host, Claim] | None = None
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> None:
        """Load a compiled module, sealed. Raises EvaluationFailed."""
        functions = {function.hash: function for function in module.functions}
        self.image.add((), module.functions)
        for definition in module.definitions:
            self.load_sealed(definition, functions)

    def enter(self, environment: Environment, namespace: str) -> None:
        """Make a namespace the current one."""
        self.image.spaces = environment
        if NAMESPACE in self.globals:
            self.globals[NAMESPACE] = Symbol(None, namespace)
            self._entered = namespace

    def locals(self) -> dict[str, Value]:
        """Return the names that forms can use beside vars: none."""
        return {}

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call a macro; its result is realised. Raises EvaluationFailed, Interrupted."""
        try:
            made = self.compute(root_value(self.globals, name), arguments)
            if unrealised_inside(made):
                self.compute(self.globals[_REALISE], (made,))
        except FlowError as error:
            raise EvaluationFailed(error.error) from None
        return made

    # -- evaluations ---------------------------------------------------------------------

    def _image(self) -> Image:
        return self.image

    def compute(self, function: Value, arguments: Sequence[Value] = ()) -> Value:
        """Call a function without effects. Raises FlowError, Interrupted."""
        machine = self._machine(sealed=True)
        fiber = machine.fibers[1]
        called = call_value(machine, fiber, function, list(arguments))
        if not isinstance(called, Frame):
            return called
        called.then = Finish()
        fiber.frames.append(called)
        self._running.append(machine)
        try:
            return self._compute(machine)
        finally:
            self._leave(machine)

    def _compute(self, machine: Machine) -> Value:
        from flowmetal.runtime.heap import Watch

        interruption = self._interruption
        watch = Watch()
        watch.begin()
        while True:
            turn = run(machine, _SLICE)
            if turn.output:
                self._observer.wrote(self.run, turn.output)
            if turn.status is MachineStatus.COMPLETED:
                return turn.result
            if turn.error is not None:
                raise FlowError(turn.error)
            if interruption.asked:
                raise Interrupted
            watch(machine)

    def evaluate(self, function: Value, arguments: Sequence[Value] = ()) -> Value:
        """Call a function whose effects are performed; any value may be its result.

        Raises FlowError for an error that it does not catch, its ``finally`` blocks run;
        Interrupted.
        """
        from flowmetal.runtime.lease import Lease
        from flowmetal.runtime.local import Locals, run_info

        machine = self._machine(sealed=False)
        fiber = machine.fibers[1]
        words = [function, vector(arguments)]
        called = call_value(machine, fiber, self.globals[_EVALUATE], words)
        assert isinstance(called, Frame)
        called.then = Finish()
        fiber.frames.append(called)
        host, claim = self._host_and_claim()
        host.world = self._world()
        clock = host.clock
        info = run_info(self.run, "repl", clock.now_us(), {})
        local = Locals(clock, host.entropy, host.world.environment, self._grants, lambda: info, [])
        lease = Lease(host.store, clock, host.lease_us, clock.monotonic_us())
        program = Program("user", ()).hash
        active = UnkeptRun(host, claim, lease, machine, self._grants, local, program)
        self._running.append(machine)
        try:
            drive_unkept(active, self._interruption)
            if active.heap.exceeded is not None:
                raise FlowError(active.heap.final_error())
            if id(machine) not in self._outcomes:
                raise Interrupted
            outcome = self._outcomes.pop(id(machine))
        finally:
            self._outcomes.pop(id(machine), None)
            self._leave(machine)
        if isinstance(outcome, FlowError):
            raise outcome
        return outcome

    def _machine(self, *, sealed: bool) -> Machine:
        self._generation += 1
        machine = Machine(
            self.run, self.image, "", (), generation=self._generation, sealed=sealed,
            compiler=compile_at_once if sealed else None,
            globals=self.globals, defined=self._defined, random=self._random, next_fiber=2,
        )  # fmt: skip
        machine.next_gensym = max(
            [self._next_gensym, *(other.next_gensym for other in self._running)]
        )
        machine.fibers[1] = Fiber(1, [], bindings=self.bindings)
        machine.ready.append(1)
        return machine

    def _leave(self, machine: Machine) -> None:
        """Take over what the next machine goes on from."""
        self._running.remove(machine)
        self._random = machine.random
        self._next_gensym = max(self._next_gensym, machine.next_gensym)
        for outer in self._running:
            outer.next_gensym = max(outer.next_gensym, self._next_gensym)

    def _done(self, machine: Machine, fiber: Fiber, value: Value) -> None:
        self._outcomes[id(machine)] = value

    def _failed(self, machine: Machine, fiber: Fiber, error: ErrorValue) -> None:
        frames = tuple(frame for frame in error.frames if frame[0] != _EVALUATE)
        self._outcomes[id(machine)] = FlowError(error.with_frames(frames))

    @property
    def host(self) -> Host:
        """What the runtime stands on."""
        return self._host_and_claim()[0]

    def _host_and_claim(self) -> tuple[Host, Claim]:
        """Return what the runtime stands on: a store in memory that knows one run."""
        if self._claimed is None:
            self._claimed = _claim(self.run, Linker(self._natives), self._world(), self._observer)
        return self._claimed


def _claim(run: RunId, linker: Linker, world: World, observer: Observer) -> tuple[Host, Claim]:
    from flowmetal.bytecode.file import read_program
    from flowmetal.runtime.clock import StoreClock
    from flowmetal.runtime.host import Host
    from flowmetal.store.memory import MemoryStore
    from flowmetal.store.protocol import Claim, NewRun
    from flowmetal.values import encode_data

    store = MemoryStore()
    owner = InterpreterId("repl")
    host = Host(
        store=store, linker=linker, world=world, clock=StoreClock(store), owner=owner,
        read_program=read_program, observer=observer, lease_us=_FOR_EVER_US,
    )  # fmt: skip
    store.create_run(NewRun(run, Program("user", ()).hash, encode_data(EMPTY_MAP), b""))
    claim = store.claim(run, owner, _FOR_EVER_US)
    assert isinstance(claim, Claim)
    return host, claim
