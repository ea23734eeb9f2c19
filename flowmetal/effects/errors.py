"""Error values of effects, made in one place."""

from __future__ import annotations

from typing import Final

from flowmetal.ids import shell_word
from flowmetal.values import (
    EMPTY_MAP,
    DataError,
    ErrorValue,
    Map,
    Value,
    Vector,
    hash_map,
    keyword,
    show,
    vector,
)
from flowmetal.values.codec import MOST_PARTS, check_parts, decode_data, encode_data
from flowmetal.values.codec_format import TooLarge
from flowmetal.values.kinds import KINDS
from flowmetal.values.walking import COMPOSITE

REFUSED = keyword("effect/refused")
IN_DOUBT = keyword("effect/in-doubt")
TIMEOUT = keyword("timeout")
BAD_ARGUMENT = keyword("effect/bad-argument")

CANCELLED_TYPE = "flow/cancelled"
"""What no ``:default`` catches. Nobody outside of a run throws it: what it stops is that run."""

CANCELLED = "the run was cancelled"
"""What is said where nobody gave a reason."""


def effect_error(
    code: str,
    type_text: str,
    message: str,
    data: dict[str, Value] | None = None,
    *,
    retryable: bool | None = False,
    cause: ErrorValue | None = None,
) -> ErrorValue:
    """Make the error that a program sees when an effect fails."""
    return ErrorValue(
        type=keyword(type_text),
        message=message,
        data=data_map(data),
        cause=cause,
        frames=(),
        retryable=retryable,
        code=code,
    )


def data_map(data: dict[str, Value] | None) -> Map:
    """Make a map with keyword keys."""
    if not data:
        return EMPTY_MAP
    return hash_map((keyword(name), value) for name, value in data.items())


def cancelled(reason: str) -> ErrorValue:
    """Make the error that a cancelled run ends in."""
    return effect_error("FM0702", CANCELLED_TYPE, reason or CANCELLED)


def refused(capability: str, subject: str, flag: str, why: str = "") -> ErrorValue:
    """Make the error for an effect that was not granted; it names the flag to add."""
    reason = why or f"{subject} is not granted"
    return effect_error(
        "FM1201",
        "effect/refused",
        f"{reason}; add {shell_word(flag)}",
        {"capability": keyword(capability), "subject": subject, "flag": flag},
    )


def connector_failed(kind: str, message: str) -> ErrorValue:
    """Make the error for an effect whose performer is at fault, and not the world."""
    return effect_error("FM0705", "connector/failed", message, {"kind": kind})


def no_data(kind: str, why: str) -> ErrorValue:
    """Make the error for an answer that cannot enter a run."""
    return connector_failed(kind, f"{kind} answered with what is not data: {why}")


def said_by(error: BaseException) -> str:
    """Return what an exception of strangers' code says, as a plain string, whatever its ``__str__`` does."""
    try:
        return str.__str__(str(error))
    except Exception as problem:
        return f"it cannot be printed ({type(problem).__name__})"


_DEEPEST: Final = 6
"""Levels of an error's data in which what is no data is looked for; further in, the whole is shown."""


def error_bytes(error: ErrorValue) -> bytes:
    """Return an error as it leaves a run. A program may put anything into its data; what cannot leave
    (a function, an atom, a lazy sequence that is not realised) stands there as it is shown."""
    try:
        check_parts(error)
    except (DataError, TooLarge):
        error = _Leaving().error(error, 0)
    return encode_data(error)


class _Leaving:
    """Makes data of an error's data, as much as any value may be that leaves a run."""

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def error(self, error: ErrorValue, depth: int) -> ErrorValue:
        data, cause = EMPTY_MAP, None
        if depth < _DEEPEST:
            data = self._entries(error.data, depth + 1)
            cause = None if error.cause is None else self.error(error.cause, depth + 1)
        return ErrorValue(
            error.type, error.message, data, cause, error.frames, error.retryable, error.code
        )

    def _entries(self, entries: Map, depth: int) -> Map:
        return hash_map(
            (self._value(key, depth), self._value(value, depth)) for key, value in entries.items()
        )

    def _value(self, value: Value, depth: int) -> Value:
        inside = KINDS[type(value)] in COMPOSITE
        try:
            self._left -= check_parts(value, self._left if inside else 1)
        except TooLarge:
            self._left = 0  # what stands beside it is not looked into either
            return show(value)
        except DataError:
            if depth >= _DEEPEST:
                return show(value)
        else:
            return value
        match value:
            case ErrorValue():
                return self.error(value, depth)
            case Map():
                return self._entries(value, depth + 1)
            case Vector():
                return vector(self._value(each, depth + 1) for each in value)
            case _:
                return show(value)


def as_data(kind: str, error: object) -> ErrorValue:
    """Return an error that strangers' code has made: as it enters a run, or what keeps it from that."""
    if not isinstance(error, ErrorValue):
        return no_error(kind, "it is another value")
    try:
        found = decode_data(error_bytes(error))
    except Exception as problem:  # whatever they have put into it
        return no_error(kind, getattr(problem, "message", None) or type(problem).__name__)
    assert isinstance(found, ErrorValue)
    if found.type.text == CANCELLED_TYPE:  # which is nobody's but of whoever stops this run
        return connector_failed(kind, f"{kind} was cancelled: {found.message}")
    return found


def no_error(kind: str, why: str) -> ErrorValue:
    """Make the error in place of one that cannot enter a run."""
    return connector_failed(kind, f"{kind} failed, and its error is not data: {why}")


def bad_argument(kind: str, message: str, **data: Value) -> ErrorValue:
    """Make the error for arguments that an effect cannot take."""
    return effect_error(
        "FM0703", "effect/bad-argument", f"{kind}: {message}", {"kind": kind, **data}
    )
