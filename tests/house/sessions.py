"""Sessions at a prompt whose last answer is a mistake, and what it looks like word for word.

A scenario is a few command lines; the last one is what goes wrong. ``tests/golden/world/CODE.txt`` has that line
and all that is shown, with words in place of what differs from run to run. To accept new wording, delete the
file and run the test twice; then read it as whoever made the mistake at 3 in the morning.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.rendering import render
from tests.shell import Shell

GOLDEN = Path(__file__).parent.parent / "golden"
WORLD = GOLDEN / "world"
HOST = re.compile(r"Traceback|0x7f|\.py\b")
BUDGET = 14
"""Lines that one mistake may cost, the command not counted."""

LIBRARY_LINE = (re.compile(r"(\bflow/[\w/]+\.flow):\d+:\d+"), r"\1:LINE")
"""They move with every change of the library."""

TIME = (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME")
"""Lines of a log begin with one."""

CHANGING = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH"),
    (re.compile(r"(?<=program )( ?)[0-9a-f]{12}\b"), r"\1HASH"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "HASH"),
    (re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{16}\b"), "ID"),
    TIME,
    (re.compile(r"\b\d+ (ms|s) ago"), "just now"),
    (re.compile(r"127\.0\.0\.1:\d{4,5}"), "127.0.0.1:PORT"),
    (re.compile(r"(?<!:)port \d{4,5}"), "port PORT"),
    (re.compile(r"(takes|:bytes) [\d,]{5,}\d"), r"\1 N"),
    (re.compile(r"(?<=internal error )[0-9a-f]{8}"), "ID"),
    LIBRARY_LINE,
    (re.compile(r"(?<=process )\d+ on \S+"), "PID on HOST"),
)


def same_every_time(text: str, *folders: Path | str) -> str:
    """Return what was shown, without what differs from run to run; ``folders`` are /home/ann."""
    for folder in folders:
        text = text.replace(str(folder), "/home/ann")
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return text


def compare(code: str, found: str, folder: Path = WORLD, lines: int = BUDGET) -> None:
    """Compare what is shown for a code with its golden text; write it if there is none."""
    file = folder / f"{code}.txt"
    if not found.endswith("\n"):
        found += "\n"
    assert code in found, found
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, "utf-8")
        pytest.fail(f"{file.name} was missing and is written; read it:\n{found}")
    wanted = file.read_text("utf-8")
    assert found == wanted, f"agreed:\n{wanted}\nfound:\n{found}"
    assert not HOST.search(found)
    assert len([line for line in found.splitlines() if not line.startswith("$ ")]) <= lines


def shown_by(shell: Shell, session: str) -> str:
    """Run the lines of a session and return the last one with what it shows.

    The lines before it have to go well, unless they begin with ``!``.
    """
    *before, last = [line.strip() for line in session.splitlines() if line.strip()]
    for line in before:
        done = shell(*shlex.split(line.removeprefix("!")))
        assert line.startswith("!") == (done.status != 0), (line, done)
    done = shell(*shlex.split(last))
    text = f"$ {last}\n{done.out}{done.err}".encode("utf-8", "backslashreplace").decode()
    return same_every_time(text, shell.folder)


def said_of(error: flowmetal.FlowmetalError, *folders: Path | str) -> str:
    """Return what a host shows of an error that it caught."""
    return same_every_time(render(error.diagnostics), *folders)
