"""The mutable cells of the language, and ``Reduced``. Each is equal to itself only.

A cell's identity and who shares it are part of a program's state. Nothing here
calls anything: ``swap!``, validators, watches and thunks are run by the machine.
"""

from __future__ import annotations

from collections import deque

from flowmetal.values.kinds import Value
from flowmetal.values.map import EMPTY_MAP, Map


class Atom:
    """A place for a value. ``watches`` is a Map from key to function."""

    __slots__ = ("meta", "validator", "value", "watches")

    def __init__(
        self, value: Value, meta: Value = None, validator: Value = None, watches: Map = EMPTY_MAP
    ) -> None:
        self.value = value
        self.meta = meta
        self.validator = validator
        self.watches = watches


class Volatile:
    """A place for a value, without watches."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


class Delay:
    """A computation that is run once: ``thunk`` until then, ``value`` from then on.

    While a fiber runs it, ``thunk`` is a promise for those who wait, and ``value`` the number of that fiber.
    """

    __slots__ = ("realised", "thunk", "value")

    def __init__(self, thunk: Value, value: Value = None, realised: bool = False) -> None:
        self.thunk = thunk
        self.value = value
        self.realised = realised


class Reduced:
    """What a reducing function returns to end the reduction early."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


OPEN = 0
KEPT = 1
BROKEN = 2
VOID = 3
"""States of a promise: nobody has said anything yet, it has a value, an error, or has been given up."""


class Promise:
    """A place for a value or an error that comes once. ``waiters`` are numbers of fibers, first come first.

    A ``ticket`` is a promise that one fiber waits on and others hold in queues: when
    its fiber is cancelled it is void, and nobody gives it anything.
    """

    __slots__ = ("state", "ticket", "value", "waiters")

    def __init__(self, ticket: bool = False) -> None:
        self.state = OPEN
        self.value: Value = None
        self.waiters: list[int] = []
        self.ticket = ticket

    def __flow_print__(self) -> str:
        return f"#flow/promise {_STATES[self.state]}"


class FiberRef(Promise):
    """A fiber as the program knows it: the promise of its result. It means nothing elsewhere."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def __flow_print__(self) -> str:
        return f"#flow/fiber {self.number}"


DROPPING = 1
SLIDING = 2
"""Policies of a full channel: drop the new value, or the oldest; 0: the putter waits."""


class Channel:
    """A queue between fibers, with the rules of core.async.

    ``size`` 0: no buffer, a value goes from hand to hand. ``policy`` says what becomes of a
    value that has no room. ``takers`` are tickets and tags, ``putters`` tickets, values and
    tags (vm/channels.py). ``step`` is the reducing function of a channel with a transducer,
    ``failing`` its handler of errors.
    """

    __slots__ = ("buffer", "closed", "failing", "policy", "putters", "size", "step", "takers")

    def __init__(self, size: int, policy: int = 0) -> None:
        self.size = size
        self.policy = policy
        self.closed = False
        self.buffer: deque[Value] = deque()
        self.takers: deque[tuple[Promise, Value]] = deque()
        self.putters: deque[tuple[Promise, Value, Value]] = deque()
        self.step: Value = None
        self.failing: Value = None

    def __flow_print__(self) -> str:
        return "#flow/channel closed" if self.closed else "#flow/channel open"


_STATES = ("open", "kept", "broken", "void")
