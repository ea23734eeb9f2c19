"""A performer: how it takes calls and keeps them, and what becomes of what it has begun."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from flowmetal.bytecode.file import write_program
from flowmetal.effects.errors import effect_error
from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.requests import Call, Connector, EffectFailed
from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.host import Host
from flowmetal.runtime.interpreting import Interpreter, interpret
from flowmetal.runtime.performer import LOOK_US, Performer
from flowmetal.runtime.reviving import Retry, revive
from flowmetal.runtime.starting import start_run
from flowmetal.store.operations.vocabulary import ClaimCalls, EndCall, EndCalls, Operation, ShowCall
from flowmetal.store.protocol import RunRow, RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Map, Value, decode_data, encode_data, hash_map, keyword, vector
from tests.runtime.hosts import Bench
from tests.runtime.programs import args, sequence

R = RunId("r")
Work = Callable[[Call], Awaitable[Value]]


class Worker:
    """A world with one connector, for ``t/c``, that takes its time."""

    environment: Mapping[str, str] = MappingProxyType({})
    kinds_of_it = ("t/c",)

    def __init__(self, work: Work) -> None:
        self.kinds_ = frozenset(self.kinds_of_it)
        self.work = work
        self.begun = 0
        self.at_once = 0
        self.most_at_once = 0

    def connector(self, kind: str) -> Connector | None:
        return _Connector(self) if kind in self.kinds_ else None

    def function(self, kind: str) -> ForeignFunction | None:
        return None

    def kinds(self) -> Collection[str]:
        return self.kinds_of_it

    async def close(self) -> None:
        pass


class _Connector:
    def __init__(self, worker: Worker) -> None:
        self.kinds = worker.kinds_
        self._worker = worker

    async def perform(self, call: Call) -> Value:
        worker = self._worker
        worker.begun += 1
        worker.at_once += 1
        worker.most_at_once = max(worker.most_at_once, worker.at_once)
        try:
            return await worker.work(call)
        finally:
            worker.at_once -= 1

    async def close(self) -> None:
        pass


class Apart:
    """An interpreter that performs nothing, and whoever performs ``t/c``."""

    def __init__(self, work: Work, lease_us: int = 0) -> None:
        self.bench = Bench()
        self.worker = Worker(work)
        self.host: Host = replace(self.bench.host(), world=self.worker)
        if lease_us:
            self.host.lease_us = lease_us
        self.woken = 0

    def offer(self, run: str = "r", **options: Value) -> None:
        program = sequence(("t/c", args(**options)))
        start_run(self.bench.current, program, write_program, id=run)
        assert self.drive(run).state is RunState.WAITING

    def drive(self, run: str = "r") -> RunRow:
        interpret(self.bench.current, until_idle=True)
        row = self.bench.store.run(RunId(run))
        assert row is not None
        return row

    def performer(self) -> Performer:
        def wake() -> None:
            self.woken += 1

        return Performer(self.host, lambda _: None, wake)

    def lose(self) -> None:
        """Time passes without a sign of life of whoever has the call, and somebody notices."""
        self.bench.clock.advance(self.host.lease_us)
        assert self.bench.store.attend()

    def claim_elsewhere(self) -> Map:
        asked = ClaimCalls(["t/c"], "another", self.host.lease_us, 1)
        (call,) = self.bench.store.operate(asked).get(keyword("value"))
        assert isinstance(call, Map)
        return call


def result(row: RunRow) -> Value:
    assert row.result is not None, row
    return decode_data(row.result)


async def until(good: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not good():
            await asyncio.sleep(0.001)


def test_who_is_given_a_call_again_that_it_is_still_at_goes_on_with_it() -> None:
    async def freezes() -> None:
        performer = apart.performer()
        assert await performer.take(1) == 1
        await until(lambda: apart.worker.begun)
        apart.lose()
        assert await performer.take(1) == 1
        await asyncio.sleep(0)
        answers.set()
        await until(lambda: not performer)
        await performer.stop(0)

    answers = asyncio.Event()

    async def work(call: Call) -> Value:
        await answers.wait()
        return "once"

    apart = Apart(work)
    apart.offer()
    asyncio.run(freezes())
    assert result(apart.drive()) == vector(["once"])
    assert apart.worker.begun == 1


def test_the_next_attempt_begins_when_the_one_before_has_come_to_its_end() -> None:
    """It was lost to another process, which has failed meanwhile."""

    async def freezes() -> None:
        performer = apart.performer()
        await performer.take(1)
        await until(lambda: apart.worker.begun)
        apart.lose()
        call = apart.claim_elsewhere()
        error = hash_map(((keyword("error"), failed),))
        id, claim = call.get(keyword("id")), call.get(keyword("claim"))
        apart.bench.store.operate(EndCalls([EndCall(id, claim, encode_data(error))]))
        await asyncio.to_thread(apart.drive)
        apart.bench.clock.advance(3600 * 1_000_000)
        await asyncio.to_thread(apart.drive)
        assert await performer.take(1) == 1
        await until(lambda: not performer)
        await performer.stop(0)

    ended: list[int] = []

    async def work(call: Call) -> Value:
        if call.attempt == 1:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.01)
                ended.append(1)
        return [*ended, call.attempt]

    failed = effect_error("FM0705", "t/no", "no", retryable=True)
    apart = Apart(lambda call: _vector(work, call))
    apart.offer()
    asyncio.run(freezes())
    assert result(apart.drive()) == vector([vector([1, 2])])
    assert apart.worker.most_at_once == 1


def test_a_word_of_which_nobody_knows_whether_it_was_heard_does_not_end_what_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was said again to the call that an operator's retry had made, which was not performed then."""

    async def is_not_heard() -> None:
        performer = apart.performer()
        await performer.take(1)
        await until(lambda: told)
        assert (await asyncio.to_thread(apart.drive)).state is RunState.FAILED
        revive(apart.bench.current, R, Retry())
        await asyncio.to_thread(apart.drive)
        apart.bench.clock.advance(LOOK_US)
        assert await performer.take(1) == 1
        await until(lambda: not performer)
        await performer.stop(0)

    async def work(call: Call) -> Value:
        if apart.worker.begun == 1:
            raise EffectFailed(effect_error("FM0705", "t/no", "not yet", retryable=False))
        return "done"

    told: list[Operation] = []
    apart = Apart(work)
    apart.offer()
    operate = apart.bench.store.operate

    def unsure(operation: Operation) -> Map:
        answer = operate(operation)
        if isinstance(operation, EndCalls):
            told.append(operation)
            if len(told) == 1:
                raise StoreError("FM1008", "nobody knows what became of it")
        return answer

    monkeypatch.setattr(apart.bench.store, "operate", unsure)
    asyncio.run(is_not_heard())
    assert result(apart.drive()) == vector(["done"])
    assert apart.worker.begun == 2


async def _vector(work: Work, call: Call) -> Value:
    return vector(await work(call))


def test_each_attempt_is_offered_under_a_number_of_its_own() -> None:
    async def work(call: Call) -> Value:
        raise AssertionError("it is performed elsewhere")

    apart = Apart(work)
    apart.offer(retry=3)
    claims = []
    for _ in range(3):
        call = apart.claim_elsewhere()
        id, claim = call.get(keyword("id")), call.get(keyword("claim"))
        claims.append(claim)
        error = effect_error("FM0705", "t/no", "no", retryable=True)
        said = encode_data(hash_map(((keyword("error"), error),)))
        (heard,) = apart.bench.store.operate(EndCalls([EndCall(id, claim, said)])).get(
            keyword("value")
        )
        assert heard.get(keyword("value"))
        apart.drive()
        apart.bench.clock.advance(3600 * 1_000_000)
        apart.drive()
    assert claims == sorted(set(claims))
    assert apart.drive().state is RunState.FAILED


def test_what_nobody_waits_for_any_more_is_cancelled_once() -> None:
    async def cleans_up() -> None:
        performer = apart.performer()
        await performer.take(1)
        await until(lambda: apart.worker.begun)
        apart.bench.cancel(now=True)
        await asyncio.to_thread(apart.drive)
        await until(lambda: not performer)
        await performer.stop(0)

    ended: list[str] = []

    async def work(call: Call) -> Value:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0.01)
            ended.append("well")
        return None

    apart = Apart(work, lease_us=15_000)  # a heartbeat each 5 ms
    apart.offer()
    asyncio.run(cleans_up())
    assert ended == ["well"]


def test_a_call_that_is_cancelled_from_inside_has_failed() -> None:
    async def work(call: Call) -> Value:
        raise asyncio.CancelledError

    apart = Apart(work)
    apart.offer(retry=1)
    asyncio.run(Interpreter(apart.host, drives=False).run(until_idle=True))
    row = apart.drive()
    assert row.error is not None, row
    assert "it was cancelled from inside" in decode_data(row.error).message


def test_a_process_performs_no_more_at_once_than_it_has_room_for() -> None:
    async def work(call: Call) -> Value:
        await asyncio.sleep(0)
        return "well"

    apart = Apart(work)
    for run in "abc":
        apart.offer(run)
    asyncio.run(Interpreter(apart.host, 2, drives=False).run(until_idle=True))
    assert (apart.worker.begun, apart.worker.most_at_once) == (3, 2)


def test_who_is_told_to_stop_while_it_claims_runs_begins_no_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(call: Call) -> Value:
        return 1

    apart = Apart(work)
    apart.offer()

    async def serve() -> None:
        interpreter = Interpreter(apart.host)
        monkeypatch.setattr(apart.bench.store, "attend", interpreter.stop)
        await interpreter.run()

    asyncio.run(serve())
    assert apart.worker.begun == 0


def test_calls_whose_processes_died_are_tried_one_at_a_time() -> None:
    async def work(call: Call) -> Value:
        await asyncio.sleep(0)
        return "well"

    apart = Apart(work)
    for run in "abc":
        apart.offer(run)
    for _ in range(2):
        for _ in "abc":
            apart.claim_elsewhere()
        apart.lose()
    apart.offer("d")
    asyncio.run(Interpreter(apart.host, drives=False).run(until_idle=True))
    assert (apart.worker.begun, apart.worker.most_at_once) == (4, 2)


def test_a_look_that_comes_too_soon_is_put_off_and_not_left_out() -> None:
    async def looks() -> None:
        performer = apart.performer()
        assert await performer.take(1) == 0
        await asyncio.to_thread(apart.offer)
        assert await performer.take(1) == 0
        assert await performer.take(1) == 0
        await until(lambda: apart.woken)
        apart.bench.clock.advance(LOOK_US)
        assert await performer.take(1) == 1
        await performer.stop(1)

    async def work(call: Call) -> Value:
        return "well"

    apart = Apart(work)
    asyncio.run(looks())
    assert apart.woken == 1
    assert result(apart.drive()) == vector(["well"])


def test_who_waits_for_a_call_that_others_lose_performs_it_if_it_can() -> None:
    apart = Apart(lambda call: asyncio.sleep(0, "nobody"))
    apart.offer()
    apart.claim_elsewhere()
    here = ScriptedWorld({"t/c": lambda call: "here"})
    assert result(drive(replace(apart.bench.host(), world=here), R).row) == vector(["here"])
    assert apart.bench.store.operate(ShowCall(R, 1)).get(keyword("open")) is None


def test_ends_of_calls_are_told_together_and_one_by_one_if_one_of_them_cannot_be_kept() -> None:
    together = asyncio.Event()
    told: list[str] = []

    async def waits(call: Call) -> Value:
        await together.wait()
        return call.run

    def refuses(point: str) -> None:
        if point == "within operate" and together.is_set():
            told.append(point)
            if len(told) in (1, 2):  # all three, and then the first of them
                raise StoreError("FM1021", "too large")

    async def performs() -> None:
        performer = apart.performer()
        assert await performer.take(9) == 3
        apart.bench.store.hooks = refuses
        together.set()
        await until(lambda: not performer)
        await performer.stop(0)

    apart = Apart(waits)
    for run in "abc":
        apart.offer(run)
    asyncio.run(performs())
    apart.bench.store.hooks = None
    ends = [apart.drive(run).state for run in "abc"]
    assert (sorted(end.value for end in ends), len(told)) == (
        ["completed", "completed", "failed"],
        5,
    )
