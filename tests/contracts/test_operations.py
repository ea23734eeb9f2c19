"""What every store promises of the operations of runs: one suite, run on each of them.

For a store of your own, subclass ``OperationsContract`` with a ``world`` as for ``StoreContract``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from flowmetal.errors import Conflict
from flowmetal.ids import ProgramHash, RunId
from flowmetal.store.operations.vocabulary import (
    AcquirePermit,
    AskAnew,
    Asked,
    AwaitCallback,
    AwaitPromise,
    AwaitRun,
    BeatCallback,
    BeatTask,
    ClaimTask,
    CompleteCallback,
    DeadLetters,
    DeleteState,
    Deploy,
    Deployments,
    EndTask,
    Enqueue,
    FindTask,
    GetState,
    HoldTasks,
    IfExists,
    OnParentEnd,
    OpenCallback,
    OpenTask,
    Operation,
    Publish,
    PutState,
    QueuePolicy,
    Redrive,
    ReleasePermit,
    RenewPermit,
    RestoreCallback,
    RestoreEnds,
    ScanState,
    SendMessage,
    SettlePromise,
    ShowCall,
    ShowCallback,
    ShowPermit,
    ShowPromise,
    ShowTask,
    ShowTies,
    StartRun,
    StopTask,
    Subscribe,
    Throttle,
    Undeploy,
    Unsubscribe,
    Withdraw,
)
from flowmetal.store.protocol import Claim, Held, Message, NewEvent, NewRun, RunState, Store
from flowmetal.values import Map, hash_map, keyword
from flowmetal.values.codec import decode_data
from tests.contracts.test_store import (
    ANN,
    BOB,
    LEASE_US,
    PROGRAM,
    R1,
    R2,
    R3,
    Die,
    Died,
    MemoryWorld,
    PostgresWorld,
    SqliteWorld,
    World,
    begin,
    new,
    row,
    signal,
    step,
    take,
)
from tests.postgres import Server

SECOND = 1_000_000
DAY = 86_400 * SECOND
CHILD = RunId("child")


class Doer:
    """A run that is held, and asks for operations."""

    def __init__(self, world: World, run: RunId) -> None:
        self.world = world
        self.run = run
        if world.ann.run(run) is None:
            begin(world.ann, run)
        self.claim = take(world.ann, run)
        self.numbers = count(1)

    def ask(self, operation: Operation) -> str:
        """Perform an operation in a step and return its effect."""
        effect = f"0.{next(self.numbers)}"
        asked = step(operations=(Asked(effect, operation),))
        self.claim = self.world.ann.commit(self.claim, asked)
        return effect

    def answer(self, effect: str) -> Map | None:
        """Return the answer to an effect, None if there is none yet."""
        for found in self.world.bob.inbox(self.run, 0):
            if found.message.id == f"effect/{effect}":
                assert found.message.kind == "result"
                answer: Map = decode_data(found.message.body)
                return answer
        return None

    def get(self, operation: Operation) -> Map:
        """Perform an operation that is answered at once."""
        found = self.answer(self.ask(operation))
        assert found is not None
        return found

    def end(self, state: RunState = RunState.COMPLETED, **more: object) -> None:
        self.claim = self.world.ann.commit(self.claim, step(state, release=True, **more))

    def kinds(self, kind: str) -> list[bytes]:
        inbox = self.world.ann.inbox(self.run, 0)
        return [found.message.body for found in inbox if found.message.kind == kind]


def revived(world: World, run: RunId) -> Doer:
    """Let a run that failed go on, and hold it."""
    event = NewEvent("revived", "", 0, b"")
    world.ann.set_state(run, (RunState.FAILED,), RunState.READY, event)
    return Doer(world, run)


def of(answer: Map | None, name: str) -> object:
    assert answer is not None
    assert answer.get(keyword("error")) is None, answer
    return answer.get(keyword(name))


def error(answer: Map | None) -> str:
    assert answer is not None
    text: str = answer.get(keyword("error")).type.text
    return text


def code(answer: Map | None) -> str:
    assert answer is not None
    text: str = answer.get(keyword("error")).code
    return text


def started(run: RunId = CHILD, **more: object) -> NewRun:
    return new(run, **more)


def is_quiet(store: Store) -> bool:
    """Say whether nobody wakes who waits for a change of the store."""
    began = time.monotonic()
    store.wait_for_change(0.2)
    return time.monotonic() - began > 0.15


class OperationsContract:
    """The promises. A test is a promise."""

    # The transaction

    def test_a_step_that_loses_its_race_performs_nothing(self, world: World) -> None:
        doer = Doer(world, R1)
        stale = doer.claim
        doer.ask(GetState("a"))
        with pytest.raises(Conflict):
            world.ann.commit(stale, step(operations=(Asked("0.9", PutState("a", b"x")),)))
        assert of(world.ann.operate(GetState("a")), "version") == 0

    def test_a_member_that_loses_its_race_harms_nobody(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        stale = one.claim
        one.ask(GetState("a"))
        lost, kept = world.ann.commit_all(
            [
                (stale, step(operations=(Asked("0.9", PutState("a", b"x")),))),
                (two.claim, step(operations=(Asked("0.9", PutState("b", b"y")),))),
            ]
        )
        assert isinstance(lost, Conflict)
        assert isinstance(kept, Claim)
        assert of(world.ann.operate(GetState("a")), "version") == 0
        assert of(world.ann.operate(GetState("b")), "body") == b"y"

    def test_an_answer_wakes_a_run_that_parks_in_the_same_step(self, world: World) -> None:
        doer = Doer(world, R1)
        asked = (Asked("0.1", GetState("a")),)
        world.ann.commit(doer.claim, step(RunState.WAITING, release=True, operations=asked))
        assert row(world.ann).state is RunState.READY
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 9)] == [R1]

    def test_an_operation_that_changes_nothing_wakes_nobody(self, world: World) -> None:
        doer = Doer(world, R1)
        doer.get(OpenCallback("c-1", "hash"))
        doer.ask(AcquirePermit("l"))
        number = int(self.task(doer).rpartition(".")[2])
        world.bob.operate(SettlePromise("p", b"x"))
        world.ann.send(R1, signal("m"))
        looks = (
            GetState("a"),
            ScanState("a"),
            ShowPermit("l"),
            ShowCallback("c-1"),
            ShowPromise("p"),
            ShowTies(R1),
            ShowTask(R1, number),
            ShowCall(R1, 1),
            DeadLetters("q"),
            Deployments(),
            FindTask("images"),
            FindTask("images", ["crop"]),
            ClaimTask("images", "w", ["crop"]),  # what is there is for others
            ClaimTask("nothing", "w"),
            BeatTask("nothing", 1),
            SettlePromise("p", b"y"),
            Undeploy("shop"),
        )
        while not (is_quiet(world.ann) and is_quiet(world.bob)):
            pass
        for operation in looks:
            world.ann.operate(operation)
        world.ann.send(R1, signal("m"))
        assert is_quiet(world.bob)
        assert is_quiet(world.ann)
        world.ann.operate(PutState("a", b"x"))
        assert not is_quiet(world.bob)

    def test_an_operation_that_only_looks_is_no_transaction_that_writes(self, world: World) -> None:
        doer = Doer(world, R1)
        number = int(self.task(doer).rpartition(".")[2])
        said: list[str] = []
        world.ann.hooks = said.append
        for operation in (ShowPromise("p"), FindTask("images"), ShowTask(R1, number)):
            world.ann.operate(operation)
        assert said == []

    def test_whether_there_is_a_task_is_seen_without_claiming_it(self, world: World) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer, max_attempts=2, first_wait_us=SECOND)

        def finds(*names: str) -> object:
            return of(world.bob.operate(FindTask("images", names)), "value")

        assert (finds(), finds("crop", "resize"), finds("crop")) == (True, True, False)
        got = world.ann.operate(ClaimTask("images", "w", ["resize"]))
        assert finds() is False
        world.ann.operate(EndTask(str(of(got, "id")), 1, "{}", failed=True))
        assert finds() is False
        world.clock.advance(SECOND)
        assert finds() is True
        doer.ask(Withdraw(waits))
        assert finds() is False

    def test_what_a_step_before_its_commit_would_do_is_not_done(self, world: World) -> None:
        doer = Doer(world, R1)

        def die(point: str) -> None:
            if point == "within commit":
                raise KeyboardInterrupt

        world.ann.hooks = die
        with pytest.raises(KeyboardInterrupt):
            doer.ask(PutState("a", b"x"))
        world.ann.hooks = None
        assert of(world.reopen().operate(GetState("a")), "version") == 0

    def test_a_name_that_cannot_be_printed_is_refused(self, world: World) -> None:
        for wrong in ("", "a\tb", "a\nb", "a\x00", "x" * 501):
            assert error(world.ann.operate(PutState(wrong, b""))) == "effect/bad-argument"
            assert error(Doer(world, R1).get(AcquirePermit(wrong))) == "effect/bad-argument"

    def test_nobody_but_a_run_can_wait(self, world: World) -> None:
        assert error(world.ann.operate(AcquirePermit("a"))) == "effect/bad-argument"

    # State

    def test_a_key_has_a_value_and_counts_its_writes(self, world: World) -> None:
        doer = Doer(world, R1)
        assert of(doer.get(GetState("a")), "version") == 0
        assert of(doer.get(PutState("a", b"x")), "version") == 1
        assert of(doer.get(PutState("a", b"y")), "version") == 2
        found = world.bob.operate(GetState("a"))
        assert (of(found, "body"), of(found, "version")) == (b"y", 2)

    def test_a_write_of_another_version_is_a_conflict(self, world: World) -> None:
        put = world.ann.operate
        assert of(put(PutState("a", b"x", if_version=0)), "conflict") is None
        conflict = put(PutState("a", b"y", if_version=0))
        assert (of(conflict, "conflict"), of(conflict, "version")) == (True, 1)
        assert of(put(DeleteState("a", if_version=7)), "conflict") is True
        assert of(put(PutState("a", b"y", if_version=1)), "version") == 2

    def test_a_key_is_gone_when_its_time_is_up(self, world: World) -> None:
        world.ann.operate(PutState("a", b"x", ttl_us=SECOND))
        assert world.ann.next_wake_us() == world.clock.time_us + SECOND
        world.clock.advance(SECOND)
        assert of(world.bob.operate(GetState("a")), "version") == 0
        assert list(of(world.bob.operate(ScanState("")), "value")) == []  # type: ignore[call-overload]
        assert world.ann.attend()
        assert not world.ann.attend()
        assert world.ann.next_wake_us() is None

    def test_a_scan_gives_keys_in_order_and_goes_on_after_one(self, world: World) -> None:
        for key in ("b", "a/2", "a/1", "a/10", "é", "a"):
            world.ann.operate(PutState(key, key.encode()))
        rows = of(world.bob.operate(ScanState("a/")), "value")
        assert [r.nth(0) for r in rows] == ["a/1", "a/10", "a/2"]  # type: ignore[attr-defined]
        rows = of(world.bob.operate(ScanState("", after="a/10", limit=2)), "value")
        assert [r.nth(0) for r in rows] == ["a/2", "b"]  # type: ignore[attr-defined]

    def test_a_key_that_was_deleted_never_has_a_version_again(self, world: World) -> None:
        put = world.ann.operate
        assert of(put(PutState("a", b"x")), "version") == 1
        put(DeleteState("a"))
        assert of(put(GetState("a")), "version") == 0
        assert of(put(PutState("a", b"y", ttl_us=SECOND)), "version") == 2
        assert of(put(PutState("a", b"z", if_version=1)), "conflict") is True
        world.clock.advance(2 * SECOND)
        assert of(put(PutState("a", b"u", if_version=0, ttl_us=SECOND)), "version") == 3
        world.clock.advance(2 * SECOND)
        while world.ann.attend():
            pass
        assert of(put(PutState("a", b"v", if_version=0)), "version") == 4
        assert of(put(PutState("a", b"w")), "version") == 5

    def test_deleting_says_whether_the_key_was_there(self, world: World) -> None:
        world.ann.operate(PutState("a", b"x"))
        assert of(world.ann.operate(DeleteState("a")), "value") is True
        assert of(world.ann.operate(DeleteState("a")), "value") is False

    # Locks

    def test_a_lock_has_one_holder_and_those_in_line_get_it_in_order(self, world: World) -> None:
        one, two, three = (Doer(world, run) for run in (R1, R2, R3))
        assert of(one.get(AcquirePermit("l")), "token") == 1
        second, third = two.ask(AcquirePermit("l")), three.ask(AcquirePermit("l"))
        assert two.answer(second) is None
        assert of(one.get(ReleasePermit("l", 1)), "value") is True
        assert of(two.answer(second), "token") == 2
        assert three.answer(third) is None
        assert of(two.get(ReleasePermit("l", 2)), "value") is True
        assert of(three.answer(third), "token") == 3

    def test_a_token_is_above_one_that_its_run_has_from_another_store(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        for doer, above, token in ((one, 7, 8), (two, 0, 9), (one, 7, 10)):
            assert of(doer.get(AcquirePermit("l", above=above)), "token") == token
            assert of(doer.get(ReleasePermit("l", token)), "value") is True

    def test_a_run_that_waits_for_a_lock_is_woken_by_the_release(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l"))
        asked = (Asked("0.1", AcquirePermit("l")),)
        world.ann.commit(two.claim, step(RunState.WAITING, release=True, operations=asked))
        assert row(world.ann, R2).state is RunState.WAITING
        one.ask(ReleasePermit("l", 1))
        assert row(world.ann, R2).state is RunState.READY

    @pytest.mark.parametrize(
        "state", [RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.MOVED]
    )
    def test_a_run_that_ends_lets_go_of_its_locks(self, world: World, state: RunState) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l"))
        waits = two.ask(AcquirePermit("l"))
        one.end(state)
        assert of(two.answer(waits), "token") == 2

    @pytest.mark.parametrize(
        "state", [RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.MOVED]
    )
    def test_a_run_that_ends_leaves_a_lock_that_it_holds_and_waits_for(
        self, world: World, state: RunState
    ) -> None:
        """Its fibers wait for each other; it must not get the lock back that it gives back."""
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("s", 3, 2))
        for permits in (3, 1, 2):
            one.ask(AcquirePermit("s", 3, permits))
        waits = two.ask(AcquirePermit("s", 3, 3))
        one.end(state)
        token = of(two.answer(waits), "token")
        assert token == 2
        shown = world.ann.operate(ShowPermit("s"))
        assert (of(shown, "waiting"), [of(each, "run") for each in of(shown, "value")]) == (0, [R2])

    def test_a_run_that_ends_leaves_the_line(self, world: World) -> None:
        one, two, three = (Doer(world, run) for run in (R1, R2, R3))
        one.ask(AcquirePermit("l"))
        two.ask(AcquirePermit("l"))
        waits = three.ask(AcquirePermit("l"))
        two.end()
        one.ask(ReleasePermit("l", 1))
        assert of(three.answer(waits), "token") == 2

    def test_a_lease_that_is_over_is_taken_over_by_who_waits(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l", lease_us=SECOND))
        waits = two.ask(AcquirePermit("l"))
        assert world.ann.next_wake_us() == world.clock.time_us + SECOND
        world.clock.advance(SECOND)
        assert world.bob.attend()
        assert of(two.answer(waits), "token") == 2
        assert of(one.get(ReleasePermit("l", 1)), "value") is False

    def test_a_lease_that_is_over_stands_while_nobody_waits(self, world: World) -> None:
        one = Doer(world, R1)
        one.ask(AcquirePermit("l", lease_us=SECOND))
        world.clock.advance(2 * SECOND)
        assert not world.ann.attend()
        assert of(one.get(ReleasePermit("l", 1)), "value") is True

    def test_a_lease_ends_in_its_time_when_the_clock_was_set_back(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l", lease_us=10 * SECOND))
        world.clock.advance(-DAY)
        waits = two.ask(AcquirePermit("l"))
        assert world.ann.next_wake_us() == world.clock.time_us + 10 * SECOND
        world.clock.advance(10 * SECOND)
        assert world.bob.attend()
        assert of(two.answer(waits), "token") == 2

    def test_who_waits_gets_the_lock_in_its_time_when_the_clock_is_set_back(
        self, world: World
    ) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l", lease_us=10 * SECOND))
        waits = two.ask(AcquirePermit("l"))
        assert not world.bob.attend()
        world.clock.time_us -= DAY
        assert world.bob.attend()
        assert two.answer(waits) is None
        world.clock.advance(10 * SECOND)
        assert world.ann.attend()
        assert of(two.answer(waits), "token") == 2

    def test_who_waits_gets_the_lock_in_its_time_when_the_clock_was_set_back_and_nobody_looked(
        self, world: World
    ) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        world.clock.advance(DAY)
        one.ask(AcquirePermit("l", lease_us=10 * SECOND))
        waits = two.ask(AcquirePermit("l"))
        world.clock.time_us -= DAY // 2
        fresh = world.reopen()
        fresh.attend()
        assert two.answer(waits) is None
        world.clock.advance(10 * SECOND)
        assert fresh.attend()
        assert of(two.answer(waits), "token") == 2

    def test_a_queue_goes_on_in_its_time_when_the_clock_was_set_back_and_nobody_looked(
        self, world: World
    ) -> None:
        policy = QueuePolicy(rate_limit=1, rate_per_us=10 * SECOND)
        world.clock.advance(DAY)
        for run in (R1, R2):
            world.ann.operate(Enqueue("q", policy, new(run)))
        world.clock.time_us -= DAY // 2
        fresh = world.reopen()
        fresh.attend()
        assert row(world.ann, R2).state is RunState.QUEUED
        world.clock.advance(10 * SECOND)
        fresh.attend()
        assert row(world.ann, R2).state is RunState.READY

    def test_a_clock_that_is_set_back_is_heeded_though_the_first_to_see_it_dies(
        self, world: World
    ) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l", lease_us=10 * SECOND))
        waits = two.ask(AcquirePermit("l"))
        assert not world.ann.attend()
        world.clock.time_us -= DAY
        world.ann.hooks = Die("within attend")
        with pytest.raises(Died):
            world.ann.attend()
        world.ann.hooks = None
        assert world.ann.attend()
        world.clock.advance(10 * SECOND)
        assert world.ann.attend()
        assert of(two.answer(waits), "token") == 2

    def test_a_lease_that_is_renewed_begins_again(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l", lease_us=SECOND))
        waits = two.ask(AcquirePermit("l"))
        assert of(one.get(RenewPermit("l", 1, 5 * SECOND)), "value") is True
        world.clock.advance(2 * SECOND)
        world.ann.attend()
        assert two.answer(waits) is None
        world.clock.advance(3 * SECOND)
        world.ann.attend()
        assert of(two.answer(waits), "token") == 2
        assert of(one.get(RenewPermit("l", 1, SECOND)), "value") is False

    def test_a_semaphore_lets_as_many_in_as_its_limit(self, world: World) -> None:
        one, two, three = (Doer(world, run) for run in (R1, R2, R3))
        assert of(one.get(AcquirePermit("s", limit=3, permits=2)), "token") == 1
        waits = two.ask(AcquirePermit("s", limit=3, permits=2))
        behind = three.ask(AcquirePermit("s", limit=3))
        assert two.answer(waits) is None
        assert three.answer(behind) is None  # nobody passes the head of the line
        one.ask(ReleasePermit("s", 1))
        assert (of(two.answer(waits), "token"), of(three.answer(behind), "token")) == (2, 3)

    def test_who_waits_for_more_permits_than_there_still_are_gets_all_of_them(
        self, world: World
    ) -> None:
        one, two, three = (Doer(world, run) for run in (R1, R2, R3))
        one.ask(AcquirePermit("s", limit=5, permits=3))
        waits = two.ask(AcquirePermit("s", limit=5, permits=3))
        behind = three.ask(AcquirePermit("s", limit=2))
        two.end(RunState.FAILED, error=b"e")
        two = revived(world, R2)
        one.ask(ReleasePermit("s", 1))
        assert (of(three.answer(behind), "token"), two.answer(waits)) == (2, None)
        three.ask(ReleasePermit("s", 2))
        assert of(two.answer(waits), "token") == 3

    def test_more_permits_than_there_are_is_an_error(self, world: World) -> None:
        wrong = AcquirePermit("s", limit=2, permits=3)
        assert error(Doer(world, R1).get(wrong)) == "effect/bad-argument"

    def test_who_waits_no_longer_leaves_the_line(self, world: World) -> None:
        one, two, three = (Doer(world, run) for run in (R1, R2, R3))
        one.ask(AcquirePermit("l"))
        given_up = two.ask(AcquirePermit("l"))
        waits = three.ask(AcquirePermit("l"))
        two.ask(Withdraw(given_up))
        one.ask(ReleasePermit("l", 1))
        assert two.answer(given_up) is None
        assert of(three.answer(waits), "token") == 2

    def test_what_was_granted_after_the_wait_was_given_up_is_given_back(self, world: World) -> None:
        one, two, three = (Doer(world, run) for run in (R1, R2, R3))
        one.ask(AcquirePermit("l"))
        given_up = two.ask(AcquirePermit("l"))
        waits = three.ask(AcquirePermit("l"))
        one.ask(ReleasePermit("l", 1))
        assert of(two.answer(given_up), "token") == 2
        two.ask(Withdraw(given_up))
        assert of(three.answer(waits), "token") == 3

    def test_a_run_cannot_release_what_another_holds(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.ask(AcquirePermit("l"))
        assert of(two.get(ReleasePermit("l", 1)), "value") is False

    def test_a_parked_run_steps_out_of_the_line_and_back_in_when_it_is_revived(
        self, world: World
    ) -> None:
        one, two, three = (Doer(world, run) for run in (R1, R2, R3))
        one.ask(AcquirePermit("l"))
        waits = two.ask(AcquirePermit("l"))
        behind = three.ask(AcquirePermit("l"))
        two.end(RunState.FAILED, error=b"e")
        one.ask(ReleasePermit("l", 1))
        assert of(three.answer(behind), "token") == 2
        event = NewEvent("revived", "", 0, b"")
        world.ann.set_state(R2, (RunState.FAILED,), RunState.READY, event)
        three.ask(ReleasePermit("l", 2))
        assert of(two.answer(waits), "token") == 3

    # Rates

    def test_a_rate_gives_places_now_and_later(self, world: World) -> None:
        now = world.clock.time_us
        throttle = Throttle("r", limit=2, per_us=10 * SECOND)
        places = [of(world.ann.operate(throttle), "at") for _ in range(5)]
        later = [now, now, now + 10 * SECOND, now + 10 * SECOND, now + 20 * SECOND]
        assert places == later

    def test_a_place_that_is_too_late_is_not_taken(self, world: World) -> None:
        now = world.clock.time_us
        throttle = Throttle("r", limit=1, per_us=10 * SECOND, most_us=SECOND)
        assert of(world.ann.operate(throttle), "at") == now
        refused = world.ann.operate(throttle)
        assert (of(refused, "at"), of(refused, "next")) == (None, now + 10 * SECOND)
        world.clock.advance(9 * SECOND)
        assert of(world.ann.operate(throttle), "at") == now + 10 * SECOND

    def test_a_rate_gives_places_in_its_time_when_the_clock_was_set_back(
        self, world: World
    ) -> None:
        throttle = Throttle("r", limit=1, per_us=10 * SECOND)
        world.ann.operate(throttle)
        world.ann.operate(throttle)
        world.clock.advance(-DAY)
        now = world.clock.time_us
        assert of(world.ann.operate(throttle), "at") == now + 20 * SECOND
        world.clock.advance(5 * SECOND)
        assert of(world.ann.operate(throttle), "at") == now + 30 * SECOND

    def test_a_rate_forgets_no_place_when_somebody_asks_by_another_policy(
        self, world: World
    ) -> None:
        """A program that runs on beside a newer one asks by the policy of its day."""
        now = world.clock.time_us
        old, new = Throttle("r", 1, SECOND), Throttle("r", 10, 60 * SECOND)
        first = [of(world.ann.operate(new), "at") for _ in range(10)]
        between = of(world.ann.operate(old), "at")
        then = [of(world.ann.operate(new), "at") for _ in range(10)]
        assert first == [now] * 10
        assert between == now + SECOND
        assert then == [*[now + 60 * SECOND] * 9, now + 61 * SECOND]
        world.clock.advance(121 * SECOND)
        assert world.ann.attend()
        assert world.ann.next_wake_us() is None

    def test_places_of_a_rate_beyond_the_end_of_time_are_given_too(self, world: World) -> None:
        now, age = world.clock.time_us, 1 << 62  # the longest duration
        doer, other = Doer(world, R1), Doer(world, R2)
        for place in range(3):
            asked = (Asked(f"0.{place}", Throttle("r", 1, age)),)
            doer.claim, other.claim = world.ann.commit_all(
                [(doer.claim, step(operations=asked)), (other.claim, step())]
            )
            assert of(doer.answer(f"0.{place}"), "at") == now + place * age

    def test_a_rate_is_forgotten_when_all_its_places_are_over(self, world: World) -> None:
        world.ann.operate(Throttle("r", 1, SECOND))
        world.clock.advance(SECOND)
        assert world.ann.attend()
        assert world.ann.next_wake_us() is None

    # Children

    def test_a_child_is_made_with_its_parent_in_the_step_that_asks(self, world: World) -> None:
        found = Doer(world, R1).get(StartRun(started()))
        assert (of(found, "run"), of(found, "made")) == (CHILD, True)
        child = row(world.bob, CHILD)
        assert (child.parent, child.state) == (R1, RunState.READY)

    def test_a_child_whose_id_is_taken(self, world: World) -> None:
        doer = Doer(world, R1)
        begin(world.ann, R2)
        assert of(doer.get(StartRun(started(R2))), "made") is False
        assert error(doer.get(StartRun(started(R2), IfExists.FAIL))) == "run/exists"
        anew = doer.get(StartRun(started(R2), IfExists.CANCEL))
        assert (of(anew, "run"), of(anew, "made")) == ("run-2-2", True)
        (message,) = world.ann.inbox(R2, 0)
        assert message.message.kind == "cancel"

    def test_a_run_is_replaced_and_not_another_that_is_called_by_a_number_behind_its_id(
        self, world: World
    ) -> None:
        other = RunId(f"{CHILD}-2")
        for run in (CHILD, other):
            begin(world.ann, run)
        doer = Doer(world, R1)
        asks = StartRun(started(), IfExists.CANCEL)
        assert [of(doer.get(asks), "run") for _ in range(2)] == [f"{CHILD}-3", f"{CHILD}-4"]
        told = {run: len(list(world.ann.inbox(run, 0))) for run in (CHILD, other, f"{CHILD}-3")}
        assert told == {CHILD: 1, other: 0, f"{CHILD}-3": 1}

    def test_what_is_in_the_place_of_a_run_is_replaced_also_when_the_first_is_forgotten(
        self, world: World
    ) -> None:
        """It went on for ever beside the one that took the id anew."""
        doer = Doer(world, R1)
        asks = StartRun(started(), IfExists.CANCEL)
        assert [of(doer.get(asks), "run") for _ in range(2)] == [CHILD, f"{CHILD}-2"]
        Doer(world, CHILD).end()
        world.clock.advance(DAY)
        world.ann.attend()
        assert world.ann.forget(CHILD)
        assert of(doer.get(asks), "run") == f"{CHILD}-3"
        assert [each.message.kind for each in world.ann.inbox(RunId(f"{CHILD}-2"), 0)] == ["cancel"]
        for number in (2, 3):
            Doer(world, RunId(f"{CHILD}-{number}")).end()
            assert world.ann.forget(RunId(f"{CHILD}-{number}"))
        world.clock.advance(DAY)
        assert world.ann.attend()
        assert world.ann.next_wake_us() is None
        assert of(doer.get(asks), "run") == CHILD

    def test_a_run_is_replaced_any_number_of_times(self, world: World) -> None:
        doer = Doer(world, R1)
        asks = StartRun(started(), IfExists.CANCEL)
        for _ in range(1101):
            found = world.ann.operate(asks)
        assert of(found, "run") == f"{CHILD}-1101"
        assert of(doer.get(asks), "run") == f"{CHILD}-1102"

    def test_an_id_that_would_be_too_long_ends_in_a_hash(self, world: World) -> None:
        long = RunId("r" * 199)
        asks = StartRun(started(long), IfExists.CANCEL)
        made = [str(of(world.ann.operate(asks), "run")) for _ in range(3)]
        assert [len(run) for run in made] == [199, 200, 200]
        assert len(set(made)) == 3

    def test_whoever_waits_for_a_run_gets_its_result(self, world: World) -> None:
        parent = Doer(world, R1)
        parent.ask(StartRun(started()))
        child = Doer(world, CHILD)
        waits = parent.ask(AwaitRun(CHILD))
        assert parent.answer(waits) is None
        child.end(RunState.COMPLETED, result=b"r")
        found = parent.answer(waits)
        assert (of(found, "state"), of(found, "body")) == ("completed", b"r")
        again = parent.get(AwaitRun(CHILD))
        assert of(again, "body") == b"r"

    @pytest.mark.parametrize(
        ("state", "taken"),
        [
            (None, True),
            (RunState.COMPLETED, True),
            (RunState.FAILED, False),
            (RunState.CANCELLED, False),
        ],
    )
    def test_a_child_of_an_earlier_attempt_is_replaced_only_if_it_was_in_vain(
        self, world: World, state: RunState | None, taken: bool
    ) -> None:
        parent = Doer(world, R1)
        asks = StartRun(started(), IfExists.CANCEL, again=True)
        assert of(parent.get(asks), "made") is True
        if state is not None:
            Doer(world, CHILD).end(state)
        for _ in range(2):
            found = parent.get(asks)
            assert of(found, "run") == (CHILD if taken else f"{CHILD}-2")
        assert list(world.ann.inbox(CHILD, 0)) == []

    def test_what_somebody_else_has_started_is_replaced_by_every_attempt_but_the_second(
        self, world: World
    ) -> None:
        Doer(world, R2).get(StartRun(started()))
        parent = Doer(world, R1)
        asks = StartRun(started(), IfExists.CANCEL, again=True)
        assert [of(parent.get(asks), "run") for _ in range(2)] == [f"{CHILD}-2"] * 2
        assert [found.message.kind for found in world.ann.inbox(CHILD, 0)] == ["cancel"]

    def test_a_failure_reaches_whoever_waits_once(self, world: World) -> None:
        parent, child = Doer(world, R1), Doer(world, CHILD)
        waits = parent.ask(AwaitRun(CHILD))
        child.end(RunState.FAILED, error=b"e")
        found = parent.answer(waits)
        assert (of(found, "state"), of(found, "body")) == ("failed", b"e")
        revived(world, CHILD).end(RunState.COMPLETED, result=b"r")
        assert len(parent.kinds("result")) == 1

    def test_waiting_for_a_run_that_is_not_there_or_for_itself_is_an_error(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        assert error(doer.get(AwaitRun(RunId("nobody")))) == "run/unknown"
        assert error(doer.get(AwaitRun(R1))) == "effect/bad-argument"

    def test_what_a_child_came_to_elsewhere_is_told_to_its_parent_alone(self, world: World) -> None:
        parent, stranger = Doer(world, R1), Doer(world, R2)
        record = hash_map(
            (
                (keyword("run"), CHILD),
                (keyword("state"), "completed"),
                (keyword("body"), b"r"),
                (keyword("created"), 7),
            )
        )
        assert of(world.ann.operate(RestoreEnds(R1, [record])), "value") == 1
        found = parent.get(AwaitRun(CHILD))
        assert (of(found, "state"), of(found, "body")) == ("completed", b"r")
        assert error(stranger.get(AwaitRun(CHILD))) == "run/unknown"
        assert list(of(world.ann.operate(ShowTies(R1)), "ends")) == [record]
        parent.end()
        assert list(of(world.ann.operate(ShowTies(R1)), "ends")) == []

    @pytest.mark.parametrize(
        ("policy", "state", "cancelled"),
        [
            (OnParentEnd.FOLLOW, RunState.COMPLETED, False),
            (OnParentEnd.FOLLOW, RunState.CANCELLED, True),
            (OnParentEnd.CANCEL, RunState.COMPLETED, True),
            (OnParentEnd.CANCEL, RunState.FAILED, False),
            (OnParentEnd.KEEP, RunState.CANCELLED, False),
        ],
    )
    def test_what_becomes_of_a_child_when_its_parent_ends(
        self, world: World, policy: OnParentEnd, state: RunState, cancelled: bool
    ) -> None:
        parent = Doer(world, R1)
        parent.ask(StartRun(started(), on_parent_end=policy))
        parent.end(state)
        inbox = world.ann.inbox(CHILD, 0)
        assert [found.message.kind for found in inbox] == (["cancel"] if cancelled else [])

    @pytest.mark.parametrize(
        ("state", "hangs"),
        [(RunState.COMPLETED, 0), (RunState.CANCELLED, 0), (RunState.FAILED, 1)],
    )
    def test_a_child_that_is_over_hangs_on_its_parent_no_longer(
        self, world: World, state: RunState, hangs: int
    ) -> None:
        Doer(world, R1).ask(StartRun(started()))
        Doer(world, CHILD).end(state)
        ties = of(world.ann.operate(ShowTies(R1)), "ties")
        assert [tie.nth(1) for tie in ties] == [CHILD] * hangs  # type: ignore[attr-defined]

    def test_a_message_to_another_run_is_in_its_inbox(self, world: World) -> None:
        doer = Doer(world, R1)
        begin(world.ann, R2)
        assert of(doer.get(SendMessage(R2, signal("s"))), "value") == 1
        assert of(doer.get(SendMessage(R2, signal("s"))), "value") == 1
        assert len(world.ann.inbox(R2, 0)) == 1
        assert error(doer.get(SendMessage(RunId("nobody"), signal("s")))) == "run/unknown"
        Doer(world, R2).end()
        assert error(doer.get(SendMessage(R2, signal("t")))) == "run/ended"
        assert of(doer.get(SendMessage(R2, signal("s"))), "value") == 1  # the first receipt

    @pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["nul", "half"])
    def test_a_text_that_no_store_can_keep_is_refused_and_not_raised(
        self, world: World, text: str
    ) -> None:
        """What is raised would be raised again by each interpreter that takes the run up."""
        doer = Doer(world, R1)
        tagged = replace(started(), tags={"customer": text})
        for operation in (
            GetState(text),
            DeleteState(text),
            ScanState("a", after=text),
            SendMessage(RunId(text), signal("s")),
            SendMessage(R1, signal(text)),
            AwaitRun(RunId(text)),
            ReleasePermit(text, 1),
            DeadLetters(text),
            StartRun(tagged),
        ):
            assert error(doer.get(operation)) == "effect/bad-argument"

    # Callbacks

    def callback(self, doer: Doer, **more: int) -> str:
        token_hash = hashlib.sha256(b"token").hexdigest()
        doer.get(OpenCallback("c", token_hash, **more))
        return f"sha256:{token_hash}"

    def test_a_callback_is_answered_once_and_everybody_gets_the_first_receipt(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        by_token = self.callback(doer)
        waits = doer.ask(AwaitCallback("c"))
        receipts = [
            world.bob.operate(CompleteCallback(name, body, delivery=body.decode()))
            for name, body in ((by_token, b"1"), (by_token, b"1"), ("c", b"2"))
        ]
        assert [of(receipt, "delivery") for receipt in receipts] == ["1", "1", "1"]
        assert [of(receipt, "first") for receipt in receipts] == [True, False, False]
        found = doer.answer(waits)
        assert (of(found, "state"), of(found, "body")) == ("completed", b"1")
        assert of(doer.get(AwaitCallback("c")), "body") == b"1"

    def test_a_callback_that_was_answered_before_the_wait(self, world: World) -> None:
        doer = Doer(world, R1)
        self.callback(doer)
        world.ann.operate(CompleteCallback("c", b"e", failed=True))
        found = doer.get(AwaitCallback("c"))
        assert (of(found, "state"), of(found, "body")) == ("failed", b"e")

    def test_a_callback_expires(self, world: World) -> None:
        doer = Doer(world, R1)
        by_token = self.callback(doer, timeout_us=2 * SECOND)
        waits = doer.ask(AwaitCallback("c"))
        assert world.ann.next_wake_us() == world.clock.time_us + 2 * SECOND
        world.clock.advance(2 * SECOND)
        assert code(world.ann.operate(CompleteCallback(by_token, b"1"))) == "FM0731"
        found = doer.answer(waits)
        assert (of(found, "state"), of(found, "after")) == ("expired", "timeout")

    def test_a_callback_lives_as_long_as_it_gives_signs_of_life(self, world: World) -> None:
        doer = Doer(world, R1)
        by_token = self.callback(doer, heartbeat_us=2 * SECOND)
        world.clock.advance(SECOND)
        beat = world.ann.operate(BeatCallback(by_token))
        assert of(beat, "expires") == world.clock.time_us + 2 * SECOND
        world.clock.advance(SECOND)
        assert not world.ann.attend()
        world.clock.advance(SECOND)
        assert world.ann.attend()
        found = doer.get(AwaitCallback("c"))
        assert (of(found, "state"), of(found, "after")) == ("expired", "heartbeat")

    def test_a_callback_of_a_run_that_has_ended_is_gone_but_its_receipt_stays_a_week(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        by_token = self.callback(doer)
        doer.get(OpenCallback("d", "0" * 64))
        world.ann.operate(CompleteCallback(by_token, b"1", delivery="x"))
        doer.end()
        assert of(world.ann.operate(CompleteCallback(by_token, b"1")), "delivery") == "x"
        assert error(world.ann.operate(CompleteCallback("d", b"1"))) == "callback/gone"
        world.clock.advance(8 * 86_400 * SECOND)
        assert world.ann.attend()
        assert error(world.ann.operate(CompleteCallback(by_token, b"1"))) == "callback/unknown"
        assert world.ann.next_wake_us() is None

    def test_the_week_of_a_receipt_begins_with_the_end_of_the_run(self, world: World) -> None:
        doer = Doer(world, R1)
        by_token = self.callback(doer)
        world.ann.operate(CompleteCallback(by_token, b"1", delivery="x"))
        world.clock.advance(8 * DAY)
        doer.end()
        for passed_us in (0, 7 * DAY - 1):
            world.clock.advance(passed_us)
            world.ann.attend()
            assert of(world.bob.operate(CompleteCallback(by_token, b"1")), "delivery") == "x"
        world.clock.advance(1)
        assert world.ann.attend()
        assert error(world.bob.operate(CompleteCallback(by_token, b"1"))) == "callback/unknown"
        assert world.ann.next_wake_us() is None

    def test_a_callback_belongs_to_the_run_that_made_it(self, world: World) -> None:
        self.callback(Doer(world, R1))
        assert code(Doer(world, R2).get(AwaitCallback("c"))) == "FM0730"

    @pytest.mark.parametrize("is_forgotten", [False, True])
    def test_a_callback_takes_no_answer_and_no_receipt_of_another_with_its_id(
        self, world: World, is_forgotten: bool
    ) -> None:
        first = Doer(world, R1)
        by_first = self.callback(first)
        world.ann.operate(CompleteCallback(by_first, b"1", delivery="x"))
        if is_forgotten:
            first.end()
            world.ann.forget(R1)
        second = Doer(world, R1 if is_forgotten else R2)
        made = second.get(OpenCallback("c", "7" * 64))
        id_ = str(of(made, "id"))
        assert id_ != "c"
        waits = second.ask(AwaitCallback(id_))
        assert of(world.ann.operate(CompleteCallback(by_first, b"2")), "delivery") == "x"
        assert second.answer(waits) is None
        world.ann.operate(CompleteCallback("sha256:" + "7" * 64, b"3"))
        assert of(second.answer(waits), "body") == b"3"

    def test_a_receipt_is_not_written_over_by_a_callback_of_that_id_that_comes_in(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        by_token = self.callback(doer)
        (record,) = of(world.bob.operate(ShowTies(R1)), "callbacks")  # type: ignore[misc]
        world.ann.operate(CompleteCallback("c", b"1", delivery="x"))
        doer.end(RunState.COMPLETED)
        fields = of(record, "fields").replace(R1, R2)  # type: ignore[attr-defined]
        foreign = record.assoc(keyword("fields"), fields)  # type: ignore[has-type]
        assert of(world.bob.operate(RestoreCallback(R2, foreign)), "value") is False
        receipt = world.bob.operate(CompleteCallback(by_token, b"2"))
        assert (of(receipt, "run"), of(receipt, "delivery")) == (R1, "x")

    def test_an_answer_reaches_a_parked_run_when_it_is_revived(self, world: World) -> None:
        doer = Doer(world, R1)
        self.callback(doer)
        waits = doer.ask(AwaitCallback("c"))
        doer.end(RunState.FAILED, error=b"e")
        world.ann.operate(CompleteCallback("c", b"1"))
        assert row(world.ann).state is RunState.FAILED
        event = NewEvent("revived", "", 0, b"")
        world.ann.set_state(R1, (RunState.FAILED,), RunState.READY, event)
        assert of(doer.answer(waits), "body") == b"1"

    # Promises

    def test_a_promise_is_kept_once_for_all_that_wait(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        waits = one.ask(AwaitPromise("p"))
        assert of(two.get(SettlePromise("p", b"1")), "value") is True
        assert of(two.get(SettlePromise("p", b"2")), "value") is False
        assert of(one.answer(waits), "body") == b"1"
        assert of(two.get(AwaitPromise("p")), "body") == b"1"

    def test_anybody_can_see_what_a_promise_came_to_as_long_as_it_is_kept(
        self, world: World
    ) -> None:
        one = Doer(world, R1)
        assert of(world.ann.operate(ShowPromise("p")), "settled") is False
        one.get(SettlePromise("p", b"1", failed=True, keep_us=1_000_000))
        found = world.ann.operate(ShowPromise("p"))
        assert (of(found, "settled"), of(found, "body"), of(found, "failed")) == (True, b"1", True)
        world.clock.advance(1_000_001)
        world.ann.attend()
        assert of(world.ann.operate(ShowPromise("p")), "settled") is False

    # Topics

    def test_every_subscriber_gets_what_is_published_in_order(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        world.ann.operate(Publish("t", b"0"))
        one.get(Subscribe("t", "a"))
        two.get(Subscribe("t", "b", from_start=True))
        assert of(world.ann.operate(Publish("t", b"1")), "told") == 2
        assert of(one.get(Publish("t", b"2")), "number") == 3
        assert one.kinds("topic") == [b"1", b"2"]
        assert two.kinds("topic") == [b"0", b"1", b"2"]

    def test_a_subscription_ends_by_a_wish_and_with_its_run(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        one.get(Subscribe("t", "a"))
        two.get(Subscribe("t", "b"))
        assert of(one.get(Unsubscribe("t", "a")), "value") is True
        two.end()
        assert of(world.ann.operate(Publish("t", b"1")), "told") == 0

    def test_what_is_published_under_an_id_is_told_once(self, world: World) -> None:
        one = Doer(world, R1)
        one.get(Subscribe("t", "a"))
        for body, id_ in ((b"1", "x"), (b"2", "x"), (b"3", "y")):
            assert of(one.get(Publish("t", body, id_)), "told") == 1
        assert one.kinds("topic") == [b"1", b"3"]
        world.clock.advance(7 * 86_400 * SECOND)
        assert world.ann.attend()
        one.get(Publish("t", b"4", "x"))
        assert one.kinds("topic") == [b"1", b"3", b"4"]

    def test_what_was_published_is_kept_for_a_week(self, world: World) -> None:
        world.ann.operate(Publish("t", b"0"))
        world.clock.advance(7 * 86_400 * SECOND)
        assert world.ann.attend()
        one = Doer(world, R1)
        one.get(Subscribe("t", "a", from_start=True))
        assert one.kinds("topic") == []

    # Queues

    def put(self, world: World, run: str, policy: QueuePolicy, **more: object) -> Map:
        wish = Enqueue("q", policy, new(RunId(run)), **more)  # type: ignore[arg-type]
        return world.ann.operate(wish)

    def states(self, world: World, *runs: str) -> list[str]:
        return [row(world.bob, RunId(run)).state.value for run in runs]

    def test_a_queue_lets_as_many_begin_as_it_has_slots(self, world: World) -> None:
        for run in "abc":
            self.put(world, run, QueuePolicy(concurrency=1))
        assert self.states(world, *"abc") == ["ready", "queued", "queued"]
        assert isinstance(world.ann.claim(RunId("b"), ANN, LEASE_US), Held)
        Doer(world, RunId("a")).end()
        assert self.states(world, *"bc") == ["ready", "queued"]

    def test_a_queued_run_with_an_id_that_is_taken_is_refused_unless_it_is_to_attach(
        self, world: World
    ) -> None:
        world.ann.operate(StartRun(new(RunId("a"))))
        refused = self.put(world, "a", QueuePolicy(1), if_exists=IfExists.FAIL)
        assert error(refused) == "run/exists"
        found = self.put(world, "a", QueuePolicy(1), if_exists=IfExists.ATTACH)
        assert (of(found, "run"), of(found, "made")) == ("a", False)
        found = self.put(world, "a", QueuePolicy(1), if_exists=IfExists.CANCEL)
        assert (of(found, "run"), of(found, "made")) == ("a-2", True)
        assert [found.message.kind for found in world.ann.inbox(RunId("a"), 0)] == ["cancel"]

    @pytest.mark.parametrize("if_exists", list(IfExists))
    def test_a_queued_child_of_an_earlier_attempt_is_replaced_in_the_queue_if_it_failed(
        self, world: World, if_exists: IfExists
    ) -> None:
        parent = Doer(world, R1)
        asks = Enqueue("q", QueuePolicy(1), started(), if_exists=if_exists, again=True)
        assert [of(parent.get(asks), "made") for _ in range(2)] == [True, False]
        Doer(world, CHILD).end(RunState.FAILED, error=b"no")
        for _ in range(2):
            assert of(parent.get(asks), "run") == f"{CHILD}-2"
        assert row(world.ann, RunId(f"{CHILD}-2")).queue == "q"

    def test_a_message_does_not_let_a_queued_run_begin_but_a_cancellation_does_so(
        self, world: World
    ) -> None:
        for run in "abc":
            self.put(world, run, QueuePolicy(concurrency=1))
        world.ann.send(RunId("b"), signal("s"))
        world.ann.operate(SendMessage(RunId("c"), signal("s")))
        assert self.states(world, *"bc") == ["queued", "queued"]
        world.ann.operate(SendMessage(RunId("c"), Message("x", "cancel", "", b"")))
        assert self.states(world, *"bc") == ["queued", "ready"]

    def test_a_run_that_is_to_begin_later_begins_in_order_to_be_cancelled(
        self, world: World
    ) -> None:
        later = new(R2, wake_at_us=world.clock.time_us + 3600 * SECOND)
        world.ann.operate(StartRun(later))
        world.ann.operate(SendMessage(R2, signal("s")))
        assert world.ann.claim_ready(ANN, LEASE_US, 1) == []
        world.ann.operate(SendMessage(R2, Message("x", "cancel", "", b"")))
        assert [claim.run for claim in world.ann.claim_ready(ANN, LEASE_US, 1)] == [R2]

    def test_higher_priorities_begin_first_and_equal_ones_in_order(self, world: World) -> None:
        policy = QueuePolicy(concurrency=1)
        self.put(world, "a", policy)
        for run, priority in (("b", 0), ("c", -1), ("d", 5), ("e", 0)):
            self.put(world, run, policy, priority=priority)
        order: list[str] = ["a"]
        while len(order) < 5:
            Doer(world, RunId(order[-1])).end()
            order += [r for r in "bcde" if self.states(world, r) == ["ready"]]
        assert order == ["a", "d", "b", "e", "c"]

    def test_a_partition_has_its_own_limit(self, world: World) -> None:
        policy = QueuePolicy(concurrency=3, per_partition=1)
        for run, partition in (("a", "x"), ("b", "x"), ("c", "y")):
            self.put(world, run, policy, partition=partition)
        assert self.states(world, *"abc") == ["ready", "queued", "ready"]

    def test_a_rate_lets_the_next_begin_when_it_is_time(self, world: World) -> None:
        policy = QueuePolicy(rate_limit=1, rate_per_us=10 * SECOND)
        for run in "ab":
            self.put(world, run, policy)
        assert self.states(world, *"ab") == ["ready", "queued"]
        world.clock.advance(10 * SECOND)
        assert world.ann.attend()
        assert self.states(world, *"b") == ["ready"]

    def test_a_rate_lets_the_next_begin_in_its_time_when_the_clock_was_set_back(
        self, world: World
    ) -> None:
        policy = QueuePolicy(rate_limit=1, rate_per_us=10 * SECOND)
        self.put(world, "a", policy)
        world.clock.advance(-DAY)
        self.put(world, "b", policy)
        assert self.states(world, "b") == ["queued"]
        world.clock.advance(10 * SECOND)
        assert world.ann.attend()
        assert self.states(world, "b") == ["ready"]

    def test_an_entry_with_a_delay_begins_when_it_is_over(self, world: World) -> None:
        self.put(world, "a", QueuePolicy(), delay_us=SECOND)
        assert self.states(world, "a") == ["queued"]
        world.clock.advance(SECOND)
        assert world.bob.attend()
        assert self.states(world, "a") == ["ready"]

    def test_what_is_not_due_holds_up_nobody_however_much_it_is(self, world: World) -> None:
        policy = QueuePolicy(concurrency=2)
        for number in range(250):
            self.put(world, f"later-{number}", policy, delay_us=3600 * SECOND)
        self.put(world, "now", policy)
        assert self.states(world, "now", "later-0") == ["ready", "queued"]
        Doer(world, RunId("now")).end()
        world.clock.advance(4000 * SECOND)
        while world.bob.attend():
            pass
        begun = [f"later-{c}" for c in range(250) if self.states(world, f"later-{c}") == ["ready"]]
        assert len(begun) == 2

    def test_what_becomes_due_together_begins_in_the_order_of_its_priority(
        self, world: World
    ) -> None:
        policy = QueuePolicy(concurrency=1)
        for run, priority in (("a", 0), ("b", 5), ("c", 1)):
            self.put(world, run, policy, delay_us=SECOND, priority=priority)
        world.clock.advance(60 * SECOND)
        assert world.ann.attend()
        assert self.states(world, *"abc") == ["queued", "ready", "queued"]

    def test_a_partition_that_is_full_holds_up_no_other_and_keeps_its_order(
        self, world: World
    ) -> None:
        policy = QueuePolicy(concurrency=3, per_partition=1)
        for number in range(250):
            self.put(world, f"x-{number}", policy, partition="x")
        self.put(world, "urgent", policy, partition="x", priority=1)
        self.put(world, "y", policy, partition="y")
        assert self.states(world, "x-0", "x-1", "urgent", "y") == [
            "ready",
            "queued",
            "queued",
            "ready",
        ]
        Doer(world, RunId("x-0")).end()
        assert self.states(world, "urgent", "x-1") == ["ready", "queued"]
        world.ann.operate(SendMessage(RunId("x-1"), Message("x", "cancel", "", b"")))
        Doer(world, RunId("x-1")).end(RunState.CANCELLED)
        Doer(world, RunId("urgent")).end()
        assert self.states(world, "x-2", "x-3") == ["ready", "queued"]

    def test_an_entry_that_is_cancelled_leaves_its_turn_to_the_next_of_its_partition(
        self, world: World
    ) -> None:
        policy = QueuePolicy(concurrency=2, per_partition=1)
        for run in ("x-0", "x-1", "x-2"):
            self.put(world, run, policy, partition="x")
        self.put(world, "y", policy, partition="y")
        self.put(world, "z", policy, partition="z", priority=1)
        Doer(world, RunId("x-0")).end()
        assert self.states(world, "x-1", "z") == ["queued", "ready"]  # it is the turn of x-1
        world.ann.operate(SendMessage(RunId("x-1"), Message("x", "cancel", "", b"")))
        Doer(world, RunId("x-1")).end(RunState.CANCELLED)
        Doer(world, RunId("z")).end()
        assert self.states(world, "x-2") == ["ready"]

    def test_a_partition_gets_more_slots_when_the_queue_says_so(self, world: World) -> None:
        for run in "abc":
            self.put(world, run, QueuePolicy(per_partition=1), partition="x")
        assert self.states(world, *"abc") == ["ready", "queued", "queued"]
        self.put(world, "d", QueuePolicy(per_partition=3), partition="x")
        assert self.states(world, *"abcd") == ["ready", "ready", "ready", "queued"]

    def test_a_dedup_key_names_one_run_until_it_ends(self, world: World) -> None:
        for run in "ab":
            found = self.put(world, run, QueuePolicy(), dedup_key="k")
            assert of(found, "run") == "a"
        assert world.ann.run(RunId("b")) is None
        Doer(world, RunId("a")).end()
        assert of(self.put(world, "b", QueuePolicy(), dedup_key="k"), "made") is True

    def test_a_run_that_fails_is_a_dead_letter_and_can_be_driven_again(self, world: World) -> None:
        first = NewEvent("started", "main", 0, b"s")
        wish = Enqueue("q", QueuePolicy(1), new(RunId("a"), input=b"in", first_event=first))
        world.ann.operate(wish)
        Doer(world, RunId("a")).end(RunState.FAILED, error=b"e")
        (letter,) = of(world.ann.operate(DeadLetters("q")), "value")  # type: ignore[misc]
        assert (of(letter, "run"), of(letter, "body")) == ("a", b"e")
        (pair,) = of(world.ann.operate(Redrive("q")), "value")  # type: ignore[misc]
        assert (pair.nth(0), pair.nth(1)) == ("a", "a-2")
        again = row(world.ann, RunId("a-2"))
        assert (again.input, again.state, again.queue) == (b"in", RunState.READY, "q")
        assert world.ann.events(RunId("a-2"))[0].data == b"s"
        assert list(of(world.ann.operate(DeadLetters("q")), "value")) == []  # type: ignore[call-overload]

    def test_a_failed_run_that_goes_on_is_no_dead_letter_and_takes_a_slot(
        self, world: World
    ) -> None:
        for run in "ab":
            self.put(world, run, QueuePolicy(concurrency=1))
        Doer(world, RunId("a")).end(RunState.FAILED, error=b"e")
        assert self.states(world, "b") == ["ready"]
        one = revived(world, RunId("a"))
        assert list(of(world.ann.operate(DeadLetters("q")), "value")) == []  # type: ignore[call-overload]
        assert list(of(world.ann.operate(Redrive("q")), "value")) == []  # type: ignore[call-overload]
        self.put(world, "c", QueuePolicy(concurrency=2))
        assert self.states(world, "c") == ["queued"]
        one.end(RunState.FAILED, error=b"again")
        (letter,) = of(world.ann.operate(DeadLetters("q")), "value")  # type: ignore[misc]
        assert (of(letter, "run"), of(letter, "body")) == ("a", b"again")
        assert self.states(world, "c") == ["ready"]

    def test_a_dead_letter_that_is_tried_again_has_its_dedup_key_again(self, world: World) -> None:
        """There were two of a key under way."""

        def key() -> tuple[object, object]:
            found = self.put(world, "x", QueuePolicy(), dedup_key="k")
            return of(found, "run"), of(found, "made")

        self.put(world, "a", QueuePolicy(), dedup_key="k")
        Doer(world, RunId("a")).end(RunState.FAILED, error=b"e")
        one = revived(world, RunId("a"))
        assert key() == ("a", False)
        one.end(RunState.FAILED, error=b"e")
        (pair,) = of(world.ann.operate(Redrive("q")), "value")  # type: ignore[misc]
        assert pair.nth(1) == "a-2"
        assert key() == ("a-2", False)
        Doer(world, RunId("a-2")).end(RunState.FAILED, error=b"e")
        assert key() == ("x", True)
        assert list(of(world.ann.operate(Redrive("q")), "value")) == []  # type: ignore[call-overload]
        Doer(world, RunId("x")).end()
        assert len(list(of(world.ann.operate(Redrive("q")), "value"))) == 1  # type: ignore[call-overload]

    def test_a_failed_run_that_was_driven_again_takes_no_slot_when_it_goes_on(
        self, world: World
    ) -> None:
        self.put(world, "a", QueuePolicy(concurrency=2))
        Doer(world, RunId("a")).end(RunState.FAILED, error=b"e")
        assert len(list(of(world.ann.operate(Redrive("q")), "value"))) == 1  # type: ignore[call-overload]
        revived(world, RunId("a"))
        self.put(world, "b", QueuePolicy(concurrency=2))
        assert self.states(world, "a-2", "b") == ["ready", "ready"]

    def test_of_many_entries_whose_delays_are_over_the_first_in_order_begins(
        self, world: World
    ) -> None:
        policy = QueuePolicy(concurrency=1)
        for number in range(120):
            self.put(world, f"low-{number}", policy, delay_us=SECOND)
        self.put(world, "high", policy, delay_us=2 * SECOND, priority=1)
        world.clock.advance(3 * SECOND)
        while world.ann.attend():
            pass
        assert self.states(world, "high", "low-0") == ["ready", "queued"]

    def test_an_interpreter_drives_no_more_of_a_queue_than_it_may(self, world: World) -> None:
        for run in "abc":
            self.put(world, run, QueuePolicy(per_worker=2))
        begin(world.ann, R1)
        taken = {claim.run for claim in world.ann.claim_ready(ANN, LEASE_US, 9)}
        assert len(taken) == 3
        assert R1 in taken
        assert len(world.bob.claim_ready(BOB, LEASE_US, 9)) == 1

    def test_an_interpreter_takes_over_no_more_of_a_queue_than_it_may(self, world: World) -> None:
        for run in "abcd":
            self.put(world, run, QueuePolicy(per_worker=2))
        assert len(world.ann.claim_ready(ANN, LEASE_US, 9)) == 2
        first, _ = world.bob.claim_ready(BOB, LEASE_US, 9)
        begin(world.ann, R1)
        world.kill(ANN)
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 9)] == [R1]
        world.bob.release(first)
        (taken,) = world.bob.claim_ready(BOB, LEASE_US, 9)
        assert taken.run in ("a", "b")

    def test_an_interpreter_takes_again_what_it_has_lost_of_a_queue(self, world: World) -> None:
        self.put(world, "a", QueuePolicy(per_worker=1))
        self.put(world, "b", QueuePolicy(per_worker=1))
        assert [claim.run for claim in world.ann.claim_ready(ANN, LEASE_US, 9)] == ["a"]
        world.clock.advance(LEASE_US + 1)
        assert [claim.run for claim in world.ann.claim_ready(ANN, LEASE_US, 9)] == ["a"]

    def test_a_run_of_a_queue_that_an_interpreter_cannot_read_takes_no_room(
        self, world: World
    ) -> None:
        self.put(world, "a", QueuePolicy(per_worker=1))
        newer = step(RunState.READY, snapshot_format=2, release=True)
        world.ann.commit(take(world.ann, RunId("a")), newer)
        self.put(world, "b", QueuePolicy(per_worker=1))
        claimed = world.bob.claim_ready(BOB, LEASE_US, 9, snapshot_format=1)
        assert [claim.run for claim in claimed] == ["b"]

    def test_what_waits_in_one_queue_keeps_nobody_from_the_others(self, world: World) -> None:
        for number in range(150):
            self.put(world, f"a{number:03}", QueuePolicy(per_worker=1))
        for run in ("b0", "b1"):
            world.ann.operate(Enqueue("other", QueuePolicy(per_worker=1), new(RunId(run))))
        begin(world.ann, R1)
        taken = {claim.run for claim in world.ann.claim_ready(ANN, LEASE_US, 9)}
        assert taken == {"a000", "b0", R1}
        assert world.ann.claim_ready(ANN, LEASE_US, 9) == []

    # Tasks

    def task(self, doer: Doer, **more: object) -> str:
        fields = {"queue": "images", "name": "resize", "args": "[1]", "key": "k", **more}
        return doer.ask(OpenTask(heartbeat_us=2 * SECOND, **fields))  # type: ignore[arg-type]

    def test_a_task_is_claimed_by_one_worker_and_its_word_is_the_answer(self, world: World) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer)
        got = world.ann.operate(ClaimTask("images", "w1"))
        assert (of(got, "name"), of(got, "args"), of(got, "key")) == ("resize", "[1]", "k")
        assert of(world.bob.operate(ClaimTask("images", "w2")), "id") is None
        id_, attempt = str(of(got, "id")), 1
        assert of(world.ann.operate(EndTask(id_, attempt, "42")), "value") is True
        found = doer.answer(waits)
        assert (of(found, "json"), of(found, "failed")) == ("42", False)
        assert of(world.ann.operate(EndTask(id_, attempt, "43")), "value") is False

    def test_a_worker_that_gives_no_sign_of_life_loses_its_task(self, world: World) -> None:
        doer = Doer(world, R1)
        self.task(doer, max_attempts=3, first_wait_us=0)
        id_ = str(of(world.ann.operate(ClaimTask("images", "w1")), "id"))
        world.clock.advance(SECOND)
        assert of(world.ann.operate(BeatTask(id_, 1)), "value") is True
        world.clock.advance(2 * SECOND)
        assert world.ann.attend()
        assert of(world.ann.operate(BeatTask(id_, 1)), "value") is False
        again = world.ann.operate(ClaimTask("images", "w2"))
        assert (of(again, "id"), of(again, "attempt")) == (id_, 2)
        assert of(world.ann.operate(EndTask(id_, 1, "1")), "value") is False

    def test_tasks_that_are_held_are_for_nobody_until_they_are_let_go(self, world: World) -> None:
        doer = Doer(world, R1)
        self.task(doer)
        for held in (True, True, False, False):
            asked = step(operations=(Asked("", HoldTasks(held)),))
            doer.claim = world.ann.commit(doer.claim, asked)
            assert of(world.bob.operate(FindTask("images")), "value") is not held
        assert of(world.bob.operate(ClaimTask("images", "w")), "attempt") == 1

    def test_a_task_says_how_it_stands(self, world: World) -> None:
        doer = Doer(world, R1)
        number = int(self.task(doer, max_attempts=2, first_wait_us=SECOND).rpartition(".")[2])
        shown = world.ann.operate(ShowTask(R1, number))
        assert [of(shown, name) for name in ("queue", "state", "attempt", "most")] == [
            "images",
            "open",
            0,
            2,
        ]
        world.ann.operate(ClaimTask("images", "w1"))
        shown = world.bob.operate(ShowTask(R1, number))
        assert [of(shown, name) for name in ("state", "attempt", "worker")] == ["claimed", 1, "w1"]
        assert of(shown, "lease") == of(shown, "ready") + 2 * SECOND
        assert of(world.ann.operate(ShowTask(R1, number + 1)), "queue") is None

    def test_a_task_that_fails_is_tried_again_by_its_policy(self, world: World) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer, max_attempts=2, first_wait_us=SECOND)
        id_ = str(of(world.ann.operate(ClaimTask("images", "w")), "id"))
        world.ann.operate(EndTask(id_, 1, '{"type":"x"}', failed=True))
        assert of(world.ann.operate(ClaimTask("images", "w")), "id") is None
        world.clock.advance(SECOND)
        assert of(world.ann.operate(ClaimTask("images", "w")), "attempt") == 2
        world.ann.operate(EndTask(id_, 2, '{"type":"y"}', failed=True))
        found = doer.answer(waits)
        assert (of(found, "failed"), of(found, "json")) == (True, '{"type":"y"}')

    def test_a_task_that_must_not_be_tried_again_is_not(self, world: World) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer, max_attempts=9)
        id_ = str(of(world.ann.operate(ClaimTask("images", "w")), "id"))
        world.ann.operate(EndTask(id_, 1, '{"retryable":false}', failed=True))
        assert of(doer.answer(waits), "failed") is True

    def test_a_worker_that_says_the_same_again_is_heard_as_the_first_time(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        self.task(doer, max_attempts=2, first_wait_us=0)
        id_ = str(of(world.ann.operate(ClaimTask("images", "w")), "id"))
        words = (EndTask(id_, 1, '{"type":"x"}', failed=True), EndTask(id_, 2, "42"))
        for attempt, word in enumerate(words, 1):
            for _ in range(3):
                assert of(world.bob.operate(word), "value") is True
            if attempt == 1:
                assert of(world.ann.operate(ClaimTask("images", "w")), "attempt") == 2
                assert of(world.bob.operate(word), "value") is True
        assert of(world.ann.operate(EndTask(id_, 1, "42")), "value") is False
        world.clock.advance(2 * DAY)
        while world.bob.attend():
            pass
        assert of(world.bob.operate(words[1]), "value") is False

    def test_an_at_most_once_task_whose_worker_is_lost_is_in_doubt(self, world: World) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer, max_attempts=9, first_wait_us=0, at_most_once=True)
        id_ = str(of(world.ann.operate(ClaimTask("images", "w")), "id"))
        world.ann.operate(EndTask(id_, 1, '{"type":"busy"}', failed=True))
        assert of(world.ann.operate(ClaimTask("images", "w")), "attempt") == 2  # no doubt so far
        world.clock.advance(3 * SECOND)
        while world.bob.attend():
            pass
        assert of(world.ann.operate(ClaimTask("images", "w")), "id") is None
        assert (of(doer.answer(waits), "failed"), of(doer.answer(waits), "doubt")) == (True, True)

    def asked_again(self, doer: Doer, waits: str, **more: object) -> None:
        """Ask for a task again that has failed: its answer is consumed."""
        seen = [row.number for row in doer.world.ann.inbox(doer.run, 0)]
        fields = {"queue": "images", "name": "resize", "args": "[1]", "key": "k", **more}
        again = OpenTask(heartbeat_us=2 * SECOND, **fields)  # type: ignore[arg-type]
        asked = (Asked(waits, AskAnew()), Asked(waits, again))
        doer.claim = doer.world.ann.commit(doer.claim, step(consumed=seen))
        doer.claim = doer.world.ann.commit(doer.claim, step(operations=asked))

    def lost(self, world: World) -> None:
        """Let the worker that has a task lose it."""
        world.clock.advance(3 * SECOND)
        while world.bob.attend():
            pass

    @pytest.mark.parametrize("later_us", [0, 40 * DAY])
    def test_a_worker_that_has_lost_a_task_has_no_word_when_it_is_asked_for_again(
        self, world: World, later_us: int
    ) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer)
        id_ = str(of(world.ann.operate(ClaimTask("images", "lost")), "id"))
        self.lost(world)
        assert of(doer.answer(waits), "failed") is True
        world.clock.advance(later_us)
        self.lost(world)
        self.asked_again(doer, waits)
        assert of(world.ann.operate(ClaimTask("images", "w")), "attempt") == 2
        world.clock.advance(SECOND)
        assert of(world.bob.operate(BeatTask(id_, 1)), "value") is False
        assert of(world.bob.operate(EndTask(id_, 1, "1")), "value") is False
        assert of(world.bob.operate(EndTask(id_, 1, "{}", failed=True)), "value") is False
        assert of(world.ann.operate(EndTask(id_, 2, "2")), "value") is True
        assert of(doer.answer(waits), "json") == "2"

    def test_a_task_that_is_asked_for_again_fails_as_before_and_is_heard(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        policy = {"max_attempts": 2, "first_wait_us": SECOND}
        waits = self.task(doer, **policy)
        boom = '{"type":"boom"}'
        attempt = 0
        for _ in range(12):  # its pauses begin anew each time
            got = world.ann.operate(ClaimTask("images", "w"))
            assert of(got, "attempt") == attempt + 1
            self.lost(world)
            world.clock.advance(SECOND)
            assert of(world.ann.operate(ClaimTask("images", "w")), "attempt") == attempt + 2
            end = EndTask(str(of(got, "id")), attempt + 2, boom, failed=True)
            assert of(world.ann.operate(end), "value") is True
            assert of(world.bob.operate(end), "value") is True
            assert of(doer.answer(waits), "json") == boom
            self.asked_again(doer, waits, **policy)
            attempt += 2
        got = world.ann.operate(ClaimTask("images", "w"))
        world.ann.operate(EndTask(str(of(got, "id")), attempt + 1, boom, failed=True))
        world.clock.advance(SECOND - 1)
        assert of(world.ann.operate(ClaimTask("images", "w")), "id") is None
        world.clock.advance(1)
        assert of(world.ann.operate(ClaimTask("images", "w")), "attempt") == attempt + 2

    def test_a_task_whose_time_was_up_counts_on_when_it_is_asked_for_again(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer)
        world.bob.operate(ClaimTask("images", "w"))
        assert of(self.stopped(doer, waits), "doubt") is True
        self.asked_again(doer, waits)
        assert of(world.bob.operate(ClaimTask("images", "w")), "attempt") == 2
        doer.ask(Withdraw(waits))
        self.task(doer)  # another effect
        assert of(world.bob.operate(ClaimTask("images", "w")), "attempt") == 1

    def test_a_worker_has_no_word_in_the_task_of_a_later_run_of_the_same_id(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        self.task(doer)
        lost = world.bob.operate(ClaimTask("images", "lost"))
        doer.end(RunState.CANCELLED, error=b"e")
        world.ann.forget(R1)
        later = Doer(world, R1)
        waits = self.task(later, max_attempts=2)
        got = world.bob.operate(ClaimTask("images", "w"))
        assert of(got, "attempt") == 2
        assert of(world.bob.operate(EndTask(str(of(lost, "id")), 1, '"wrong"')), "value") is False
        assert of(world.bob.operate(BeatTask(str(of(lost, "id")), 1)), "value") is False
        end = EndTask(str(of(got, "id")), 2, "{}", failed=True)
        assert of(world.bob.operate(end), "value") is True
        assert later.answer(waits) is None  # it has another attempt
        later.end()
        world.clock.advance(40 * DAY)
        self.lost(world)
        world.ann.forget(R1)
        self.task(Doer(world, R1))
        assert of(world.bob.operate(ClaimTask("images", "w")), "attempt") == 1

    def test_a_task_of_a_run_that_comes_back_counts_on_and_one_that_all_is_said_of_does_not(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        self.task(doer)
        world.bob.operate(ClaimTask("images", "w"))
        doer.claim = world.ann.commit(doer.claim, step(RunState.EXPORTING))
        parts = world.ann.export_run(doer.claim)
        doer.end(RunState.MOVED, events=[])
        self.lost(world)
        world.ann.import_run(parts)
        back = Doer(world, R1)
        waits = self.task(back)
        assert of(world.bob.operate(ClaimTask("images", "w")), "attempt") == 2
        world.clock.advance(40 * DAY)
        self.lost(world)
        self.asked_again(back, waits)
        assert of(world.bob.operate(ClaimTask("images", "w")), "attempt") == 3
        back.end()
        world.clock.advance(40 * DAY)
        self.lost(world)
        world.ann.forget(R1)
        for _ in range(2):
            doer = Doer(world, R1)
            self.task(doer)
            got = world.bob.operate(ClaimTask("images", "w"))
            assert of(got, "attempt") == 1
            world.bob.operate(EndTask(str(of(got, "id")), 1, "1"))
            doer.end()
            world.ann.forget(R1)

    def stopped(self, doer: Doer, waits: str) -> Map | None:
        """Take a task back whose time is up, and return what its run is answered."""
        asked = step(operations=(Asked(waits, StopTask()),))
        doer.claim = doer.world.ann.commit(doer.claim, asked)
        return doer.answer(waits)

    def test_a_task_that_is_taken_back_is_in_doubt_if_a_worker_has_it(self, world: World) -> None:
        doer = Doer(world, R1)
        for is_claimed in (False, True):
            waits = self.task(doer, at_most_once=True)
            if is_claimed:
                world.bob.operate(ClaimTask("images", "w"))
            found = self.stopped(doer, waits)
            assert (of(found, "over"), of(found, "doubt")) == (True, is_claimed)
            assert of(world.bob.operate(ClaimTask("images", "w")), "id") is None

    def test_what_a_worker_has_said_of_a_task_counts_when_it_is_taken_back(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        waits = self.task(doer, at_most_once=True)
        got = world.bob.operate(ClaimTask("images", "w"))
        world.bob.operate(EndTask(str(of(got, "id")), 1, "42"))
        found = self.stopped(doer, waits)
        assert (of(found, "json"), of(found, "over")) == ("42", None)

    def test_nobody_claims_a_task_whose_time_is_up(self, world: World) -> None:
        doer = Doer(world, R1)
        self.task(doer, expires_us=world.clock.time_us + SECOND)
        world.clock.advance(SECOND)
        assert of(world.ann.operate(ClaimTask("images", "w")), "id") is None

    def test_at_most_once_tasks_that_a_worker_has_or_has_done_are_said(self, world: World) -> None:
        doer = Doer(world, R1)
        careful = self.task(doer, at_most_once=True)
        self.task(doer, queue="other")
        for queue in ("other", "images"):
            assert list(of(world.ann.operate(ShowTies(R1)), "doubtful")) == []  # type: ignore[call-overload]
            world.ann.operate(ClaimTask(queue, "w"))
        assert list(of(world.ann.operate(ShowTies(R1)), "doubtful")) == [careful]  # type: ignore[call-overload]

    def test_a_run_that_is_being_moved_has_no_tasks_and_takes_no_word(self, world: World) -> None:
        doer = Doer(world, R1)
        self.task(doer)
        id_ = str(of(world.ann.operate(ClaimTask("images", "w")), "id"))
        self.task(doer)
        doer.claim = world.ann.commit(doer.claim, step(RunState.EXPORTING))
        assert of(world.ann.operate(ClaimTask("images", "w")), "id") is None
        for operation in (EndTask(id_, 1, "42"), BeatTask(id_, 1)):
            assert code(world.ann.operate(operation)) == "FM0737"
        doer.claim = world.ann.commit(doer.claim, step())
        assert of(world.ann.operate(ClaimTask("images", "w")), "id") is not None
        assert of(world.ann.operate(EndTask(id_, 1, "42")), "value") is True

    def test_no_run_and_no_order_sends_to_a_run_that_is_being_moved(self, world: World) -> None:
        doer = Doer(world, R1)
        doer.claim = world.ann.commit(doer.claim, step(RunState.EXPORTING))
        sent = world.ann.operate(SendMessage(R1, Message("m-1", "signal", "go", b"")))
        assert code(sent) == "FM1103"
        assert doer.kinds("signal") == []

    def test_a_callback_of_a_run_that_is_being_moved_takes_no_sign_of_life(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        doer.get(OpenCallback("c-1", "hash", heartbeat_us=SECOND))
        doer.claim = world.ann.commit(doer.claim, step(RunState.EXPORTING))
        assert code(world.ann.operate(BeatCallback("c-1"))) == "FM0737"

    def test_a_task_that_nobody_waits_for_is_withdrawn(self, world: World) -> None:
        doer = Doer(world, R1)
        given_up = self.task(doer)
        id_ = str(of(world.ann.operate(ClaimTask("images", "w")), "id"))
        doer.ask(Withdraw(given_up))
        assert of(world.ann.operate(BeatTask(id_, 1)), "value") is False
        self.task(doer)
        doer.end()
        assert of(world.ann.operate(ClaimTask("images", "w")), "id") is None

    # Deployments

    def test_a_name_stands_for_one_program_at_a_time(self, world: World) -> None:
        other = ProgramHash("e" * 64)
        deploy = world.ann.operate(Deploy("shop", PROGRAM, b"g", b"d"))
        assert of(deploy, "previous") is None
        assert of(world.ann.operate(Deploy("shop", other, b"h", b"e")), "previous") == PROGRAM
        (found,) = of(world.bob.operate(Deployments()), "value")  # type: ignore[misc]
        assert (of(found, "program"), of(found, "grants"), of(found, "details")) == (
            other,
            b"h",
            b"e",
        )
        assert of(world.ann.operate(Undeploy("shop")), "value") is True
        assert list(of(world.ann.operate(Deployments("shop")), "value")) == []  # type: ignore[call-overload]


class TestPostgresStore(OperationsContract):
    @pytest.fixture
    def world(self, postgres: Server) -> Iterator[World]:
        with postgres.empty_store(frozen=True) as url:
            opened = PostgresWorld(url)
            yield opened
            opened.close()


class TestMemoryStore(OperationsContract):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()


class TestSqliteStore(OperationsContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        opened = SqliteWorld(tmp_path)
        yield opened
        opened.close()
