"""A page of documentation as a session at a terminal: its files are written, its commands run.

```
<!-- file: greet.flow -->          the next code block is the content of this file
$ fmvm run greet.flow Ada          in a block of `console`: a command, run by bash
run bcf9bb5bc1a37a68               what it shows, standard output and standard error together
...                                any lines
Killed                             the last line: SIGKILL as soon as the lines before it are there
user=> (+ 1 2)                     below `$ fmvm repl`: what is typed
```

Ids, times and how long something took are compared by their shape alone.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n+)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_PROMPT = "user=> "
_HOME = "/home/you"
"""What a page calls the folder of the test."""

_SHAPES = (
    (re.compile(r'(?<=interpreter )"?\d+-[0-9a-f]{8}\b'), "X"),
    (re.compile(r"\d{4}-\d\d-\d\d(T| )\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|h|days?|min|minutes?|seconds?|hours?)\b"), "LONG"),
    (re.compile(r" {2,}"), "  "),
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page and the lines that the page shows below it."""

    line: str
    typed: tuple[str, ...]
    shown: tuple[str, ...]

    @property
    def killed(self) -> bool:
        return self.shown[-1:] == ("Killed",)


@dataclass
class Terminal:
    """Runs the blocks of a page in a folder of its own."""

    folder: Path
    found: dict[str, list[str]] = field(default_factory=dict)

    def follow(self, text: str) -> Iterator[str]:
        """Write the files and run the commands of a page; yield what it shows and is not so."""
        for block in _BLOCK.finditer(text):
            if block["file"]:
                path = self.folder / block["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block["text"], "utf-8")
            elif block["language"] == "console":
                for command in commands_of(block["text"]):
                    lines = self.run(command)
                    if not alike(command.shown, lines):
                        yield f"$ {command.line}\n" + "\n".join(lines)

    def run(self, command: Command) -> list[str]:
        """Run a command to its end, or until it is to be killed; return what it showed."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command.line}" if command.killed else command.line],
            cwd=self.folder, env=self._environment(), text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if command.killed:
            assert process.stdout is not None
            lines = [process.stdout.readline().rstrip("\n") for _ in command.shown[:-1]]
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
            return [*lines, "Killed"]
        output, _ = process.communicate("".join(f"{line}\n" for line in command.typed), timeout=120)
        return [line.rstrip().replace(str(self.folder), _HOME) for line in output.splitlines()]

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "XDG_STATE_HOME": str(self.folder / ".state"),
        }


def commands_of(block: str) -> list[Command]:
    """Return the commands of a block in their order."""
    commands: list[tuple[str, list[str], list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], [], []))
        elif line.startswith(_PROMPT):
            commands[-1][1].append(line.removeprefix(_PROMPT))
        elif line or commands[-1][2]:
            commands[-1][2].append(line.rstrip())
    return [
        Command(line, tuple(typed), tuple(_without_blank_end(shown)))
        for line, typed, shown in commands
    ]


def alike(shown: tuple[str, ...], found: list[str]) -> bool:
    """Say whether what a page shows is what was found, but for ids and times."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(_shape(line)) + "\n" for line in shown
    )
    text = "".join(_shape(line) + "\n" for line in _without_blank_end(found))
    return re.fullmatch(pattern, text) is not None


def _shape(line: str) -> str:
    for pattern, name in _SHAPES:
        line = pattern.sub(name, line)
    return line.rstrip()


def _without_blank_end(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines
