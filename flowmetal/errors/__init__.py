"""Every error of Flowmetal: one tree, one shape, one code each.

```
FlowmetalError                 carries Diagnostics; the exit status of the commands
 |- ReadError       FM00xx  1  the text is not Flowmetal
 |   `- Incomplete             ... yet: more text could complete it
 |- CompileError    FM01xx  1  the forms are not a program
 |- ProgramError    FM08xx  2  bytes are not a program (.fmb)
 |- SnapshotError   FM09xx  2  bytes are not a snapshot, or its code is missing
 |- StoreError      FM10xx  2  the store cannot be used
 |   `- Conflict        -      a commit lost the race: drop the machine
 |- RunError        FM11xx  2  no such run, or one that cannot be loaded
 |  `- RunStateError        3  it is in no state for this: a conflict
 |- RefusedError    FM12xx  3  a capability, a conflict or a policy says no
 `- UsageError      FM13xx  2  wrong usage or unreadable input
```

Errors *inside* a program (FM03xx - FM07xx) are not Python exceptions but
values of the language (``values.errors.ErrorValue``). A code and its
explanation stand in the tables ``errors/codes_*.py``, one file per stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

from flowmetal.source import Span


class Label(NamedTuple):
    """A span that a diagnostic points at, with what to say there (may be empty)."""

    span: Span
    text: str = ""
    primary: bool = True


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One complaint, ready for any printer.

    ``message`` is one sentence without a full stop. ``help`` lines start with
    a verb. ``frames`` are (function name, span or None), most recent first.
    """

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    frames: tuple[tuple[str, Span | None], ...] = ()
    level: str = "error"
    context: tuple[str, ...] = field(default=())

    @property
    def span(self) -> Span | None:
        """Return the primary span, if there is one."""
        for label in self.labels:
            if label.primary:
                return label.span
        return None


Exact = tuple[Callable[..., BaseException], tuple[object, ...], dict[str, object]]


def exact(error: BaseException) -> Exact:
    """Return what ``__reduce__`` of an error says, so that it is copied and pickled as it is.

    What a process of a pool raises is raised again where its answer is waited for. One that cannot be made there
    from its message alone, as Python would, breaks the pool, or lets whoever waits wait without end.
    """
    return _as_it_was, (type(error), *error.args), error.__dict__


def _as_it_was(cls: type[BaseException], *arguments: object) -> BaseException:
    return cls.__new__(cls, *arguments)


class FlowmetalError(Exception):
    """The root of the tree. ``diagnostics`` has at least one entry."""

    exit_status: ClassVar[int] = 2

    def __init__(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        label: str = "",
        hint: str | None = None,
        labels: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        primary = () if span is None else (Label(span, label),)
        helps = () if hint is None else (hint,)
        self.diagnostics: tuple[Diagnostic, ...] = (
            Diagnostic(code, message, primary + labels, notes, helps),
        )
        super().__init__(message)

    @classmethod
    def of(cls, diagnostics: tuple[Diagnostic, ...]) -> FlowmetalError:
        """Build an error of this class that reports several diagnostics."""
        assert diagnostics
        error = cls(diagnostics[0].code, diagnostics[0].message)
        error.diagnostics = diagnostics
        return error

    @property
    def code(self) -> str:
        return self.diagnostics[0].code

    @property
    def message(self) -> str:
        return self.diagnostics[0].message

    def with_note(self, note: str) -> FlowmetalError:
        """Add a note to the first diagnostic and return the same error."""
        first = self.diagnostics[0]
        self.diagnostics = (replace(first, notes=(*first.notes, note)), *self.diagnostics[1:])
        return self

    def with_help(self, help: str) -> FlowmetalError:
        """Add a remedy to the first diagnostic and return the same error."""
        first = self.diagnostics[0]
        self.diagnostics = (replace(first, help=(*first.help, help)), *self.diagnostics[1:])
        return self

    def __reduce__(self) -> Exact:
        return exact(self)

    def __str__(self) -> str:
        first = self.diagnostics[0]
        place = "" if first.span is None else f"{first.span}: "
        more = len(self.diagnostics) - 1
        return f"{place}[{first.code}] {first.message}" + (f" (and {more} more)" if more else "")


class ReadError(FlowmetalError):
    """The text is not Flowmetal."""

    exit_status = 1


class Incomplete(ReadError):
    """The text is a proper beginning: an opener or a string is still open."""


class CompileError(FlowmetalError):
    """The forms are not a program."""

    exit_status = 1


class ProgramError(FlowmetalError):
    """Bytes are not a program that this version can run."""


class SnapshotError(FlowmetalError):
    """Bytes are not a snapshot, or the code it names is not at hand."""


class StoreError(FlowmetalError):
    """The store cannot be opened, read or written."""


class Conflict(StoreError):
    """Somebody else has advanced the run: drop the machine and claim again."""

    exit_status = 3


class RunError(FlowmetalError):
    """The run does not exist, cannot be loaded or is in no state for what was asked."""


class RunStateError(RunError):
    """The run is there, and what was asked conflicts with the state that it is in."""

    exit_status = 3


class RefusedError(FlowmetalError):
    """A capability, a conflict or a policy says no."""

    exit_status = 3


class UsageError(FlowmetalError):
    """Wrong usage, or input that cannot be read; nothing was changed."""


class ErrorCode(NamedTuple):
    """A row of the code tables: what ``fmc explain CODE`` prints."""

    code: str
    title: str
    explanation: str
    wrong: str = ""
    right: str = ""
