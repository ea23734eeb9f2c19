"""What operations stand on: the open transaction of a store.

A **record** is a row in a named space: a key, fields (a JSON object, for people and for
plain SQL), a body (bytes as they came) and perhaps a time when somebody has to look.
Keys are ordered as their UTF-8 bytes are.

A store implements ``Records`` in a few lines. Every read must see what the transaction
wrote, and transactions that use records must look as if they came one after the other,
absent rows and scans included: SQLite has one writer and memory one lock; a store with
several writers takes one lock for all of them (they are short), and lets ``run`` keep the row that it
reads from changing, because a run may end in a transaction that uses no records.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, TypeVar

from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.store import rules

if TYPE_CHECKING:
    from flowmetal.store.protocol import InboxRow, Message, NewRun, RunState

TAB = "\t"
TASKS = "task"
"""The space of tasks: a table with columns of its own, for workers that speak SQL (tasks.py)."""

_PAGE = 100

T = TypeVar("T")


class Record(NamedTuple):
    """A row. ``due_us`` None: nobody has to look at it."""

    key: str
    fields: str
    body: bytes | None = None
    due_us: int | None = None


class Standing(NamedTuple):
    """What operations want to know of a run."""

    id: RunId
    state: RunState
    result: bytes | None
    error: bytes | None
    parent: RunId | None
    created_us: int


class Records(Protocol):
    """The open transaction. See the module's docstring."""

    def now_us(self) -> int: ...

    def get(self, space: str, key: str) -> Record | None: ...

    def put(self, space: str, record: Record) -> None:
        """Write a row, over the one that has its key."""

    def delete(self, space: str, key: str) -> bool:
        """Delete a row; say whether it was there."""

    def scan(self, space: str, prefix: str, after: str, limit: int) -> list[Record]:
        """Read rows whose keys begin with ``prefix`` and are above ``after``, in order."""

    def due(self, now_us: int, limit: int) -> list[tuple[str, str]]:
        """Return space and key of rows that are due, the earliest first."""

    def run(self, run: RunId) -> Standing | None: ...

    def create_run(self, new: NewRun) -> bool:
        """Make a run; False if its id is taken."""

    def again(self, run: RunId, id: RunId, queue: str) -> NewRun | None:
        """Return what a run was made of, for a new one in a queue. None: no such run."""

    def admit(self, run: RunId) -> None:
        """Let a run that is queued, or is to begin later, begin. Any other is left as it is."""

    def hasten(self) -> None:
        """Let runs that have begun and could go on when the clock was set back go on at once."""

    def latest_us(self) -> int:
        """Return the latest time of what is quickly found: when runs were made, interpreters entered, and messages
        came that are not consumed."""

    def deliver(self, run: RunId, message: Message) -> InboxRow | None:
        """Put a message into an inbox, once, and wake its run. None: no such run, or it has ended."""

    def forget(self, run: RunId, message: str) -> None:
        """Forget a message that the run has consumed, so that one with its id is new."""


class Noting:
    """The open transaction of a store, noting whether anything is ``written`` in it: nobody is to be woken for nothing."""

    def __init__(self, records: Records) -> None:
        self.written = False
        self._records = records
        self.now_us = records.now_us
        self.get = records.get
        self.scan = records.scan
        self.due = records.due
        self.run = records.run
        self.again = records.again
        self.hasten = records.hasten
        self.latest_us = records.latest_us

    def put(self, space: str, record: Record) -> None:
        self.written = True
        self._records.put(space, record)

    def delete(self, space: str, key: str) -> bool:
        return self._noted(self._records.delete(space, key))

    def create_run(self, new: NewRun) -> bool:
        return self._noted(self._records.create_run(new))

    def admit(self, run: RunId) -> None:
        self.written = True
        self._records.admit(run)

    def deliver(self, run: RunId, message: Message) -> InboxRow | None:
        return self._noted(self._records.deliver(run, message))

    def forget(self, run: RunId, message: str) -> None:
        self.written = True
        self._records.forget(run, message)

    def _noted(self, done: T) -> T:
        self.written = self.written or bool(done)
        return done


@dataclass(slots=True)
class Kept:
    """Base of what is kept in a space: its fields are the record's. Subclasses are plain data."""

    SPACE: ClassVar[str]


K = TypeVar("K", bound=Kept)


def find(records: Records, kind: type[K], key: str) -> K | None:
    """Read the thing of a kind that has this key."""
    found = records.get(kind.SPACE, key)
    return None if found is None else read(kind, found)


def read(kind: type[K], record: Record) -> K:
    """Return the thing that a record holds. Raises StoreError FM1001 if it is damaged."""
    try:
        return kind(**json.loads(record.fields))
    except (TypeError, ValueError) as error:
        name = record.key.replace(TAB, " ")
        raise rules.damaged(f"the row {name} of {kind.SPACE}", error) from None


def parts_of(key: str, count: int) -> list[str]:
    """Return the parts of a key. Raises StoreError FM1001 if it has not so many."""
    parts = key.split(TAB, count - 1)
    if len(parts) != count:
        raise rules.damaged(f"the key {key!r}")
    return parts


def keep(
    records: Records, key: str, thing: Kept, body: bytes | None = None, due_us: int | None = None
) -> None:
    """Write a thing under its key. Nobody has to look at it before the end of time if that is far off."""
    due_us = None if due_us is None else min(due_us, rules.END_OF_TIME_US)
    values = {field.name: getattr(thing, field.name) for field in fields(thing)}
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    records.put(thing.SPACE, Record(key, text, body, due_us))


def drop(records: Records, kind: type[Kept], key: str) -> bool:
    """Delete the thing that has this key; say whether it was there."""
    return records.delete(kind.SPACE, key)


def each_sound(records: Records, kind: type[K]) -> Iterator[K]:
    """Yield all things of a kind but those that are damaged."""
    after = ""
    while page := records.scan(kind.SPACE, "", after, _PAGE):
        for record in page:
            with contextlib.suppress(StoreError):
                yield read(kind, record)
        after = page[-1].key


def each(records: Records, kind: type[K], prefix: str) -> Iterator[tuple[str, K]]:
    """Yield key and thing for all keys that begin with ``prefix``, in order. Deleting them is fine."""
    after = ""
    while page := records.scan(kind.SPACE, prefix, after, _PAGE):
        for record in page:
            yield record.key, read(kind, record)
        if len(page) < _PAGE:
            return
        after = page[-1].key


def first(records: Records, kind: type[K], prefix: str) -> tuple[str, K] | None:
    """Return the lowest key that begins with ``prefix``, and its thing."""
    found = records.scan(kind.SPACE, prefix, "", 1)
    return (found[0].key, read(kind, found[0])) if found else None
