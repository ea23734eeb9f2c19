"""``check-durable``: the same call in machines that are killed and in one that is not.

The machine that asks is copied as it stands. The copies get the answer
``:trial``, make the call and tell what it came to; then they are dropped.
"""

from __future__ import annotations

from random import Random

from flowmetal.effects.requests import EffectRequest
from flowmetal.testing.driven import Asked, Driven, Kills, operation
from flowmetal.values import Value, keyword, show
from flowmetal.vm.state import Turn

_ARGS, _KILLS, _SEED, _OUTCOME = (keyword(name) for name in ("args", "kills", "seed", "outcome"))
_TRIAL = keyword("trial")


def check(driven: Driven, request: EffectRequest) -> str | None:
    """Return what went otherwise in the machines that were killed, None if nothing did."""
    argument = request.args.get(_ARGS)[0]
    standing = driven.machine.snapshot()
    wanted = _Trial(driven, request, standing, None)
    kills = max(argument.get(_KILLS), 0)
    seed = argument.get(_SEED)
    mean = max(wanted.fuel // max(kills, 1), 1)
    found = _Trial(driven, request, standing, Kills(kills, mean, Random(f"{seed}")))
    return found.difference(wanted)


class _Trial:
    """One call in a copy of a machine, and what came of it."""

    def __init__(
        self, driven: Driven, request: EffectRequest, standing: bytes, kills: Kills | None
    ) -> None:
        copy = driven.trial(standing, kills, {request.number: _TRIAL})
        self.outcome = _drive(copy)
        self.asked: list[Asked] = [copy.asked[number] for number in sorted(copy.asked)]
        self.fuel = copy.fuel

    def difference(self, undisturbed: _Trial) -> str | None:
        """Say in one sentence what differs from the trial that nobody disturbed."""
        if self.outcome != undisturbed.outcome:
            return f"undisturbed it came to {undisturbed.outcome}, killed to {self.outcome}"
        for mine, other in zip(self.asked, undisturbed.asked, strict=False):
            if mine != other:
                return f"killed machines asked {_text(mine)}, the other {_text(other)}"
        if len(self.asked) != len(undisturbed.asked):
            return (
                f"killed machines asked for {len(self.asked)} effects, "
                f"the other for {len(undisturbed.asked)}"
            )
        return None


def _drive(copy: Driven) -> str:
    while True:
        asked = copy.advance()
        if isinstance(asked, Turn):
            return f"an end with the error {show(asked.error)}"
        if operation(asked) == "trial-end":
            outcome: Value = asked.args.get(_ARGS)[0].get(_OUTCOME)
            return str(outcome)
        copy.answer(asked, None)  # a check inside of a check, or another that needs no answer


def _text(asked: Asked) -> str:
    return f"{asked.what} {asked.args} under the key {asked.key}"
