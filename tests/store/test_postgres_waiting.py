"""Who changes many runs at once waits with nobody in a circle: a transaction of records locks runs as its operations name them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.postgres import PostgresStore
from flowmetal.store.postgres.records import LOCK
from flowmetal.store.postgres.schema import in_schema
from flowmetal.store.protocol import Claim, Commit, NewEvent, NewRun, RunState
from tests.postgres import Server

A, B, C = RunId("a"), RunId("b"), RunId("c")
ANN = InterpreterId("ann")
LEASE_US = 10_000_000
STEP = Commit([NewEvent("a", "", 0, b"")], RunState.RUNNING, b"s")


class Circle:
    """Two runs that an interpreter holds, and a transaction that wants the second and then the first."""

    def __init__(self, server: Server, url: str) -> None:
        self.url = url
        self.store = PostgresStore(url)
        self.store.create_runs([NewRun(run, ProgramHash("f"), b"", b"") for run in (A, B, C)])
        self.claims = [self.claim(run) for run in (A, B)]
        self._schema = url.rpartition("=")[2]
        self._server = server

    def claim(self, run: RunId) -> Claim:
        claim = self.store.claim(run, ANN, LEASE_US)
        assert isinstance(claim, Claim)
        return claim

    def owners(self) -> list[InterpreterId | None]:
        rows = [self.store.run(run) for run in (A, B)]
        return [row.owner for row in rows if row is not None]

    @contextmanager
    def other(self) -> Iterator[Callable[[RunId], None]]:
        """A transaction of records; what it gives locks a run."""
        lock = (
            "SELECT FROM flowmetal.head WHERE number ="
            " (SELECT number FROM flowmetal.run WHERE id = %s) FOR UPDATE"
        )
        with psycopg.connect(self._server.socket_url()) as connection:
            connection.execute(in_schema(LOCK, self._schema))
            yield lambda run: connection.execute(in_schema(lock, self._schema), (run,)) and None

    def meet(self, change: Callable[[], object]) -> object:
        """Make a change while the transaction is between the two runs, and return what comes of it."""
        with ThreadPoolExecutor(1) as pool, self.other() as lock:
            lock(B)
            changing = pool.submit(change)
            self._wait_until_it_waits(changing)
            lock(A)
            waiting = changing
        return waiting.result()

    def _wait_until_it_waits(self, changing: Future[object]) -> None:
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        deadline = time.monotonic() + 10
        with psycopg.connect(self._server.socket_url(), autocommit=True) as connection:
            while not changing.done() and connection.execute(waits).fetchone() == (0,):
                assert time.monotonic() < deadline, "it neither waits nor ends"
                time.sleep(0.01)


@pytest.fixture
def circle(postgres: Server) -> Iterator[Circle]:
    with postgres.empty_store() as url:
        made = Circle(postgres, url)
        yield made
        made.store.close()


def test_a_renewal_waits_for_no_run_with_another_in_hand(circle: Circle) -> None:
    assert circle.meet(lambda: circle.store.renew(circle.claims, LEASE_US)) == circle.claims


def test_a_renewal_finds_out_what_is_lost_and_what_was_only_locked(circle: Circle) -> None:
    lost, *held = circle.claims
    circle.store.release(lost)
    assert circle.meet(lambda: circle.store.renew(circle.claims, LEASE_US)) == held


def test_a_group_waits_for_no_run_with_another_in_hand(circle: Circle) -> None:
    steps = [(claim, STEP) for claim in circle.claims]
    after = circle.meet(lambda: [claim.seq for claim in circle.store.commit_all(steps)])  # type: ignore[union-attr]
    assert after == [1, 1]
    assert [len(circle.store.events(run)) for run in (A, B)] == [1, 1]


def test_a_process_that_ends_waits_for_no_run_with_another_in_hand(circle: Circle) -> None:
    ending, circle.store = circle.store, PostgresStore(circle.url)
    circle.meet(ending.close)
    assert circle.owners() == [None, None]


def test_a_process_that_begins_waits_for_no_run_with_another_in_hand(circle: Circle) -> None:
    circle.store.abandon(ANN)
    ended, circle.store = circle.store, PostgresStore(circle.url)
    circle.meet(lambda: circle.claim(C))
    assert circle.owners() == [None, None]
    ended.close()
