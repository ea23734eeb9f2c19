"""Which errors a catch clause names, and what may not leave the machine."""

from __future__ import annotations

from flowmetal.values import (
    DataError,
    ErrorValue,
    Keyword,
    Symbol,
    Value,
    flow_error,
    require_realised,
)
from flowmetal.values.classes import CLASSES_BY_NAME, ancestry
from flowmetal.values.codec import check_parts, decode_data, encode_data
from flowmetal.values.codec_format import TooLarge
from flowmetal.values.error_classes import also_caught, class_of_error

CANCELLED = Keyword.of("flow", "cancelled")
RESTART = Keyword.of("flow", "restart")
FIBER_CANCELLED = Keyword.of("fiber", "cancelled")
"""What those get who await a fiber that was cancelled."""

NO_FAILURES = (CANCELLED, RESTART)
"""Errors that unwind a fiber though nothing has failed."""


def error_matches(error: ErrorValue, selector: Value) -> bool:
    """Say whether a catch clause for ``selector``, a keyword or a class name, takes ``error``."""
    if isinstance(selector, Keyword):
        return error.type is selector
    assert isinstance(selector, Symbol)
    if error.type is CANCELLED:
        return False
    cls = CLASSES_BY_NAME.get(selector.text, selector.text)
    return cls in ancestry(class_of_error(error)) or also_caught(cls, error)


def data_or_nil(value: Value) -> Value:
    """Return what may cross the machine's edge, nil for what may not. Raises Unrealised."""
    try:
        check_parts(value)
    except TooLarge:
        return None
    except DataError:
        require_realised(value)
        return None
    return value


def check_data(value: Value, what: str) -> None:
    """Let pass what may cross the machine's edge.

    Raises Unrealised for a lazy sequence inside, FlowError :data/not-data for a
    function, a cell or a fiber, :limit/parts for too many values. ``what`` begins the message.
    """
    try:
        check_parts(value)
    except TooLarge:
        message = f"{what} hold so many values that they would fill the memory, each counted wherever it stands"
        raise flow_error("FM0514", "limit/parts", message) from None
    except DataError as error:
        require_realised(value)
        raise flow_error("FM0311", "data/not-data", f"{what}: {error.message}") from None


def as_data(value: Value, what: str) -> Value:
    """Return what enters a machine from the hands of its host: as it comes back from its bytes, and as any history
    of it says. Raises FlowError as ``check_data`` does.

    So lists and dictionaries of Python, which msgpack takes for its own, are vectors and maps in a machine.
    """
    check_data(value, what)
    return decode_data(encode_data(value))
