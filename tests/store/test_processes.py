"""Several processes on one file: racing, killed, stopped, and in each other's way."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowmetal.errors import Conflict, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.clock import SystemClock
from flowmetal.store.protocol import Claim, Commit, Held, Message, NewEvent, NewRun, RunState
from flowmetal.store.sqlite import SqliteStore
from tests.sqlite import opened

RUN, ME = RunId("run-1"), InterpreterId("me")
EVENT = NewEvent("a", "", 0, b"")
LEASE_US = 10_000_000

PRELUDE = """
import json, sys
from pathlib import Path
from flowmetal.errors import Conflict
from flowmetal.store.protocol import *
from flowmetal.store.sqlite import SqliteStore
name = sys.argv[2]
store = SqliteStore(Path(sys.argv[1]))
event = NewEvent("a", "", 0, b"")
def say(value):
    print(json.dumps(value), flush=True)
def wait():
    sys.stdin.readline()
"""

HOLD = """
claim = store.claim("run-1", name, 10_000_000)
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
    for claim in claims:
        store.commit(claim, Commit([event], RunState.COMPLETED, release=True))
    taken += [claim.run for claim in claims]
say(taken)
"""

ADD = """
say("ready")
wait()
for n in range(60):
    store.send("run-1", Message(f"{name}-{n}", "signal", "go", b""))
say("done")
"""

FORK = """
import os
claim = store.claim("run-1", name, 10_000_000)
if os.fork() == 0:
    say(claim.epoch)
    sys.stdin.read()
    os._exit(0)
os.waitpid(-1, 0)
"""

STUCK = """
import os, signal
store.hooks = lambda moment: say(moment) or wait() if moment == "within send" else None
store.send("run-1", Message("m", "signal", "go", b""))
say("sent")
"""

STOPPED = """
import fcntl
index = open(sys.argv[1] + "-shm", "r+b")
fcntl.lockf(index, fcntl.LOCK_EX, 1, 120)
index.write(bytes([255] * 8))
index.flush()
say("stopped")
wait()
"""
"""As one that is stopped while it writes the head of the index of the log: https://www.sqlite.org/walformat.html."""


class Child:
    """A process with the store open."""

    def __init__(self, script: str, path: Path, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, str(path), name],
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def child(path: Path) -> Iterator[Callable[[str, str], Child]]:
    children: list[Child] = []

    def start(script: str, name: str) -> Child:
        children.append(Child(script, path, name))
        return children[-1]

    yield start
    for started in children:
        started.kill()


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    opened.create_run(NewRun(RUN, ProgramHash("f"), b"", b""))
    yield opened
    opened.close()


Start = Callable[[str, str], Child]


def test_a_killed_holder_is_taken_over_at_once(store: SqliteStore, child: Start) -> None:
    holder = child(HOLD, "ann")
    assert holder.hears() == 1
    held = store.claim(RUN, ME, LEASE_US)
    assert isinstance(held, Held)
    assert f"process {holder.process.pid} on " in held.owner_description
    holder.kill()
    (claim,) = store.claim_ready(ME, LEASE_US, 10)
    assert claim.epoch == 2


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(
    store: SqliteStore, child: Start
) -> None:
    holder = child(FORK, "ann")
    assert holder.hears() == 1
    assert store.claim_ready(ME, LEASE_US, 10) == []
    os.kill(holder.process.pid, signal.SIGKILL)
    holder.process.wait()
    assert [claim.epoch for claim in store.claim_ready(ME, LEASE_US, 10)] == [2]


class Later(SystemClock):
    """The clocks of a moment after the lease."""

    def boot_us(self) -> int:
        return super().boot_us() + LEASE_US + 1_000_000


def test_a_stopped_holder_keeps_its_run_until_the_lease_is_over_and_is_fenced_then(
    store: SqliteStore, path: Path, child: Start
) -> None:
    holder = child(HOLD, "ann")
    assert holder.hears() == 1
    os.kill(holder.process.pid, signal.SIGSTOP)
    assert store.claim_ready(ME, LEASE_US, 10) == []
    assert isinstance(store.claim(RUN, ME, LEASE_US), Held)
    later = SqliteStore(path, Later())
    (claim,) = later.claim_ready(InterpreterId("later"), LEASE_US, 10)
    assert claim.epoch == 2
    os.kill(holder.process.pid, signal.SIGCONT)
    holder.go()
    assert holder.hears() == "conflict"
    later.close()


class AfterReboot(SystemClock):
    """The clocks after the machine was started again."""

    def __init__(self) -> None:
        self.boot_id = "another boot"

    def boot_us(self) -> int:
        return 1


def test_a_lease_of_another_boot_is_over(store: SqliteStore, path: Path) -> None:
    store.claim(RUN, ME, LEASE_US)
    store.abandon(ME)
    (path.parent / "store.db-locks" / ME).unlink()  # a restored backup: no lock file to look at
    rebooted = SqliteStore(path, AfterReboot())
    row = rebooted.run(RUN)
    assert row is not None
    assert row.lease_expires_us == 0
    assert len(rebooted.claim_ready(InterpreterId("bob"), LEASE_US, 10)) == 1
    rebooted.close()


def test_in_a_copy_of_a_store_nobody_drives_what_somebody_drives_in_the_original(
    store: SqliteStore, path: Path
) -> None:
    store.claim(RUN, ME, LEASE_US)
    with opened(path) as source, opened(path.parent / "copy.db") as target:
        source.backup(target)
    copy = SqliteStore(path.parent / "copy.db")
    assert copy.driver(RUN) is None
    assert isinstance(copy.claim(RUN, InterpreterId("bob"), LEASE_US), Claim)
    assert copy.claim_ready(ME, LEASE_US, 9) == []  # the name of another process, in another store
    assert store.driver(RUN) is not None
    copy.close()


def test_a_missing_lock_file_says_nothing(store: SqliteStore, path: Path) -> None:
    store.claim(RUN, ME, LEASE_US)
    (path.parent / "store.db-locks" / ME).unlink()
    other = SqliteStore(path)
    assert isinstance(other.claim(RUN, InterpreterId("bob"), LEASE_US), Held)
    other.close()


def test_processes_that_race_for_runs_get_each_run_once(store: SqliteStore, child: Start) -> None:
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


def test_writers_in_each_others_way_lose_nothing(store: SqliteStore, child: Start) -> None:
    writers = [child(ADD, name) for name in ("ann", "bob", "cat")]
    assert [writer.hears() for writer in writers] == ["ready"] * 3
    for writer in writers:
        writer.go()
    assert [writer.hears() for writer in writers] == ["done"] * 3
    inbox = store.inbox(RUN, 0)
    assert [row.number for row in inbox] == list(range(1, 181))
    assert len({row.message.id for row in inbox}) == 180


def test_a_writer_that_is_stuck_makes_others_give_up_with_a_sentence(
    store: SqliteStore, path: Path, child: Start
) -> None:
    stuck = child(STUCK, "ann")
    assert stuck.hears() == "within send"
    impatient = SqliteStore(path, timeout_s=0.05)
    with pytest.raises(StoreError) as locked:
        impatient.send(RUN, Message("n", "signal", "go", b""))
    assert locked.value.code == "FM1009"
    assert impatient.run(RUN) is not None  # readers are not kept waiting
    stuck.go()
    assert stuck.hears() == "sent"
    assert [row.message.id for row in impatient.inbox(RUN, 0)] == ["m"]
    assert impatient.send(RUN, Message("n", "signal", "go", b"")) is not None
    impatient.close()


def test_a_writer_holds_the_queue_from_before_its_transaction_to_its_end(
    store: SqliteStore, path: Path
) -> None:
    seen: dict[str, bool] = {}

    def look(moment: str) -> None:
        with (path.parent / "store.db-locks" / ".writer").open() as queue:
            try:
                fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
                seen[moment] = False
            except BlockingIOError:
                seen[moment] = True

    store.hooks = look
    store.send(RUN, Message("m", "signal", "go", b""))
    store.hooks = None
    assert seen == {"before send": False, "within send": True, "after send": False}


def test_a_writer_that_is_stopped_at_the_index_of_the_log_makes_readers_give_up_with_a_sentence(
    store: SqliteStore, child: Start
) -> None:
    stopped = child(STOPPED, "ann")
    assert stopped.hears() == "stopped"
    with pytest.raises(StoreError) as locked:
        store.run(RUN)  # SQLite tries again for ten seconds
    assert locked.value.code == "FM1009"
    stopped.kill()
    assert store.run(RUN) is not None


def test_a_writer_that_dies_in_its_transaction_leaves_nothing(
    store: SqliteStore, child: Start
) -> None:
    stuck = child(STUCK, "ann")
    assert stuck.hears() == "within send"
    stuck.kill()
    assert store.inbox(RUN, 0) == []
    receipt = store.send(RUN, Message("m", "signal", "go", b""))
    assert receipt is not None
    assert receipt.number == 1


def test_an_interpreter_id_belongs_to_one_process(store: SqliteStore, child: Start) -> None:
    assert child(HOLD, "ann").hears() == 1
    with pytest.raises(StoreError) as taken:
        store.claim(RUN, InterpreterId("ann"), LEASE_US)
    assert taken.value.code == "FM1019"


def test_what_the_dead_have_left_beside_the_store_is_swept(
    store: SqliteStore, path: Path, child: Start
) -> None:
    holder = child(HOLD, "ann")
    holder.hears()
    holder.kill()
    locks = path.parent / "store.db-locks"
    assert (locks / "ann").exists()
    (claim,) = store.claim_ready(ME, LEASE_US, 1)
    assert (locks / "ann").exists()  # it still held a run when this one came in
    other = SqliteStore(path)
    other.claim(RUN, InterpreterId("bob"), LEASE_US)
    assert not (locks / "ann").exists()
    assert (locks / ME).exists()
    other.close()
    assert not (locks / "bob").exists()
    assert store.renew([claim], LEASE_US) == [claim]


def test_a_closed_store_gives_back_its_runs(store: SqliteStore, path: Path) -> None:
    leaving = SqliteStore(path)
    claim = leaving.claim(RUN, InterpreterId("ann"), LEASE_US)
    assert isinstance(claim, Claim)
    claim = leaving.commit(claim, Commit([EVENT], RunState.WAITING, b"s"))
    leaving.close()
    (taken,) = store.claim_ready(ME, LEASE_US, 10)
    row = store.run(RUN)
    assert row is not None
    assert (taken.epoch, row.attempts) == (2, 1)
    with pytest.raises(Conflict):
        store.commit(claim, Commit([EVENT], RunState.RUNNING))


def test_a_wait_is_ended_by_another_process(store: SqliteStore, child: Start) -> None:
    sender = child(ADD, "ann")
    assert sender.hears() == "ready"
    store.wait_for_change(0)
    sender.go()
    store.wait_for_change(3600)
    assert store.inbox(RUN, 0)


def test_a_wait_needs_no_bell(
    store: SqliteStore, child: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowmetal.store.sqlite.bell.Bell._listen", lambda self: None)
    sender = child(ADD, "ann")
    assert sender.hears() == "ready"
    store.wait_for_change(0)
    sender.go()
    store.wait_for_change(3600)
    assert store.inbox(RUN, 0)


def test_the_sockets_of_the_dead_are_swept(store: SqliteStore, path: Path, child: Start) -> None:
    listener = child(
        "store.wait_for_change(0); say(0); store.wait_for_change(0.001); say(1); wait()", "ann"
    )
    assert [listener.hears(), listener.hears()] == [0, 1]
    locks = path.parent / "store.db-locks"
    assert len(list(locks.glob("*.bell"))) == 1
    listener.kill()
    store.send(RUN, Message("m", "signal", "go", b""))
    assert list(locks.glob("*.bell")) == []


def test_each_thread_that_waits_hears_the_bell_and_leaves_nothing_behind(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowmetal.store.sqlite.session._POLL_S", 3600)
    ready = threading.Barrier(4)

    def wait() -> None:
        store.wait_for_change(0)
        store.wait_for_change(0.001)  # now it has a socket
        ready.wait()
        store.wait_for_change(3600)

    for number in range(3):
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        ready.wait()
        assert store.send(RUN, Message(f"m{number}", "signal", "go", b"")) is not None
        for thread in threads:
            thread.join()
        assert len(list((path.parent / "store.db-locks").glob("*.bell"))) <= 3
