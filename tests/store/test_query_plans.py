"""What is asked often never walks through a whole table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.operations.vocabulary import Enqueue, QueuePolicy
from flowmetal.store.protocol import Claim, Commit, Message, NewEvent, NewRun, RunQuery, RunState
from flowmetal.store.sqlite import SqliteStore

ANN, BOB = InterpreterId("ann"), InterpreterId("bob")
EVENT = NewEvent("a", "", 0, b"")


class Planner:
    """Stands before ``execute`` and asks for the plan of every statement first."""

    def __init__(self, store: SqliteStore) -> None:
        self.walks: list[str] = []
        self._execute = store._session.execute
        store._session.execute = self  # type: ignore[assignment]
        store._execute = store._liveness._execute = self  # type: ignore[assignment]

    def __call__(self, sql: str, parameters: object = ()) -> object:
        if not sql.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")):
            plan = self._execute(f"EXPLAIN QUERY PLAN {sql}", parameters)  # type: ignore[arg-type]
            self.walks += [
                f"{row[3]}: {sql}"
                for row in plan.fetchall()
                if row[3].startswith("SCAN") and "USING INDEX" not in row[3] and "holder" not in row[3]
                and "CONSTANT" not in row[3] and "COVERING" not in row[3] and "VIRTUAL" not in row[3]
            ]  # fmt: skip
        return self._execute(sql, parameters)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


def test_a_run_is_driven_without_walking_through_a_table(store: SqliteStore) -> None:
    store.claim(RunId("none"), ANN, 10_000_000)
    planner = Planner(store)
    for run in ("a", "b"):
        store.create_run(NewRun(RunId(run), ProgramHash("f"), b"", b""))
    (claim,) = store.claim_ready(ANN, 10_000_000, 1)
    store.claim_ready(BOB, 10_000_000, 0)
    store.send(claim.run, Message("m", "signal", "go", b""))
    claim = store.commit(claim, Commit([EVENT], RunState.RUNNING, b"s", {"k": b"v"}, consumed=[1]))
    store.load(claim)
    store.renew([claim], 10_000_000)
    store.inbox(claim.run, 0)
    store.events(claim.run)
    store.chunks(claim.run, ["k"])
    store.next_wake_us()
    store.runs(RunQuery(limit=10))
    store.runs(RunQuery(id_prefix="a"))
    store.release(claim)
    again = store.claim(claim.run, ANN, 10_000_000)
    assert isinstance(again, Claim)
    assert planner.walks == []


class Counter:
    """Stands before ``execute`` and counts statements."""

    def __init__(self, store: SqliteStore) -> None:
        self.count = 0
        self._execute = store._session.execute
        store._session.execute = self  # type: ignore[assignment]
        store._execute = store._liveness._execute = store._records._execute = self  # type: ignore[assignment]

    def __call__(self, sql: str, parameters: object = ()) -> object:
        self.count += 1
        return self._execute(sql, parameters)  # type: ignore[arg-type]


def enqueue(store: SqliteStore, policy: QueuePolicy, count: int) -> None:
    for number in range(count):
        run = NewRun(RunId(f"r{number}"), ProgramHash("f"), b"", b"")
        store.operate(Enqueue("q", policy, run))


def test_runs_that_an_interpreter_may_not_take_yet_cost_no_statement_each(
    store: SqliteStore,
) -> None:
    enqueue(store, QueuePolicy(per_worker=1), 300)
    counter = Counter(store)
    assert len(store.claim_ready(ANN, 10_000_000, 10)) == 1
    assert store.claim_ready(ANN, 10_000_000, 10) == []
    assert counter.count < 40


def test_a_queue_without_slots_reads_none(store: SqliteStore) -> None:
    enqueue(store, QueuePolicy(rate_limit=1000, rate_per_us=1), 250)
    counter = Counter(store)
    store.operate(Enqueue("q", QueuePolicy(), NewRun(RunId("next"), ProgramHash("f"), b"", b"")))
    few = counter.count
    enqueue(store, QueuePolicy(), 1)
    assert counter.count - few <= few
    assert few < 15


def test_the_view_of_events_reads_one_run(store: SqliteStore) -> None:
    plan = store._execute("EXPLAIN QUERY PLAN SELECT seq FROM events WHERE run = 'a'").fetchall()
    assert [row[3].split()[0] for row in plan] == ["SEARCH", "SEARCH"]
