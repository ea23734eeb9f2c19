"""How much a command costs before it does anything: ``fmvm run`` of a compiled hello program.

Measured in CPU time of a whole process, against a process that imports click,
msgpack and sqlite3, which every command needs. Bar: at most 3 times.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPEATS = 9
BAR = 3.0
HELLO = '(ns hello)\n\n(defn main []\n  (println "hello")\n  :done)\n'
FMVM = "import sys; sys.argv[0] = 'fmvm'; from flowmetal.cli.entry import fmvm; fmvm()"
IMPORTS = "import click, msgpack, sqlite3"


def cpu_seconds(words: Sequence[str], environment: dict[str, str]) -> float:
    """Return the CPU time (user and system) of one process, in seconds."""
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def measure() -> tuple[float, float]:
    """Return CPU seconds of the imports alone and of ``fmvm run hello.fmb``, medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, program = folder / "hello.flow", folder / "hello.fmb"
        source.write_text(HELLO)
        environment = os.environ | {"FLOWMETAL_STORE": f"sqlite:{folder}/runs.db"}
        compiler = "import sys; sys.argv[0] = 'fmc'; from flowmetal.cli.fmc import main; main()"
        subprocess.run(
            [sys.executable, "-c", compiler, "compile", str(source)],
            check=True,
            capture_output=True,
        )
        run = [sys.executable, "-c", FMVM, "run", str(program)]
        imports = [sys.executable, "-c", IMPORTS]
        cpu_seconds(run, environment)  # the first one makes the store
        pairs = [
            (cpu_seconds(imports, environment), cpu_seconds(run, environment))
            for _ in range(REPEATS)
        ]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    base, hello = measure()
    print(f"imports of click, msgpack, sqlite3   {base * 1000:6.0f} ms CPU")
    print(
        f"fmvm run hello.fmb                   {hello * 1000:6.0f} ms CPU   {hello / base:.2f} times (bar: {BAR:.0f})"
    )


if __name__ == "__main__":
    main()
