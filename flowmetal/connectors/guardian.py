"""Ends the commands of an interpreter that has died.

Whoever takes its runs over begins their commands again, and two of one kind at a time is
more than "at least once" says. A process that is killed can see to nothing, so another one does: a small
shell that is told which groups of processes there are, and hears by the end of its pipe that its
interpreter is gone. It ends with its interpreter, and is begun with the first command. Processes that are forked from the interpreter,
as those of a pool of a function of the host, have its pipe as well, and close it: they may outlive the interpreter.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import weakref
from typing import Final

_SCRIPT: Final = """
trap '' HUP INT TERM
groups=
while read -r word group; do
  [ "$word" = close ] && break
  kept=
  for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done
  groups=$kept
  [ "$word" = end ] || groups="$groups $group"
done
[ -n "$groups" ] || exit
for one in $groups; do kill -s TERM -- "-$one"; done
sleep 2
for one in $groups; do kill -s KILL -- "-$one"; done
"""


class Guardian:
    """The other process. A system on which it cannot be begun goes without it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()

    def begin(self) -> None:
        """Be there before the command is: so there is hardly a moment in which nobody knows of it."""
        if self._process is not None:
            return
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": "/usr/bin:/bin"},
                start_new_session=True,
                bufsize=0,
            )
            _close_in_forks(self)
            for group in self._groups:
                self._write(self._process, "begin", group)

    def watch(self, group: int) -> None:
        """End this group of processes if we die."""
        self._groups.add(group)
        self._tell("begin", group)

    def forget(self, group: int) -> None:
        """The command has ended: its number may soon be somebody else's."""
        self._groups.discard(group)
        self._tell("end", group)

    def close(self) -> None:
        """Let it go, and see it go."""
        if self._process is not None:
            with contextlib.suppress(OSError):  # somebody has ended it
                self._write(self._process, "close", 0)
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def forget_all(self) -> None:
        """Be nobody's guardian, in a process that is a copy of its interpreter."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None
        self._groups.clear()

    def _tell(self, word: str, group: int) -> None:
        if self._process is None:
            return
        try:
            self._write(self._process, word, group)
        except OSError:  # somebody has ended it
            self.close()
            if self._groups:
                self.begin()

    @staticmethod
    def _write(process: subprocess.Popen[bytes], word: str, group: int) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{word} {group}\n".encode())


def _close_in_forks(guardian: Guardian) -> None:
    there = weakref.ref(guardian)

    def forked() -> None:
        found = there()
        if found is not None:
            found.forget_all()

    os.register_at_fork(after_in_child=forked)
