"""The event loop that driving makes for itself, loaded by those that need one.

A loop that runs already cannot run another: whoever drives from a coroutine does so in a thread, or
everything else of that loop would stand still.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from flowmetal.errors import UsageError


def in_a_loop(begin: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a coroutine in a loop of its own, to its end. Raises UsageError FM1139 in a running loop."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(begin())
        return
    raise UsageError(
        "FM1139",
        "runs cannot be driven inside of a running event loop",
        hint="drive in a thread: await asyncio.to_thread(engine.result, run)",
    )
