"""Runs and events as people and programs look at them: read-only copies of what the store has.

Made from rows alone; only ``fibers`` needs the snapshot (standing.py). JSON has
ISO 8601 times in UTC and keywords without the colon (docs/json.md). The classes are
named tuples because every command loads them, and those are made in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from flowmetal.effects.errors import CANCELLED
from flowmetal.errors import Diagnostic, Label
from flowmetal.errors.remedies import remedies_of
from flowmetal.store.protocol import ENDED, Event, RunRow, RunState
from flowmetal.values import (
    DataError,
    ErrorValue,
    Instant,
    Map,
    Value,
    Vector,
    decode_data,
    hash_map,
    keyword,
    pr_str,
)
from flowmetal.values.printing import show_whole

T = TypeVar("T")
U = TypeVar("U")

_LIBRARY = "flow."
"""Namespaces that begin so are the library's: an error is shown where users can do something about it."""

_LONGEST_DATA = 120  # characters of an event's data on a line


class Wait(NamedTuple):
    """One thing that a run waits for. ``kind`` is the kind of the effect."""

    kind: str
    name: str | None
    until_us: int | None
    since_us: int | None = None
    attempts: int = 0
    effect: int = 0
    effect_class: str = ""

    def text(self, now_us: int) -> str:
        """Return it in words."""
        if self.effect_class == "held":
            return f"somebody to say what becomes of effect {self.effect} ({self.kind}), which it holds"
        words = _WORDS.get(self.kind, self.kind)
        if self.name:
            words += f" `{self.name}`"
        if self.attempts:
            words += f", failed {self.attempts} time{'s' if self.attempts > 1 else ''}"
        if self.until_us is not None:
            seconds = (self.until_us - now_us) / 1_000_000
            words += f", for {rough_time(seconds)} more" if seconds > 0 else ", due now"
        return words

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "until": iso(self.until_us)}


_WORDS = {
    "signal/receive": "the signal",
    "time/sleep": "time to pass",
    "topic/receive": "a message of the subscription",
    "run/await": "the end of run",
    "callback/await": "the callback",
    "promise/await": "the shared promise",
    "lock/acquire": "the lock",
    "http/request": "an HTTP answer",
    "sh/run": "a command",
    "sh/shell": "a command",
}


class FrameLocals(NamedTuple):
    """What the names in a frame stand for, as printed. ``frame`` is its number for ``fmvm eval``."""

    frame: int
    function: str
    values: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        return {"frame": self.frame, "function": self.function, "values": dict(self.values)}


class FiberView(NamedTuple):
    """Where a fiber stands: frames, innermost first, as (function, place).

    ``waits_for`` says in words what keeps it from going on, "" if nothing does;
    ``spawned`` where its own fiber was spawned, "" for the first.
    """

    number: int
    status: str
    frames: tuple[tuple[str, str], ...]
    waits_for: str = ""
    spawned: str = ""
    locals: tuple[FrameLocals, ...] = ()
    restarts: tuple[tuple[str, str], ...] = ()  # name, and what it does
    failed: tuple[int, str] | None = None  # number and kind of the effect whose error parked it
    # Of that about whose error the handler was asked that did.
    looked_at: tuple[int, str] | None = None

    def as_json(self) -> dict[str, Any]:
        frames = [{"function": name, "place": place} for name, place in self.frames]
        return {
            "number": self.number,
            "status": self.status,
            "waits": self.waits_for or None,
            "spawned": self.spawned or None,
            "frames": frames,
            "locals": [frame.as_json() for frame in self.locals],
            "restarts": [{"name": name, "description": text} for name, text in self.restarts],
            "failed": None
            if self.failed is None
            else {"effect": self.failed[0], "kind": self.failed[1]},
        }


class RunView(NamedTuple):
    """A run. ``result`` counts only if it has completed, ``error`` only if it has failed."""

    id: str
    state: str
    program: str
    entry: str
    result: Value
    error: ErrorValue | None
    waiting: tuple[Wait, ...]
    tags: Mapping[str, str]
    parent: str | None
    created_us: int
    started_us: int | None
    ended_us: int | None
    fibers: tuple[FiberView, ...] = ()
    status: Value = None
    is_stopping: bool = False  # it goes on, and has been told that it is to stop

    @property
    def reason(self) -> str:
        """Return why a run was cancelled, if somebody said so."""
        said = self.error.message if self.state == "cancelled" and self.error else None
        return "" if said is None or said == CANCELLED else said

    @property
    def is_held(self) -> bool:
        """Say whether it is a fork that waits for what it holds: nobody drives it on before that is decided."""
        return bool(self.waiting) and all(wait.effect_class == "held" for wait in self.waiting)

    def result_text(self) -> str:
        return pr_str(self.result)

    def result_json(self) -> Any:
        return to_json(self.result)

    def status_text(self) -> str:
        """Return what the program says of itself, empty if nothing."""
        if self.status is None:
            return ""
        return self.status if isinstance(self.status, str) else pr_str(self.status)

    def waiting_text(self, now_us: int) -> str:
        return "; ".join(wait.text(now_us) for wait in self.waiting)

    def summary_json(self) -> dict[str, Any]:
        """Return what ``ps`` lists."""
        return {
            "id": self.id,
            "state": self.state,
            "program": self.program,
            "waiting": [wait.as_json() for wait in self.waiting],
            "status": to_json(self.status),
            "tags": dict(self.tags),
            "created": iso(self.created_us),
            "started": iso(self.started_us),
            "ended": iso(self.ended_us),
        }

    def as_json(self) -> dict[str, Any]:
        """Return what ``show`` shows."""
        return {
            "id": self.id,
            "state": self.state,
            "result": self.result_json() if self.state == "completed" else None,
            "error": error_json(self.error),
            "waiting": [wait.as_json() for wait in self.waiting],
            "fibers": [fiber.as_json() for fiber in self.fibers],
            "program": self.program,
            "entry": self.entry,
            "parent": self.parent,
            "status": to_json(self.status),
            "tags": dict(self.tags),
            "created": iso(self.created_us),
            "started": iso(self.started_us),
            "ended": iso(self.ended_us),
        }

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return why the run failed, ready for the renderer."""
        if self.error is None:
            return ()
        stands = f"run {self.id}  program {self.program[:12]}  {self.entry}"
        return (diagnostic_of(self.error, context=(stands,)),)


class EventView(NamedTuple):
    """A fact in the history of a run."""

    seq: int
    time_us: int
    kind: str
    name: str
    effect: int
    data: Value

    def as_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "time": iso(self.time_us),
            "kind": self.kind,
            "name": self.name or None,
            "effect": self.effect or None,
            "data": to_json(self.data),
        }

    def data_text(self) -> str:
        """Return the data on one line, cut if it is long."""
        text = "" if self.data is None else pr_str(self.data)
        return text if len(text) <= _LONGEST_DATA else text[: _LONGEST_DATA - 1] + "…"


def run_view(row: RunRow, fibers: tuple[FiberView, ...] = ()) -> RunView:
    """Return the view of a row."""
    given = _decoded(row.input)
    progress = _decoded(row.progress)
    said = progress if isinstance(progress, Map) else hash_map(())
    entry = given.get(keyword("entry")) if isinstance(given, Map) else None
    return RunView(
        id=row.id,
        state=row.state.value,
        program=row.program,
        entry=entry if isinstance(entry, str) else "",
        result=_decoded(row.result) if row.state is RunState.COMPLETED else None,
        error=_error(row.error),
        waiting=tuple(_waits(row.waiting)) if row.state in _WAITING else (),
        tags=row.tags,
        parent=row.parent,
        created_us=row.created_us,
        started_us=row.started_us,
        ended_us=row.ended_us,
        fibers=fibers,
        status=said.get(keyword("status")),
        is_stopping=row.state not in ENDED and keyword("cancel") in said,
    )


def _error(data: bytes | None) -> ErrorValue | None:
    """Return the error of a run; one that cannot be read is shown as what it is."""
    found = _decoded(data)
    if found is None or isinstance(found, ErrorValue):
        return found
    return ErrorValue(keyword("store/damaged"), f"the error is damaged: {pr_str(found)}")


_WAITING = frozenset({RunState.WAITING, RunState.READY, RunState.RUNNING, RunState.PAUSED})


def event_view(event: Event) -> EventView:
    """Return the view of an event."""
    return EventView(
        event.seq, event.time_us, event.kind, event.name, event.effect, _decoded(event.data)
    )


def diagnostic_of(error: ErrorValue, context: tuple[str, ...] = ()) -> Diagnostic:
    """Return an error of a program as a diagnostic: where it was raised, and through what."""
    places = [(name, span) for name, span in error.frames if span is not None]
    users = [span for name, span in places if not name.startswith(_LIBRARY)]
    place = users[0] if users else places[0][1] if places else None
    labels = () if place is None else (Label(place),)
    notes = []
    cause = error.cause
    while cause is not None:
        notes.append(f"caused by {pr_str(cause.type)}: {cause.message}")
        cause = cause.cause
    suppressed = error.data.get(keyword("suppressed"))
    data = error.data if suppressed is None else error.data.dissoc(keyword("suppressed"))
    for each in suppressed if isinstance(suppressed, Vector) else ():
        if isinstance(each, ErrorValue):
            notes.append(f"failed too: {pr_str(each.type)}: {each.message}")
    if len(data):
        notes.append(f"data {show_whole(data, 200)}")
    return Diagnostic(
        error.code or pr_str(error.type),
        error.message or "the program threw an error without a message",
        labels,
        notes=tuple(notes),
        # What was compensated is over, whatever could have been done about the error.
        help=() if keyword("compensated") in error.data else remedies_of(error.code),
        frames=error.frames,
        context=context,
    )


def error_json(error: ErrorValue | None) -> dict[str, Any] | None:
    """Return an error as ``show --json`` has it."""
    if error is None:
        return None
    return {
        "type": error.type.text,
        "message": error.message,
        "data": to_json(error.data),
        "code": error.code,
        "frames": [
            {"function": name, "place": None if span is None else str(span)}
            for name, span in error.frames
        ],
    }


def iso(us: int | None) -> str | None:
    """Return a time of the store in ISO 8601, UTC, to the millisecond."""
    if us is None:
        return None
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    except OverflowError:
        return f"(damaged: {us} us)"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(value: Value) -> Any:
    """Return a value as JSON has it; json is loaded when it is needed and not before."""
    from flowmetal.values.json_mapping import to_json as convert

    return convert(value)


def rough_time(seconds: float) -> str:
    """Return a length of time as people say it."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "min")):
        if seconds >= size * 1.5:
            return f"{round(seconds / size)} {name}"
    return f"{max(seconds, 0):.0f} s"


def _waits(data: bytes) -> list[Wait]:
    """Return what a run waits for. What is written there otherwise than by us breaks no listing."""
    found = _decoded(data)
    return [
        Wait(
            kind=str(row.get(keyword("kind"))),
            name=_typed(row, "name", str, None),
            until_us=_us(row.get(keyword("until"))),
            since_us=_us(row.get(keyword("since"))),
            attempts=_typed(row, "attempts", int, 0),
            effect=_typed(row, "effect", int, 0),
            effect_class=_typed(row, "class", str, ""),
        )
        for row in (found if isinstance(found, Vector) else ())
        if isinstance(row, Map)
    ]


def _typed(row: Map, name: str, kind: type[T], otherwise: U) -> T | U:
    value = row.get(keyword(name))
    return value if isinstance(value, kind) else otherwise


def _us(value: Value) -> int | None:
    return value.us if isinstance(value, Instant) else None


def _decoded(data: bytes | None) -> Value:
    """Return what was encoded; what cannot be read is shown as such and breaks no listing."""
    if not data:
        return None
    try:
        return decode_data(data)
    except DataError as error:
        return f"(damaged: {error.message})"


def log_text(time_us: int, level: str, message: str, data: Value) -> str:
    """Return a line of a run's log: one, whatever is in it, or a message could pass for other lines."""
    tail = "" if data is None else f" {pr_str(data)}"
    line = f"{iso(time_us)} {level} {message}{tail}"
    return line.replace("\r", "\\r").replace("\n", "\\n")
