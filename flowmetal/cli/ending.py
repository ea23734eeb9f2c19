"""The end of a process that was told to stop, in any case soon.

A store whose server stands still, a disk that does not answer or a function of the host that does not return keep a
process from ending in good order. By then its leases are over, so nothing is gained by waiting on.
"""

from __future__ import annotations

import os
import threading
from typing import Final

from flowmetal.cli.output import complain

END_S: Final = 10.0
"""The length of a lease. What is in flight has 3 s, functions have 3 s more."""


def end_soon(seconds: float = END_S) -> None:
    """End the process in so many seconds, if it has not ended by itself."""
    timer = threading.Timer(seconds, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    complain(
        "the store, or a function of the host, does not answer: ended without it;"
        " what was driven here is free for others when its lease is over"
    )
    os._exit(1)
