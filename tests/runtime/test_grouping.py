"""Runs in one interpreter share their commits, and each goes on with its own outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import pytest

from flowmetal.bytecode.file import write_program
from flowmetal.effects import events
from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.interpreting import interpret
from flowmetal.runtime.messages import CANCEL
from flowmetal.runtime.starting import start_run
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import InboxRow, Message, RunState
from flowmetal.testing.dying import Death
from flowmetal.values import Map, decode_data, keyword
from tests.runtime.hosts import Bench
from tests.runtime.programs import performs

RUNS = [RunId(f"run-{n}") for n in range(3)]
EFFECTS = 4


class RemoteMemory(MemoryStore):
    """Written to in a thread, as a store behind a network is."""

    @property
    def is_remote(self) -> bool:
        return True


@pytest.fixture(params=[MemoryStore, RemoteMemory], ids=["near", "remote"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made = Bench()
    made.store = request.param(made.clock)
    made.current = made.host()
    made.world.functions = {"t/f": lambda given: given.get(keyword("i"))}
    return made


def begin(bench: Bench, runs: list[RunId] = RUNS) -> None:
    program = performs("t/f", EFFECTS)
    for run in runs:
        start_run(bench.current, program, write_program, id=run)


def outcome(bench: Bench) -> list[tuple[RunState, object]]:
    rows = [bench.store.run(run) for run in RUNS]
    return [(row.state, row.result and decode_data(row.result)) for row in rows if row is not None]


def check(bench: Bench) -> None:
    """All runs are done, and each effect is once in their histories."""
    assert outcome(bench) == [(RunState.COMPLETED, sum(range(EFFECTS + 1)))] * len(RUNS)
    for run in RUNS:
        numbers = [e.effect for e in bench.store.events(run) if e.kind == events.RESOLVED]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == EFFECTS


class FailOnce:
    """A hook that raises at the first time of one moment."""

    def __init__(self, moment: str, error: Callable[[], Exception]) -> None:
        self.moment = moment
        self.error = error
        self.told: list[str] = []

    def __call__(self, moment: str) -> None:
        self.told.append(moment)
        if moment == self.moment and self.told.count(moment) == 1:
            raise self.error()


def test_runs_that_commit_at_one_moment_share_a_transaction(bench: Bench) -> None:
    begin(bench)
    told: list[str] = []
    bench.store.hooks = told.append
    interpret(bench.current, until_idle=True)
    check(bench)
    commits = told.count("after commit_all") + told.count("after commit")
    assert commits < 2 * (EFFECTS + 2)
    assert commits < len(RUNS) * EFFECTS


def test_a_member_that_has_lost_its_run_harms_nobody(bench: Bench) -> None:
    begin(bench)
    stolen: list[object] = []

    def steal(given: Map) -> object:
        if not stolen:
            stolen.append(bench.store.claim(RUNS[1], bench.current.owner, 10_000_000))
        return given.get(keyword("i"))

    bench.world.functions = {"t/f": steal}
    interpret(bench.current, until_idle=True)
    done, lost, other = outcome(bench)
    assert done == other == (RunState.COMPLETED, sum(range(EFFECTS + 1)))
    assert lost == (RunState.RUNNING, None)
    bench.clock.advance(10_000_000)
    interpret(bench.current, until_idle=True)
    check(bench)


@pytest.mark.parametrize(
    "error",
    [StoreError("FM1021", "one of them is too big"), RuntimeError("ours to mend")],
    ids=repr,
)
def test_a_group_that_was_certainly_not_written_is_written_member_by_member(
    bench: Bench, error: Exception
) -> None:
    begin(bench)
    hook = FailOnce("within commit_all", lambda: error)
    bench.store.hooks = hook
    interpret(bench.current, until_idle=True)
    check(bench)
    after = hook.told.index("within commit_all") + 1
    singles = ["before commit", "within commit", "after commit"]
    assert hook.told[after : after + 9] == singles * len(RUNS)
    assert [row.epoch for row in map(bench.store.run, RUNS) if row] == [1, 1, 1]


def test_a_store_that_is_full_is_not_asked_again_for_each_member(bench: Bench) -> None:
    begin(bench)
    refused: list[str] = []

    def full(moment: str) -> None:
        if moment.startswith("within commit") and len(refused) < 2:
            refused.append(moment)
            raise StoreError("FM1007", "the disk is full")

    bench.store.hooks = full
    interpret(bench.current, until_idle=True)
    assert refused == ["within commit_all", "within commit"]
    check(bench)


@pytest.mark.parametrize("moment", ["within commit_all", "after commit_all"])
def test_an_outcome_that_is_not_known_drops_all_members_and_loses_nothing(
    bench: Bench, moment: str
) -> None:
    begin(bench)
    bench.store.hooks = FailOnce(moment, lambda: StoreError("FM1022", "the connection broke"))
    interpret(bench.current, until_idle=True)
    check(bench)
    assert [row.epoch for row in map(bench.store.run, RUNS) if row] == [2, 2, 2]
    keys = [performed.key for performed in bench.world.performed]
    assert len(set(keys)) == EFFECTS * len(RUNS)


def points(bench: Bench) -> Iterator[int]:
    """The moments of a whole life of three runs."""
    told: list[str] = []
    begin(bench)
    bench.store.hooks = told.append
    interpret(bench.current, until_idle=True)
    return iter(range(1, len(told) + 1))


def test_a_death_at_any_write_of_a_group_changes_nothing() -> None:
    whole = Bench()
    whole.world.functions = {"t/f": lambda given: given.get(keyword("i"))}
    for nth in points(whole):
        bench = Bench()
        bench.world.functions = whole.world.functions
        begin(bench)
        left = nth

        def die(moment: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0:  # the dead write nothing more
                raise Death(moment)

        bench.store.hooks = die
        with pytest.raises(Death):
            interpret(bench.current, until_idle=True)
        bench.store.hooks = None
        bench.die()
        interpret(bench.current, until_idle=True)
        check(bench)
        numbers = [effect.key for effect in bench.world.performed]
        assert set(numbers) == {effect.key for effect in whole.world.performed}, nth


def test_an_interpreter_that_is_stopped_waits_for_what_is_being_written() -> None:
    bench = Bench()
    bench.store = RemoteMemory(bench.clock)
    bench.current = bench.host()
    bench.world.functions = {"t/f": lambda given: given.get(keyword("i"))}
    begin(bench)

    from flowmetal.runtime.interpreting import Interpreter

    async def stop_at_the_first_commit() -> None:
        loop = asyncio.get_running_loop()
        interpreter = Interpreter(bench.current)
        bench.store.hooks = lambda moment: (
            loop.call_soon_threadsafe(interpreter.stop) if moment == "before commit_all" else None
        )  # type: ignore[func-returns-value]
        await interpreter.run()

    asyncio.run(stop_at_the_first_commit())
    bench.store.hooks = None
    rows = [row for row in map(bench.store.run, RUNS) if row]
    assert [row.owner for row in rows] == [None] * len(RUNS)
    interpret(bench.host(), until_idle=True)
    check(bench)
    keys = [performed.key for performed in bench.world.performed]
    assert len(keys) == len(set(keys))


def test_a_run_that_makes_step_after_step_is_cancelled_at_its_next_one(bench: Bench) -> None:
    many = 40
    run = RunId("busy")
    start_run(bench.current, performs("t/f", many), write_program, id=run)

    def cancel(given: Map) -> object:
        if given.get(keyword("i")) == 3:
            bench.store.send(run, Message("stop", CANCEL, "", b""))
        return given.get(keyword("i"))

    bench.world.functions = {"t/f": cancel}
    interpret(bench.current, until_idle=True)
    ended = bench.store.run(run)
    assert ended is not None
    assert ended.state is RunState.CANCELLED
    assert len(bench.world.performed) == 3


def test_the_inbox_of_a_run_is_read_only_when_something_has_come(bench: Bench) -> None:
    reads: list[RunId] = []
    inbox = bench.store.inbox

    def counted(run: RunId, after: int) -> list[InboxRow]:
        reads.append(run)
        return inbox(run, after)

    bench.store.inbox = counted  # type: ignore[method-assign]
    begin(bench)
    interpret(bench.current, until_idle=True)
    check(bench)
    assert not reads


def test_an_event_loop_that_is_ended_at_any_moment_leaves_runs_that_others_take(
    bench: Bench,
) -> None:
    for nth in range(1, 3 * EFFECTS):
        runs = [RunId(f"ended-{nth}-{n}") for n in range(3)]
        begin(bench, runs)
        left = nth

        def end(given: Map) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                for task in asyncio.all_tasks():
                    task.cancel()
            return given.get(keyword("i"))

        bench.world.functions = {"t/f": end}
        with contextlib.suppress(asyncio.CancelledError):
            interpret(bench.current, until_idle=True)
        bench.die()
        interpret(bench.current, until_idle=True)
        assert {row.state for row in map(bench.store.run, runs) if row} == {RunState.COMPLETED}
