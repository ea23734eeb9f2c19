"""Leaves for fibers and channels (flow.core): what needs no machine."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import need_int
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Duration, Instant, Promise, Value, pr_str

native = Table("flow.core")


@native("-promise")
def make_promise() -> Promise:
    return Promise()


@native("-later")
def later(instant: Value, length: Value) -> Instant:
    """Return the instant a duration after another."""
    return Instant(instant.us + length.us)


@native("-earlier")
def earlier(a: Value, b: Value) -> Value:
    """Return the earlier of two instants; nil is never."""
    if a is None or b is None:
        return b if a is None else a
    return a if a.us <= b.us else b


@native("-milliseconds")
def milliseconds(count: Value) -> Duration:
    """Return a duration of so many milliseconds."""
    return Duration(1000 * need_int("deref", 2, count))


@native("-duration-text")
def text_of_duration(length: Duration) -> str:
    """Return a duration as people write it."""
    return pr_str(length)[len('#dur "') : -1]
