"""When whoever drives one run in the foreground is told that it only waits, and for what.

A second is long for somebody who looks on and sees nothing. A sleep ends by itself, and a connector that
has not failed yet is at work; anything else may want an answer, a worker or another option of the command line. Each wait is told
once; what children wait for is looked at again and again, for they are driven beside the run.
"""

from __future__ import annotations

from typing import Final

from flowmetal.effects.kinds import EffectClass
from flowmetal.runtime.active import ActiveRun
from flowmetal.runtime.entering import SLEEP
from flowmetal.runtime.progress import Pending

LONG_US: Final = 1_000_000
NOTHING_TO_TELL_US: Final = 1 << 60
AWAIT: Final = "run/await"


def tell_waits(active: ActiveRun) -> int:
    """Tell what has been waited for long enough; return in how many microseconds there may be more to tell."""
    clock, told = active.host.clock, active.told
    waits = {
        number: pending.first_us
        for number, pending in active.progress.effects.items()
        if number not in told and _is_worth_telling(pending)
    }
    if not waits:
        return NOTHING_TO_TELL_US
    driven_us = clock.monotonic_us() - max(active.claimed_us, active.told_us)
    left_us = max(LONG_US - driven_us, LONG_US + min(waits.values()) - clock.now_us())
    if left_us > 0:
        return left_us
    active.told_us = clock.monotonic_us()
    active.host.observer.waits(active.machine.run)
    long_ago = clock.now_us() - LONG_US
    told.update(
        number
        for number, since_us in waits.items()
        if since_us <= long_ago and active.progress.effects[number].request.kind != AWAIT
    )
    return LONG_US


def _is_worth_telling(pending: Pending) -> bool:
    """Say whether a wait may need somebody."""
    is_at_work = pending.effect_class is EffectClass.CONNECTOR and not pending.attempts
    return pending.request.kind != SLEEP and not is_at_work
