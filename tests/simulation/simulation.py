"""One simulation: processes that share a store, a world, a clock, and one source of chance.

The interpreters are the real ones. Whose turn it is, what fails and when somebody dies is drawn
from the seed, and nothing else: a seed is a whole history, and gives the same one every time.

There are two parts. In the first one everything goes wrong that the seed has drawn. In the second
nothing does, and every run has to end with the right result.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from typing import Any

from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.embed import compile
from flowmetal.embed.natives import natives
from flowmetal.errors import FlowmetalError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.host import Host
from flowmetal.runtime.interpreting import Interpreter
from flowmetal.runtime.local import LogLine
from flowmetal.runtime.observer import Silent
from flowmetal.runtime.verifying import verify
from flowmetal.store.protocol import ENDED, RunQuery, Store
from flowmetal.testing.dying import Death
from flowmetal.vm.link import Linker
from tests.simulation.clock import ProcessClock, SimulatedClock
from tests.simulation.faults import SECOND_US, Faults, faults_of
from tests.simulation.ledger import Broken, Ledger
from tests.simulation.loops import SteppedLoop
from tests.simulation.outside import Outside, play_all
from tests.simulation.places import PLACES
from tests.simulation.programs import SOURCE
from tests.simulation.stores import SeenStore
from tests.simulation.worlds import KINDS, SeenWorld, Services

LEASE_US = 3 * SECOND_US
FAULTY_US = 25 * SECOND_US
LONGEST_US = 900 * SECOND_US
MOST_STEPS = 400_000
MOST_STEPS_AT_ONCE = 50_000  # at one moment: a whole seed takes a tenth of that, most often
MOST_WAITS = 20  # above somebody who stands still meanwhile


@cache
def linker() -> Linker:
    return Linker(natives())


@cache
def program_of(source: str) -> tuple[Program, bytes]:
    program = compile(source)
    return program, write_program(program)


read_once = lru_cache(50)(read_program)
"""Programs are read once, and not by each of the processes: it is the same bytes."""


@dataclass(eq=False)
class Process:
    """A process: a loop, what it sees of the store and the world, and whether it lives."""

    simulation: Simulation
    name: str
    real: Store
    loop: SteppedLoop
    mortal: bool = True
    dead: bool = False
    frozen_us: int = 0
    stop: Callable[[], None] | None = None  # ends it in good order
    is_driver: bool = False
    began: bool = False  # a driver
    lacks: frozenset[str] = frozenset()  # kinds of effects that it does not perform
    waits: int = 0  # one after the other, while somebody stood still

    def __post_init__(self) -> None:
        self.store = SeenStore(self.simulation, self, self.real)
        self.host = Host(
            store=self.store,  # type: ignore[arg-type]
            linker=linker(),
            world=SeenWorld(self.simulation, self),
            clock=ProcessClock(self.simulation.clock, partial(self.simulation.wait, self)),
            owner=InterpreterId(self.name),
            read_program=read_once,
            entropy=self.simulation.chance,
            observer=_Observer(self),
            lease_us=LEASE_US,
            resident=lambda: 0,  # one seed is one history, whatever this process takes
        )

    def next_us(self) -> int | None:
        """Return when it can do something, if its loop is not busy."""
        next_us = self.loop.next_us()
        return next_us if next_us is None or next_us > self.frozen_us else self.frozen_us


@dataclass
class _Observer(Silent):
    process: Process

    def wrote(self, run: RunId, text: str) -> None:
        if not self.process.dead:
            self.process.simulation.ledger.shown(run, text)

    def logged(self, run: RunId, line: LogLine) -> None:
        pass


CRASHED = " crashed: "
"""In a problem that is an exception of ours, or of what a saboteur put in its place."""


class _Interpreter(Interpreter):
    """The real one; what it would print as ours to mend is a problem here."""

    def __init__(self, process: Process, concurrency: int, *, drives: bool) -> None:
        super().__init__(process.host, concurrency, drives=drives)
        self._process = process

    def _ended(self, task: asyncio.Task[None]) -> None:
        crash = None if task.cancelled() else task.exception()
        if isinstance(crash, Exception) and not self._process.dead:
            self._process.loop.problems.append(f"{self._process.name}{CRASHED}{crash!r}")
        super()._ended(task)


@dataclass
class Result:
    """What became of a seed. ``problem`` is empty if all is well."""

    seed: int
    problem: str = ""
    commits: int = 0
    steps: int = 0
    passed_us: int = 0
    trace: list[str] = field(default_factory=list)


class Simulation:
    """See the module's docstring. ``store`` is memory or sqlite."""

    def __init__(self, seed: int, *, store: str = "memory") -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.faults: Faults = faults_of(self.chance)
        self.is_remote = self.chance.random() < 0.4
        self.clock = SimulatedClock()
        self.places = PLACES[store](self.clock)
        self.shared = self.places.open()
        self.ledger = Ledger(self.shared)
        self.services = Services(self)
        self.processes: list[Process] = []
        self.steps = 0
        self.trace: list[str] = []
        self._lives = 0
        self._hints = 0
        self._depth = 0
        self._moment_us, self._steps_at_once = 0, 0
        self.is_peace = False
        # Runs are driven by some processes, and effects performed by others.
        self.is_apart = random.Random(f"apart {seed}").random() < 0.2
        self._waiting: list[tuple[SteppedLoop, asyncio.Future[None]]] = []
        self.program, self.program_bytes = program_of(SOURCE)

    # Processes

    def _process(self, name: str, *, mortal: bool = True) -> Process:
        loop = SteppedLoop(name, self.clock.monotonic_us, self)
        process = Process(self, name, self.places.open(), loop, mortal)
        self.processes.append(process)
        return process

    def live(self) -> None:
        """Let one more interpreter begin."""
        self._lives += 1
        process = self._process(f"i{self._lives}")
        process.lacks = self._lacking(process.name)
        with process.loop.running():
            concurrency = self.chance.choice((1, 2, 4, 100))
            drives = not self._performs_only(process.name)
            interpreter = _Interpreter(process, concurrency, drives=drives)
            task = process.loop.create_task(interpreter.run())
        process.stop = interpreter.stop
        task.add_done_callback(lambda _: self._leave(process))
        self.note(f"{process.name} begins")

    def _performs_only(self, name: str) -> bool:
        return (
            self.is_apart
            and not self.is_peace
            and random.Random(f"{self.seed} {name} performs").random() < 0.5
        )

    def _lacking(self, name: str) -> frozenset[str]:
        """Return what a process does not perform: nothing, in most seeds and in the last part of all.

        Not drawn from the seed's own chances: the histories of those that ever failed stay what they are.
        """
        if self.is_apart and not self.is_peace:
            return frozenset() if self._performs_only(name) else KINDS
        chance = random.Random(f"{self.seed} {name}")
        if self.is_peace or random.Random(f"lacking {self.seed}").random() < 0.7:
            return frozenset()
        return frozenset(kind for kind in sorted(KINDS) if chance.random() < 0.4)

    def drive(self, run: RunId) -> None:
        """Let one more process begin, which drives a run as ``fmvm run`` does."""
        self._lives += 1
        process = self._process(f"d{self._lives}")
        process.is_driver = True
        process.lacks = self._lacking(process.name)
        self.note(f"{process.name} begins to drive {run}")

        def live() -> None:
            process.began = True
            try:
                with self._loops_of(process):
                    drive(process.host, run, wait_for_others=self.chance.random() < 0.7)
            except FlowmetalError as refused:
                self.note(f"{process.name}: {refused.code} {refused.message}")
            except Exception as crash:  # ours to mend
                self.ledger.found.append(f"{process.name}{CRASHED}{crash!r}")
            self._leave(process)

        process.loop.call_soon(live)

    @contextlib.contextmanager
    def _loops_of(self, process: Process) -> Iterator[None]:
        """Let ``asyncio.run`` of a process be a loop of ours."""
        usual = asyncio.run

        def run(main: Coroutine[Any, Any, Any]) -> Any:
            outer = process.loop
            process.loop = SteppedLoop(process.name, self.clock.monotonic_us, self)
            try:
                task = process.loop.create_task(main)
                while not task.done():
                    self.step(self.clock.passed_us + SECOND_US)
                if process.dead:
                    raise Death(process.name)
                return task.result()
            finally:
                if not process.loop.is_closed():
                    process.loop.drain()
                self._check_loop(process)
                process.loop = outer

        asyncio.run = run
        try:
            yield
        finally:
            asyncio.run = usual

    def wait(self, process: Process, us: int) -> None:
        """Wait for a change of the store, as a process does that has nothing else to do.

        Whoever is in the middle of something below stands still meanwhile, and it may be the one
        that is waited for. So the process dies in the end, as processes do.
        """
        until_us, hints = self.clock.passed_us + us, self._hints
        while self.clock.passed_us < until_us and self._hints == hints:
            self.step(until_us)
        below = any(other.loop.busy for other in self.processes if other is not process)
        process.waits = process.waits + 1 if below else 0
        in_vain = self.clock.passed_us > LONGEST_US  # who looks on from below can say so
        if (process.waits > MOST_WAITS or in_vain) and process.mortal and not process.dead:
            self.kill(process)
        self.at_call(process, "waited")

    def _leave(self, process: Process) -> None:
        """A process has ended in good order: it has given back what it held."""
        if not process.dead:
            self.note(f"{process.name} has ended")
            process.dead = True
            self.places.leave(process.real)

    def kill(self, process: Process) -> None:
        """End a process. Its lock is free at once, or its machine is cut off from the others."""
        self.note(f"{process.name} dies")
        process.dead = True
        if self.chance.random() < 0.6:
            process.real.abandon(InterpreterId(process.name))  # type: ignore[attr-defined]

    @property
    def living(self) -> list[Process]:
        return [process for process in self.processes if process.mortal and not process.dead]

    def note(self, what: str) -> None:
        self.trace.append(f"{self.clock.passed_us / 1e6:10.6f} {what}")

    # What happens inside of calls

    def at_call(self, process: Process, where: str) -> None:
        """A process is about to do something, or has done it: others may go on first, or it ends."""
        if process.dead:
            raise Death(where)
        chance, faults = self.chance, self.faults
        self.note(f"{process.name} {where}")
        if process.mortal and chance.random() < faults.die:
            self.kill(process)
            raise Death(where)
        if chance.random() < faults.stop:
            self.go_on_for(chance.randrange(3 * LEASE_US))
        elif chance.random() < faults.switch:
            for _ in range(chance.randrange(1, 6)):
                self.step(self.clock.passed_us)
        if process.dead:
            raise Death(where)

    def submit(
        self, loop: SteppedLoop, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        """Take what a loop hands to a thread. Waiting for a change ends by a hint, or in time."""
        future: asyncio.Future[Any] = loop.create_future()
        if getattr(function, "__func__", None) is SeenStore.wait_for_change:
            self._waiting.append((loop, future))
            loop.call_later(arguments[0], _finish, future)
            return future
        delay_s = self.chance.choice((0.0, 0.0, 0.002, 0.05))

        def call() -> None:
            try:
                answer = function(*arguments)
            except BaseException as error:  # it goes to whoever waits for the thread
                if not future.done():
                    future.set_exception(error)
            else:
                loop.call_later(delay_s, _finish, future, answer)

        loop.call_later(delay_s, call)
        return future

    def hint(self) -> None:
        """Tell those that wait that something has changed; hints get lost, and come late."""
        self._hints += self.chance.random() >= self.faults.lose_hint
        waiting = [(loop, future) for loop, future in self._waiting if not future.done()]
        self._waiting = []
        for loop, future in waiting:
            if loop.is_closed():
                continue
            if self.chance.random() < self.faults.lose_hint:
                self._waiting.append((loop, future))
            elif self.chance.random() < self.faults.late_hint:
                loop.call_later(self.chance.uniform(0, 2), _finish, future)
            else:
                loop.call_soon(_finish, future)

    # The order of things

    def step(self, until_us: int) -> bool:
        """Let one process do one thing, at ``until_us`` at the latest. False: nobody can till then."""
        now_us = self.clock.passed_us
        if now_us >= FAULTY_US and not self.is_peace:
            self._make_peace()
        ready, soonest_us = [], until_us
        for process in self.processes:
            # A driver waits below its callback: it begins where nobody else is in the middle of something.
            if process.loop.busy or (self._depth and process.is_driver and not process.began):
                continue
            at_us = process.next_us()
            if at_us is None:
                continue
            if at_us <= now_us:
                ready.append(process)
            elif at_us < soonest_us:
                soonest_us = at_us
        if not ready:
            self.clock.passed_us = max(now_us, soonest_us)
            return self.clock.passed_us < until_us
        self.steps += 1
        if now_us == self._moment_us:
            self._steps_at_once += 1
            if self._steps_at_once > MOST_STEPS_AT_ONCE:
                busy = ", ".join(process.name for process in ready)
                self.ledger.problem(f"{busy}: busy without end at {now_us / 1e6} s")
        else:
            self._moment_us, self._steps_at_once = now_us, 0
        process = ready[0] if len(ready) == 1 else self.chance.choice(ready)
        self._depth += 1
        try:
            process.loop.step()
        finally:
            self._depth -= 1
        if process.dead and not process.loop.busy:
            self._bury(process)
        return True

    def _bury(self, process: Process) -> None:
        if process in self.processes:  # below a loop of its own it may be gone already
            self.processes.remove(process)
        process.loop.drain()
        self._check_loop(process)

    def go_on_for(self, us: int) -> None:
        """Let all others go on for a time."""
        until_us = self.clock.passed_us + us
        while self.clock.passed_us < until_us:
            self.step(until_us)

    def run(self) -> Result:
        """Simulate the whole seed and return what became of it."""
        problem = ""
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            try:
                self._run()
            except Broken as broken:
                problem = str(broken)
            finally:
                for process in self.processes:
                    process.dead = True
                    process.loop.busy = False
                    process.loop.drain()
        if not problem and self.ledger.found:
            problem = self.ledger.found[0]
        if problem:
            self.trace += said.getvalue().splitlines()[-20:]
        self.places.close()
        return Result(
            self.seed, problem, self.ledger.commits, self.steps, self.clock.passed_us, self.trace
        )

    def _run(self) -> None:
        outside = Outside(self, self._process("outside", mortal=False))
        fate = self._process("fate", mortal=False)
        plays = play_all(outside)
        for _ in range(self.chance.choice((1, 2, 3, 4))):
            self.live()
        fate.loop.create_task(self._fate())
        while not self.is_peace and not plays.done():
            self._step_checked(FAULTY_US)
        if not self.is_peace:
            self._make_peace()
        while not (plays.done() and self._all_ended()):
            self._step_checked(LONGEST_US)
            if self.clock.passed_us >= LONGEST_US or self.steps > MOST_STEPS:
                self.ledger.problem(f"not ended: {self._not_ended()}")
        plays.result()
        self._verify()

    def _make_peace(self) -> None:
        """From now on nothing goes wrong, and somebody is there."""
        self.note("peace")
        self.is_peace = True
        self.faults = self.faults.none()
        for process in self.processes:
            process.frozen_us = 0
        self.live()

    def _step_checked(self, until_us: int) -> None:
        self.step(until_us)
        if self.ledger.found:
            raise Broken(self.ledger.found[0])
        if self.steps % 64 == 0:
            self.ledger.check_standing()
            for process in self.processes:
                self._check_loop(process)

    def _check_loop(self, process: Process) -> None:
        if process.loop.problems:
            self.ledger.problem(process.loop.problems[0])

    def _all_ended(self) -> bool:
        states = tuple(type(next(iter(ENDED))))
        living = [state for state in states if state not in ENDED]
        return not self.shared.runs(RunQuery(states=living, limit=1))

    def _not_ended(self) -> str:
        rows = self.shared.runs(RunQuery(limit=1000))
        return ", ".join(
            f"{row.id} {row.state.value} owner={row.owner} wake={row.wake_at_us}"
            for row in rows
            if row.state not in ENDED
        )

    def _verify(self) -> None:
        self.ledger.check_at_rest()
        host = self._process("reader", mortal=False).host
        for row in self.shared.runs(RunQuery(limit=1000)):
            try:
                problems = verify(host, row).problems
            except FlowmetalError as error:
                problems = [str(error)]
            if problems:
                self.ledger.problem(f"run {row.id}: {problems[0]}")

    async def _fate(self) -> None:
        """What happens at any moment: deaths, stops, jumps of the clock; and the dead come back."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.05, 0.5))
            faults, chance = self.faults, self.chance
            living = self.living
            if living and chance.random() < faults.murders:
                self.kill(chance.choice(living))
            leaving = [process for process in self.living if process.stop is not None]
            if leaving and chance.random() < faults.leaves:
                stopped = chance.choice(leaving)
                self.note(f"{stopped.name} is told to stop")
                with stopped.loop.running():
                    assert stopped.stop is not None
                    stopped.stop()
            if living and chance.random() < faults.freezes:
                frozen = chance.choice(living)
                frozen.frozen_us = self.clock.passed_us + chance.randrange(3 * LEASE_US)
                self.note(f"{frozen.name} stands still until {frozen.frozen_us / 1e6}")
            if chance.random() < faults.jumps:
                self.clock.shift_us += chance.randrange(-10 * SECOND_US, 10 * SECOND_US)
                self.note(f"the time of day is {self.clock.shift_us / 1e6} s off")
            if len(self.living) < 2 and chance.random() < 0.3:
                self.live()
            if chance.random() < faults.drivers and not any(p.stop is None for p in self.living):
                runs = self.shared.runs(RunQuery(limit=20))
                if runs:
                    self.drive(chance.choice(runs).id)


def _finish(future: asyncio.Future[Any], answer: Any = None) -> None:
    if not future.done():
        future.set_result(answer)
