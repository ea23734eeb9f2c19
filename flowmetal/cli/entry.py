"""Where the scripts ``fmc`` and ``fmvm`` begin.

Loading a command makes tens of thousands of objects that all stay; looking for
garbage among them is a sixth of the start-up time of ``fmvm run``. So the
collector sleeps until the engine is loaded (driving.py wakes it).
"""

from __future__ import annotations

import gc


def fmc() -> None:
    """Run ``fmc``."""
    from flowmetal.cli.fmc import main

    main()


def fmvm() -> None:
    """Run ``fmvm``."""
    gc.disable()
    from flowmetal.cli.fmvm import main

    main()
