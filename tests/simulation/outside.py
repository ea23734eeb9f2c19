"""Whoever is outside: people that start runs and send signals, workers, an operator.

They meet the same store with the same failures, and do what people do: try again under the same id
until they are told that it is done. At times they say a thing twice at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from flowmetal.errors import Conflict, FlowmetalError, RefusedError, RunError, StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.reviving import CancelParked, Resume, revive
from flowmetal.runtime.starting import start_run
from flowmetal.store.protocol import ENDED, Message, RunQuery, RunRow, RunState
from flowmetal.values import Value, decode_data, encode_data, hash_map, keyword, pr_str

if TYPE_CHECKING:
    from tests.simulation.simulation import Process, Simulation

T = TypeVar("T")

_LOOK_S = 0.2


class Outside:
    """What the people of a scenario can do."""

    def __init__(self, simulation: Simulation, process: Process) -> None:
        self.simulation = simulation
        self.process = process
        self.host = process.host
        self.store: Any = process.store
        self.chance = simulation.chance
        self.counted = 0

    async def sure(self, act: Callable[[], T]) -> T:
        """Do something again until the store has said that it is done."""
        while True:
            try:
                return act()
            except StoreError:
                await asyncio.sleep(self.chance.uniform(0, 0.5))

    async def start(self, entry: str, run: str, *arguments: Value) -> RunId:
        """Start a run under an id of ours."""
        program, data = self.simulation.program, self.simulation.program_bytes

        def act() -> object:
            return start_run(
                self.host, program, lambda _: data, entry=entry, arguments=arguments, id=run
            )

        await self.sure(act)
        return RunId(run)

    async def said(self, kind: str, act: Callable[[], object]) -> None:
        """Say something that comes in once, perhaps more than once at the same time."""
        times = 1
        while self.chance.random() < self.simulation.faults.duplicate and times < 5:
            times += 1
        await asyncio.gather(*(self._soon(act) for _ in range(times)))

    async def _soon(self, act: Callable[[], object]) -> None:
        await asyncio.sleep(self.chance.choice((0, 0, 0.001, 0.5)))
        await self.sure(act)

    async def signal(self, run: RunId, name: str, value: Value, id: str) -> None:
        message = Message(id, "signal", name, encode_data(value))
        await self.send(run, message)

    async def send(self, run: RunId, message: Message) -> None:
        """Send a message; a run that has ended takes none, and that is an answer too."""

        def act() -> None:
            try:
                self.store.send(run, message)
            except RunError as refused:
                if refused.code not in ("FM1102", "FM1103"):
                    raise

        await self.said("send", act)

    async def told(self, *words: Value) -> Value:
        """Wait until a service was told arguments that end with these, and return their first."""
        place = 0
        while True:
            told = self.simulation.services.told
            while place < len(told):
                arguments = list(told[place])
                place += 1
                if arguments[-len(words) :] == list(words):
                    return arguments[0]
            await asyncio.sleep(_LOOK_S)

    async def ended(self, run: RunId) -> RunRow:
        """Wait for the end of a run."""
        while not self.has_ended(run):
            await asyncio.sleep(_LOOK_S)
        row = self.simulation.shared.run(run)
        assert row is not None
        return row

    def has_ended(self, run: RunId) -> bool:
        """Say whether a run has ended for good: what was put aside is tried again."""
        row = self.simulation.shared.run(run)
        return row is not None and row.state in ENDED and not _is_put_aside(row)

    async def nurse(self) -> None:
        """Try again what was put aside because its interpreters died."""
        while True:
            for row in self.simulation.shared.runs(RunQuery(states=(RunState.FAILED,))):
                if _is_put_aside(row):
                    await self.tried(lambda run=row.id: revive(self.host, run, Resume()), 1)
                    await self._cancel_orphan(row)
            await asyncio.sleep(1)

    async def outcome(self, run: RunId) -> str:
        """Wait for the end of a run and return what it came to, as text."""
        row = await self.ended(run)
        data = row.result if row.error is None else row.error
        return f"{row.state.value} {pr_str(decode_data(data)) if data else ''}"

    async def expect(self, run: RunId, *outcomes: str) -> None:
        """Wait for the end of a run, and say if it is none that it may come to."""
        found = await self.outcome(run)
        of_a_child = ":run/poisoned" in found or ":end :failed" in found  # which was put aside
        if found.startswith("failed") and of_a_child:
            while self.simulation.shared.run(run).state is RunState.FAILED:
                await self.tried(lambda: revive(self.host, run, CancelParked("a child died")), 1)
        elif found not in outcomes:
            self.simulation.ledger.problem(f"run {run}: {found}, not {' or '.join(outcomes)}")

    async def _cancel_orphan(self, row: RunRow) -> None:
        """A run that was put aside did not hear that its parent was cancelled."""
        parent = None if row.parent is None else self.simulation.shared.run(row.parent)
        if parent is not None and parent.state is RunState.CANCELLED:
            message = Message(f"{parent.id}/gone", "cancel", "", encode_data(hash_map(())))
            await self.send(row.id, message)

    async def tried(self, act: Callable[[], object], times: int = 20) -> bool:
        """Do what an operator does, who is told no while somebody drives the run."""
        for _ in range(times):
            try:
                act()
                return True
            except (RefusedError, RunError, Conflict, StoreError) as no:
                self.simulation.note(f"operator: {no.code} {no.message}")
            await asyncio.sleep(self.chance.uniform(0, 0.6))
        return False


def _is_put_aside(row: RunRow) -> bool:
    error = None if row.error is None else decode_data(row.error)
    return error is not None and error.code == "FM1108" and keyword("run") not in error.data


Play = Callable[[Outside, str], Awaitable[None]]


def play_all(outside: Outside) -> asyncio.Task[None]:
    """Begin the scenarios that the seed draws; what is returned is done when they all are."""
    from tests.simulation.scenarios import check_counters, drawn

    async def play() -> None:
        await asyncio.gather(*(_play(outside, scene, me) for me, scene in _named(drawn(outside))))
        await check_counters(outside)

    outside.process.loop.create_task(outside.nurse())
    return outside.process.loop.create_task(play())


def _named(plays: Sequence[Play]) -> list[tuple[str, Play]]:
    return [(f"{play.__name__.replace('_', '-')}-{n}", play) for n, play in enumerate(plays)]


async def _play(outside: Outside, play: Play, me: str) -> None:
    try:
        await play(outside, me)
    except FlowmetalError as error:
        outside.simulation.ledger.problem(f"{me}: {error!r}")
