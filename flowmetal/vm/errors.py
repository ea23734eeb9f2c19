"""Which errors a catch clause names, and what may not leave the machine."""

from __future__ import annotations

from flowmetal.values import (
    DataError,
    ErrorValue,
    Keyword,
    Symbol,
    Value,
    encode_data,
    flow_error,
    require_realised,
)

# fmt: off
_CLASSES: dict[str, frozenset[str]] = {
    # class name                     types, or "namespace/*"
    "ArithmeticException":           frozenset({"arithmetic/*", "limit/bits"}),
    "IndexOutOfBoundsException":     frozenset({"index/*"}),
    "StringIndexOutOfBoundsException": frozenset({"index/*"}),
    "ClassCastException":            frozenset({"type/*"}),
    "IllegalArgumentException":      frozenset({"type/*", "arity", "argument/*", "key/*", "index/*", "data/*", "case/*"}),
    "ArityException":                frozenset({"arity"}),
    "NumberFormatException":         frozenset({"parse/*"}),
    "NullPointerException":          frozenset({"type/*"}),
    "AssertionError":                frozenset({"assertion/*", "contract/*"}),
    "IllegalStateException":         frozenset({"state/*", "var/*", "atom/*"}),
    "UnsupportedOperationException": frozenset({"type/*", "operation/*"}),
    "StackOverflowError":            frozenset({"limit/*"}),
    "TimeoutException":              frozenset({"timeout"}),
}
# fmt: on


def error_matches(error: ErrorValue, selector: Value) -> bool:
    """Say whether a catch clause for ``selector``, a keyword or a class name, takes ``error``.

    A class of the JVM that has no like here takes nothing; ``ExceptionInfo`` takes what
    ``ex-info`` made, which is what has no code.
    """
    if isinstance(selector, Keyword):
        return error.type is selector
    assert isinstance(selector, Symbol)
    name = selector.name.rpartition(".")[2]
    if name in ("ExceptionInfo", "IExceptionInfo"):
        return error.code is None
    types = _CLASSES.get(name, frozenset())
    return error.type.text in types or f"{error.type.ns}/*" in types


def check_data(value: Value, what: str) -> None:
    """Let pass what may cross the machine's edge.

    Raises Unrealised for a lazy sequence inside, FlowError :data/not-data for a
    function, a cell or a fiber. ``what`` begins the message.
    """
    try:
        encode_data(value)
    except DataError as error:
        require_realised(value)
        raise flow_error("FM0311", "data/not-data", f"{what}: {error.message}") from None
