"""The records of the memory store: dicts, and the keys of each space in order."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from flowmetal.ids import RunId
from flowmetal.store import rules
from flowmetal.store.operations.records import Record, Standing
from flowmetal.store.protocol import InboxRow, Message, NewRun, RunState

if TYPE_CHECKING:
    from flowmetal.store.memory import MemoryStore


class _Space:
    """Rows of one space. Text is ordered by code points, which is the order of its UTF-8."""

    def __init__(self) -> None:
        self.rows: dict[str, Record] = {}
        self.keys: list[str] = []

    def put(self, record: Record) -> None:
        if record.key not in self.rows:
            bisect.insort(self.keys, record.key)
        self.rows[record.key] = record

    def delete(self, key: str) -> bool:
        if self.rows.pop(key, None) is None:
            return False
        del self.keys[bisect.bisect_left(self.keys, key)]
        return True

    def scan(self, prefix: str, after: str, limit: int) -> list[Record]:
        found: list[Record] = []
        start = bisect.bisect_left(self.keys, prefix)
        if after >= prefix:
            start = bisect.bisect_right(self.keys, after)
        while start < len(self.keys) and len(found) < limit:
            key = self.keys[start]
            if not key.startswith(prefix):
                break
            found.append(self.rows[key])
            start += 1
        return found


class MemoryRecords:
    """See ``operations.records.Records``. The store's own lock is the transaction."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._spaces: dict[str, _Space] = {}
        self._dues: dict[tuple[str, str], int] = {}  # space and key of rows that will be due

    def now_us(self) -> int:
        return self._store.now_us()

    def get(self, space: str, key: str) -> Record | None:
        return self._space(space).rows.get(key)

    def put(self, space: str, record: Record) -> None:
        self._space(space).put(record)
        if record.due_us is None:
            self._dues.pop((space, record.key), None)
        else:
            self._dues[space, record.key] = record.due_us

    def delete(self, space: str, key: str) -> bool:
        self._dues.pop((space, key), None)
        return self._space(space).delete(key)

    def scan(self, space: str, prefix: str, after: str, limit: int) -> list[Record]:
        return self._space(space).scan(prefix, after, limit)

    def due(self, now_us: int, limit: int) -> list[tuple[str, str]]:
        due = sorted((us, place) for place, us in self._dues.items() if us <= now_us)
        return [place for _, place in due[:limit]]

    def next_due_us(self) -> int | None:
        """Return when the first row is due."""
        return min(self._dues.values(), default=None)

    def _space(self, name: str) -> _Space:
        return self._spaces.setdefault(name, _Space())

    # Runs

    def run(self, run: RunId) -> Standing | None:
        found = self._store.found(run)
        if found is None:
            return None
        return Standing(
            found.id, found.state, found.result, found.error, found.parent, found.created_us
        )

    def create_run(self, new: NewRun) -> bool:
        return self._store.make_run(new)

    def again(self, run: RunId, id: RunId, queue: str) -> NewRun | None:
        found = self._store.found(run)
        if found is None:
            return None
        event = found.events[0] if found.events else None
        return rules.again(id, found.program, found.input, found.grants, found.tags, event, queue)

    def admit(self, run: RunId) -> None:
        found = self._store.found(run)
        if found is not None and found.state in (RunState.QUEUED, RunState.READY):
            found.state, found.due_us = RunState.READY, 0

    def hasten(self) -> None:
        now = self.now_us()
        for run in self._store.kept():
            is_ready = run.state is RunState.READY and run.started_us is not None
            if is_ready and run.owner is None and (run.due_us or 0) > now:
                run.due_us = 0

    def latest_us(self) -> int:
        runs = list(self._store.kept())
        unread = (message.time_us for run in runs for message in run.unread.values())
        return max([*(run.created_us for run in runs), *unread], default=0)

    def forget(self, run: RunId, message: str) -> None:
        found = self._store.found(run)
        receipt = None if found is None else found.receipts.get(message)
        if found is not None and receipt is not None and receipt.number not in found.unread:
            del found.receipts[message]

    def deliver(self, run: RunId, message: Message) -> InboxRow | None:
        found = self._store.found(run)
        if found is None:
            return None
        receipt = found.receipts.get(message.id)
        if receipt is not None or not rules.takes(found.state, message.kind):
            return receipt
        return self._store.put_message(found, message)
