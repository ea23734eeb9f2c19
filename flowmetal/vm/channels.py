"""Channels: what puts, takes and chooses, each in one step that nothing comes between.

Who cannot go on leaves a *ticket* in the queues of all channels that would do,
and waits on it; whoever makes the ticket good takes it out of one of them, and
the others find it used. Entries of queues are a ticket, for puts the value, and a tag
that comes back with the answer ``[value tag]``: it tells a choice which port it was.

A channel with a transducer takes no values from here: Flowmetal runs the transducer, and that adds to
the buffer. A put that finds no room waits in the queue as ever; who takes a value then runs the transducer for
those for whom there is room again (``-next-put!``), and who closes the channel for all of them.
So values go through in the order in which they were put, and a choice that
was made is never waited for again.
"""

from __future__ import annotations

from flowmetal.values import Channel, Promise, Value, Vector, seq, show, vector
from flowmetal.values.cells import DROPPING, KEPT, OPEN, SLIDING
from flowmetal.values.errors import flow_error
from flowmetal.vm.fibers import settle
from flowmetal.vm.state import Fiber, Machine, Native


def _channel(function: str, value: Value) -> Channel:
    if type(value) is not Channel:
        hint = ": await! waits for it" if isinstance(value, Promise) else ""
        raise flow_error(
            "FM0501", "type/mismatch", f"`{function}` needs a channel, got {show(value)}{hint}"
        )
    return value


def _put(machine: Machine, channel: Channel, value: Value) -> bool | None:
    """Put a value if that is possible now: True, False for a closed channel, nil if not."""
    if value is None:
        raise flow_error("FM0747", "chan/nil", "nil cannot be put into a channel: it means closed")
    if channel.closed:
        return False
    return True if _add(machine, channel, value) else None


def _add(machine: Machine, channel: Channel, value: Value) -> bool:
    while channel.takers:
        ticket, tag = channel.takers.popleft()
        if settle(machine, ticket, KEPT, vector((value, tag))):
            return True
    if len(channel.buffer) < channel.size:
        channel.buffer.append(value)
        return True
    if channel.policy == SLIDING:
        channel.buffer.popleft()
        channel.buffer.append(value)
    return channel.policy in (DROPPING, SLIDING)


def _take(machine: Machine, channel: Channel) -> Value:
    """Take a value if there is one: [value], [nil] from a closed channel, nil if it has to wait."""
    if channel.buffer:
        value = channel.buffer.popleft()
        if channel.step is None:
            _refill(machine, channel)
        return vector((value,))
    while channel.putters and channel.step is None:
        ticket, value, tag = channel.putters.popleft()
        if settle(machine, ticket, KEPT, vector((True, tag))):
            return vector((value,))
    return vector((None,)) if channel.closed else None


def _refill(machine: Machine, channel: Channel) -> None:
    """Let those who wait with a value put it into a buffer that has room again."""
    room = channel.size - len(channel.buffer)
    while channel.putters and room > 0:
        ticket, value, tag = channel.putters.popleft()
        if settle(machine, ticket, KEPT, vector((True, tag))):
            room -= 1
            channel.buffer.append(value)


def _offer(machine: Machine, fiber: Fiber, channel: Value, value: Value, ticket: Value) -> Value:
    """Put at once, or leave the ticket; nil: the ticket was left, or there is none."""
    wanted = _channel(">!", channel)
    done = _put(machine, wanted, value)
    if done is None and ticket is not None:
        _leave(wanted.putters, (ticket, value, None))
    return done


def _poll(machine: Machine, fiber: Fiber, channel: Value, ticket: Value) -> Value:
    """Take at once, or leave the ticket; nil: the ticket was left, or there is none.

    [value true]: puts wait that have to go through a transducer.
    """
    wanted = _channel("<!", channel)
    found = _take(machine, wanted)
    if found is None and ticket is not None:
        _leave(wanted.takers, (ticket, None))
    if found is not None and _has_pending(wanted):
        return vector((found.nth(0), True))
    return found


def _has_pending(channel: Channel) -> bool:
    """Say whether puts wait that somebody has to take through the transducer."""
    return channel.step is not None and bool(channel.putters)


def _has_room(channel: Channel) -> bool:
    return bool(channel.policy) or len(channel.buffer) < channel.size


def _next_put(machine: Machine, fiber: Fiber, port: Value, all_: Value) -> Value:
    """Take out the first put that waits, [ticket value tag], if there is room or for all; else nil."""
    channel = _channel(">!", port)
    while channel.putters and (all_ or _has_room(channel)):
        entry = channel.putters.popleft()
        if entry[0].state == OPEN:
            return vector(entry)
    return None


def _room(machine: Machine, fiber: Fiber, port: Value, value: Value, ticket: Value) -> Value:
    """Say whether a channel with a transducer has room, False if it is closed; else leave the ticket."""
    channel = _channel(">!", port)
    if channel.closed:
        return False
    if _has_room(channel) and not any(entry[0].state == OPEN for entry in channel.putters):
        return True
    if ticket is not None:
        _leave(channel.putters, (ticket, value, None))
    return None


def _leave(queue: Value, entry: tuple[Value, ...]) -> None:
    """Leave an entry in a queue, in place of those at its end that are of no use any more."""
    _trim(queue)
    queue.append(entry)


def _trim(queue: Value) -> None:
    """Take off what is of no use any more at either end. What is between stays until it is there: a fiber
    leaves its next ticket when the last one is used, so there are at most as many as have waited side by side."""
    while queue and queue[-1][0].state != OPEN:
        queue.pop()
    while queue and queue[0][0].state != OPEN:
        queue.popleft()


def _choose(machine: Machine, fiber: Fiber, ports: Value, order: Value, ticket: Value) -> Value:
    """Do the first thing that is possible of several, [result index]; else leave the ticket everywhere.

    A port is a channel to take from, or [channel value]. ``order`` are the indices in the
    order in which they are tried. [result index true]: the value is still to be put through a
    transducer, or puts wait to be.
    """
    given = list(seq(ports) or ())
    indices = [at for at in seq(order) or () if type(at) is int and 0 <= at < len(given)]
    for index in indices:
        port = given[index]
        if type(port) is Channel:
            found = _take(machine, port)
            if found is not None:
                return vector((found.nth(0), index, _has_pending(port)))
            continue
        channel, value = _offered(port)
        if channel.step is not None and value is not None:
            found = _room(machine, fiber, channel, value, None)
        else:
            found = _put(machine, channel, value)
        if found is not None:
            return vector((found, index, bool(found) and channel.step is not None))
    if ticket is not None:
        for index in indices:
            port = given[index]
            if type(port) is Channel:
                _leave(port.takers, (ticket, index))
                continue
            channel, value = _offered(port)
            _leave(channel.putters, (ticket, value, index))
    return None


def _offered(port: Value) -> tuple[Channel, Value]:
    """Return the channel and the value of a port that puts."""
    if not isinstance(port, Vector) or len(port) != 2:
        raise flow_error(
            "FM0501",
            "type/mismatch",
            f"`alts!` needs channels and [channel value], got {show(port)}",
        )
    return _channel("alts!", port.nth(0)), port.nth(1)


def _forget(machine: Machine, fiber: Fiber, ports: Value) -> None:
    """Take tickets that are of no use any more out of the queues of a choice's channels."""
    for port in seq(ports) or ():
        channel = port if type(port) is Channel else port.nth(0)
        _trim(channel.takers)
        _trim(channel.putters)


def _push(machine: Machine, fiber: Fiber, channel: Channel, value: Value) -> Channel:
    """Add what a transducer gives, whatever the buffer's size says."""
    if value is None:
        raise flow_error("FM0747", "chan/nil", "nil cannot be put into a channel: it means closed")
    wanted = _channel("chan", channel)
    if not _add(machine, wanted, value):
        wanted.buffer.append(value)
    return wanted


def _close(machine: Machine, fiber: Fiber, channel: Value) -> bool:
    """Close a channel; say whether it was open. Who waits to take gets nil.

    Puts that wait can still be taken, unless the transducer has ended: then they are dropped.
    """
    wanted = _channel("close!", channel)
    if wanted.closed:
        return False
    wanted.closed = True
    while wanted.takers:
        ticket, tag = wanted.takers.popleft()
        settle(machine, ticket, KEPT, vector((None, tag)))
    if wanted.step is not None:
        while wanted.putters:
            ticket, _, tag = wanted.putters.popleft()
            settle(machine, ticket, KEPT, vector((True, tag)))
    return True


def _native(name: str, call: object, count: int) -> Native:
    return Native(f"flow.core/{name}", call, count, count, wants_machine=True)  # type: ignore[arg-type]


# fmt: off
ROWS = (
    #       name             function  arguments
    _native("-offer!",       _offer,   3),
    _native("-poll!",        _poll,    2),
    _native("-room!",        _room,    3),
    _native("-next-put!",    _next_put, 2),
    _native("-choose!",      _choose,  3),
    _native("-forget!",      _forget,  1),
    _native("-push!",        _push,    2),
    _native("-close-chan!",  _close,   1),
)
# fmt: on
