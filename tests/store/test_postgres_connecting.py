"""What a role or a database has by default, and what the protocol stands on: connections have the latter."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.operations.vocabulary import PutState
from flowmetal.store.postgres import PostgresStore
from flowmetal.store.protocol import Claim
from flowmetal.values import Map
from tests.contracts.test_operations import of
from tests.contracts.test_store import new
from tests.postgres import Server


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    """A store as it is seen by a role that each test gives defaults to."""
    postgres.execute("DROP ROLE IF EXISTS peculiar; CREATE ROLE peculiar LOGIN SUPERUSER")
    with postgres.empty_store() as store:
        yield f"{postgres.url(user='peculiar')}?schema={store.rpartition('=')[2]}"


def one(postgres: Server, sql: str) -> object:
    with psycopg.connect(postgres.socket_url(), autocommit=True) as connection:
        found = connection.execute(sql.encode()).fetchone()
    return None if found is None else found[0]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_who_had_to_wait_sees_what_was_written_meanwhile(
    postgres: Server, url: str, isolation: str
) -> None:
    postgres.execute(f"ALTER ROLE peculiar SET default_transaction_isolation = '{isolation}'")
    first, second = PostgresStore(url), PostgresStore(url)
    answers: list[Map] = []
    waiting = threading.Thread(
        target=lambda: answers.append(second.operate(PutState("k", b"2", if_version=1)))
    )

    def let_the_other_begin(moment: str) -> None:
        if moment == "within operate":
            waiting.start()
            while not one(postgres, "SELECT 1 FROM pg_locks WHERE NOT granted"):
                pass

    first.hooks = let_the_other_begin
    first.operate(PutState("k", b"1"))
    waiting.join()
    assert [of(answer, "version") for answer in answers] == [2]
    first.close()
    second.close()


def test_an_interpreter_that_has_nothing_to_say_lives(postgres: Server, url: str) -> None:
    postgres.execute("ALTER ROLE peculiar SET idle_session_timeout = '1ms'")
    store = PostgresStore(url)
    store.create_run(new(RunId("r")))
    assert isinstance(store.claim(RunId("r"), InterpreterId("me"), 10_000_000), Claim)
    lock = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
        f" AND classid = '{url.rpartition('=')[2]}.interpreter'::regclass"
    )
    line = one(postgres, lock)
    assert line is not None
    postgres.execute("SELECT pg_sleep(0.05)")
    assert one(postgres, lock) == line
    store.close()


def test_names_are_kept_whatever_encoding_an_address_asks_for(url: str) -> None:
    store = PostgresStore(f"{url}&client_encoding=latin1")
    store.create_run(new(RunId("Grüße")))
    row = store.run(RunId("Grüße"))
    assert row is not None
    assert row.id == "Grüße"
    store.close()
