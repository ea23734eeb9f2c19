"""What takes longer than other statements may last."""

from __future__ import annotations

import pytest

from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.postgres import PostgresStore
from flowmetal.store.protocol import Claim, Commit, NewEvent, RunState, Trim
from tests.contracts.test_store import new
from tests.postgres import Server

RUN = RunId("r")


@pytest.mark.parametrize("how", ["trim", "forget"])
def test_a_history_goes_however_long_that_takes(postgres: Server, how: str) -> None:
    url = postgres.new_store()
    schema = url.rpartition("=")[2]
    store = PostgresStore(f"{url}&options=-c%20statement_timeout=300")
    postgres.execute(
        f"CREATE FUNCTION {schema}.slowly() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_sleep(0.4); RETURN OLD; END';"
        f"CREATE TRIGGER slowly BEFORE DELETE ON {schema}.event"
        f" FOR EACH ROW EXECUTE FUNCTION {schema}.slowly()"
    )
    store.create_run(new(RUN))
    claim = store.claim(RUN, InterpreterId("me"), 10_000_000)
    assert isinstance(claim, Claim)
    ended = how == "forget"
    state = RunState.COMPLETED if ended else RunState.RUNNING
    claim = store.commit(claim, Commit([NewEvent("a", "", 0, b"")], state, release=ended))
    if ended:
        assert store.forget(RUN)
    else:
        store.trim(claim, Trim(events=claim.seq, anchor=b"a"))
    assert store.events(RUN) == []
    store.close()
