"""A run as named byte strings: what ``export_run`` gives and ``import_run`` takes.

Parts: ``manifest`` (JSON: format, and the SHA-256 of every other part), ``row``
(JSON: the run without its big fields), ``events`` and ``inbox`` (a JSON list a
line, bytes in base64), ``chunk/NAME``, and as they are ``program``, ``input``,
``grants``, ``snapshot``, ``result``, ``error``, ``waiting``, ``progress``. A part
that the run does not have is absent.

``unpack`` gives a whole run or raises FM1016: every digest, every type and the
numbering of events are checked first.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowmetal.errors import StoreError
from flowmetal.ids import ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.chain import HEAD_BYTES, length
from flowmetal.store.inputs import is_run_id
from flowmetal.store.protocol import Event, InboxRow, Message, RunRow, RunState

FORMAT = 1

_LATEST_US = 253_402_300_799_999_999
"""The end of the year 9999: no date is later."""

_LAST_EVENT = (1 << 32) - 1
_LAST_FORMAT = (1 << 31) - 1
_MOST = 1 << 62
"""Events, formats, claims and messages of a run: more have no room in a store, where it has to go on."""


@dataclass(frozen=True, slots=True)
class RunImage:
    """Everything of a run, as it begins in its new store: nobody has it, and it can be claimed
    at once unless it has ended or is paused."""

    row: RunRow
    program: bytes | None
    snapshot: bytes | None
    chunks: Mapping[str, bytes]
    events: tuple[Event, ...]
    inbox: tuple[tuple[InboxRow, bool], ...]  # with: is it consumed


_WHOLE = (
    *("program", "input", "grants", "snapshot", "result", "error", "waiting", "progress"),
    *("chain", "anchor"),
)


def pack(
    row: RunRow,
    state: RunState,
    program: bytes | None,
    snapshot: bytes | None,
    chunks: Mapping[str, bytes],
    events: Sequence[Event],
    inbox: Sequence[tuple[InboxRow, bool]],
) -> dict[str, bytes]:
    """Return the parts of a run. ``state`` is the one that it has apart from being exported."""
    whole = (
        *(program, row.input, row.grants, snapshot),
        *(row.result, row.error, row.waiting, row.progress, row.chain or None),
        row.anchor or None,
    )
    parts = {name: data for name, data in zip(_WHOLE, whole, strict=True) if data is not None}
    parts |= {f"chunk/{name}": data for name, data in chunks.items()}
    parts["row"] = _json(
        {
            "id": row.id,
            "program": row.program,
            "state": state.value,
            "epoch": row.epoch,
            "seq": row.seq,
            "tags": dict(row.tags),
            "parent": row.parent,
            "created_us": row.created_us,
            "started_us": row.started_us,
            "ended_us": row.ended_us,
            "received": row.received,
            "snapshot_format": row.snapshot_format,
        }
    )
    parts["events"] = _lines(
        [e.seq, e.time_us, e.kind, e.name, e.effect, _text(e.data)] for e in events
    )
    parts["inbox"] = _lines(
        [r.number, r.time_us, m.id, m.kind, m.name, _text(m.body), consumed]
        for r, consumed in inbox
        for m in (r.message,)
    )
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(parts.items())}
    parts["manifest"] = _json({"format": FORMAT, "parts": digests})
    return parts


def is_queued(parts: Mapping[str, bytes]) -> bool:
    """Say whether the run of these parts, which a store has just given, waits in a queue."""
    return bool(json.loads(parts["row"])["state"] == RunState.QUEUED.value)


def unpack(parts: Mapping[str, bytes]) -> RunImage:
    """Check the parts of a run and put it together. Raises StoreError FM1016."""
    try:
        _check_manifest(parts)
        row = _row(parts)
        events = tuple(_events(parts["events"]))
        inbox = tuple(_inbox(parts["inbox"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refuse("a part of it cannot be read") from error
    first = 1 + (length(row.anchor) if row.anchor else 0)
    numbers = range(first, row.seq + 1)  # not as a list: a made up one may be of any length
    if len(events) != row.seq + 1 - first or any(
        event.seq != number for event, number in zip(events, numbers, strict=True)
    ):
        raise _refuse(f"its events are not numbered from {first} to the end")
    if any(not 1 <= entry.number <= row.received for entry, _ in inbox):
        raise _refuse("its messages are not numbered as the run says")
    if len({entry.number for entry, _ in inbox}) != len(inbox):
        raise _refuse("two of its messages have one number")
    if len({entry.message.id for entry, _ in inbox}) != len(inbox):
        raise _refuse("two of its messages have one id")
    chunks = {name[6:]: data for name, data in parts.items() if name.startswith("chunk/")}
    return RunImage(row, parts.get("program"), parts.get("snapshot"), chunks, events, inbox)


def _check_manifest(parts: Mapping[str, bytes]) -> None:
    if "manifest" not in parts:
        raise _refuse("it has no manifest")
    manifest = json.loads(parts["manifest"])
    canonical = isinstance(manifest, dict) and _json(manifest) == parts["manifest"]
    if not canonical or not isinstance(manifest.get("parts"), dict):
        raise _refuse("its manifest is not one")
    if manifest.get("format") != FORMAT:
        raise _refuse(f"its format is {manifest.get('format')}, this Flowmetal reads {FORMAT}")
    digests = manifest["parts"]
    if digests.keys() != parts.keys() - {"manifest"}:
        raise _refuse("parts are missing or superfluous")
    for name, digest in digests.items():
        if hashlib.sha256(parts[name]).hexdigest() != digest:
            raise _refuse(f"part `{name}` is damaged")
    known = {"row", "events", "inbox", *_WHOLE}
    for name in digests:
        if name not in known and not name.startswith("chunk/"):
            raise _refuse(f"part `{name}` is unknown")


def _row(parts: Mapping[str, bytes]) -> RunRow:
    fields = json.loads(parts["row"])
    tags = fields["tags"]
    if not isinstance(tags, dict) or not all(isinstance(tag, str) for tag in tags.values()):
        raise _refuse("its tags are no texts by name")
    if not all(rules.is_kept(text) for tag in tags.items() for text in tag):
        raise _refuse("no store can keep its tags")
    parent = fields["parent"]
    state = RunState(fields["state"])
    if state in (RunState.MOVED, RunState.EXPORTING):
        raise _refuse(f"the state of a run in a file is not {state.value}")
    if state in (RunState.RUNNING, RunState.WAITING, RunState.QUEUED):
        state = (
            RunState.READY
        )  # whoever takes it looks at what it waits for; no queue holds it here
    return RunRow(
        id=_id(fields["id"]),
        program=ProgramHash(_str(fields["program"])),
        state=state,
        epoch=_int(fields["epoch"], _MOST) + 1,
        seq=_int(fields["seq"], _LAST_EVENT),
        owner=None,
        lease_expires_us=0,
        wake_at_us=rules.due_us(state, 0),
        input=parts["input"],
        grants=parts["grants"],
        result=parts.get("result"),
        error=parts.get("error"),
        waiting=parts["waiting"],
        progress=parts["progress"],
        tags=tags,
        parent=None if parent is None else _id(parent),
        created_us=_time(fields["created_us"]),
        started_us=_time_or_none(fields["started_us"]),
        ended_us=_time_or_none(fields["ended_us"]),
        attempts=0,
        received=_int(fields["received"], _MOST),
        snapshot_format=_int(fields["snapshot_format"], _LAST_FORMAT),
        chain=_head(parts.get("chain", b"")),
        anchor=_head(parts.get("anchor", b"")),
    )


def _head(data: bytes) -> bytes:
    if data and len(data) != HEAD_BYTES:
        raise ValueError(data)
    return data


def _events(data: bytes) -> Iterator[Event]:
    for line in data.splitlines():
        seq, time_us, kind, name, effect, body = json.loads(line)
        yield Event(_int(seq), _time(time_us), _str(kind), _str(name), _int(effect), _bytes(body))


def _inbox(data: bytes) -> Iterator[tuple[InboxRow, bool]]:
    for line in data.splitlines():
        number, time_us, id_, kind, name, body, consumed = json.loads(line)
        message = Message(_str(id_), _str(kind), _str(name), _bytes(body))
        yield InboxRow(_int(number), _time(time_us), message), consumed is True


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _lines(rows: Iterator[list[object]]) -> bytes:
    return b"".join(_json(row) + b"\n" for row in rows)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: object) -> bytes:
    return base64.b64decode(_str(text), validate=True)


def _int(value: object, most: int = 2**63 - 1) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(value)
    return value


def _time(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LATEST_US:
        raise ValueError(value)
    return value


def _time_or_none(value: object) -> int | None:
    return None if value is None else _time(value)


def _id(value: object) -> RunId:
    text = _str(value)
    if not is_run_id(text):
        raise ValueError(text)
    return RunId(text)


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _refuse(why: str) -> StoreError:
    return StoreError(
        "FM1016",
        f"this is not a whole exported run: {why}",
        hint="export the run again, or copy the file again",
    )
