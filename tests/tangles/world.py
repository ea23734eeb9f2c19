"""What the programs ask of the world, and when it answers: a function of the seed and of the effect.

The world is a service with a memory. It knows an effect by its number and attempt, so that whoever asks again
after a crash gets what the first one would have got, at the same moment. No two answers come at the same moment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from flowmetal.effects.errors import effect_error
from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.requests import Call, Connector, EffectFailed
from flowmetal.testing.clock import VirtualClock
from flowmetal.values import Map, Value, pr_str

QUICK, REMOTE = "t/quick", "t/remote"


@dataclass(frozen=True, slots=True)
class Performed:
    """One performing of an effect."""

    kind: str
    key: str
    args: str
    number: int  # 0 of a function: it is not durable that it was asked for
    attempt: int


@dataclass
class World:
    """A ``World``. ``number_of`` says which effect a call is for."""

    seed: int
    clock: VirtualClock
    number_of: Callable[[Call], int]
    performed: list[Performed] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=dict)
    done_us: dict[tuple[str, int, int], int] = field(default_factory=dict)

    def connector(self, kind: str) -> Connector | None:
        return _Service(self) if kind == REMOTE else None

    def function(self, kind: str) -> ForeignFunction | None:
        return ForeignFunction(QUICK, self._quick) if kind == QUICK else None

    def kinds(self) -> Collection[str]:
        return (QUICK, REMOTE)

    async def close(self) -> None:
        """Nothing is open."""

    def _quick(self, args: Map, key: str) -> Value:
        self.performed.append(Performed(QUICK, key, pr_str(args), 0, 1))
        chance = random.Random(f"{self.seed} {pr_str(args)}")
        if chance.random() < 0.1:
            raise EffectFailed(effect_error("FM0705", "x/quick", "no", retryable=False))
        return chance.randrange(1000)

    async def remote(self, call: Call) -> Value:
        number = self.number_of(call)
        self.performed.append(
            Performed(REMOTE, call.idempotency_key, pr_str(call.args), number, call.attempt)
        )
        chance = random.Random(f"{self.seed} {number} {call.attempt}")
        place = (call.run, number, call.attempt)
        delay_ms = chance.choice((0, 3, 20, 90, 300, 1200, 2600))
        after_us = delay_ms * 1000 + 1 + (number * 31 + call.attempt) % 997
        await self._until(self.done_us.setdefault(place, self.clock.now_us() + after_us))
        fate = chance.random()
        if fate < 0.2:
            again = fate < 0.15
            raise EffectFailed(effect_error("FM0705", "x/remote", "no", retryable=again))
        return chance.randrange(1000)

    async def _until(self, done_us: int) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def answer() -> None:
            if not (done.done() or loop.is_closed()):
                done.set_result(None)

        if done_us > self.clock.now_us():
            self.clock.at(done_us, answer)
            await done


@dataclass(frozen=True, slots=True)
class _Service:
    world: World

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({REMOTE})

    async def perform(self, call: Call) -> Value:
        return await self.world.remote(call)

    async def close(self) -> None:
        """Nothing is open."""
