"""Leaves for fibers and channels (flow.core): what needs no machine."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import library_error, need_int
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Channel, Duration, Instant, Promise, Value, pr_str, show
from flowmetal.values.cells import DROPPING, SLIDING
from flowmetal.values.scalars import LONGEST_US

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
    """Return a duration of so many milliseconds; the longest one for whoever says "for ever" with a large number."""
    us = 1000 * need_int("deref", 2, count)
    return Duration(max(-LONGEST_US, min(us, LONGEST_US)))


@native("-duration-text")
def text_of_duration(length: Duration) -> str:
    """Return a duration as people write it."""
    return pr_str(length)[len('#dur "') : -1]


@native("-ticket")
def make_ticket() -> Promise:
    """Make a promise that is void once its fiber is cancelled."""
    return Promise(ticket=True)


_MOST_VALUES = (1 << 60) - 1  # no memory holds so many, and a snapshot has these bits for a count
_POLICIES = {"fixed": 0, "dropping": DROPPING, "sliding": SLIDING}


@native("-chan")
def make_channel(policy: Value, size: Value) -> Channel:
    """Make a channel whose buffer has a size and a policy, a keyword."""
    if type(size) is not int or size < 0 or (size == 0 and policy.name != "fixed"):
        raise library_error(
            "FM0501",
            "type/mismatch",
            f"`chan` needs a size that is no less than 1, got {show(size)}",
        )
    return Channel(min(size, _MOST_VALUES), _POLICIES[policy.name])


@native("-set-step!")
def set_step(channel: Channel, step: Value, failing: Value) -> Channel:
    """Let values go through a transducer's step."""
    channel.step, channel.failing = step, failing
    return channel


native.add("-step", lambda channel: channel.step if type(channel) is Channel else None)
native.add("-failing", lambda channel: channel.failing if type(channel) is Channel else None)
native.add("-closed?", lambda channel: type(channel) is not Channel or channel.closed)
