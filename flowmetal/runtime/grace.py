"""How long the ``finally`` blocks of what was cancelled may take.

Cancelling raises an error, so that clean-up runs, effects and waits included, and
nothing cancels the clean-up. Clean-up that never ends would make a fiber, a scope
or a run that cannot be cancelled. After the grace a fiber loses what it waits
for (``Overdue``), and its outer finally blocks have a grace of their own; a run that
was cancelled as a whole ends where it stands. Who has caught the cancellation
and goes on is not cleaning up, and has all the time it wants; what is cancelled in it later is
cleaned up as in any run, and if it lets the cancellation go on in the end, the grace begins then. So it does for
those who have waited for it: the grace of a run begins anew when somebody cleans up where nobody did.

Time in which nobody was there to drive the run does not count.
"""

from __future__ import annotations

from typing import Final

from flowmetal.runtime.progress import Progress
from flowmetal.vm.state import Machine
from flowmetal.vm.unwinding import is_cleaning_up, is_stopping

GRACE_US: Final = 30_000_000


def update_grace(progress: Progress, machine: Machine, now_us: int) -> None:
    """Note since when fibers are cleaning up, and when a cancelled run is out of grace."""
    cleaning = _cleaning(machine)
    stops = progress.cancelled is not None and is_stopping(machine)
    if stops and cleaning and not progress.stops:
        assert progress.cancelled is not None
        progress.cancelled = (now_us, progress.cancelled[1])
        progress.changed = True
    # Who computes may be cleaning up: then it does so still.
    progress.stops = stops and bool(cleaning or (progress.stops and machine.ready))
    progress.stop_us = None
    if stops and cleaning:
        assert progress.cancelled is not None
        progress.stop_us = progress.cancelled[0] + GRACE_US
        cleaning = set()
    if cleaning != progress.cleaning.keys():
        progress.cleaning = {
            n: progress.cleaning.get(n, now_us + GRACE_US) for n in sorted(cleaning)
        }
        progress.changed = True


def is_ending(progress: Progress, machine: Machine) -> bool:
    """Say whether a run was cancelled as a whole, and somebody cleans up."""
    return progress.cancelled is not None and is_stopping(machine) and bool(_cleaning(machine))


def _cleaning(machine: Machine) -> set[int]:
    return {
        number
        for number in machine.stopping
        if number in machine.fibers and is_cleaning_up(machine, machine.fibers[number])
    }


def overdue(progress: Progress, now_us: int) -> list[tuple[int, int]]:
    """Return the fibers whose grace is over, and since when; they begin a new one."""
    found = [(number, due) for number, due in progress.cleaning.items() if due <= now_us]
    for number, _ in found:
        progress.cleaning[number] = now_us + GRACE_US
        progress.changed = True
    return found


def extend(progress: Progress, absent_us: int) -> None:
    """Give back the time in which nobody drove the run."""
    if progress.cancelled is not None:
        progress.cancelled = (progress.cancelled[0] + absent_us, progress.cancelled[1])
    progress.cleaning = {number: due + absent_us for number, due in progress.cleaning.items()}
    progress.changed = True
