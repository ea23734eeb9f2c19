"""What tests came to, as data, and as diagnostics for the one renderer."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowmetal.embed.views import diagnostic_of
from flowmetal.errors import Diagnostic, Label
from flowmetal.source import Span
from flowmetal.values import ErrorValue, Keyword, Map, Value, keyword

_RUNNER = "flow.test"
_NAMES = (
    "file", "line", "column", "end-line", "end-column", "type", "contexts", "message", "expected",
    "actual", "differences", "path", "kind", "place", "error", "code", "data", "causes", "frames",
)  # fmt: skip
_K = {name: keyword(name) for name in _NAMES}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests, and how their assertions went."""

    test: int = 0
    passed: int = 0
    fail: int = 0
    error: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.test + other.test,
            self.passed + other.passed,
            self.fail + other.fail,
            self.error + other.error,
        )

    @property
    def is_good(self) -> bool:
        return not self.fail and not self.error


@dataclass(frozen=True, slots=True)
class Problem:
    """An assertion that does not hold, or an error."""

    kind: str
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class Result:
    """One test: its full name, where it stands, and what it came to."""

    name: str
    place: Span | None
    counts: Counts
    problems: tuple[Problem, ...] = ()
    output: str = ""


@dataclass(slots=True)
class Outcome:
    """A whole run of tests. ``broken`` are files that do not compile."""

    results: list[Result] = field(default_factory=list)
    broken: list[Diagnostic] = field(default_factory=list)
    left_out: int = 0

    @property
    def counts(self) -> Counts:
        total = Counts()
        for result in self.results:
            total = total + result.counts
        return total

    @property
    def is_good(self) -> bool:
        return not self.broken and self.counts.is_good


def span_of(place: Value) -> Span | None:
    """Return the span that a ``-place`` map stands for."""
    if not isinstance(place, Map):
        return None
    path, *numbers = (place.get(_K[name]) for name in _NAMES[:5])
    return Span(path, *numbers)


def counts_of(counters: Map) -> Counts:
    """Return the counters of flow.test."""
    return Counts(*(counters.get(keyword(name), 0) for name in ("test", "pass", "fail", "error")))


def problem_of(event: Map, test: str) -> Problem:
    """Return what flow.test reported as a diagnostic."""
    kind = event.get(_K["type"]).text
    error = event.get(_K["error"])
    if kind == "error" and isinstance(error, Map):
        return Problem(kind, _of_error(event, _error_value(error), test))
    return Problem(kind, _of_failure(event, error, test))


def crash_of(error: ErrorValue) -> Diagnostic:
    """Return an error outside of every test as a diagnostic."""
    return diagnostic_of(_without_runner(error))


def _of_failure(event: Map, error: Value, test: str) -> Diagnostic:
    span = span_of(event.get(_K["place"]))
    expected, actual = event.get(_K["expected"]), event.get(_K["actual"])
    notes = _head_notes(event)
    notes.append(f"expected {expected}")
    if isinstance(error, Map):
        actual = f"the error {error.get(_K['type'])!r}: {error.get(_K['message'])}"
    notes.append(f"actual   {actual}")
    notes += [_difference_text(difference) for difference in event.get(_K["differences"])]
    label = () if span is None else (Label(span, "does not hold"),)
    return Diagnostic("", f"{test} failed", label, notes=tuple(notes), level="failure")


def _of_error(event: Map, error: ErrorValue, test: str) -> Diagnostic:
    shown = diagnostic_of(_without_runner(error))
    labels = shown.labels
    if not labels:
        span = span_of(event.get(_K["place"]))
        labels = () if span is None else (Label(span),)
    differences = [_difference_text(difference) for difference in event.get(_K["differences"])]
    notes = (*_head_notes(event), f"in the test {test}", *differences, *shown.notes)
    return Diagnostic(
        shown.code, shown.message, labels, notes=notes, help=shown.help, frames=shown.frames
    )


def _head_notes(event: Map) -> list[str]:
    notes = []
    if event.get(_K["contexts"]):
        notes.append(event.get(_K["contexts"]))
    if event.get(_K["message"]):
        notes.append(event.get(_K["message"]))
    return notes


def _difference_text(difference: Map) -> str:
    path = " ".join(difference.get(_K["path"]))
    kind = difference.get(_K["kind"])
    expected, actual = difference.get(_K["expected"]), difference.get(_K["actual"])
    where = f"at [{path}]" if path else "they are"
    match kind:
        case "missing":
            return f"{where} missing {expected}"
        case "extra":
            return f"{where} extra {actual}"
        case _:
            return f"{where} different: expected {expected}, got {actual}"


def _error_value(report: Map) -> ErrorValue:
    """Return the error that a report was made of, its data and causes as texts."""
    kind = report.get(_K["type"])
    assert isinstance(kind, Keyword)
    frames = tuple((frame[0], span_of(frame[1])) for frame in report.get(_K["frames"]))
    cause = None
    for text in reversed(list(report.get(_K["causes"]))):
        name, _, message = text.partition(": ")
        cause = ErrorValue(keyword(name[1:]), message, cause=cause)
    return ErrorValue(
        kind, report.get(_K["message"]), cause=cause, frames=frames, code=report.get(_K["code"])
    )


def _without_runner(error: ErrorValue) -> ErrorValue:
    """Leave out the frames of the test library and of the runner below the test."""
    frames = tuple(frame for frame in error.frames if not frame[0].startswith(_RUNNER))
    return error.with_frames(frames)
