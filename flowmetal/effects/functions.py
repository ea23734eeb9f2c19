"""Functions of the host that a program may call as effects.

A foreign function is declared in the program (``defforeign``) and registered
with the interpreter under the same name. A *quick* one runs inline between two
instructions of the interpreter: its request and its result share one commit.
A *slow* one, or a coroutine function, is performed like any connector effect:
request committed first, then performed beside other effects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForeignFunction:
    """A registered function. ``call`` takes and returns values of the language.

    ``call(args, idempotency_key)`` gets the map that the effect was performed
    with and raises EffectFailed. If ``is_async`` it returns an awaitable.
    """

    name: str
    call: Callable[..., object]
    is_async: bool = False
    slow: bool = False

    @property
    def quick(self) -> bool:
        """Say whether it may run inline."""
        return not (self.slow or self.is_async)
