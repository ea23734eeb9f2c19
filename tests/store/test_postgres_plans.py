"""Statements find their rows by key, also when they were planned for tables with nothing in them."""

from __future__ import annotations

from typing import Any

import pytest

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.operations.vocabulary import Enqueue, QueuePolicy
from flowmetal.store.postgres import PostgresStore, claims, rows, steps
from flowmetal.store.postgres.arrays import BigInts, Texts
from flowmetal.store.protocol import Claim, Commit, NewEvent, NewRun, RunState
from tests.postgres import Server

EVENT = NewEvent("a", "", 0, b"")
STEP = Commit([EVENT], RunState.RUNNING, b"s", {"k": b"v"}, consumed=[1])
CLAIMED = [(Claim(RunId(f"r{n}"), InterpreterId("ann"), 1, 0), STEP) for n in range(20)]
CLAIM = {
    "owner": "ann",
    "lease_us": 1,
    "limit": 10,
    "format": 1,
    "attempts": 9,
    "lock_class": 0,
    "kinds": Texts(["a/b\t"]),
}
SEND = {"run": "r1", "id": "m", "kind": "k", "name": "n", "body": b"", "closed": Texts()}
RENEW = {"runs": Texts(["r1"]), "epochs": BigInts([1]), "owners": Texts(["ann"]), "lease_us": 1}

STATEMENTS: dict[str, tuple[str, Any]] = {
    "one step": steps.statement(CLAIMED[:1]),
    "many steps": steps.statement(CLAIMED),
    "many steps at once": steps.statement(CLAIMED, waits=False),
    "claims": (claims.CLAIM_READY, CLAIM),
    "send": (claims.SEND, SEND),
    "renew": (claims.RENEW_FREE, RENEW),
    "release": (claims.RELEASE, ("r1", 1, "ann")),
    "load": (rows.SELECT_LOADED, ("r1",)),
    "inbox": (rows.SELECT_INBOX, ("r1", 0)),
    "history": (rows.SELECT_EVENTS, ("r1", 0, 10)),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_reads_no_table_from_end_to_end(postgres: Server, name: str) -> None:
    sql, values = STATEMENTS[name]
    with postgres.empty_store() as url:
        store = PostgresStore(url)
        plan = [row[0] for row in store._session.read(f"EXPLAIN (COSTS OFF) {sql}", values)]
        store.close()
    tables = ("run", "head", "event", "message", "chunk")
    whole = [line for line in plan if any(f"Seq Scan on {table}" in line for table in tables)]
    assert whole == []


@pytest.mark.parametrize(
    ("sql", "keys"),
    [(rows.DELETE_CHUNKS, Texts(["k"])), (rows.FORGET_SNAPSHOTS, BigInts([1]))],
)
def test_what_is_trimmed_is_found_by_key(postgres: Server, sql: str, keys: object) -> None:
    """With many rows, of which the planner knows: of few it may read all of a run's, and rightly so."""
    with postgres.empty_store() as url:
        store = PostgresStore(url)
        schema = url.rpartition("=")[2]
        postgres.execute(
            f"INSERT INTO {schema}.event (run, seq, time_us, kind, name, effect, data)"
            " SELECT 1, n, 0, '', '', 0, '' FROM generate_series(1, 20000) AS n;"
            f"INSERT INTO {schema}.chunk (run, name, data)"
            " SELECT 1, md5(n::text), '' FROM generate_series(1, 20000) AS n;"
            f"ANALYZE {schema}.event; ANALYZE {schema}.chunk"
        )
        plan = [row[0] for row in store._session.read(f"EXPLAIN (COSTS OFF) {sql}", (1, keys))]
        store.close()
    assert [line for line in plan if "Filter" in line] == []
    assert any("Index Cond" in line and "ANY" in line for line in plan), plan


def test_the_work_of_a_group_grows_with_its_size_and_not_with_its_square(postgres: Server) -> None:
    with postgres.empty_store() as url:
        store = PostgresStore(url)
        store.create_runs([NewRun(RunId(f"r{n}"), ProgramHash("f"), b"", b"") for n in range(1000)])
        postgres.execute("ANALYZE")  # of a table of twenty rows it may read all, and rightly so
        claimed = store.claim_ready(InterpreterId("ann"), 10_000_000, len(CLAIMED))
        sql, values = steps.statement([(claim, STEP) for claim in claimed], waits=False)
        explain = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}"
        plan = [row[0] for row in store._session.read(explain, values)]
        store.close()
    removed = [line for line in plan if "Removed by Join Filter" in line]
    assert removed == [], "\n".join(plan)


def test_the_work_of_a_claim_grows_with_a_full_queue_and_not_with_its_square(
    postgres: Server,
) -> None:
    owner = InterpreterId("ann")
    with postgres.empty_store() as url:
        store = PostgresStore(url)
        policy = QueuePolicy(per_worker=2)
        new = [NewRun(RunId(f"r{n}"), ProgramHash("f"), b"", b"", queue="q") for n in range(300)]
        store.operate(Enqueue("q", policy, new[0]))
        store.create_runs(new[1:])
        schema = url.rpartition("=")[2]
        postgres.execute(f"UPDATE {schema}.head SET state = 'ready', due_us = 0; ANALYZE")
        lock_class = store._session.liveness.lock_class
        values = CLAIM | {"owner": owner, "lock_class": lock_class}
        explain = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {claims.CLAIM_READY}"
        for room in (1, 0):  # it has one of two, and then both
            store.claim_ready(owner, 10_000_000, 1)
            plan = [row[0] for row in store._session.read(explain, values)]
            removed = [line for line in plan if "Removed by Join Filter" in line]
            assert removed == [], f"room {room}:\n" + "\n".join(plan)
        store.close()
