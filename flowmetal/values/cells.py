"""The mutable cells of the language, and ``Reduced``. Each is equal to itself only.

A cell's identity and who shares it are part of a program's state. Nothing here
calls anything: ``swap!``, validators, watches and thunks are run by the machine.
"""

from __future__ import annotations

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
    """A computation that is run once: ``thunk`` until then, ``value`` from then on."""

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
