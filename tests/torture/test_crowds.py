"""A crowd of runs that wait: rows and nothing else, and each is woken when it is due.

5,000 of them; with FLOWMETAL_EVERYTHING=1 (``make torture``) 100,000.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from flowmetal.embed import Beginning, Engine, compile
from flowmetal.store.protocol import RunQuery, RunState
from flowmetal.values import Instant
from tests.torture.worker import worker

CROWD = 100_000 if os.environ.get("FLOWMETAL_EVERYTHING") else 5_000
TIMERS = 100
GROWTH_KB = 8_192  # a run in memory takes some 20 kB
LATE_US = 1_000_000  # on a machine that does other things too

PROGRAM = """
(ns crowd)
(defn main [until] (sleep-until! until) :rang)
"""


def test_a_crowd_that_waits_takes_no_memory_and_its_timers_ring_in_time(tmp_path: Path) -> None:
    program = compile(PROGRAM)
    with (
        Engine(f"sqlite:{tmp_path}/store.db") as engine,
        worker(engine.store_url, tmp_path) as process,
    ):
        never = Instant(engine.now_us() + 86_400_000_000)
        engine.start_many(program, [Beginning([never])] * (CROWD // 10))
        until(lambda: asleep(engine, CROWD // 10))
        before_kb = memory_kb(process.pid)
        engine.start_many(program, [Beginning([never])] * (CROWD - CROWD // 10))
        until(lambda: asleep(engine, CROWD))
        assert memory_kb(process.pid) - before_kb < GROWTH_KB

        soon = engine.now_us() + 2_000_000
        dues = {f"t-{n}": soon + n * 10_000 for n in range(TIMERS)}
        engine.start_many(program, [Beginning([Instant(us)], id) for id, us in dues.items()])
        until(lambda: len(engine.store.runs(RunQuery((RunState.COMPLETED,)))) == TIMERS)
        ended = {row.id: row.ended_us for row in engine.store.runs(RunQuery((RunState.COMPLETED,)))}
        late = [ended[id] - us for id, us in dues.items()]  # type: ignore[index, operator]
        assert min(late) >= 0, late
        assert max(late) < LATE_US, late
        assert memory_kb(process.pid) - before_kb < GROWTH_KB


def asleep(engine: Engine, runs: int) -> bool:
    """Say whether so many runs sleep, and nobody has any."""
    (count,) = engine.store._session.execute(  # type: ignore[attr-defined]
        "SELECT count(*) FROM head WHERE state = 'waiting' AND owner IS NULL"
    ).fetchone()
    return int(count) == runs


def memory_kb(pid: int) -> int:
    """Return what a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("VmRSS"))
    return int(size)


def until(is_so: Callable[[], bool], limit_s: float = 400) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)
