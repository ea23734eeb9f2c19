"""Errors of the language: values with a type, a message and data; and how natives raise them.

An ``ErrorValue`` is data and crosses every border. ``FlowError`` is the Python
exception that carries one from a native to the machine, which turns it into a
throw of the language. ``DataError`` says that a value cannot leave as data, or
that bytes that came in are not data; it never enters a machine as such.
"""

from __future__ import annotations

from typing import ClassVar, Final, NoReturn

from flowmetal.errors import Exact, FlowmetalError, exact
from flowmetal.source import Span
from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import Value
from flowmetal.values.map import EMPTY_MAP, Map
from flowmetal.values.names import Keyword, keyword

# Elements of a seq that leaves as data; without a limit an endless one would fill the memory.
SEQ_LIMIT: Final = 1_000_000


class ErrorValue:
    """An error as data.

    ``frames`` are (function name, span or None), most recent call first, and
    ``code`` the row of the code tables, for errors that have one; both say
    where it came from and have no part in equality.
    """

    __slots__ = ("cause", "code", "data", "frames", "message", "retryable", "type")
    flow_kind: ClassVar[int] = kinds.PARTS

    def __init__(
        self,
        type: Keyword,
        message: str | None,
        data: Map = EMPTY_MAP,
        cause: ErrorValue | None = None,
        frames: tuple[tuple[str, Span | None], ...] = (),
        retryable: bool | None = None,
        code: str | None = None,
    ) -> None:
        self.type = type
        self.message = message
        self.data = data
        self.cause = cause
        self.frames = frames
        self.retryable = retryable
        self.code = code

    def parts(self) -> tuple[Value, ...]:
        """Return what decides equality."""
        return (self.type, self.message, self.data, self.cause, self.retryable)

    def with_frames(self, frames: tuple[tuple[str, Span | None], ...]) -> ErrorValue:
        """Return the same error, raised at ``frames``."""
        return ErrorValue(
            self.type, self.message, self.data, self.cause, frames, self.retryable, self.code
        )

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


class FlowError(Exception):
    """Carries an error of the language from a native to the machine."""

    def __init__(self, error: ErrorValue) -> None:
        super().__init__(error.message)
        self.error = error

    def __reduce__(self) -> Exact:
        return exact(self)


class DataError(FlowmetalError):
    """A value is not data, or bytes or text that came in do not hold any."""


def flow_error(code: str, type_text: str, message: str, data: Map = EMPTY_MAP) -> FlowError:
    """Return an error of the language, to be raised; ``type_text`` is the keyword's text without the colon."""
    return FlowError(ErrorValue(keyword(type_text), message, data, code=code))


def fail(code: str, type_text: str, message: str, data: Map = EMPTY_MAP) -> NoReturn:
    """Raise an error of the language (see ``flow_error``)."""
    raise flow_error(code, type_text, message, data)


def type_error(code: str, message: str) -> FlowError:
    """Return an error of type ``:type/mismatch``, to be raised."""
    return flow_error(code, "type/mismatch", message)


def index_error(index: int, count: int) -> FlowError:
    """Return the error for an index outside of a collection of ``count``, to be raised."""
    from flowmetal.values.printing import show

    last = "it is empty" if count == 0 else f"its last index is {count - 1}"
    message = f"there is no index {show(index)}, {last}"
    return flow_error("FM0322", "index/out-of-bounds", message)
