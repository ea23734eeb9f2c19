"""A process that has everything imported and forks a child for each line of its standard input.

A line is ``STORE-URL JOURNAL CASE NTH``: drive the case on that store in a child that
kills itself (SIGKILL) at point NTH of its life (0: never), and answer with the
child's exit status. What the child performs goes into the journal, which is
the world: it outlives the child. Started twice with different ``PYTHONHASHSEED``s, it
makes sure that nothing saved depends on the hashes of a process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flowmetal.bytecode.file import read_program
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.clock import StoreClock
from flowmetal.runtime.driving import drive
from flowmetal.runtime.host import Host
from flowmetal.runtime.starting import start_run
from flowmetal.store import open_store
from flowmetal.store.protocol import Message
from flowmetal.testing.dying import DeathAt
from flowmetal.values import encode_data
from tests.crash.corpus import BY_NAME, CASES, world
from tests.crash.harness import linker, program_of

RUN = RunId("r")


def live(store_url: str, journal: str, name: str, nth: int) -> None:
    """Drive a case on a real store until it ends or this process does."""
    case = BY_NAME[name]
    store = open_store(store_url)
    store.hooks = DeathAt(nth, really=True)
    place = world()
    told = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(key: str) -> None:
        os.write(told, f"{key}\n".encode())

    place.before = tell
    host = Host(
        store=store,
        linker=linker(),
        world=place,
        clock=StoreClock(store),
        owner=InterpreterId(f"{os.getpid()}-{nth}"),
        read_program=read_program,
    )
    program, data = program_of(name)
    row, _ = start_run(host, program, lambda _: data, id=RUN)
    if row.result is None:
        for signal, value in case.signals.items():
            store.send(RUN, Message(signal, "signal", signal.partition(":")[0], encode_data(value)))
    drive(host, RUN)
    store.close()


def _answer(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    for case in CASES:
        program_of(case.name)
    _answer("ready")
    for line in sys.stdin:
        store_url, journal, name, nth = line.split()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                live(store_url, journal, name, int(nth))
                status = 0
            except BaseException:
                import traceback

                Path(journal + ".error").write_text(traceback.format_exc())
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        _answer(str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
