"""Signals that tell a process to stop: the first one in good order, the next one there and then.

Good order takes a store that answers and functions that return. Where one does not, a thread of this process stands in
a call that nothing ends, so the second signal is the system's own, which asks nobody. Outside of the main thread there
are no signals: whoever began what runs there stops it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

TOLD_TO_STOP: Final = (signal.SIGTERM, signal.SIGINT)


def next_one_ends_the_process() -> None:
    """Leave the signals to the system, which ends the process."""
    for number in TOLD_TO_STOP:
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[int], None]) -> Iterator[None]:
    """Call ``stop`` at the first signal, with its number."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        # A handler of Python's own is called even while a function holds up the loop.
        next_one_ends_the_process()
        stop(number)

    before = [(number, signal.signal(number, handle)) for number in TOLD_TO_STOP]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
