"""Error values of effects, made in one place."""

from __future__ import annotations

from flowmetal.values import EMPTY_MAP, ErrorValue, Map, Value, hash_map, keyword
from flowmetal.values.codec import decode_data, encode_data

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
        f"{reason}; add {flag}",
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


def as_data(kind: str, error: object) -> ErrorValue:
    """Return an error that strangers' code has made: as it enters a run, or what keeps it from that."""
    try:
        found = decode_data(encode_data(error))
    except Exception as problem:  # whatever they have put into it
        return no_error(kind, getattr(problem, "message", None) or type(problem).__name__)
    return found if isinstance(found, ErrorValue) else no_error(kind, "it is another value")


def no_error(kind: str, why: str) -> ErrorValue:
    """Make the error in place of one that cannot enter a run."""
    return connector_failed(kind, f"{kind} failed, and its error is not data: {why}")


def bad_argument(kind: str, message: str, **data: Value) -> ErrorValue:
    """Make the error for arguments that an effect cannot take."""
    return effect_error(
        "FM0703", "effect/bad-argument", f"{kind}: {message}", {"kind": kind, **data}
    )
