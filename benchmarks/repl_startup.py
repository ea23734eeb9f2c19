"""How much the REPL costs until its first prompt, against importing prompt_toolkit and pygments.

Measured in CPU time of a whole process at a pseudo-terminal, from its start
until the prompt has appeared. Bar: at most 2 times.
"""

from __future__ import annotations

import os
import pty
import resource
import signal
import statistics
import subprocess
import sys
import tempfile

REPEATS = 9
BAR = 2.0
IMPORTS = "import prompt_toolkit, pygments"
FMVM = "import sys; sys.argv[0] = 'fmvm'; from flowmetal.cli.entry import fmvm; fmvm()"
PROMPT = b"user=>"


def cpu_of_imports() -> float:
    """Return the CPU seconds (user and system) of a process that only imports."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return _children_since(before)


def cpu_to_prompt(environment: dict[str, str]) -> float:
    """Return the CPU seconds of ``fmvm repl`` until its prompt is on the terminal."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pid, terminal = pty.fork()
    if not pid:
        os.execve(sys.executable, [sys.executable, "-c", FMVM, "repl"], environment)
    shown = b""
    while PROMPT not in shown:
        shown += os.read(terminal, 65_536)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    return _children_since(before)


def _children_since(before: resource.struct_rusage) -> float:
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime


def measure() -> tuple[float, float]:
    """Return CPU seconds of the imports and of the way to the prompt, medians."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "XDG_STATE_HOME": folder,
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "TERM": "xterm-256color",
        }
        cpu_to_prompt(environment)
        pairs = [(cpu_of_imports(), cpu_to_prompt(environment)) for _ in range(REPEATS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    imports, prompt = measure()
    print(f"imports of prompt_toolkit, pygments  {imports * 1000:6.0f} ms CPU")
    print(
        f"fmvm repl, to its first prompt       {prompt * 1000:6.0f} ms CPU   "
        f"{prompt / imports:.2f} times (bar: {BAR:.0f})"
    )


if __name__ == "__main__":
    main()
