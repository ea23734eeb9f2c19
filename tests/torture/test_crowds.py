"""Crowds: runs that wait are rows and nothing else, and each is woken when it is due; bursts of what comes in.

2,000 waiting runs, 500 timers, 500 signals. With FLOWMETAL_EVERYTHING=1 (``make torture``): 100,000 runs in SQLite and
1,000,000 in PostgreSQL, 50,000 timers in one second, 10,000 signals.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from flowmetal.bytecode.code import Program
from flowmetal.embed import Beginning, Engine, compile
from flowmetal.store.protocol import RunQuery, RunState
from flowmetal.values import Instant
from tests.stores import url_of
from tests.torture.worker import worker

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
CROWD = {
    "sqlite": 100_000 if EVERYTHING else 2_000,
    "postgres": 1_000_000 if EVERYTHING else 2_000,
}
TIMERS = 100
BURST_OF_TIMERS = 50_000 if EVERYTHING else 500
BURST_OF_SIGNALS = 10_000 if EVERYTHING else 500
GROWTH_KB = 8_192  # a run in memory takes some 20 kB
LATE_US = 1_000_000  # on a machine that does other things too
LIMIT_S = 2400 if EVERYTHING else 200

PROGRAM = """
(ns crowd (:require [flow.event :refer [receive!]]))
(defn main [until] (sleep-until! until) :rang)
(defn sum [n]
  (loop [i 0 sum 0]
    (if (< i n) (recur (inc i) (+ sum (receive! :go))) sum)))
"""

pytestmark = pytest.mark.timeout(LIMIT_S + 100)


@pytest.fixture(scope="module")
def program() -> Program:
    return compile(PROGRAM)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with Engine(url_of(place, request, tmp_path)) as made:
        yield made


def test_a_crowd_that_waits_takes_no_memory_and_its_timers_ring_in_time(
    engine: Engine, place: str, program: Program, tmp_path: Path
) -> None:
    crowd = CROWD[place]
    with worker(engine.store_url, tmp_path) as process:
        never = Instant(engine.now_us() + 86_400_000_000)
        engine.start_many(program, [Beginning([never])] * (crowd // 10))
        until(lambda: asleep(engine, crowd // 10))
        before_kb = memory_kb(process.pid)
        engine.start_many(program, [Beginning([never])] * (crowd - crowd // 10))
        until(lambda: asleep(engine, crowd))
        assert memory_kb(process.pid) - before_kb < GROWTH_KB

        soon = engine.now_us() + 2_000_000
        dues = {f"t-{n}": soon + n * 10_000 for n in range(TIMERS)}
        engine.start_many(program, [Beginning([Instant(us)], id) for id, us in dues.items()])
        until(lambda: counted(engine, "completed") == TIMERS)
        late = [
            (row.ended_us or 0) - dues[row.id]
            for row in engine.store.runs(RunQuery((RunState.COMPLETED,), limit=TIMERS))
        ]
        assert min(late) >= 0, late
        assert max(late) < LATE_US, late
        assert memory_kb(process.pid) - before_kb < GROWTH_KB


def test_timers_that_are_due_within_one_second_all_ring_and_none_before_its_time(
    engine: Engine, program: Program, tmp_path: Path
) -> None:
    count = BURST_OF_TIMERS
    with worker(engine.store_url, tmp_path):
        # Far enough that all of them sleep when the first one rings, on a busy machine too.
        first_us = engine.now_us() + 5_000_000 + count * 4_000
        dues = {f"t-{n:06}": first_us + n * 1_000_000 // count for n in range(count)}
        engine.start_many(program, [Beginning([Instant(us)], id) for id, us in dues.items()])
        until(lambda: asleep(engine, count) or engine.now_us() >= first_us)
        assert engine.now_us() < first_us, "the machine is too slow for what is claimed here"
        until(lambda: counted(engine, "completed") == count)
        rows = engine.store.runs(RunQuery(limit=count))
        assert len(rows) == count
        assert not [row.id for row in rows if (row.ended_us or 0) < dues[row.id]]


def test_a_burst_of_signals_to_one_run_is_received_whole(
    engine: Engine, program: Program, tmp_path: Path
) -> None:
    count = BURST_OF_SIGNALS
    run, _ = engine.start(program, [count], entry="sum")
    with worker(engine.store_url, tmp_path), ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda n: engine.signal(run, "go", n), range(count)):
            pass
        assert engine.wait(run) is not None
        assert engine.result(run) == count * (count - 1) // 2


def asleep(engine: Engine, runs: int) -> bool:
    """Say whether so many runs sleep, and nobody has any."""
    return counted(engine, "waiting") == runs


def counted(engine: Engine, state: str) -> int:
    """Return how many runs are in a state, and driven by nobody."""
    url = engine.store_url
    if url.startswith("sqlite:"):
        sql = f"SELECT count(*) FROM head WHERE state = '{state}' AND owner IS NULL"
        (count,) = engine.store._session.execute(sql).fetchone()  # type: ignore[attr-defined]
        return int(count)
    place, _, schema = url.rpartition("&schema=")
    sql = f"SELECT count(*) FROM {schema}.head WHERE state = '{state}' AND owner IS NULL"
    with psycopg.connect(place, autocommit=True) as connection:
        found = connection.execute(sql.encode()).fetchone()
    assert found is not None
    return int(found[0])


def memory_kb(pid: int) -> int:
    """Return what a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("VmRSS"))
    return int(size)


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)
