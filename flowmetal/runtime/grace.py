"""How long the ``finally`` blocks of a cancelled run may take.

Cancelling raises an error, so that clean-up runs, effects and waits included. Clean-up that
never ends would make a run that cannot be cancelled: after the grace the run
ends as cancelled where it stands. A run that has caught the cancellation and goes on
is not unwinding, and has all the time it wants.
"""

from __future__ import annotations

from typing import Final

from flowmetal.runtime.progress import Progress
from flowmetal.vm.errors import CANCELLED
from flowmetal.vm.state import Machine, Pending

GRACE_US: Final = 30_000_000


def update_grace(progress: Progress, machine: Machine) -> None:
    """Note when the run is out of grace, if it is unwinding from its cancellation."""
    cancelled = progress.cancelled
    unwinding = cancelled is not None and _is_unwinding(machine)
    progress.stop_us = cancelled[0] + GRACE_US if cancelled is not None and unwinding else None


def _is_unwinding(machine: Machine) -> bool:
    return any(
        isinstance(value, Pending) and value.error.type is CANCELLED
        for fiber in machine.fibers.values()
        for frame in fiber.frames
        for value in frame.stack
    )
