"""A whole run, of whatever length, into the tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.postgres import PostgresStore, rows
from flowmetal.store.postgres.arrays import Array
from flowmetal.store.postgres.moving import insert_run
from flowmetal.store.protocol import Claim, Event, InboxRow, Message
from flowmetal.store.transfer import unpack
from tests.contracts.test_store import new
from tests.postgres import Server

RUN = RunId("r")


def test_a_history_of_years_is_imported_with_statements_of_some_size(postgres: Server) -> None:
    with postgres.empty_store() as url:
        store = PostgresStore(url)
        store.create_run(new(RUN))
        claim = store.claim(RUN, InterpreterId("me"), 10_000_000)
        assert isinstance(claim, Claim)
        image = unpack(store.export_run(claim))
        long = replace(
            image,
            row=image.row._replace(id=RunId("long"), seq=25_000, received=25_000),
            events=tuple(Event(seq, 1, "k", "n", 0, b"") for seq in range(1, 25_001)),
            inbox=tuple(
                (InboxRow(number, 1, Message(f"{number}", "signal", "go", b"")), True)
                for number in range(1, 25_001)
            ),
            chunks={str(number): bytes(10 << 20) for number in range(4)},
        )
        rows_at_once: list[int] = []
        bytes_at_once: list[int] = []
        with store._session.writing("import_run") as execute:

            def watched(sql: str, values: Any) -> list[rows.Row]:
                if isinstance(values, dict):
                    arrays = [value for value in values.values() if isinstance(value, Array)]
                    rows_at_once.extend(map(len, arrays))
                    bytes_at_once.extend(
                        sum(len(part) for part in array if isinstance(part, bytes))
                        for array in arrays
                    )
                return execute(sql, values)

            insert_run(watched, long, ())
        assert max(rows_at_once) <= 10_000
        assert max(bytes_at_once) < 32 << 20
        assert [event.seq for event in store.events(RunId("long"), 24_000, 2000)][-1] == 25_000
        assert len(store.chunk_names(RunId("long"))) == 4
        store.close()
