"""A machine under test, driven: what it asks is answered, its clock moves, and it can die.

What a runner has to decide itself (``-host!`` requests about tests) is handed
out by ``advance``; everything else is answered here. A death drops the machine
and goes on from its last commit: the moment when it last waited. What it had
asked for then is asked again, under the same numbers and keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from flowmetal.bytecode.code import Program
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.embed.machine import Machine
from flowmetal.runtime.heap import Watch
from flowmetal.testing.cassettes import Cassette
from flowmetal.testing.recording import Shelf
from flowmetal.testing.sealed_world import (
    SealedWorld,
    is_wait,
    log_text,
    never_answered,
    when_over,
)
from flowmetal.values import (
    Duration,
    Instant,
    Map,
    Value,
    Vector,
    hash_map,
    keyword,
    pr_str,
    vector,
)
from flowmetal.vm.machine import UNLIMITED
from flowmetal.vm.state import MachineStatus, Turn
from flowmetal.vm.vars import dynamic_value

HOST: Final = "flow.test/-host!"
_CASSETTES: Final = "flow.test/-*cassettes*"
_UNWATCHED = 50_000
"""Fuel between two looks at what the tests take."""

_ARGS, _OP, _NAME, _TO, _FOR, _KEY, _FILE, _NUMBER = (
    keyword(name) for name in ("args", "op", "name", "to", "for", "key", "file", "number")
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One asking, as texts, so that two of them compare."""

    what: str
    key: str
    args: str


@dataclass(slots=True)
class Kills:
    """Deaths at random moments: after some fuel, with or without a last snapshot."""

    left: int
    mean_fuel: int
    random: Random

    def budget(self) -> int:
        """Return the fuel until the next death."""
        return self.random.randrange(2 * self.mean_fuel + 1) if self.left else UNLIMITED


@dataclass(slots=True)
class _Arm:
    """A death that a ``crash-at`` plans; known when it is over, too: a machine that died then asks again."""

    crashed: bool = False
    over: bool = False


@dataclass(slots=True)
class Driven:
    """See the module's docstring. ``output`` is what was printed up to the last commit."""

    program: Program
    machine: Machine
    world: SealedWorld
    kills: Kills | None = None
    output: str = ""
    fuel: int = 0
    asked: dict[int, Asked] = field(default_factory=dict)
    calls: list[tuple[str, Value, str]] = field(default_factory=list)
    answers: dict[int, Value] = field(default_factory=dict)
    shelf: Shelf = field(default_factory=Shelf)
    _due: dict[int, int] = field(default_factory=dict)
    _arms: dict[int, _Arm] = field(default_factory=dict)
    _clocks: dict[int, int] = field(default_factory=dict)
    _cassettes: dict[int, Cassette] = field(default_factory=dict)
    _delivered: set[int] = field(default_factory=set)
    _commit: bytes | None = None
    _fresh_output: str = ""
    _watch: Watch = field(default_factory=Watch)

    def advance(self) -> EffectRequest | Turn:
        """Go on until the machine has ended, or asks what only the runner knows.

        Raises FlowError :limit/heap for a machine that takes too much.
        """
        while True:
            turn = self._compute()
            if turn.status is not MachineStatus.WAITING:
                self._show()
                return turn
            if self._dies_here():
                continue
            self._show()
            if self.kills is not None or any(not arm.over for arm in self._arms.values()):
                self._commit = self.machine.snapshot()
            asked = self._answer_open()
            if asked is not None:
                return asked

    def answer(self, request: EffectRequest, value: Value) -> None:
        """Deliver the runner's answer."""
        self._deliver(request, value)

    def begin_test(self, world: SealedWorld, shelf: Shelf) -> None:
        """Forget what the test before has printed, called and planned."""
        self.output = ""
        self.calls.clear()
        self.world, self.shelf = world, shelf
        for arm in self._arms.values():
            arm.over = True

    def trial(self, standing: bytes, kills: Kills | None, answers: dict[int, Value]) -> Driven:
        """Return a copy that goes on from ``standing``, a snapshot of this machine, on its own."""
        machine = Machine.restore(standing, self.program)
        copy = Driven(self.program, machine, self.world.copy(), kills, answers=answers)
        copy.shelf = self.shelf
        copy._arms.update((number, _Arm(crashed=True, over=True)) for number in self._arms)
        copy._cassettes.update(self._cassettes)
        copy._due.update(self._due)
        return copy

    # -- computing and dying -------------------------------------------------------------

    def _compute(self) -> Turn:
        self._delivered.clear()
        while True:
            budget = _UNWATCHED if self.kills is None else self.kills.budget()
            turn = self.machine.run(budget)
            self.fuel += turn.fuel
            self._fresh_output += turn.output
            if turn.status is not MachineStatus.READY:
                return turn
            if self.kills is None:
                self._watch(self.machine.state)
                continue
            self.kills.left -= 1
            if self.kills.random.random() < 0.5:
                self.machine = Machine.restore(self.machine.snapshot(), self.program)
            else:
                self._die()

    def _die(self) -> None:
        assert self._commit is not None
        self._fresh_output = ""
        self._delivered.clear()
        self.machine = Machine.restore(self._commit, self.program)

    def _dies_here(self) -> bool:
        """Let the machine die if it stands where a ``crash-at`` wants it to, for the first time."""
        for request in self._open():
            if operation(request) == "crash":
                arm = self._arms.get(_argument(request).get(_NUMBER))
                if arm is not None and not arm.crashed:
                    arm.crashed = True
                    self._die()
                    return True
        return False

    def _show(self) -> None:
        self.output += self._fresh_output + "".join(map(log_text, self.world.lines))
        self.world.lines.clear()
        self._fresh_output = ""

    # -- answering -----------------------------------------------------------------------

    def _open(self) -> list[EffectRequest]:
        effects = self.machine.state.open
        return [effects[number].request for number in sorted(effects)]

    def _answer_open(self) -> EffectRequest | None:
        """Answer what can be answered now, else what is due next."""
        waits: list[EffectRequest] = []
        for request in self._open():
            if request.number in self._delivered:
                continue
            if is_wait(request) or operation(request) == "advance":
                self._note(request)
                waits.append(request)
            elif request.kind == HOST:
                if self._host(request):
                    return request
            else:
                self._note(request)
                self._perform(request)
        if not self._delivered:
            self._let_time_pass(waits)
        return None

    def _perform(self, request: EffectRequest) -> None:
        try:
            self._deliver(request, self._answer_of(request))
        except EffectFailed as failure:
            self._refuse(request, failure)

    def _answer_of(self, request: EffectRequest) -> Value:
        """Return what an effect comes to. Raises EffectFailed."""
        if self.world.needs_world(request):
            cassette = self._cassette_of(request)
            if cassette is not None:
                return self.shelf.answer(cassette, request)
        return self.world.answer(request)

    def _cassette_of(self, request: EffectRequest) -> Cassette | None:
        """Return the innermost open cassette that the asking fiber, or who started it, is inside of."""
        if not self._cassettes:
            return None
        state = self.machine.state
        fiber = state.fibers[state.open[request.number].fiber]
        numbers: Vector = dynamic_value(state, fiber, _CASSETTES)
        return next((self._cassettes[n] for n in reversed(numbers) if n in self._cassettes), None)

    def _let_time_pass(self, waits: list[EffectRequest]) -> None:
        for request in waits:
            if request.number not in self._due:
                due = self._advance_due(request)
                if due is not None:
                    self._due[request.number] = due
        timers = [request for request in waits if request.number in self._due]
        if not timers:
            first = waits[0]
            self._refuse(first, EffectFailed(never_answered(first)))
            return
        self.world.now = max(self.world.now, min(self._due[request.number] for request in timers))
        for request in timers:
            if self._due[request.number] <= self.world.now:
                try:
                    value = None if request.kind == HOST else when_over(request)
                    self._deliver(request, value)
                except EffectFailed as failure:
                    self._refuse(request, failure)

    def _advance_due(self, request: EffectRequest) -> int | None:
        if request.kind == HOST:
            length: Duration = _argument(request).get(_FOR)
            return self.world.now + max(length.us, 0)
        return self.world.due_us(request)

    def _host(self, request: EffectRequest) -> bool:
        """Answer a request about the machine itself; say whether it is for the runner."""
        number, argument = request.number, _argument(request)
        if number in self.answers:
            self._deliver(request, self.answers[number])
            return False
        match operation(request):
            case "call":
                name, args = argument.get(_NAME), argument.get(_ARGS)
                self.asked[number] = Asked(name, request.key, pr_str(args))
                self.calls.append((name, args, request.key))
                self._deliver(request, None)
            case "calls":
                self._deliver(request, self._calls_of(argument.get(_NAME)))
            case "set-clock":
                before = self._clocks.setdefault(number, self.world.now)
                self.world.now = argument.get(_TO).us
                self._deliver(request, Instant(before))
            case "arm":
                self._arms.setdefault(number, _Arm())
                self._commit = self.machine.snapshot()
                self._deliver(request, number)
            case "disarm":
                arm = self._arms[argument.get(_NUMBER)]
                arm.over = True
                self._deliver(request, arm.crashed)
            case "crash":
                self._deliver(request, None)
            case "insert" | "eject":
                self._handle_cassette(request, argument)
            case _:
                return True
        return False

    def _handle_cassette(self, request: EffectRequest, argument: Map) -> None:
        try:
            if argument.get(_OP).text == "insert":
                number = request.number
                self._cassettes[number] = self.shelf.insert(number, argument.get(_FILE))
                self._deliver(request, number)
            else:
                number = argument.get(_NUMBER)
                self._cassettes.pop(number, None)  # not there: it is asked again after a crash
                self._deliver(request, vector(self.shelf.eject(number)))
        except EffectFailed as failure:
            self._refuse(request, failure)

    def _calls_of(self, name: str) -> Value:
        return vector(
            hash_map(((_ARGS, args), (_KEY, key))) for each, args, key in self.calls if each == name
        )

    def _note(self, request: EffectRequest) -> None:
        self.asked[request.number] = Asked(request.kind, request.key, pr_str(request.args))

    def _deliver(self, request: EffectRequest, value: Value) -> None:
        self._delivered.add(request.number)
        self.machine.deliver(request.number, value, at_us=self.world.now)

    def _refuse(self, request: EffectRequest, failure: EffectFailed) -> None:
        self._delivered.add(request.number)
        self.machine.deliver(request.number, error=failure.error, at_us=self.world.now)


def operation(request: EffectRequest) -> str:
    """Return what a ``-host!`` request wants, "" for any other."""
    return _argument(request).get(_OP).text if request.kind == HOST else ""


def _argument(request: EffectRequest) -> Map:
    argument: Map = request.args.get(_ARGS)[0]
    return argument
