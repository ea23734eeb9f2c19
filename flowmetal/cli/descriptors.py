"""How many files and connections a process that serves may have open: as many as the system lets it have.

The usual 1,024 are a limit for programs that wait with ``select``, which ours do not.
"""

from __future__ import annotations

import contextlib
from typing import Final

ENOUGH: Final = 16_384
"""Commands inherit the limit; some of them close as many, one by one, before they begin."""


def take_enough() -> None:
    """Raise the limit of this process as far as it is allowed to."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if most == resource.RLIM_INFINITY else min(ENOUGH, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
