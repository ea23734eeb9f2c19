"""The other stores do whatever the memory store does, in any order of any calls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flowmetal.errors import FlowmetalError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.memory import MemoryStore
from flowmetal.store.postgres import PostgresStore
from flowmetal.store.protocol import (
    Claim,
    Commit,
    Held,
    Message,
    NewEvent,
    NewRun,
    RunQuery,
    RunState,
    Store,
)
from flowmetal.store.sqlite import SqliteStore
from tests.contracts.test_store import DatabaseClock, SteppedClock
from tests.postgres import Server

RUNS = st.sampled_from([RunId("a"), RunId("b"), RunId("c")])
OWNERS = st.sampled_from([InterpreterId("ann"), InterpreterId("bob")])
STATES = st.sampled_from(sorted(RunState, key=lambda state: state.value))
SMALL = st.integers(0, 4)
TIMES = st.none() | st.integers(0, 30).map(lambda n: 1_700_000_000_000_000 + n)
EVENTS = st.lists(
    st.builds(NewEvent, st.sampled_from("xy"), st.just(""), SMALL, st.binary(max_size=3), SMALL),
    max_size=3,
)
BLOBS = st.none() | st.binary(max_size=4)
COMMITS = st.builds(
    Commit,
    events=EVENTS,
    state=STATES,
    snapshot=BLOBS,
    chunks=st.dictionaries(st.sampled_from("kl"), st.binary(max_size=3), max_size=2),
    wake_at_us=TIMES,
    result=BLOBS,
    error=BLOBS,
    waiting=BLOBS,
    progress=BLOBS,
    seen=SMALL,
    consumed=st.lists(SMALL, max_size=3),
    release=st.booleans(),
    snapshot_format=st.integers(1, 2),
)

MortalStore = SqliteStore | PostgresStore


class StoresAgree(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = SteppedClock()
        self.folder = tempfile.TemporaryDirectory()
        self.memory = MemoryStore(self.clock)
        self.other = self.open(Path(self.folder.name))
        self.claims = [Claim(RunId("a"), InterpreterId("ann"), 1, 0)]

    def open(self, folder: Path) -> MortalStore:
        return SqliteStore(folder / "store.db", self.clock)

    def teardown(self) -> None:
        self.other.close()
        self.folder.cleanup()

    def both(self, call: str, *arguments: object, **named: object) -> object:
        """Call both stores, and see the same answer or the same error."""
        answers = [outcome(store, call, arguments, named) for store in (self.memory, self.other)]
        assert answers[0] == answers[1], (call, arguments, named)
        return answers[0]

    @rule(run=RUNS, first=st.booleans(), wake=TIMES)
    def create_run(self, run: RunId, first: bool, wake: int | None) -> None:
        event = NewEvent("started", "", 0, b"") if first else None
        self.both("create_run", NewRun(run, ProgramHash("f"), b"", b"", {}, event, wake or 0))

    @rule(run=RUNS, owner=OWNERS, even=st.lists(STATES, max_size=4), readable=st.integers(1, 2))
    def claim(self, run: RunId, owner: InterpreterId, even: list[RunState], readable: int) -> None:
        claim = self.both("claim", run, owner, 10, even=even, snapshot_format=readable)
        if isinstance(claim, Claim):
            self.claims.append(claim)

    @rule(owner=OWNERS, readable=st.integers(1, 2))
    def claim_ready(self, owner: InterpreterId, readable: int) -> None:
        # Runs that are due at one time may come in any order, so all are taken.
        found = [
            store.claim_ready(owner, 10, 9, snapshot_format=readable)
            for store in (self.memory, self.other)
        ]
        first, second = (sorted(claims, key=lambda claim: claim.run) for claims in found)
        assert first == second
        self.claims += first

    @rule(which=st.integers(0, 10), commit=COMMITS)
    def commit(self, which: int, commit: Commit) -> None:
        after = self.both("commit", self.claims[-1 - which % len(self.claims)], commit)
        if isinstance(after, Claim):
            self.claims.append(after)

    @rule(commits=st.lists(COMMITS, max_size=3))
    def commit_all(self, commits: list[Commit]) -> None:
        latest = {claim.run: claim for claim in self.claims}
        steps = list(zip(latest.values(), commits, strict=False))
        answers = [store.commit_all(steps) for store in (self.memory, self.other)]
        shown = [[a if isinstance(a, Claim) else a.code for a in answer] for answer in answers]
        assert shown[0] == shown[1]
        self.claims += [claim for claim in answers[0] if isinstance(claim, Claim)]

    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        self.both("release", self.claims[-1 - which % len(self.claims)])

    @rule()
    def renew(self) -> None:
        self.both("renew", self.claims[-4:], 10)

    @rule(run=RUNS, id_=st.sampled_from("mnop"), body=st.binary(max_size=2))
    def send(self, run: RunId, id_: str, body: bytes) -> None:
        self.both("send", run, Message(id_, "signal", "go", body))

    @rule(run=RUNS, expected=st.lists(STATES, max_size=5), state=STATES)
    def set_state(self, run: RunId, expected: list[RunState], state: RunState) -> None:
        self.both("set_state", run, expected, state, NewEvent("state", "", 0, b""))

    @rule()
    def load_and_export(self) -> None:
        self.both("load", self.claims[-1])
        self.both("export_run", self.claims[-1])

    @rule(us=st.integers(1, 12))
    def advance(self, us: int) -> None:
        self.clock.advance(us)

    @rule(owner=OWNERS)
    def die(self, owner: InterpreterId) -> None:
        self.other.abandon(owner)
        self.memory.abandon(owner)

    @invariant()
    def both_hold_the_same(self) -> None:
        self.both("runs", RunQuery())
        self.both("next_wake_us")
        for run in (RunId("a"), RunId("b"), RunId("c")):
            for call in ("run", "snapshot"):
                self.both(call, run)
            self.both("events", run)
            self.both("inbox", run, 0)
            self.both("chunks", run, ["k", "l"])


def outcome(
    store: Store, call: str, arguments: tuple[object, ...], named: dict[str, object]
) -> object:
    try:
        answer = getattr(store, call)(*arguments, **named)
    except FlowmetalError as error:
        return type(error), error.code
    if isinstance(answer, Held):  # the description of the owner is each store's own
        return (answer.state, answer.owner, answer.lease_expires_us)
    return answer


@pytest.fixture(scope="class")
def frozen(request: pytest.FixtureRequest, postgres: Server) -> Iterator[None]:
    with postgres.empty_store(frozen=True) as url:
        PostgresAgrees.url, PostgresAgrees.server = url, postgres
        yield


class PostgresAgrees(StoresAgree):
    """The same for PostgreSQL: fewer examples, for each call goes to a server."""

    url: ClassVar[str]
    server: ClassVar[Server]

    def open(self, folder: Path) -> MortalStore:
        self.server.empty(self.url)
        self.clock = DatabaseClock(self.url)
        self.memory = MemoryStore(self.clock)
        return PostgresStore(self.url, clock_lasts_s=0)

    def teardown(self) -> None:
        super().teardown()
        assert isinstance(self.clock, DatabaseClock)
        self.clock.close()


TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = settings(max_examples=40, stateful_step_count=40)

TestPostgresAgrees = pytest.mark.usefixtures("frozen")(PostgresAgrees.TestCase)
TestPostgresAgrees.settings = settings(max_examples=6, stateful_step_count=30)
