"""What is kept of the past, and for how long: the policy behind ``fmvm gc``.

The ability of a run to go on is never touched. What goes, in this order: runs that
ended long ago, whole, unless their parent may still await them; old kept snapshots; old events of runs that go on, with an anchor
in their place; and the chunks that no snapshot refers to any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flowmetal.ids import RunId
from flowmetal.runtime.host import Host
from flowmetal.runtime.past import events_of
from flowmetal.snapshot.chunks import references
from flowmetal.store.chain import beginning, extended, length
from flowmetal.store.protocol import ENDED, Claim, Event, RunQuery, RunRow, RunState, Store, Trim

DAY_US = 86_400_000_000
_PAGE = 500
_GONE = ENDED - {RunState.FAILED} | {RunState.MOVED}
_EVEN = frozenset(RunState) - {RunState.MOVED, RunState.EXPORTING}


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept. ``ended_us``: whole runs after their end. ``history_us``: events of
    runs that go on (None: for ever). ``snapshots``: "all", "latest", or one for every N events."""

    ended_us: int = 30 * DAY_US
    history_us: int | None = None
    snapshots: str | int = "all"


@dataclass(slots=True)
class Collected:
    """What went."""

    runs: list[str] = field(default_factory=list)
    events: int = 0
    snapshots: int = 0
    snapshot_bytes: int = 0
    chunks: int = 0
    busy: list[str] = field(default_factory=list)  # driven by somebody now: left for the next time


def collect(host: Host, policy: Retention, *, dry_run: bool) -> Collected:
    """Apply a policy to every run of the store."""
    found = Collected()
    now = host.clock.now_us()
    parents = _Parents(host.store)
    for row in _runs(host):
        if _is_over(row, policy, now):
            if parents.may_ask_for(row):
                continue
            if dry_run or host.store.forget(row.id):
                found.runs.append(row.id)
            continue
        _trim(host, row, policy, now, found, dry_run)
    return found


def _runs(host: Host) -> Iterator[RunRow]:
    """Go through all runs, the newest first, with a page of them in hand: each has its input and its result."""
    before = None
    while page := host.store.runs(RunQuery(limit=_PAGE, before=before)):
        yield from page
        before = (page[-1].created_us, page[-1].id)


def _is_over(row: RunRow, policy: Retention, now_us: int) -> bool:
    """Say whether a run has ended long ago. A failed one stands, and may be revived: it stays."""
    ended = row.state in ENDED - {RunState.FAILED}
    return ended and row.ended_us is not None and row.ended_us + policy.ended_us <= now_us


class _Parents:
    """Knows which runs have the id of a child in their state or inbox, so that they may still await it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parent: RunId | None = None  # whose state was looked at last: siblings come together
        self._state: list[bytes] = []

    def may_ask_for(self, child: RunRow) -> bool:
        """Say whether a run that goes on, or may be revived, holds what a child of it has come to."""
        if child.parent is None:
            return False
        if child.parent != self._parent:
            self._parent, self._state = child.parent, list(self._read(child.parent))
        name = child.id.encode()
        return any(name in part for part in self._state)

    def _read(self, run: RunId) -> Iterator[bytes]:
        row = self._store.run(run)
        if row is None or row.state in _GONE:
            return
        # Whom nobody has driven since the answer came does not have it in its state yet.
        yield from (row.message.body for row in self._store.inbox(run, 0))
        data = self._store.snapshot(run)
        if data is not None:
            yield data
        names = self._store.chunk_names(run)
        for first in range(0, len(names), _PAGE):
            yield from self._store.chunks(run, names[first : first + _PAGE]).values()


def _trim(
    host: Host, row: RunRow, policy: Retention, now_us: int, found: Collected, dry_run: bool
) -> None:
    store = host.store
    if row.state not in _EVEN:  # it is leaving, or has left
        return
    kept = store.kept_snapshots(row.id)
    staying = _staying([seq for seq, _ in kept], policy)
    try:
        events, anchor = _old_events(host, row, policy, now_us, staying)
    except _TrimmedMeanwhile:
        found.busy.append(row.id)
        return
    staying = {seq for seq in staying if seq > events}
    going = [(seq, size) for seq, size in kept if seq not in staying]
    stored = store.chunk_names(row.id)
    if not events and not going and not stored:
        return
    latest = store.snapshot(row.id)
    needed = _needed(host, row, latest, staying) if stored else set()
    if not dry_run:
        with host.claimed(row.id, even=_EVEN) as claim:
            if not isinstance(claim, Claim):
                found.busy.append(row.id)
                return
            try:
                now = store.run(row.id)
                # It went on meanwhile, or was trimmed: an older anchor would stand before a gap. What
                # computes without an event needs other chunks than it did, at the same number.
                is_other = now is None or (now.seq, now.anchor) != (row.seq, row.anchor)
                if is_other or store.snapshot(row.id) != latest:
                    found.busy.append(row.id)
                    return
                last = max((seq for seq, _ in going), default=0)
                chunks = frozenset(needed) if stored else None
                store.trim(claim, Trim(events, anchor, last, frozenset(staying), chunks))
            finally:
                store.release(claim)
    found.events += events - (length(row.anchor) if events and row.anchor else 0)
    found.snapshots += len(going)
    found.snapshot_bytes += sum(size for _, size in going)
    found.chunks += len([name for name in stored if name not in needed])


def _staying(kept: list[int], policy: Retention) -> set[int]:
    """Return which of the kept snapshots stay; those that stayed stay the next time, too."""
    match policy.snapshots:
        case "all":
            return set(kept)
        case int() as every:
            return set({seq // every: seq for seq in reversed(kept)}.values())
        case _:
            return set()


def _old_events(
    host: Host, row: RunRow, policy: Retention, now_us: int, staying: set[int]
) -> tuple[int, bytes]:
    """Return the number of the last event that goes, and the head of the chain there; 0: none goes.

    What is not in the chain yet stays, and so does a snapshot to look back from, if any does.
    """
    if policy.history_us is None or row.state in ENDED or not row.chain:
        return 0, b""
    before = length(row.anchor) if row.anchor else 0
    head = row.anchor or row.chain[:4] + beginning(host.keys)[4:]
    last = 0
    oldest = now_us - policy.history_us
    for event in _of_now(events_of(host, row.id, before, length(row.chain)), before):
        if event.time_us > oldest:
            break
        last = event.seq
    if policy.snapshots != "latest":
        # A kept snapshot right behind the anchor makes everything after it reachable.
        last = max((seq for seq in staying if seq <= last), default=0) - 1
    if last <= before:
        return 0, b""
    gone = _of_now(events_of(host, row.id, before, last), before)
    return last, extended(head, row.id, gone, host.keys)


class _TrimmedMeanwhile(Exception):
    """Somebody else has trimmed the run while it was looked at."""


def _of_now(events: Iterator[Event], after: int) -> Iterator[Event]:
    """Yield events, the first of which follows number ``after``. Raises _TrimmedMeanwhile if it is gone."""
    for event in events:
        if event.seq != after + 1:
            raise _TrimmedMeanwhile
        after = event.seq
        yield event


def _needed(host: Host, row: RunRow, latest: bytes | None, staying: set[int]) -> set[str]:
    """Return the chunks that the latest snapshot and those that stay refer to, directly or not."""
    datas = [] if latest is None else [latest]
    for seq in staying:
        kept = host.store.kept_snapshot(row.id, seq)
        if kept is not None:
            datas.append(kept[1])
    needed: set[str] = set()
    wanted = {name for data in datas for name in references(data)}
    while wanted:
        needed |= wanted
        found = host.store.chunks(row.id, sorted(wanted))
        wanted = {name for data in found.values() for name in references(data)} - needed
    return needed
