"""Waiting at a store while its server is not there for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flowmetal.embed.patience import wait_until
from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.store.postgres import PostgresStore
from tests.link import Link
from tests.postgres import Server


@pytest.fixture
def link(postgres: Server) -> Iterator[Link]:
    made = Link(postgres.port)
    yield made
    made.close()


@pytest.fixture
def far(postgres: Server, link: Link) -> Iterator[PostgresStore]:
    """A store behind the link."""
    schema = postgres.new_store().rpartition("=")[2]
    made = PostgresStore(f"{postgres.url(port=link.port)}?schema={schema}")
    yield made
    made.close()


def test_a_wait_outlasts_a_restart_of_the_server(far: PostgresStore, link: Link) -> None:
    looks = 0

    def look() -> str | None:
        nonlocal looks
        looks += 1
        far.run(RunId("r"))
        if looks == 1:
            link.cut()
            threading.Timer(0.3, link.mend).start()  # which breaks what the second look waits for
        return "there" if looks > 2 else None

    assert wait_until(far, look, None) == "there"


def test_whoever_asks_a_store_that_is_not_there_is_told_at_once(
    far: PostgresStore, link: Link
) -> None:
    link.close()
    looks = 0

    def look() -> str | None:
        nonlocal looks
        looks += 1
        far.run(RunId("r"))
        return None

    with pytest.raises(StoreError) as failed:
        wait_until(far, look, None)
    assert (failed.value.code, looks) == ("FM1022", 1)
