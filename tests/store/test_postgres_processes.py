"""Several processes on one PostgreSQL: racing, killed, stopped, cut off, and its server crashing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from flowmetal.effects import events
from flowmetal.embed import Engine, compile, foreign
from flowmetal.errors import Conflict, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.postgres import PostgresStore
from flowmetal.store.protocol import (
    LIVING,
    Claim,
    Commit,
    Held,
    Message,
    NewEvent,
    NewRun,
    RunQuery,
    RunState,
)
from tests.link import Link
from tests.postgres import Server

RUN, ME = RunId("run-1"), InterpreterId("me")
EVENT = NewEvent("a", "", 0, b"")
LEASE_US = 10_000_000

PRELUDE = """
import json, os, signal, sys
from flowmetal.errors import Conflict
from flowmetal.store.protocol import *
from flowmetal.store.postgres import PostgresStore
name = sys.argv[2]
store = PostgresStore(sys.argv[1])
event = NewEvent("a", "", 0, b"")
def say(value):
    print(json.dumps(value), flush=True)
def wait():
    sys.stdin.readline()
"""

HOLD = """
claim = store.claim("run-1", name, int(os.environ.get("LEASE_US", 10_000_000)))
say(claim.epoch)
wait()
try:
    say(store.commit(claim, Commit([event], RunState.RUNNING, b"late")).seq)
except Conflict:
    say("conflict")
"""

RACE = """
say("ready")
wait()
taken = []
while claims := store.claim_ready(name, 10_000_000, 3):
    done = Commit([event], RunState.COMPLETED, release=True)
    assert all(isinstance(a, Claim) for a in store.commit_all([(c, done) for c in claims]))
    taken += [claim.run for claim in claims]
say(taken)
"""

DIE = """
def hook(moment):
    if moment == "within commit":
        say(moment)
        wait()
claim = store.claim("run-1", name, 10_000_000)
store.hooks = hook
store.commit(claim, Commit([event], RunState.RUNNING, b"torn", {"k": b"v"}))
say("committed")
"""

MUTE = """
def hook(moment):
    if moment == "after send":
        os.kill(os.getpid(), signal.SIGKILL)
wait()
store.hooks = hook
store.send("run-1", Message("m", "signal", "go", b""))
"""

INTERPRET = """
from flowmetal.embed import Engine, foreign
@foreign("orders/charge")
def charge(i):
    return i
say("ready")
with Engine(sys.argv[1], functions=[charge]) as engine:
    engine.interpret()
"""

CLAIM_AGAIN = """
say(store.claim("run-1", name, 10_000_000).epoch)
wait()
store.claim_ready(name, 10_000_000, 10)
say("claimed")
"""

PROGRAM = """
(ns orders)
(defforeign charge [i])
(defn main [n]
  (loop [i 0 sum 0]
    (if (< i n) (recur (inc i) (+ sum (charge i))) sum)))
"""


class Child:
    """A process with the store open."""

    def __init__(self, script: str, url: str, name: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, url, name],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hears(self) -> object:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


Start = Callable[..., Child]


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    with postgres.empty_store() as found:
        yield found


@pytest.fixture
def child(url: str) -> Iterator[Start]:
    children: list[Child] = []

    def start(script: str, name: str, **environment: str) -> Child:
        children.append(Child(script, url, name, **environment))
        return children[-1]

    yield start
    for started in children:
        started.kill()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    opened = PostgresStore(url)
    opened.create_run(NewRun(RUN, ProgramHash("f"), b"", b""))
    yield opened
    opened.close()


def schema_of(url: str) -> str:
    return url.rpartition("=")[2]


def test_a_killed_holder_is_taken_over_at_once(store: PostgresStore, child: Start) -> None:
    holder = child(HOLD, "ann")
    assert holder.hears() == 1
    held = store.claim(RUN, ME, LEASE_US)
    assert isinstance(held, Held)
    assert f"process {holder.process.pid} on " in held.owner_description
    holder.kill()
    store.wait_for_change(0)
    claims = store.claim_ready(ME, LEASE_US, 10)
    while not claims:  # the server has to notice that the connection is closed
        claims = store.claim_ready(ME, LEASE_US, 10)
    assert [claim.epoch for claim in claims] == [2]


def test_a_stopped_holder_is_fenced_when_its_lease_is_over(
    store: PostgresStore, child: Start
) -> None:
    holder = child(HOLD, "ann", LEASE_US="300000")
    assert holder.hears() == 1
    os.kill(holder.process.pid, signal.SIGSTOP)
    assert isinstance(store.claim(RUN, ME, LEASE_US), Held)
    while not (claims := store.claim_ready(ME, LEASE_US, 10)):
        pass
    assert [claim.epoch for claim in claims] == [2]
    os.kill(holder.process.pid, signal.SIGCONT)
    holder.go()
    assert holder.hears() == "conflict"
    assert store.snapshot(RUN) is None


def test_processes_that_race_for_runs_get_each_run_once(store: PostgresStore, child: Start) -> None:
    runs = {RunId(f"race-{n}") for n in range(40)} | {RUN}
    for run in runs:
        store.create_run(NewRun(run, ProgramHash("f"), b"", b""))
    racers = [child(RACE, name) for name in ("ann", "bob", "cat")]
    assert [racer.hears() for racer in racers] == ["ready"] * 3
    for racer in racers:
        racer.go()
    taken = [racer.hears() for racer in racers]
    everything = [run for part in taken if isinstance(part, list) for run in part]
    assert sorted(everything) == sorted(runs)
    assert all(len(store.events(run)) == 1 for run in runs)


def test_a_process_that_dies_within_a_commit_leaves_nothing_and_holds_no_row(
    store: PostgresStore, child: Start
) -> None:
    dying = child(DIE, "ann")
    assert dying.hears() == "within commit"
    dying.kill()
    receipt = store.send(RUN, Message("m", "signal", "go", b""))
    assert receipt is not None
    assert (store.events(RUN), store.snapshot(RUN), store.chunks(RUN, ["k"])) == ([], None, {})


def test_a_change_whose_hint_was_lost_is_found_anyway(store: PostgresStore, child: Start) -> None:
    mute = child(MUTE, "ann")
    store.wait_for_change(0)
    mute.go()
    while not store.inbox(RUN, 0):
        store.wait_for_change(3600)
    assert mute.process.wait() == -signal.SIGKILL


def test_a_hint_that_comes_while_the_line_is_busy_is_heard(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowmetal.store.postgres.session._POLL_S", 3600)
    other, line = PostgresStore(url), store._session.line
    line.enter(ME)
    busy = threading.Event()

    def be_busy(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        busy.set()
        connection.execute("SELECT pg_sleep(0.3)")

    order = threading.Thread(target=line._order, args=[be_busy])
    order.start()
    busy.wait()
    store.wait_for_change(0)
    other.send(RUN, Message("m", "signal", "go", b""))
    order.join()
    store.wait_for_change(3600)
    other.close()


def test_an_interpreter_whose_line_breaks_lives_again_and_keeps_its_runs(
    store: PostgresStore, url: str, postgres: Server
) -> None:
    claim = store.claim(RUN, ME, LEASE_US)
    assert isinstance(claim, Claim)
    listening = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = '{schema_of(url)}.interpreter'::regclass)"
    postgres.execute(listening)
    other = PostgresStore(url)
    after = store.commit(claim, Commit([EVENT], RunState.RUNNING, b"s"))
    while not lives(postgres, url):
        store.wait_for_change(0.01)
    assert other.claim_ready(InterpreterId("bob"), LEASE_US, 10) == []
    assert store.renew([after], LEASE_US) == [after]
    other.close()


def test_an_interpreter_whose_line_is_down_claims_nothing_that_others_would_take_at_once(
    store: PostgresStore, url: str, postgres: Server
) -> None:
    link = Link(postgres.port)
    place = f"{postgres.url()}?schema={schema_of(url)}"
    far = PostgresStore(f"{place}&direct_host=127.0.0.1&direct_port={link.port}")
    assert isinstance(far.claim(RUN, ME, LEASE_US), Claim)
    far.create_run(NewRun(RunId("next"), ProgramHash("f"), b"", b""))
    link.close()
    while lives(postgres, url):
        far.wait_for_change(0.01)
    with pytest.raises(StoreError) as down:
        far.claim_ready(ME, LEASE_US, 10)
    assert down.value.code == "FM1022"
    with pytest.raises(StoreError):
        far.claim(RunId("next"), ME, LEASE_US)
    row = far.run(RunId("next"))
    assert row is not None
    assert row.owner is None
    far.close()


def lives(postgres: Server, url: str) -> bool:
    """Say whether somebody holds the lock of the interpreter that is in the table."""
    schema = schema_of(url)
    with psycopg.connect(postgres.socket_url()) as connection:
        found = connection.execute(
            f"SELECT 1 FROM pg_locks JOIN {schema}.interpreter ON objid = number"
            f" WHERE locktype = 'advisory' AND classid = '{schema}.interpreter'::regclass".encode()
        ).fetchone()
    return found is not None


def test_a_claim_that_the_server_gets_to_after_the_claimer_has_died_takes_nothing(
    store: PostgresStore, child: Start, url: str, postgres: Server
) -> None:
    claimer = child(CLAIM_AGAIN, "ann")
    assert claimer.hears() == 1
    schema = schema_of(url)
    with psycopg.connect(postgres.socket_url()) as connection:
        connection.execute(f"LOCK TABLE {schema}.head IN ACCESS EXCLUSIVE MODE".encode())
        claimer.go()
        waiting = (
            f"SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{schema}.head'::regclass"
        )
        while connection.execute(waiting.encode()).fetchone() is None:
            pass
        claimer.kill()
        while lives(postgres, url):
            pass
    while holds(postgres, schema):
        pass
    row = store.run(RUN)
    assert row is not None
    assert (row.epoch, row.attempts) == (1, 1)
    assert [claim.epoch for claim in store.claim_ready(ME, LEASE_US, 10)] == [2]


def holds(postgres: Server, schema: str) -> bool:
    """Say whether a statement on the runs is under way."""
    with psycopg.connect(postgres.socket_url()) as connection:
        held = f"SELECT 1 FROM pg_locks WHERE relation = '{schema}.head'::regclass"
        return connection.execute(held.encode()).fetchone() is not None


def test_an_interpreter_id_belongs_to_one_process(store: PostgresStore, child: Start) -> None:
    assert child(HOLD, "ann").hears() == 1
    with pytest.raises(StoreError) as taken:
        store.claim(RUN, InterpreterId("ann"), LEASE_US)
    assert taken.value.code == "FM1019"


def test_a_forked_child_does_not_keep_its_dead_parent_alive(
    store: PostgresStore, child: Start
) -> None:
    holder = child(
        """
claim = store.claim("run-1", name, 10_000_000)
if os.fork() == 0:
    try:
        store.run("run-1")
    except Exception as error:
        say(error.code)
    sys.stdin.read()
    os._exit(0)
os.waitpid(-1, 0)
""",
        "ann",
    )
    assert holder.hears() == "FM1017"
    os.kill(holder.process.pid, signal.SIGKILL)
    holder.process.wait()
    while not (claims := store.claim_ready(ME, LEASE_US, 10)):
        pass
    assert [claim.epoch for claim in claims] == [2]


def test_a_closed_store_gives_back_its_runs(store: PostgresStore, url: str) -> None:
    leaving = PostgresStore(url)
    claim = leaving.claim(RUN, InterpreterId("ann"), LEASE_US)
    assert isinstance(claim, Claim)
    claim = leaving.commit(claim, Commit([EVENT], RunState.WAITING, b"s"))
    leaving.close()
    (taken,) = store.claim_ready(ME, LEASE_US, 10)
    assert taken.epoch == 2
    with pytest.raises(Conflict):
        store.commit(claim, Commit([EVENT], RunState.RUNNING))


# A link that breaks


def test_rows_are_free_again_soon_after_a_link_is_cut_within_a_commit(
    store: PostgresStore, url: str, postgres: Server
) -> None:
    link = Link(postgres.port)
    quick = "options=-c%20idle_in_transaction_session_timeout=300"
    far = PostgresStore(
        f"{postgres.url(port=link.port)}?schema={schema_of(url)}&{quick}&tcp_user_timeout=500"
    )
    claim = far.claim(RUN, InterpreterId("far"), LEASE_US)
    assert isinstance(claim, Claim)
    far.hooks = lambda moment: link.cut() if moment == "within commit" else None

    def commit() -> None:
        try:
            far.commit(claim, Commit([EVENT], RunState.RUNNING, b"s"))
            outcomes.append("committed")
        except StoreError as lost:
            outcomes.append(lost.code)

    outcomes: list[str] = []
    writer = threading.Thread(target=commit)
    writer.start()
    # Waits for the row until the server gives the other's transaction up.
    receipt = store.send(RUN, Message("m", "signal", "go", b""))
    assert receipt is not None
    link.close()
    writer.join(60)
    assert outcomes == ["FM1022"]
    assert store.events(RUN) == []
    far.hooks = None
    far.close()


# The server


@foreign("orders/charge")
def charge(i: int) -> int:
    return i


def check(engine: Engine, runs: list[str], effects: int) -> None:
    for run in runs:
        view = engine.wait(run, 60_000_000)
        assert view is not None, (run, engine.store.run(RunId(run)))
        assert engine.result(run) == sum(range(effects))
        kinds = [(e.kind, e.effect) for e in engine.store.events(RunId(run))]
        resolved = [effect for kind, effect in kinds if kind == events.RESOLVED]
        assert resolved == sorted(set(resolved))
        assert len(resolved) == effects


def test_a_server_that_crashes_and_comes_back_loses_nothing(
    postgres: Server, url: str, child: Start
) -> None:
    with Engine(url, functions=[charge]) as engine:
        program = compile(PROGRAM)
        runs = [engine.start(program, [40])[0] for _ in range(4)]
        workers = [child(INTERPRET, name) for name in ("ann", "bob")]
        assert [worker.hears() for worker in workers] == ["ready"] * 2
        while engine.store.run(RunId(runs[0])).seq < 10:  # type: ignore[union-attr]
            engine.store.wait_for_change(0.05)
        postgres.stop(signal.SIGQUIT)
        postgres.start()
        check(engine, runs, 40)


def test_interpreters_that_are_killed_in_turn_lose_nothing(url: str, child: Start) -> None:
    with Engine(url, functions=[charge]) as engine:
        program = compile(PROGRAM)
        runs = [engine.start(program, [100])[0] for _ in range(3)]
        workers = [child(INTERPRET, name) for name in ("ann", "bob", "cat")]
        assert [worker.hears() for worker in workers] == ["ready"] * 3
        for worker in workers[:2]:
            before = sum(row.seq for row in engine.store.runs(RunQuery()))
            while engine.store.runs(RunQuery(states=LIVING)):  # they may be faster than we look
                if sum(row.seq for row in engine.store.runs(RunQuery())) >= before + 10:
                    break
                engine.store.wait_for_change(0.05)
            worker.kill()
        check(engine, runs, 100)


def test_a_claim_that_a_crash_of_the_server_undoes_harms_nobody(
    postgres: Server, url: str, store: PostgresStore
) -> None:
    """A claim does not wait for the disk, so a crash may take it back."""
    (claim,) = store.claim_ready(ME, LEASE_US, 1)
    postgres.stop()
    postgres.start()
    other = PostgresStore(url)
    taken = other.claim(RUN, InterpreterId("other"), LEASE_US)
    if isinstance(taken, Held):  # it was on the disk, and its holder has come back
        store.commit(claim, Commit([EVENT], RunState.RUNNING, b"mine"))
    else:
        assert isinstance(taken, Claim)
        with pytest.raises(Conflict):
            store.commit(claim, Commit([EVENT], RunState.RUNNING, b"mine"))
        other.commit(taken, Commit([EVENT], RunState.RUNNING, b"other"))
    assert len(other.events(RUN)) == 1
    other.close()
