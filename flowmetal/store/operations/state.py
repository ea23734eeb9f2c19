"""Durable key-value state outside of runs: the space ``state``.

A key has a version that counts its writes from 1. A key whose time to live is over is not there,
whoever looks first. No key has the same version twice, so that who has seen one and writes if it is still that
knows that nothing came between: a key that is made counts on from the highest version that a
key was deleted with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from flowmetal.store.operations.answers import Answer, answer, bad_name, refuse
from flowmetal.store.operations.records import Kept, Record, Records, drop, find, keep, read
from flowmetal.store.operations.vocabulary import DeleteState, GetState, PutState, ScanState
from flowmetal.values import vector

LARGEST_BODY = 16 * 1024 * 1024


@dataclass(slots=True)
class Cell(Kept):
    """Key: the key. The value is the record's body, ``due_us`` the end of its time to live."""

    SPACE: ClassVar[str] = "state"
    version: int
    changed_us: int


@dataclass(slots=True)
class Deleted(Kept):
    """The one key: ``highest``. The highest version of all keys that were deleted."""

    SPACE: ClassVar[str] = "state-deleted"
    version: int


_HIGHEST: Final = "highest"


def get(records: Records, operation: GetState) -> Answer:
    found = _living(records, operation.key)
    if found is None:
        return answer(body=None, version=0)
    return answer(body=found.body, version=read(Cell, found).version)


def put(records: Records, operation: PutState) -> Answer:
    wrong = bad_name(operation.key, "key")
    if wrong is not None:
        return wrong
    if len(operation.body) > LARGEST_BODY:
        return refuse(
            "FM0703",
            "effect/bad-argument",
            f"the value of {operation.key} has {len(operation.body):,} bytes, "
            f"a key holds up to {LARGEST_BODY:,}",
        )
    found = _living(records, operation.key)
    version = 0 if found is None else read(Cell, found).version
    if operation.if_version is not None and operation.if_version != version:
        return answer(version=version, conflict=True)
    now = records.now_us()
    due = None if operation.ttl_us is None else now + operation.ttl_us
    latest = _latest(records, operation.key)
    keep(records, operation.key, Cell(latest + 1, now), operation.body, due)
    return answer(version=latest + 1)


def _latest(records: Records, key: str) -> int:
    """Return the version after which a key counts on, whether it is there or not."""
    cell = find(records, Cell, key)
    if cell is not None:
        return cell.version
    deleted = find(records, Deleted, _HIGHEST)
    return 0 if deleted is None else deleted.version


def delete(records: Records, operation: DeleteState) -> Answer:
    found = _living(records, operation.key)
    version = 0 if found is None else read(Cell, found).version
    if operation.if_version is not None and operation.if_version != version:
        return answer(value=False, version=version, conflict=True)
    expire(records, operation.key)
    return answer(value=found is not None)


def scan(records: Records, operation: ScanState) -> Answer:
    now = records.now_us()
    found: list[Record] = []
    after = operation.after
    while len(found) < operation.limit:
        page = records.scan(Cell.SPACE, operation.prefix, after, operation.limit)
        found += [row for row in page if not _is_over(row, now)]
        if len(page) < operation.limit:
            break
        after = page[-1].key
    rows = [(row.key, row.body, read(Cell, row).version) for row in found[: operation.limit]]
    return answer(value=vector([vector(row) for row in rows]))


def expire(records: Records, key: str) -> None:
    """Delete a key: its time to live is over, or somebody wants it."""
    cell = find(records, Cell, key)
    if cell is not None:
        drop(records, Cell, key)
        deleted = find(records, Deleted, _HIGHEST) or Deleted(0)
        if cell.version > deleted.version:
            keep(records, _HIGHEST, Deleted(cell.version))


def _living(records: Records, key: str) -> Record | None:
    found = records.get(Cell.SPACE, key)
    return None if found is None or _is_over(found, records.now_us()) else found


def _is_over(record: Record, now_us: int) -> bool:
    return record.due_us is not None and record.due_us <= now_us
