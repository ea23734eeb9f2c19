"""An interpreter of its own: ``python -m tests.torture.worker URL JOURNAL LEASE_US CONCURRENCY``.

What its runs do to the world is a line in the journal, which outlives every process:
the idempotency key, and what was done.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flowmetal.embed import Engine, foreign
from flowmetal.errors import StoreError


def world(journal: str) -> list[Callable[..., int]]:
    """Return the functions that runs call. Each line is written by one call of ``write``."""
    told = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(key: str, run: str, what: str) -> None:
        os.write(told, f"{key}\t{run}\t{what}\n".encode())

    @foreign("torture/quick")
    def quick(run: str, i: int, idempotency_key: str) -> int:
        tell(idempotency_key, run, f"quick {i}")
        return i

    @foreign("torture/slow", slow=True)
    def slow(run: str, i: int, idempotency_key: str) -> int:
        tell(idempotency_key, run, f"slow {i}")
        return i

    @foreign("torture/locked")
    def locked(run: str, i: int, name: str, token: int, idempotency_key: str) -> int:
        tell(idempotency_key, run, f"locked {i} {name} {token}")
        return i

    @foreign("torture/deadly")
    def deadly(run: str) -> int:
        tell("", run, "deadly")
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    @foreign("torture/deadly-and-slow", slow=True)
    def deadly_and_slow(run: str) -> int:
        return deadly(run)

    return [quick, slow, locked, deadly, deadly_and_slow]


@contextlib.contextmanager
def worker(
    url: str, folder: Path, *, concurrency: int = 100, lease_us: int = 10_000_000
) -> Iterator[subprocess.Popen[bytes]]:
    """An interpreter process while the block lasts, with its journal in ``folder``."""
    words = (url, str(folder / "journal"), str(lease_us), str(concurrency))
    with (folder / f"errors-{len(list(folder.glob('errors-*')))}").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.worker", *words], stderr=errors
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def main() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: however the tests end
    url, journal, lease_us, concurrency = sys.argv[1:]
    with opened(url, journal) as engine:
        engine.host.lease_us = int(lease_us)
        engine.interpret(concurrency=int(concurrency))


def opened(url: str, journal: str) -> Engine:
    """Open the store; begin again while its server is away, as whoever supervises a service does."""
    while True:
        try:
            return Engine(url, functions=world(journal))
        except StoreError:
            time.sleep(0.2)


if __name__ == "__main__":
    main()
