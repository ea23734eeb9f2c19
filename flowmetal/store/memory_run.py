"""A run as the memory store keeps it, and what is asked of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.protocol import Event, InboxRow, RunQuery, RunRow, RunState
from flowmetal.store.rules import shown_state

if TYPE_CHECKING:
    from flowmetal.store.transfer import RunImage


@dataclass(slots=True)
class MemoryRun:
    """A run and all that belongs to it. ``due_us`` is explained in rules.py."""

    id: RunId
    program: ProgramHash
    input: bytes
    grants: bytes
    tags: Mapping[str, str]
    parent: RunId | None
    created_us: int
    queue: str = ""
    state: RunState = RunState.READY
    state_before: RunState = RunState.READY  # of an export
    due_us: int | None = 0
    epoch: int = 0
    seq: int = 0
    attempts: int = 0
    owner: InterpreterId | None = None
    lease_boot_us: int = 0
    started_us: int | None = None
    ended_us: int | None = None
    snapshot: bytes | None = None
    snapshot_format: int = 0
    result: bytes | None = None
    error: bytes | None = None
    waiting: bytes = b""
    progress: bytes = b""
    received: int = 0
    events: list[Event] = field(default_factory=list)
    receipts: dict[str, InboxRow] = field(default_factory=dict)
    unread: dict[int, InboxRow] = field(default_factory=dict)
    chunks: dict[str, bytes] = field(default_factory=dict)
    chain: bytes = b""
    anchor: bytes = b""
    kept: dict[int, bytes] = field(default_factory=dict)  # snapshots by the event they stand after


def arrived(image: RunImage, epoch: int) -> MemoryRun:
    """Return a run as it has come from another store."""
    row = image.row
    return MemoryRun(
        row.id, row.program, row.input, row.grants, row.tags, row.parent, row.created_us,
        row.queue, state=row.state, due_us=row.wake_at_us, epoch=epoch, seq=row.seq,
        started_us=row.started_us, ended_us=row.ended_us,
        snapshot=image.snapshot, snapshot_format=row.snapshot_format,
        result=row.result, error=row.error, waiting=row.waiting, progress=row.progress,
        received=row.received, chain=row.chain, anchor=row.anchor,
        events=list(image.events), chunks=dict(image.chunks),
        receipts={entry.message.id: entry for entry, _ in image.inbox},
        unread={entry.number: entry for entry, consumed in image.inbox if not consumed},
    )  # fmt: skip


def describe(run: MemoryRun) -> str:
    return "nobody" if run.owner is None else f"interpreter {run.owner} in this process"


def row_of(run: MemoryRun, lease_expires_us: int) -> RunRow:
    return RunRow(
        id=run.id,
        program=run.program,
        state=shown_state(run.state, run.owner),
        epoch=run.epoch,
        seq=run.seq,
        owner=run.owner,
        lease_expires_us=lease_expires_us,
        wake_at_us=run.due_us,
        input=run.input,
        grants=run.grants,
        result=run.result,
        error=run.error,
        waiting=run.waiting,
        progress=run.progress,
        tags=run.tags,
        parent=run.parent,
        created_us=run.created_us,
        started_us=run.started_us,
        ended_us=run.ended_us,
        attempts=run.attempts,
        received=run.received,
        snapshot_format=run.snapshot_format,
        queue=run.queue,
        chain=run.chain,
        anchor=run.anchor,
    )


def in_order(unread: Mapping[int, InboxRow]) -> tuple[InboxRow, ...]:
    return tuple(unread[number] for number in sorted(unread))


def matches(row: RunRow, query: RunQuery) -> bool:
    return (
        (not query.states or row.state in query.states)
        and row.program.startswith(query.program)
        and all(row.tags.get(key) == value for key, value in query.tags.items())
        and row.id.startswith(query.id_prefix)
        and (not query.parents or row.parent in query.parents)
        and (query.before is None or (row.created_us, row.id) < query.before)
    )
