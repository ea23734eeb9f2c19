"""The world of a year: what runs do to it, and what may never happen there.

Its functions act once for one idempotency key, as real services do, and remember every attempt. What breaks a rule
is a **problem**, which the year keeps.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import flowmetal
from tests.year.scripts import Scripts

AT_MOST_ONCE = "once"
Function = Callable[..., Any]


class Done(NamedTuple):
    """Something that was done for the first time: by which run, by its key, and what."""

    run: str
    kind: str
    args: list[Any]

    @property
    def what(self) -> list[Any]:
        """Return the token, and more."""
        found: list[Any] = self.args[-1]
        return found


class World:
    """``nap(place)`` lets the process of a place stand still for longer than its lease, while others go on."""

    def __init__(
        self,
        chance: Random,
        problem: Callable[[str], None],
        nap: Callable[[str], None],
        scripts: Scripts,
    ) -> None:
        self._chance = chance
        self._problem = problem
        self._nap = nap
        self._scripts = scripts
        self.naps = 0.0  # how often, of 1
        self._is_napping = False
        self._by_key: dict[str, str] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._performed: Counter[str] = Counter()
        self.done: list[Done] = []
        self.broken: set[int] = set()  # tokens whose services do not work
        self.callbacks: list[str] = []
        self._tokens: dict[tuple[str, str], int] = {}
        self.inside: dict[tuple[str, str], set[str]] = {}  # who is in a lock of a place
        self.is_over: Callable[[str, str], bool] = lambda place, run: False

    def call(self, place: str, kind: str, args: list[Any], key: str) -> int:
        """Do what a function is asked for, or fail."""
        what, token = f"{kind} {json.dumps(args)}", args[-1][0]
        run, generation, _ = key.split("/", 2)
        if self._by_key.setdefault(key, what) != what:
            self._problem(f"key {key} is of {self._by_key[key]}, and of {what}")
        first = self._keys.setdefault((f"{run}/{generation}", what), key)
        if first != key and token not in self._scripts.renewed:
            self._problem(f"{what} has the keys {first} and {key}")
        is_plain = kind == "slow" or (kind == "note" and len(args[-1]) == 1)
        if is_plain and token in self.broken:
            retryable = self._chance.random() < 0.5
            raise flowmetal.EffectFailed.of("year/broken", "not now", {}, retryable=retryable)
        self._performed[key] += 1
        is_again = self._performed[key] > 1 and token not in self._scripts.repeated
        if kind == AT_MOST_ONCE and is_again:
            self._problem(f"{what}, which is at-most-once, was performed twice")
        if self._performed[key] == 1:
            self._does(place, Done(run, kind, args))
        if kind in ("note", "slow") and not self._is_napping and self._chance.random() < self.naps:
            self._is_napping = True
            try:
                self._nap(place)
            finally:
                self._is_napping = False
        return 1

    def _does(self, place: str, done: Done) -> None:
        self.done.append(done)
        match done.kind, done.what:
            case "note", [_, "callback", id_]:
                self.callbacks.append(id_)
            case "enter", _ if done.run == done.args[0]:  # a fork has the token of another run
                self._enters(place, done.run, done.args[1], done.args[2])
            case "leave", _:
                self.inside.get((place, done.args[1]), set()).discard(done.run)

    def _enters(self, place: str, run: str, lock: str, token: int) -> None:
        if token <= self._tokens.get((place, lock), 0):
            self._problem(f"{run} has token {token} of {lock}, and another run had a later one")
        self._tokens[place, lock] = token
        inside = self.inside.setdefault((place, lock), set())
        for other in [other for other in inside if not self.is_over(place, other)]:
            self._problem(f"{run} enters {lock} while {other} is there")
        self.inside[place, lock] = {run}

    def lets_go(self, run: str) -> None:
        """A run has failed or moved away: its locks are not its own any more."""
        for inside in self.inside.values():
            inside.discard(run)


def functions(world: World, place: str) -> list[Function]:
    """Return the functions that programs at a place may call."""

    @flowmetal.foreign("year/note")
    def note(me: str, what: list[Any], idempotency_key: str) -> int:
        return world.call(place, "note", [me, what], idempotency_key)

    @flowmetal.foreign("year/once")
    def once(me: str, what: list[Any], idempotency_key: str) -> int:
        return world.call(place, AT_MOST_ONCE, [me, what], idempotency_key)

    @flowmetal.foreign("year/slow")
    async def slow(me: str, what: list[Any], idempotency_key: str) -> int:
        return world.call(place, "slow", [me, what], idempotency_key)

    @flowmetal.foreign("year/enter")
    def enter(me: str, lock: str, token: int, what: list[Any], idempotency_key: str) -> int:
        return world.call(place, "enter", [me, lock, token, what], idempotency_key)

    @flowmetal.foreign("year/leave")
    def leave(me: str, lock: str, token: int, what: list[Any], idempotency_key: str) -> int:
        return world.call(place, "leave", [me, lock, token, what], idempotency_key)

    return [note, once, slow, enter, leave]
