"""Scripts for the runs of the family, drawn at random (family.flow says what their ops do)."""

from __future__ import annotations

from random import Random
from typing import Any, Final

_SECOND, _HOUR, _DAY = 1_000, 3_600_000, 86_400_000
_WAITS_MS: Final = (50, 3 * _SECOND, 60 * _SECOND, _HOUR, 5 * _DAY, 40 * _DAY)

# fmt: off
_LEAVES: Final = (
    *["note"] * 3, *["sleep", "mail", "callback", "task"] * 2, "once", "slow", "say", "receive", "serve", "ask",
    "signal", "throttle", "cancel", "publish", "subscribe", "shared", "keep", "count", "debounce", "eval", "throw",
    "status",
)
_WHOLES: Final = (
    *["lock", "child", "queued", "try"] * 3, *["finally", "step", "restart"] * 2, "leased", "permit", "single",
    "delayed", "all", "race", "settle", "any", "pmap", "spawn", "service", "timeout", "saga", "chan", "deployed",
    "shielded",
)
# fmt: on

Op = list[Any]


class Scripts:
    """Draws scripts. ``policies`` are those of children, by token. ``repeated`` are tokens in a step, which each of
    its attempts asks for, and ``renewed`` those that it asks for under other keys, for they are in a saga, too."""

    def __init__(self, chance: Random, names: list[str]) -> None:
        self._chance = chance
        self._names = names  # of runs that others may speak to
        self.count = 0
        self.policies: dict[int, str] = {}
        self.repeated: set[int] = set()
        self.renewed: set[int] = set()

    def ops(self, depth: int, most: int = 3, *, step: bool = False, saga: bool = False) -> list[Op]:
        return [
            self._op(depth, step=step, saga=saga)
            for _ in range(self._chance.randrange(1, most + 1))
        ]

    def _op(self, depth: int, *, step: bool = False, saga: bool = False) -> Op:
        self.count += 1
        token = self.count
        if step:
            self.repeated.add(token)
        if step and saga:
            self.renewed.add(token)
        is_leaf = depth == 0 or self._chance.random() < 0.45
        kind = self._chance.choice(_LEAVES if is_leaf else _WHOLES)
        rest = self._leaf(kind, token) if is_leaf else self._whole(kind, token, depth, step, saga)
        return [kind, token, *rest]

    def _leaf(self, kind: str, token: int) -> Op:
        chance = self._chance
        match kind:
            case "sleep" | "callback":
                return [self._wait()]
            case "receive":
                return ["go", chance.choice((None, self._wait()))]
            case "mail" | "serve":
                return [chance.randrange(1, 4)]
            case "ask":
                return [chance.choice(self._names), chance.randrange(100), self._wait()]
            case "signal":
                return [chance.choice(self._names)]
            case "throttle":
                return ["rate"]
            case "cancel":
                return [max(1, token - chance.randrange(1, 8))]
            case "publish":
                return ["topic"]
            case "subscribe":
                return ["topic", chance.randrange(1, 3)]
            case "shared":
                return [chance.choice("pq"), self._wait()]
            case "keep":
                return [chance.choice("pq")]
            case "count":
                return [chance.choice(("k1", "k2"))]
            case "debounce":
                return ["d"]
            case _:
                return []

    def _whole(self, kind: str, token: int, depth: int, step: bool, saga: bool) -> Op:
        chance = self._chance

        def ops() -> list[Op]:
            return self.ops(depth - 1, step=step, saga=saga)

        def apart() -> list[Op]:  # by another run
            return self.ops(depth - 1)

        match kind:
            case "lock":
                return [chance.choice(("l1", "l2")), ops(), self._wait()]
            case "leased":
                return ["leased", ops(), self._wait()]
            case "permit" | "single":
                return [kind, ops()]  # of one name for all
            case "child":
                policy = self.policies[token] = chance.choice(("follow", "cancel", "keep"))
                return [apart(), policy, chance.random() < 0.5]
            case "delayed":
                return [apart(), self._wait()]
            case "queued":
                queue = chance.choice(("jobs", "pages"))
                place = [chance.randrange(3), chance.choice("xy"), chance.choice("abc")]
                return [apart(), queue, *place, chance.random() < 0.5]
            case "pmap":
                return [[ops() for _ in range(3)]]
            case "timeout":
                return [ops(), self._wait()]
            case "finally" | "restart" | "shielded":
                return [ops()]
            case "step":
                return [self.ops(depth - 1, step=True, saga=saga), chance.randrange(1, 4)]
            case "saga":
                if step:
                    self.renewed.add(token)
                return [self.ops(depth - 1, step=step, saga=True)]
            case "chan":
                return [[self._op(0, step=step, saga=saga) for _ in range(3)]]
            case "deployed":
                return [apart()]
            case _:
                return [ops(), ops()]

    def _wait(self) -> int:
        return self._chance.choice(_WAITS_MS)
