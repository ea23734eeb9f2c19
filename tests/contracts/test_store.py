"""What every store promises: one suite, run on each of them.

For a store of your own, write a ``World`` for it, subclass ``StoreContract``
and give it a fixture ``world``:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def world(self, tmp_path): ...
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from flowmetal.errors import Conflict, RunError, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.chain import KeyRing, beginning, extended
from flowmetal.store.inputs import encode_input
from flowmetal.store.memory import MemoryStore
from flowmetal.store.postgres import PostgresStore
from flowmetal.store.protocol import (
    ENDED,
    NOT_SAID,
    Claim,
    Commit,
    Held,
    Message,
    NewEvent,
    NewRun,
    RunQuery,
    RunRow,
    RunState,
    Store,
    Trim,
)
from flowmetal.store.sqlite import SqliteStore
from tests.postgres import Server

R1, R2, R3 = RunId("run-1"), RunId("run-2"), RunId("run-3")
ANN, BOB = InterpreterId("ann"), InterpreterId("bob")
PROGRAM = ProgramHash("f" * 64)
INPUT = encode_input("shop/main", [], 1)
LEASE_US = 10_000_000
EVENT = NewEvent("effect/requested", "http/request", 1, b"\x81\x01")
STOPPED = [RunState.PAUSED, RunState.EXPORTING, *sorted(ENDED, key=lambda state: state.value)]


class SteppedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.boot_id = "boot-1"
        self.time_us = 1_700_000_000_000_000
        self.since_boot_us = 5_000_000

    def now_us(self) -> int:
        return self.time_us

    def boot_us(self) -> int:
        return self.since_boot_us

    def advance(self, us: int) -> None:
        self.time_us += us
        self.since_boot_us += us


class World(Protocol):
    """A store under test: ``ann`` and ``bob`` are two openings of it (or one, if it has no more)."""

    clock: SteppedClock
    ann: Store
    bob: Store

    def reopen(self) -> Store:
        """Open it once more, to see what is durable."""

    def kill(self, interpreter: InterpreterId) -> None:
        """Let the process of an interpreter that claims through ``ann`` die."""


def new(run: RunId = R1, **more: object) -> NewRun:
    fields = {"program": PROGRAM, "input": INPUT, "grants": b"grants", **more}
    return NewRun(run, **fields)  # type: ignore[arg-type]


def step(state: RunState = RunState.RUNNING, **more: object) -> Commit:
    return Commit(**{"events": [EVENT], "state": state, "snapshot": b"snapshot", **more})  # type: ignore[arg-type]


def signal(id_: str, body: bytes = b"\xc0") -> Message:
    return Message(id_, "signal", "go", body)


def begin(store: Store, run: RunId = R1, **more: object) -> None:
    store.create_run(new(run, **more))


def take(store: Store, run: RunId = R1, owner: InterpreterId = ANN, **more: object) -> Claim:
    claim = store.claim(run, owner, LEASE_US, **more)  # type: ignore[arg-type]
    assert isinstance(claim, Claim)
    return claim


def row(store: Store, run: RunId = R1) -> RunRow:
    found = store.run(run)
    assert found is not None
    return found


class StoreContract:
    """The promises. A test is a promise."""

    # Programs and runs

    def test_a_program_is_kept_under_its_hash(self, world: World) -> None:
        world.ann.put_program(PROGRAM, b"code")
        world.ann.put_program(PROGRAM, b"code")
        assert world.bob.program(PROGRAM) == b"code"
        assert world.bob.program(ProgramHash("0")) is None

    def test_a_new_run_is_ready_and_as_it_was_given(self, world: World) -> None:
        made, is_new = world.ann.create_run(new(tags={"team": "a'b\"c"}, parent=R2))
        assert is_new
        assert made == row(world.bob)
        assert (made.state, made.epoch, made.seq, made.owner) == (RunState.READY, 0, 0, None)
        assert (made.input, made.grants, made.program) == (INPUT, b"grants", PROGRAM)
        assert (made.tags, made.parent) == ({"team": "a'b\"c"}, R2)
        assert (made.created_us, made.started_us, made.ended_us) == (
            world.clock.time_us,
            None,
            None,
        )
        assert world.bob.snapshot(R1) is None

    def test_a_run_id_that_is_there_gives_the_run_that_is_there(self, world: World) -> None:
        begin(world.ann)
        again, is_new = world.bob.create_run(new(program=ProgramHash("other"), first_event=EVENT))
        assert (is_new, again.program, again.seq) == (False, PROGRAM, 0)
        assert world.bob.events(R1) == []

    def test_a_first_event_has_number_one(self, world: World) -> None:
        made, _ = world.ann.create_run(new(first_event=EVENT))
        (event,) = world.ann.events(R1)
        assert made.seq == event.seq == 1
        assert (event.kind, event.name, event.effect) == ("effect/requested", "http/request", 1)
        assert (event.data, event.time_us) == (b"\x81\x01", world.clock.time_us)

    def test_many_runs_are_made_together_each_id_once(self, world: World) -> None:
        begin(world.ann, R2)
        other = ProgramHash("other")
        three = new(R3, first_event=EVENT, tags={"a": "b"}, wake_at_us=77, parent=R2)
        together = [new(R1), new(R2, program=other), three, new(R1, program=other)]
        assert world.ann.create_runs(together) == [True, False, True, False]
        assert [row(world.bob, run).program for run in (R1, R2, R3)] == [PROGRAM] * 3
        third = row(world.bob, R3)
        assert (third.seq, third.tags, third.wake_at_us, third.parent) == (1, {"a": "b"}, 77, R2)
        assert [event.kind for event in world.bob.events(R3)] == [EVENT.kind]
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 1)] == [R2]
        assert world.ann.create_runs([]) == []

    def test_of_many_runs_with_a_bad_name_none_is_made(self, world: World) -> None:
        with pytest.raises(StoreError, match="not text"):
            world.ann.create_runs([new(R1), new(RunId("\udcff"))])
        assert world.bob.runs(RunQuery()) == []

    def test_a_name_that_is_not_text_is_refused(self, world: World) -> None:
        with pytest.raises(StoreError, match="not text") as refused:
            world.ann.create_run(new(RunId("\udcff")))
        assert refused.value.code == "FM1021"
        begin(world.ann)
        with pytest.raises(StoreError, match="not text"):
            world.ann.send(R1, signal("\udcff"))
        assert row(world.ann).received == 0

    def test_runs_are_listed_newest_first_and_page_by_page(self, world: World) -> None:
        for run in (R1, R2, R3):
            begin(world.ann, run)
            world.clock.advance(1 if run == R1 else 0)  # two of one age
        listed = world.bob.runs(RunQuery(limit=2))
        assert [found.id for found in listed] == [R3, R2]
        rest = world.bob.runs(RunQuery(before=(listed[-1].created_us, listed[-1].id)))
        assert [found.id for found in rest] == [R1]

    def test_runs_are_found_by_state_program_tags_and_id(self, world: World) -> None:
        begin(world.ann, R1, tags={"team": "a", "x": "y"})
        begin(world.ann, R2, tags={"team": "b"}, program=ProgramHash("0123"))
        begin(world.ann, RunId("other"), tags={"team": "a"})
        take(world.ann, R1)

        def found(**terms: object) -> list[str]:
            return sorted(run.id for run in world.bob.runs(RunQuery(**terms)))  # type: ignore[arg-type]

        assert found(states=[RunState.RUNNING]) == ["run-1"]
        assert found(states=[RunState.READY]) == ["other", "run-2"]
        assert found(states=[RunState.READY, RunState.RUNNING], id_prefix="run") == [
            "run-1",
            "run-2",
        ]
        assert found(program="01") == ["run-2"]
        assert found(tags={"team": "a"}) == ["other", "run-1"]
        assert found(tags={"team": "a", "x": "y"}) == ["run-1"]
        assert found(tags={"team": "%"}) == []
        assert found(id_prefix="run-_") == []

    # Claims

    def test_no_such_run_is_none_everywhere(self, world: World) -> None:
        store = world.ann
        assert (
            store.run(R1) is store.claim(R1, ANN, LEASE_US) is store.send(R1, signal("m")) is None
        )
        assert store.snapshot(R1) is None
        assert (store.events(R1), store.inbox(R1, 0), store.chunks(R1, ["x"])) == ([], [], {})
        with pytest.raises(RunError) as missing:
            store.set_state(R1, [RunState.READY], RunState.PAUSED, EVENT)
        assert missing.value.code == "FM1101"

    def test_a_claim_excludes_others_and_says_who_has_it(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        held = world.bob.claim(R1, BOB, LEASE_US)
        assert claim == Claim(R1, ANN, 1, 0)
        assert isinstance(held, Held)
        assert (held.state, held.owner) == (RunState.RUNNING, ANN)
        assert held.owner_description
        assert held.lease_expires_us == world.clock.time_us + LEASE_US
        assert world.bob.claim_ready(BOB, LEASE_US, 10) == []
        assert (row(world.bob).state, row(world.bob).owner) == (RunState.RUNNING, ANN)

    def test_a_run_has_a_driver_as_long_as_its_claimer_lives(self, world: World) -> None:
        assert world.bob.driver(R1) is None
        begin(world.ann)
        assert world.bob.driver(R1) is None
        take(world.ann)
        driver = world.bob.driver(R1)
        assert driver is not None
        assert (driver.owner, bool(driver.owner_description)) == (ANN, True)
        world.kill(ANN)
        assert world.bob.driver(R1) is None
        assert row(world.bob).owner == ANN  # nobody has taken it over yet

    def test_a_run_whose_lease_is_over_has_no_driver(self, world: World) -> None:
        begin(world.ann)
        take(world.ann)
        world.clock.advance(LEASE_US + 1)
        assert world.bob.driver(R1) is None

    def test_a_claim_by_the_holder_gives_a_new_epoch_and_voids_the_old_one(
        self, world: World
    ) -> None:
        begin(world.ann)
        old, fresh = take(world.ann), take(world.ann)
        assert fresh.epoch == old.epoch + 1
        with pytest.raises(Conflict):
            world.ann.commit(old, step())
        world.ann.commit(fresh, step())

    def test_a_released_run_is_what_it_was_and_can_be_taken_at_once(self, world: World) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(RunState.WAITING, wake_at_us=2**50, release=True))
        before = row(world.ann)
        world.ann.release(take(world.ann))
        after = row(world.ann)
        assert (after.state, after.wake_at_us, after.attempts) == (RunState.WAITING, 2**50, 0)
        assert after.epoch == before.epoch + 1
        assert take(world.bob, owner=BOB).epoch == after.epoch + 1

    def test_a_waiting_run_that_was_kept_and_then_given_up_is_looked_at(self, world: World) -> None:
        begin(world.ann)
        claim = world.ann.commit(take(world.ann), step(RunState.WAITING))
        assert row(world.ann).state is RunState.WAITING
        world.ann.release(claim)
        (second,) = world.bob.claim_ready(BOB, LEASE_US, 10)
        world.bob.release(second)
        assert len(world.ann.claim_ready(ANN, LEASE_US, 10)) == 1

    def test_of_those_taken_together_the_one_that_was_due_first_comes_first(
        self, world: World
    ) -> None:
        at = world.clock.time_us
        due = {"e": at - 9, "c": at - 7, "a": at - 5, "d": at - 3, "b": at - 1}
        shuffled = ("a", "b", "c", "d", "e")
        world.ann.create_runs([new(RunId(run), wake_at_us=due[run]) for run in shuffled])
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 4)] == [*due][:4]
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 4)] == ["b"]

    def test_an_interpreter_that_comes_back_finds_what_it_left(self, world: World) -> None:
        begin(world.ann)
        begin(world.ann, R2)
        take(world.ann)
        world.kill(ANN)
        claims = world.ann.claim_ready(ANN, LEASE_US, 10)
        assert sorted(claim.run for claim in claims) == [R1, R2]

    def test_a_release_by_who_has_lost_the_run_is_ignored(self, world: World) -> None:
        begin(world.ann)
        old = take(world.ann)
        world.kill(ANN)
        take(world.bob, owner=BOB)
        world.bob.release(old)
        assert row(world.bob).owner == BOB

    def test_a_release_looks_at_the_epoch_and_not_at_the_sequence_number(
        self, world: World
    ) -> None:
        begin(world.ann)
        old = take(world.ann)
        world.ann.commit(old, step())
        world.ann.release(old)
        assert row(world.ann).owner is None

    def test_a_released_claim_does_not_commit(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        world.ann.release(claim)
        with pytest.raises(Conflict) as lost:
            world.ann.commit(claim, step())
        assert lost.value.code == "FM1014"

    def test_the_runs_of_the_dead_are_taken_over_at_once(self, world: World) -> None:
        begin(world.ann)
        old = take(world.ann)
        world.kill(ANN)
        (fresh,) = world.bob.claim_ready(BOB, LEASE_US, 10)
        assert (fresh.owner, fresh.epoch, fresh.seq) == (BOB, old.epoch + 1, 0)
        with pytest.raises(Conflict):
            world.bob.commit(old, step())

    def test_a_dead_interpreters_run_can_be_claimed_by_name(self, world: World) -> None:
        begin(world.ann)
        take(world.ann)
        world.kill(ANN)
        assert take(world.bob, owner=BOB).epoch == 2

    def test_a_waiting_run_whose_driver_died_is_taken_over_without_a_message(
        self, world: World
    ) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(RunState.WAITING))
        world.kill(ANN)
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 10)] == [R1]

    def test_a_lease_holds_until_its_end_and_not_longer(self, world: World) -> None:
        begin(world.ann)
        take(world.ann)
        world.clock.advance(LEASE_US - 1)
        assert world.bob.claim_ready(BOB, LEASE_US, 10) == []
        assert isinstance(world.bob.claim(R1, BOB, LEASE_US), Held)
        world.clock.advance(1)
        assert [claim.epoch for claim in world.bob.claim_ready(BOB, LEASE_US, 10)] == [2]

    def test_a_run_whose_lease_is_over_can_be_claimed_by_name_and_changed(
        self, world: World
    ) -> None:
        begin(world.ann)
        begin(world.ann, R2)
        take(world.ann)
        old = take(world.ann, R2)
        world.clock.advance(LEASE_US)
        assert take(world.bob, owner=BOB).epoch == 2
        world.bob.set_state(R2, [RunState.RUNNING], RunState.PAUSED, EVENT)
        with pytest.raises(Conflict):
            world.ann.commit(old, step())

    def test_an_interpreter_finds_again_what_it_dropped(self, world: World) -> None:
        begin(world.ann)
        take(world.ann)
        assert world.ann.claim_ready(ANN, LEASE_US, 10) == []
        world.clock.advance(LEASE_US)
        assert [claim.epoch for claim in world.ann.claim_ready(ANN, LEASE_US, 10)] == [2]

    def test_a_renewed_lease_holds_longer(self, world: World) -> None:
        begin(world.ann)
        begin(world.ann, R2)
        kept, lost = take(world.ann), take(world.ann, R2)
        take(world.ann, R2)
        world.clock.advance(LEASE_US - 1)
        assert world.ann.renew([kept, lost], LEASE_US) == [kept]
        world.clock.advance(LEASE_US - 1)
        assert isinstance(world.bob.claim(R1, BOB, LEASE_US), Held)
        assert world.ann.renew([], LEASE_US) == []

    def test_a_setting_of_the_time_of_day_does_not_end_a_lease(self, world: World) -> None:
        begin(world.ann)
        take(world.ann)
        world.clock.time_us += 10**15
        assert isinstance(world.bob.claim(R1, BOB, LEASE_US), Held)

    def test_ready_runs_are_claimed_up_to_the_limit_the_longest_due_first(
        self, world: World
    ) -> None:
        now = world.clock.time_us
        for run, wake_at_us in ((R1, now), (R2, now - 5), (R3, now + 5)):
            begin(world.ann, run, wake_at_us=wake_at_us)
        assert [claim.run for claim in world.ann.claim_ready(ANN, LEASE_US, 1)] == [R2]
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 9)] == [R1]
        assert world.ann.claim_ready(ANN, LEASE_US, 0) == []

    def test_a_run_is_not_claimed_before_it_is_due(self, world: World) -> None:
        begin(world.ann, wake_at_us=world.clock.time_us + 10)
        assert world.ann.claim_ready(ANN, LEASE_US, 10) == []
        assert world.ann.next_wake_us() == world.clock.time_us + 10
        world.clock.advance(10)
        assert len(world.ann.claim_ready(ANN, LEASE_US, 10)) == 1
        assert world.ann.next_wake_us() is None

    def test_a_time_beyond_all_times_is_the_end_of_time(self, world: World) -> None:
        begin(world.ann, wake_at_us=10**30)
        assert world.ann.next_wake_us() == 2**63 - 1

    @pytest.mark.parametrize("state", STOPPED)
    def test_a_run_that_stands_still_is_claimed_only_if_asked_for(
        self, world: World, state: RunState
    ) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(state, release=True))
        held = world.bob.claim(R1, BOB, LEASE_US)
        assert isinstance(held, Held)
        assert (held.state, held.owner) == (state, None)
        assert world.bob.claim_ready(BOB, LEASE_US, 10) == []
        claim = take(world.bob, owner=BOB, even=[state])
        assert row(world.bob).state is state
        world.bob.commit(claim, step(RunState.READY, release=True))
        assert (row(world.bob).state, row(world.bob).ended_us) == (RunState.READY, None)

    def test_a_snapshot_of_a_newer_format_is_left_to_newer_interpreters(self, world: World) -> None:
        begin(world.ann)
        newer = step(RunState.READY, snapshot_format=2, release=True)
        world.ann.commit(take(world.ann), newer)
        assert world.bob.claim_ready(BOB, LEASE_US, 10) == []
        assert world.bob.next_wake_us() is None
        assert world.bob.next_wake_us(snapshot_format=2) == 0
        with pytest.raises(StoreError) as refused:
            world.bob.claim(R1, BOB, LEASE_US)
        assert refused.value.code == "FM1015"
        assert len(world.bob.claim_ready(BOB, LEASE_US, 10, snapshot_format=2)) == 1

    def test_claims_that_end_in_a_crash_are_counted_until_a_commit(self, world: World) -> None:
        begin(world.ann)
        for claims in (1, 2, 3):
            claim = take(world.ann)
            assert row(world.ann).attempts == claims
            world.kill(ANN)
            world.clock.advance(LEASE_US + 1)
        claim = take(world.bob, owner=BOB)
        assert row(world.bob).attempts == 4
        world.bob.commit(claim, step())
        assert row(world.bob).attempts == 1

    def test_a_crash_after_a_commit_counts(self, world: World) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step())
        world.kill(ANN)
        world.clock.advance(LEASE_US + 1)
        world.bob.release(take(world.bob, owner=BOB))
        assert row(world.bob).attempts == 1
        world.bob.commit(take(world.bob, owner=BOB), step(release=True))
        assert row(world.bob).attempts == 0

    def test_who_claims_what_it_has_has_not_crashed(self, world: World) -> None:
        begin(world.ann)
        take(world.ann)
        assert take(world.ann).epoch == 2
        assert row(world.ann).attempts == 1

    # Steps

    def test_runs_that_were_claimed_too_often_can_be_left_out(self, world: World) -> None:
        begin(world.ann, R1)
        begin(world.ann, R2)
        take(world.ann, R1)
        world.kill(ANN)
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 9, attempts=0)] == [R2]
        world.clock.advance(LEASE_US + 1)
        assert world.bob.claim_ready(BOB, LEASE_US, 9, attempts=0) == []
        taken = world.bob.claim_ready(BOB, LEASE_US, 9, attempts=1)
        assert {claim.run for claim in taken} == {R1, R2}

    def test_a_step_is_there_whole(self, world: World) -> None:
        begin(world.ann, first_event=EVENT)
        claim = take(world.ann)
        events = [NewEvent("a", "b", 7, b"x", 123), NewEvent("c", "", 0, b"")]
        after = world.ann.commit(
            claim, Commit(events, RunState.RUNNING, b"s1", {"k": b"v"}, waiting=b"w", progress=b"p")
        )
        assert after == Claim(R1, ANN, 1, 3, received=0)
        loaded = world.bob.load(after)
        assert (loaded.snapshot, loaded.row.waiting, loaded.row.progress) == (b"s1", b"w", b"p")
        assert (loaded.row.seq, loaded.row.snapshot_format) == (3, 1)
        assert world.bob.chunks(R1, ["k", "missing"]) == {"k": b"v"}
        assert [(event.seq, event.kind) for event in world.bob.events(R1, after=1)] == [
            (2, "a"),
            (3, "c"),
        ]
        assert [event.time_us for event in world.bob.events(R1, 1)] == [123, world.clock.time_us]

    def test_many_runs_are_loaded_together_and_a_lost_one_harms_nobody(self, world: World) -> None:
        begin(world.ann, first_event=EVENT)
        begin(world.ann, R2)
        begin(world.ann, R3)
        one, two = take(world.ann), take(world.ann, R2)
        two = world.ann.commit(two, step())
        lost = Claim(R3, ANN, 1, 0)
        world.bob.send(R2, signal("m1"))
        world.bob.send(R2, signal("m2"))
        first, second, third = world.ann.load_all([one, two, lost])
        assert isinstance(third, Conflict)
        assert (first, second) == (world.ann.load(one), world.ann.load(two))
        assert [entry.message.id for entry in second.inbox] == ["m1", "m2"]
        assert (first.snapshot, second.snapshot) == (None, b"snapshot")
        assert world.ann.load_all([]) == []

    def test_a_loaded_run_brings_the_events_that_its_chain_does_not_have(
        self, world: World
    ) -> None:
        begin(world.ann, first_event=EVENT)
        claim = take(world.ann)
        assert [event.seq for event in world.ann.load(claim).unchained] == [1]
        head = extended(beginning(KeyRing()), R1, world.ann.events(R1), KeyRing())
        claim = world.ann.commit(claim, step(chain=head))
        assert [event.seq for event in world.ann.load(claim).unchained] == [2]

    def test_a_kept_snapshot_is_the_latest_one_too(self, world: World) -> None:
        begin(world.ann)
        claim = world.ann.commit(take(world.ann), step(snapshot=b"one"))
        claim = world.ann.commit(claim, step(snapshot=b"two", keep=True))
        assert (world.bob.load(claim).snapshot, world.bob.snapshot(R1)) == (b"two", b"two")
        claim = world.ann.commit(claim, step(events=[EVENT, EVENT], snapshot=None, keep=True))
        assert (world.bob.load(claim).snapshot, world.bob.snapshot(R1)) == (b"two", b"two")
        claim = world.ann.commit(claim, step(events=[], snapshot=b"three", keep=True))
        assert (world.bob.load(claim).snapshot, world.bob.snapshot(R1)) == (b"three", b"three")
        assert world.bob.kept_snapshots(R1) == [(2, 3)]

    def test_a_trimmed_history_leaves_the_latest_snapshot(self, world: World) -> None:
        begin(world.ann)
        claim = world.ann.commit(take(world.ann), step(snapshot=b"one", keep=True))
        claim = world.ann.commit(claim, step(snapshot=b"two", keep=True))
        world.ann.trim(claim, Trim(snapshots=2))
        assert world.bob.snapshot(R1) == b"two"
        world.ann.trim(claim, Trim(events=2, anchor=b"a"))
        assert (world.bob.load(claim).snapshot, world.bob.kept_snapshots(R1)) == (b"two", [])

    def test_an_export_has_a_snapshot_that_is_kept_beside_an_event(self, world: World) -> None:
        begin(world.ann)
        claim = world.ann.commit(take(world.ann), step(snapshot=b"two", keep=True))
        exported = world.ann.export_run(claim)
        world.ann.commit(claim, step(RunState.COMPLETED, snapshot=None, release=True))
        assert world.ann.forget(R1)
        world.bob.import_run(exported)
        assert world.bob.snapshot(R1) == b"two"

    def test_what_a_step_leaves_out_stays(self, world: World) -> None:
        begin(world.ann)
        claim = world.ann.commit(
            take(world.ann), step(waiting=b"w", progress=b"p", snapshot_format=1)
        )
        world.ann.commit(claim, step(snapshot=None, snapshot_format=9))
        kept = row(world.bob)
        assert (world.bob.snapshot(R1), kept.waiting, kept.progress) == (b"snapshot", b"w", b"p")
        assert kept.snapshot_format == 1

    def test_a_step_without_events_keeps_the_number(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        assert world.ann.commit(claim, step(events=[])).seq == claim.seq

    def test_a_second_step_from_one_claim_is_refused_and_changes_nothing(
        self, world: World
    ) -> None:
        begin(world.ann)
        claim = take(world.ann)
        world.ann.commit(claim, step())
        before = row(world.ann)
        with pytest.raises(Conflict):
            world.ann.commit(claim, step(RunState.COMPLETED, snapshot=b"no", chunks={"no": b"no"}))
        assert row(world.bob) == before
        assert len(world.bob.events(R1)) == 1
        assert (world.bob.snapshot(R1), world.bob.chunks(R1, ["no"])) == (b"snapshot", {})
        with pytest.raises(Conflict):
            world.ann.load(claim)

    def test_a_step_of_a_run_that_is_not_there_is_refused(self, world: World) -> None:
        with pytest.raises(Conflict):
            world.ann.commit(Claim(R1, ANN, 1, 0), step())

    @pytest.mark.parametrize("size", [0, 100, 5_000, 300_000])
    def test_snapshots_of_any_size_replace_each_other(self, world: World, size: int) -> None:
        begin(world.ann)
        claim = world.ann.commit(take(world.ann), step(snapshot=b"a" * 4_000))
        claim = world.ann.commit(claim, step(snapshot=b"b" * size))
        assert world.bob.load(claim).snapshot == b"b" * size

    def test_a_run_that_ends_keeps_its_result_and_gives_up_its_lease(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        world.clock.advance(5)
        world.ann.commit(claim, step(RunState.COMPLETED, result=b"42", release=True))
        ended = row(world.bob)
        assert (ended.state, ended.result, ended.error) == (RunState.COMPLETED, b"42", None)
        assert (ended.owner, ended.lease_expires_us, ended.ended_us) == (
            None,
            0,
            world.clock.time_us,
        )
        assert ended.started_us == world.clock.time_us - 5

    def test_several_steps_are_durable_together_and_a_loser_harms_nobody(
        self, world: World
    ) -> None:
        for run in (R1, R2, R3):
            begin(world.ann, run)
        first, stale, third = (take(world.ann, run) for run in (R1, R2, R3))
        take(world.ann, R2)
        answers = world.ann.commit_all([(third, step()), (stale, step()), (first, step())])
        assert answers[0] == Claim(R3, ANN, 1, 1, received=0)
        assert isinstance(answers[1], Conflict)
        assert answers[2] == Claim(R1, ANN, 1, 1, received=0)
        assert [row(world.bob, run).seq for run in (R1, R2, R3)] == [1, 0, 1]
        assert world.bob.events(R2) == []
        assert world.ann.commit_all([]) == []

    # Messages

    def test_a_message_comes_in_once(self, world: World) -> None:
        begin(world.ann)
        first = world.ann.send(R1, signal("m1", b"one"))
        world.clock.advance(1)
        assert world.bob.send(R1, signal("m1", b"other")) == first
        second = world.bob.send(R1, signal("m2"))
        assert first is not None
        assert second is not None
        assert (first.number, second.number, row(world.ann).received) == (1, 2, 2)
        assert world.ann.inbox(R1, 0) == [first, second]
        assert world.ann.inbox(R1, 1) == [second]

    def test_a_commit_says_how_many_messages_the_run_has_got(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        assert claim.received == NOT_SAID
        claim = world.ann.commit(claim, step())
        assert claim.received == 0
        world.bob.send(R1, signal("m1"))
        world.bob.send(R1, signal("m2"))
        (many,) = world.ann.commit_all([(claim, step())])
        assert isinstance(many, Claim)
        assert many.received == 2
        assert world.ann.commit(many, step(seen=2, consumed=[1, 2])).received == 2

    def test_a_message_that_was_consumed_is_not_read_again_and_still_comes_in_once(
        self, world: World
    ) -> None:
        begin(world.ann)
        first = world.ann.send(R1, signal("m1"))
        second = world.ann.send(R1, signal("m2"))
        claim = world.ann.commit(take(world.ann), step(seen=2, consumed=[1]))
        assert world.bob.load(claim).inbox == (second,)
        assert world.bob.inbox(R1, 0) == [second]
        assert world.bob.send(R1, signal("m1")) == first
        assert world.bob.inbox(R1, 0) == [second]

    def test_a_message_wakes_a_waiting_run(self, world: World) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(RunState.WAITING, release=True))
        assert world.ann.claim_ready(ANN, LEASE_US, 10) == []
        world.bob.send(R1, signal("m"))
        assert row(world.ann).state is RunState.READY
        assert len(world.ann.claim_ready(ANN, LEASE_US, 10)) == 1

    def test_a_message_does_not_start_a_run_before_its_time(self, world: World) -> None:
        begin(world.ann, wake_at_us=world.clock.time_us + 10)
        world.ann.send(R1, signal("m"))
        assert world.ann.claim_ready(ANN, LEASE_US, 10) == []

    def test_a_run_that_parks_with_an_unseen_message_is_woken_at_once(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        world.bob.send(R1, signal("m1"))
        claim = world.ann.commit(claim, step(RunState.WAITING, seen=1))
        world.bob.send(R1, signal("m2"))
        assert row(world.ann).state is RunState.RUNNING
        world.ann.commit(claim, step(RunState.WAITING, seen=1, release=True))
        assert row(world.ann).state is RunState.READY
        assert len(world.bob.claim_ready(BOB, LEASE_US, 10)) == 1

    def test_a_run_that_parks_having_seen_everything_sleeps(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        world.bob.send(R1, signal("m1"))
        world.ann.commit(claim, step(RunState.WAITING, seen=1, release=True))
        assert world.bob.claim_ready(BOB, LEASE_US, 10) == []

    @pytest.mark.parametrize("state", sorted(ENDED, key=lambda state: state.value))
    def test_an_ended_run_takes_no_message_but_knows_those_it_had(
        self, world: World, state: RunState
    ) -> None:
        begin(world.ann)
        first = world.ann.send(R1, signal("m1"))
        world.ann.commit(take(world.ann), step(state, release=True))
        with pytest.raises(RunError) as ended:
            world.bob.send(R1, signal("m2"))
        assert ended.value.code == "FM1102"
        assert world.bob.send(R1, signal("m1")) == first

    def test_a_paused_run_takes_messages_and_stays_paused(self, world: World) -> None:
        begin(world.ann)
        world.ann.set_state(R1, [RunState.READY], RunState.PAUSED, EVENT)
        world.ann.send(R1, signal("m1"))
        assert row(world.ann).state is RunState.PAUSED
        assert world.ann.claim_ready(ANN, LEASE_US, 10) == []

    # History and state

    def test_history_is_read_in_pages(self, world: World) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(events=[EVENT] * 5))
        begin(world.ann, R2, first_event=EVENT)
        assert [event.seq for event in world.bob.events(R1, after=1, limit=2)] == [2, 3]
        assert [event.seq for event in world.bob.events(R1, after=3)] == [4, 5]
        assert world.bob.events(R1, after=5) == world.bob.events(R1, limit=0) == []
        assert world.bob.events(R1, after=2**40) == []

    def test_a_change_of_state_is_in_the_history_and_fences_the_last_driver(
        self, world: World
    ) -> None:
        begin(world.ann)
        old = take(world.ann)
        world.kill(ANN)
        paused = world.bob.set_state(R1, [RunState.RUNNING], RunState.PAUSED, EVENT)
        assert (paused.state, paused.seq, paused.owner) == (RunState.PAUSED, 1, None)
        assert len(world.bob.events(R1)) == 1
        with pytest.raises(Conflict):
            world.bob.commit(old, step())
        ready = world.bob.set_state(R1, [RunState.PAUSED], RunState.READY, EVENT)
        assert ready.seq == 2
        assert len(world.bob.claim_ready(BOB, LEASE_US, 10)) == 1

    def test_the_state_of_a_run_in_living_hands_is_not_changed(self, world: World) -> None:
        begin(world.ann)
        take(world.ann)
        with pytest.raises(Conflict):
            world.bob.set_state(R1, [RunState.RUNNING, RunState.READY], RunState.PAUSED, EVENT)
        assert world.bob.events(R1) == []

    def test_a_state_that_is_not_expected_is_not_changed(self, world: World) -> None:
        begin(world.ann)
        with pytest.raises(RunError) as refused:
            world.ann.set_state(R1, [RunState.PAUSED], RunState.READY, EVENT)
        assert refused.value.code == "FM1103"
        assert row(world.ann).seq == 0

    def test_a_step_can_change_what_the_run_may_do_and_what_it_runs(self, world: World) -> None:
        other = ProgramHash("other")
        world.ann.put_program(other, b"p")
        begin(world.ann)
        begin(world.ann, R2)
        claim = take(world.ann)
        before = row(world.ann, R2)
        claim = world.ann.commit(claim, step()._replace(grants=b"more", program=other))
        assert (row(world.ann).grants, row(world.ann).program) == (b"more", other)
        claim = world.ann.commit(claim, step())
        assert (row(world.bob).grants, row(world.bob).program) == (b"more", other)
        assert row(world.bob, R2) == before
        with pytest.raises(Conflict):
            world.ann.commit(claim._replace(seq=1), step()._replace(grants=b"none"))
        assert row(world.bob).grants == b"more"

    def test_a_revived_run_has_no_result_and_no_end(self, world: World) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(RunState.FAILED, error=b"e", release=True))
        revived = world.ann.set_state(R1, [RunState.FAILED], RunState.READY, EVENT)
        assert (revived.error, revived.ended_us, revived.state) == (None, None, RunState.READY)

    # Export and import

    def exported(self, store: Store) -> dict[str, bytes]:
        """A run with some of everything, exported while its state says so."""
        store.put_program(PROGRAM, b"code")
        begin(store, tags={"a": "b"}, first_event=EVENT)
        store.send(R1, signal("m1"))
        store.send(R1, signal("m2"))
        claim = take(store)
        claim = store.commit(
            claim,
            step(
                RunState.WAITING,
                chunks={"k/1": b"v"},
                waiting=b"w",
                progress=b"p",
                seen=2,
                consumed=[1],
            ),
        )
        claim = store.commit(claim, step(RunState.EXPORTING))
        parts = store.export_run(claim)
        store.commit(claim, step(RunState.MOVED, events=[], release=True))
        return parts

    def test_an_imported_run_is_the_one_that_was_exported(self, world: World) -> None:
        parts = self.exported(world.ann)
        target = MemoryStore(world.clock)
        there = target.import_run(parts)
        here = row(world.ann)
        assert (there.state, there.owner, there.seq) == (RunState.READY, None, 3)
        assert there.epoch > 1
        same = ("id", "program", "input", "grants", "tags", "waiting", "progress", "received")
        for name in (*same, "created_us", "started_us", "snapshot_format"):
            assert getattr(there, name) == getattr(here, name), name
        assert target.events(R1) == world.ann.events(R1, limit=3)
        assert target.inbox(R1, 0) == world.ann.inbox(R1, 0)
        assert target.chunks(R1, ["k/1"]) == {"k/1": b"v"}
        assert target.snapshot(R1) == b"snapshot"
        assert target.program(PROGRAM) == b"code"
        assert target.send(R1, signal("m1")) == world.ann.send(R1, signal("m1"))
        assert take(target).epoch == there.epoch + 1

    def test_an_import_is_exported_alike(self, world: World) -> None:
        source = MemoryStore(world.clock)
        parts = self.exported(source)
        assert world.ann.import_run(parts).seq == 3
        again = world.bob.export_run(take(world.bob))
        changing = {"manifest", "row"}  # the epoch is another
        assert {k: v for k, v in again.items() if k not in changing} == {
            k: v for k, v in parts.items() if k not in changing
        }

    def test_a_run_that_moved_away_may_come_back(self, world: World) -> None:
        parts = self.exported(world.ann)
        left = row(world.ann)
        back = world.bob.import_run(parts)
        assert (back.state, back.seq) == (RunState.READY, 3)
        assert back.epoch > left.epoch
        assert len(world.ann.inbox(R1, 0)) == 1
        assert world.ann.events(R1) == world.bob.events(R1)
        assert len(world.ann.events(R1)) == 3
        assert world.ann.chunks(R1, ["k/1"]) == {"k/1": b"v"}
        assert take(world.ann).seq == 3

    def test_a_run_does_not_come_back_older_than_it_left(self, world: World) -> None:
        parts = self.exported(world.ann)
        world.ann.import_run(parts)
        claim = world.ann.commit(take(world.ann), step())
        claim = world.ann.commit(claim, step(RunState.EXPORTING))
        world.ann.commit(claim, step(RunState.MOVED, events=[], release=True))
        before = row(world.ann)
        with pytest.raises(RunError) as refused:
            world.ann.import_run(parts)
        assert refused.value.code == "FM1104"
        assert row(world.ann) == before

    def test_another_run_of_the_name_does_not_take_the_place_of_one_that_moved(
        self, world: World
    ) -> None:
        self.exported(world.ann)
        world.clock.advance(1_000_000)
        parts = self.exported(MemoryStore(world.clock))
        with pytest.raises(RunError) as refused:
            world.ann.import_run(parts)
        assert refused.value.code == "FM1104"

    def test_nothing_is_acknowledged_while_a_run_is_exported(self, world: World) -> None:
        begin(world.ann)
        world.ann.send(R1, signal("m1"))
        claim = world.ann.commit(take(world.ann), step(RunState.EXPORTING))
        with pytest.raises(RunError) as refused:
            world.bob.send(R1, signal("m2"))
        assert refused.value.code == "FM1103"
        assert world.bob.send(R1, signal("m1")) is not None  # the receipt that it had
        assert claim is not None

    def test_an_import_over_a_run_that_is_there_is_refused(self, world: World) -> None:
        begin(world.ann)
        parts = self.exported(MemoryStore(world.clock))
        before = row(world.ann)
        with pytest.raises(RunError) as refused:
            world.ann.import_run(parts)
        assert refused.value.code == "FM1104"
        assert row(world.ann) == before

    def test_an_ended_run_moves_as_it_ended(self, world: World) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(RunState.COMPLETED, result=b"42", release=True))
        parts = world.ann.export_run(take(world.ann, even=ENDED))
        there = MemoryStore().import_run(parts)
        assert (there.state, there.result, there.wake_at_us) == (RunState.COMPLETED, b"42", None)

    def test_an_export_without_a_claim_is_refused(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        world.ann.release(claim)
        with pytest.raises(Conflict):
            world.ann.export_run(claim)

    def test_a_damaged_import_changes_nothing(self, world: World) -> None:
        parts = self.exported(MemoryStore(world.clock))
        for name in parts:
            without = {key: data for key, data in parts.items() if key != name}
            flipped = parts | {name: bytes([parts[name][0] ^ 1]) + parts[name][1:]}
            for damaged in (without, flipped, parts | {name: parts[name] + b"\n "}):
                with pytest.raises(StoreError) as refused:
                    world.ann.import_run(damaged)
                assert refused.value.code == "FM1016"
        with pytest.raises(StoreError):
            world.ann.import_run(parts | {"more": b""})
        assert world.ann.runs(RunQuery()) == []

    # Waiting and dying

    def test_a_change_by_another_ends_the_wait(self, world: World) -> None:
        world.ann.wait_for_change(0)
        begin(world.bob)
        world.ann.wait_for_change(3600)
        world.bob.send(R1, signal("m"))
        world.ann.wait_for_change(3600)

    def test_a_change_before_the_wait_ends_it_too(self, world: World) -> None:
        begin(world.ann)
        world.ann.wait_for_change(3600)

    def test_threads_share_a_store(self, world: World) -> None:
        begin(world.ann)

        def send(thread: int) -> None:
            for n in range(20):
                world.ann.send(R1, signal(f"{thread}-{n}"))

        threads = [threading.Thread(target=send, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [entry.number for entry in world.bob.inbox(R1, 0)] == list(range(1, 81))

    def test_a_wait_ends_when_another_thread_sends_or_closes(self, world: World) -> None:
        begin(world.ann)
        woken: queue.SimpleQueue[str] = queue.SimpleQueue()

        def wait() -> None:
            world.ann.wait_for_change(0)
            for _ in range(2):
                woken.put("waiting")
                world.ann.wait_for_change(3600)
                woken.put("woken")

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert woken.get() == "waiting"
        world.ann.send(R1, signal("m"))
        assert [woken.get(), woken.get()] == ["woken", "waiting"]
        world.ann.close()
        waiter.join(60)
        assert not waiter.is_alive()

    def test_a_closed_store_says_so(self, world: World) -> None:
        store = world.ann
        store.close()
        with pytest.raises(StoreError) as closed:
            store.run(R1)
        assert closed.value.code == "FM1017"
        store.close()

    @pytest.mark.parametrize("moment", ["before", "within", "after"])
    def test_a_death_before_the_commit_leaves_nothing_and_after_it_everything(
        self, world: World, moment: str
    ) -> None:
        begin(world.ann)
        claim = take(world.ann)
        world.ann.send(R1, signal("m0"))
        before = row(world.ann)
        methods = {
            "commit": lambda: world.ann.commit(claim, step(chunks={"k": b"v"}, consumed=[1])),
            "send": lambda: world.ann.send(R1, signal("m1")),
            "create_run": lambda: world.ann.create_run(new(R2, first_event=EVENT)),
            "release": lambda: world.ann.release(claim),
        }
        for name, method in methods.items():
            world.ann.hooks = Die(f"{moment} {name}")
            with pytest.raises(Died):
                method()
            world.ann.hooks = None
            if moment != "after":
                assert row(world.reopen()) == before
                assert (world.ann.events(R1), world.ann.chunks(R1, ["k"])) == ([], {})
                assert world.ann.run(R2) is None
        if moment == "after":
            after = row(world.reopen())
            assert (after.seq, after.received, after.owner) == (1, 2, None)
            assert row(world.ann, R2).seq == 1

    def test_hooks_are_called_around_each_write(self, world: World) -> None:
        begin(world.ann)
        claim = take(world.ann)
        told: list[str] = []
        world.ann.hooks = told.append
        world.ann.commit(claim, step())
        assert told == ["before commit", "within commit", "after commit"]

    # The line of those that can go on

    def test_who_could_go_on_first_comes_first(self, world: World) -> None:
        """By the time when it was woken, or was due: two old runs that talk would keep all others waiting."""
        due_us = world.clock.time_us + 2
        for run in (R1, R2, R3):
            begin(world.ann, run)
            wake = due_us if run is R3 else None
            world.ann.commit(
                take(world.ann, run), step(RunState.WAITING, wake_at_us=wake, release=True)
            )
        world.clock.advance(1)
        world.ann.send(R2, signal("a"))
        world.clock.advance(2)
        world.ann.send(R1, signal("a"))
        order = [world.bob.claim_ready(BOB, LEASE_US, 1)[0].run for _ in range(3)]
        assert order == [R2, R3, R1]

    def test_a_message_that_comes_before_its_run_parks_gives_it_a_place_in_line(
        self, world: World
    ) -> None:
        for run in (R1, R2):
            begin(world.ann, run)
        first, second = take(world.ann, R1), take(world.ann, R2)
        for run in (R1, R2):
            world.ann.send(run, signal("a"))
        world.ann.commit(second, step(RunState.WAITING, release=True))
        world.clock.advance(1)
        world.ann.commit(first, step(RunState.WAITING, release=True))
        order = [world.bob.claim_ready(BOB, LEASE_US, 1)[0].run for _ in range(2)]
        assert order == [R2, R1]

    def test_a_place_in_line_is_not_lost_to_a_clock_that_is_set_back(self, world: World) -> None:
        begin(world.ann)
        begin(world.ann, R2, wake_at_us=world.clock.time_us + 10)
        world.ann.commit(take(world.ann), step(RunState.WAITING, release=True))
        world.ann.send(R1, signal("a"))
        assert not world.bob.attend()
        world.clock.time_us -= 3_600_000_000
        world.bob.attend()
        assert [claim.run for claim in world.bob.claim_ready(BOB, LEASE_US, 9)] == [R1]

    def test_a_place_in_line_is_not_lost_to_a_clock_that_was_set_back_when_nobody_looked(
        self, world: World
    ) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(RunState.WAITING, release=True))
        world.clock.advance(3_600_000_000)
        world.ann.send(R1, signal("a"))
        world.clock.time_us -= 1_800_000_000
        fresh = world.reopen()
        fresh.attend()
        assert [claim.run for claim in fresh.claim_ready(BOB, LEASE_US, 9)] == [R1]

    def test_a_run_is_made_though_the_one_that_had_its_id_is_forgotten_just_then(
        self, world: World
    ) -> None:
        begin(world.ann)
        world.ann.commit(take(world.ann), step(RunState.COMPLETED, release=True))

        def forget(point: str) -> None:
            if point == "after create_run":
                world.ann.hooks = None
                world.bob.forget(R1)

        world.ann.hooks = forget
        found, was_made = world.ann.create_run(new())
        assert found.state is (RunState.READY if was_made else RunState.COMPLETED)
        assert (world.ann.run(R1) is not None) is was_made

    @pytest.mark.parametrize("together", [False, True])
    def test_a_step_that_heeds_is_refused_if_a_message_came_that_it_has_not_seen(
        self, world: World, together: bool
    ) -> None:
        for run in (R1, R2):
            begin(world.ann, run)
        first, other = take(world.ann), take(world.ann, R2)
        world.ann.send(R1, signal("a"))
        world.ann.send(R1, signal("b"))
        pause = step(RunState.PAUSED, seen=1, heeds=True, release=True)
        if together:
            answers = world.ann.commit_all([(first, pause), (other, step())])
            assert [isinstance(each, Conflict) for each in answers] == [True, False]
        else:
            with pytest.raises(Conflict):
                world.ann.commit(first, pause)
        found = row(world.ann)
        assert (found.state, found.seq) == (RunState.RUNNING, first.seq)
        world.ann.commit(first, pause._replace(seen=2))
        assert row(world.ann).state is RunState.PAUSED

    # The past

    def with_a_past(self, world: World) -> Claim:
        """Five steps of one event each; snapshots are kept beside events 2 and 4."""
        begin(world.ann)
        claim = take(world.ann)
        for number in range(1, 6):
            data = f"s{number}".encode()
            chain = f"chain {number}".encode()
            chunks = {f"k{number}": b"v"}
            keep = number % 2 == 0
            claim = world.ann.commit(
                claim, step(snapshot=data, chain=chain, chunks=chunks, keep=keep)
            )
        return claim

    def test_a_step_brings_the_head_of_the_chain_and_one_without_keeps_it(
        self, world: World
    ) -> None:
        claim = self.with_a_past(world)
        assert row(world.bob).chain == b"chain 5"
        world.ann.commit(claim, step(chain=None))
        assert (row(world.bob).chain, row(world.bob).anchor) == (b"chain 5", b"")

    def test_the_newest_kept_snapshot_that_is_not_later_is_found(self, world: World) -> None:
        self.with_a_past(world)
        found = [world.bob.kept_snapshot(R1, at) for at in (1, 2, 3, 4, 5)]
        assert found == [None, (2, b"s2"), (2, b"s2"), (4, b"s4"), (4, b"s4")]
        assert world.bob.kept_snapshots(R1) == [(2, 2), (4, 2)]
        assert world.bob.kept_snapshot(RunId("none"), 5) is None
        assert world.bob.kept_snapshots(RunId("none")) == []

    def test_what_is_trimmed_is_gone_and_the_run_goes_on(self, world: World) -> None:
        claim = self.with_a_past(world)
        world.ann.trim(claim, Trim(3, b"anchor", 3, chunks=frozenset({"k5", "k4"})))
        assert [event.seq for event in world.bob.events(R1)] == [4, 5]
        assert row(world.bob).anchor == b"anchor"
        assert world.bob.kept_snapshots(R1) == [(4, 2)]
        assert sorted(world.bob.chunk_names(R1)) == ["k4", "k5"]
        assert world.bob.snapshot(R1) == b"s5"
        world.ann.commit(claim, step())
        assert [event.seq for event in world.bob.events(R1, 4)] == [5, 6]

    def test_answers_go_with_the_events_before_which_they_came_and_signals_stay(
        self, world: World
    ) -> None:
        begin(world.ann)
        sent = [Message("effect/0.1", "result", "", b""), signal("s"), signal("unread")]
        first = [world.ann.send(R1, message) for message in sent]
        world.clock.advance(1)
        claim = world.ann.commit(take(world.ann), step(consumed=[1, 2]))
        world.ann.trim(claim, Trim(claim.seq, b"anchor"))
        again = [world.ann.send(R1, message) for message in sent]
        assert [a == b for a, b in zip(again, first, strict=True)] == [False, True, True]

    def test_snapshots_that_are_named_stay(self, world: World) -> None:
        claim = self.with_a_past(world)
        world.ann.trim(claim, Trim(snapshots=5, but=frozenset({2})))
        assert world.bob.kept_snapshots(R1) == [(2, 2)]
        assert len(world.bob.events(R1)) == 5
        assert len(world.bob.chunk_names(R1)) == 5

    def test_nothing_is_trimmed_under_a_lost_claim(self, world: World) -> None:
        claim = self.with_a_past(world)
        world.ann.commit(claim, step())
        with pytest.raises(Conflict):
            world.ann.trim(claim, Trim(3, b"anchor", 3, chunks=frozenset()))
        assert len(world.bob.events(R1)) == 6
        assert len(world.bob.chunk_names(R1)) == 5

    def test_the_children_of_a_run_that_is_forgotten_are_not_those_of_a_later_one_of_its_id(
        self, world: World
    ) -> None:
        begin(world.ann)
        begin(world.ann, R2, parent=R1)
        world.ann.commit(take(world.ann), step(RunState.COMPLETED, release=True, result=b"r"))
        assert [row.id for row in world.bob.runs(RunQuery(parents=(R1,)))] == [R2]
        assert world.bob.forget(R1)
        begin(world.ann)
        assert world.bob.runs(RunQuery(parents=(R1,))) == []
        assert row(world.ann, R2).parent is None

    def test_only_a_run_that_has_ended_is_forgotten(self, world: World) -> None:
        claim = self.with_a_past(world)
        assert not world.bob.forget(R1)
        assert not world.bob.forget(RunId("none"))
        world.ann.commit(claim, step(RunState.COMPLETED, release=True, result=b"r"))
        assert world.bob.forget(R1)
        assert world.bob.run(R1) is None
        assert world.bob.events(R1) == []
        begin(world.ann)
        assert row(world.ann).seq == 0

    def test_a_step_of_a_run_that_was_forgotten_is_not_one_of_a_later_run(
        self, world: World
    ) -> None:
        begin(world.ann)
        lost = take(world.ann)
        world.clock.advance(2 * LEASE_US)  # the process was stopped
        claim = take(world.bob, owner=BOB)
        world.bob.commit(claim, step(RunState.COMPLETED, release=True))
        assert world.bob.forget(R1)
        begin(world.bob, R2)
        take(world.ann, R2)
        assert world.ann.renew([lost], LEASE_US) == []
        assert isinstance(world.ann.commit_all([(lost, step())])[0], Conflict)
        with pytest.raises(Conflict):
            world.ann.commit(lost, step())
        assert (row(world.ann, R2).seq, world.ann.events(R2)) == (0, [])

    def test_a_run_that_was_made_again_under_its_id_is_seen_by_who_had_the_first(
        self, world: World
    ) -> None:
        begin(world.ann)
        take(world.ann)
        world.clock.advance(2 * LEASE_US)
        claim = take(world.bob, owner=BOB)
        world.bob.commit(claim, step(RunState.COMPLETED, release=True))
        assert world.bob.forget(R1)
        begin(world.bob, R2)
        begin(world.bob)
        world.bob.commit(take(world.bob, owner=BOB), step(snapshot=b"new"))
        assert (world.ann.snapshot(R1), len(world.ann.events(R1))) == (b"new", 1)

    def test_an_export_carries_chain_and_anchor(self, world: World) -> None:
        head = bytes(4) + (5).to_bytes(8, "big") + bytes(32)
        cut = bytes(4) + (2).to_bytes(8, "big") + bytes(32)
        claim = self.with_a_past(world)
        claim = world.ann.commit(claim, step(events=[], chain=head))
        world.ann.trim(claim, Trim(2, cut))
        parts = world.ann.export_run(claim)
        other = MemoryStore(world.clock)
        imported = other.import_run(parts)
        assert (imported.chain, imported.anchor) == (head, cut)
        assert [event.seq for event in other.events(R1)] == [3, 4, 5]


class Died(Exception):
    """Not an error of the store: the process is gone."""


class Die:
    """A hook that dies at one moment."""

    def __init__(self, moment: str) -> None:
        self.moment = moment

    def __call__(self, moment: str) -> None:
        if moment == self.moment:
            raise Died(moment)


class MemoryWorld:
    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.ann = self.bob = MemoryStore(self.clock)

    def reopen(self) -> Store:
        return self.ann

    def kill(self, interpreter: InterpreterId) -> None:
        self.ann.abandon(interpreter)


class SqliteWorld:
    def __init__(self, folder: Path) -> None:
        self.clock = SteppedClock()
        self.path = folder / "store.db"
        self.ann = SqliteStore(self.path, self.clock)
        self.bob = SqliteStore(self.path, self.clock)
        self.more: list[SqliteStore] = []

    def reopen(self) -> Store:
        self.more.append(SqliteStore(self.path, self.clock))
        return self.more[-1]

    def kill(self, interpreter: InterpreterId) -> None:
        self.ann.abandon(interpreter)

    def close(self) -> None:
        for store in (self.ann, self.bob, *self.more):
            store.close()


class DatabaseClock(SteppedClock):
    """The clock of a PostgreSQL store whose function now_us() reads a table."""

    def __init__(self, url: str) -> None:
        place, _, schema = url.rpartition("&schema=")
        self._connection = psycopg.connect(place, autocommit=True)
        self._set = f"UPDATE {schema}.test_clock SET us = %s".encode()
        super().__init__()

    @property
    def time_us(self) -> int:
        return self._time_us

    @time_us.setter
    def time_us(self, us: int) -> None:
        self._time_us = us
        self._connection.execute(self._set, (us,))

    def close(self) -> None:
        self._connection.close()


class PostgresWorld:
    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = DatabaseClock(url)
        self.ann = PostgresStore(self.url, clock_lasts_s=0)
        self.bob = PostgresStore(self.url, clock_lasts_s=0)
        self.more: list[PostgresStore] = []

    def reopen(self) -> Store:
        self.more.append(PostgresStore(self.url, clock_lasts_s=0))
        return self.more[-1]

    def kill(self, interpreter: InterpreterId) -> None:
        self.ann.abandon(interpreter)

    def close(self) -> None:
        for store in (self.ann, self.bob, *self.more):
            store.close()
        self.clock.close()


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def world(self, postgres: Server) -> Iterator[World]:
        with postgres.empty_store(frozen=True) as url:
            opened = PostgresWorld(url)
            yield opened
            opened.close()

    def test_a_setting_of_the_time_of_day_does_not_end_a_lease(self, world: World) -> None:
        """It does here: PostgreSQL has one clock, the server's, and epochs keep the old holder out."""
        begin(world.ann)
        old = take(world.ann)
        world.clock.time_us += 10**15
        fresh = take(world.bob, owner=BOB)
        with pytest.raises(Conflict):
            world.ann.commit(old, step())
        world.bob.commit(fresh, step())


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        opened = SqliteWorld(tmp_path)
        yield opened
        opened.close()
