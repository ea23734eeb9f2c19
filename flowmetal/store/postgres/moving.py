"""A whole run out of the tables and into them: what export and import do in their transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flowmetal.store import rules
from flowmetal.store.operations import operate_all
from flowmetal.store.postgres import rows
from flowmetal.store.postgres.arrays import Byteas, Texts
from flowmetal.store.postgres.records import LOCK, PostgresRecords
from flowmetal.store.protocol import RunRow
from flowmetal.store.transfer import RunImage, pack, unpack

if TYPE_CHECKING:
    from flowmetal.store.operations.vocabulary import Operation

__all__ = ["insert_run", "read_parts", "unpack"]

Execute = Callable[[str, Any], list[rows.Row]]
T = TypeVar("T")

_MOST_ROWS: Final = 10_000
_MOST_BYTES: Final = 16 << 20


def read_parts(
    execute: Execute, number: int, snapshot: bytes | None, row: RunRow
) -> dict[str, bytes]:
    """Read everything of a run. Its state is the one that it had before it was exported."""
    select = "SELECT state, state_before FROM flowmetal.head WHERE number = %s"
    ((state, before),) = execute(select, (number,))
    program = execute("SELECT data FROM flowmetal.program WHERE hash = %s", (row.program,))
    chunks = execute("SELECT name, data FROM flowmetal.chunk WHERE run = %s", (number,))
    events = execute(rows.SELECT_EVENTS, (row.id, 0, None))
    messages = execute(
        "SELECT number, time_us, id, kind, name, body, consumed FROM flowmetal.message"
        " WHERE run = %s ORDER BY number",
        (number,),
    )
    return pack(
        row,
        rules.state_of(before if state == "exporting" else state),
        program[0][0] if program else None,
        snapshot,
        dict(chunks),
        [rows.event(found) for found in events],
        [(rows.inbox_row(found[:6]), found[6]) for found in messages],
    )


def insert_run(execute: Execute, image: RunImage, beside: Sequence[Operation]) -> None:
    """Write everything of a run, and perform what brings along what hangs on it. Raises RunError FM1104 if its id
    is taken."""
    if beside:
        execute(LOCK, None)
    new = image.row
    epoch = max(new.epoch, _make_room(execute, new))
    made = execute(rows.INSERT_WHOLE_RUN, rows.whole_run(new))
    if not made:
        raise rules.run_exists(new.id)
    ((number,),) = made
    execute(rows.INSERT_WHOLE_HEAD, rows.whole_head(number, epoch, image))
    if image.program is not None:
        insert = "INSERT INTO flowmetal.program VALUES (%s, %s) ON CONFLICT DO NOTHING"
        execute(insert, (new.program, image.program))
    for some in _handfuls(image.chunks.items(), lambda chunk: len(chunk[1])):
        chunks = {
            "names": Texts(name for name, _ in some),
            "datas": Byteas(data for _, data in some),
        }
        execute(rows.INSERT_CHUNKS, {"run": number, **chunks})
    for events in _handfuls(image.events, lambda event: len(event.data)):
        told = rows.events_as_columns(events, events[0].seq - 1)
        execute(rows.INSERT_EVENTS, {"run": number, "now_us": 0, **told})
    for entries in _handfuls(image.inbox, lambda entry: len(entry[0].message.body)):
        execute(rows.INSERT_MESSAGES, {"run": number, **rows.messages_as_columns(entries)})
    operate_all(PostgresRecords(execute), beside)


def _handfuls(entries: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Split what is to be written into what one statement may hold.

    A history of years in one would last longer than a statement may, or be longer than the 1 GB
    that the server reads at once.
    """
    some: list[T] = []
    size = 0
    for entry in entries:
        some.append(entry)
        size += size_of(entry)
        if len(some) == _MOST_ROWS or size >= _MOST_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _make_room(execute: Execute, coming: RunRow) -> int:
    """Take away what a run left behind when it moved, if it is that run which comes back.

    Return the first epoch that nobody had here, so that whoever drove it before stays shut out.
    """
    found = execute(
        "SELECT number, state, created_us, seq, epoch"
        " FROM flowmetal.run JOIN flowmetal.head USING (number) WHERE id = %s FOR UPDATE OF head",
        (coming.id,),
    )
    if not found:
        return 0
    ((number, state, created_us, seq, epoch),) = found
    rules.check_import(coming, rules.state_of(state), created_us, seq)
    for delete in rows.DELETE_RUN:
        execute(delete, (number,))
    return int(epoch) + 1
