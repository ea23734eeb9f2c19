"""What was typed before, across sessions: a file in the state folder that only its owner can read.

An entry is a whole input, however many lines it has. Whatever is wrong with
the file costs the history and never the REPL.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory


def history_file() -> Path:
    """Return where the history is: below $XDG_STATE_HOME, else ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "flowmetal" / "repl_history"


def open_history(file: Path) -> History:
    """Return the history in ``file``, made for its owner alone; one in memory if that fails."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError:
        return InMemoryHistory()
    return _Lasting(str(file))


class _Lasting(FileHistory):
    """A history in a file that may become unreadable, or full, at any time."""

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string)
