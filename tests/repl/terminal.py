"""A terminal for tests: a pseudo-terminal with ``fmvm repl`` in it, and a screen that can be read."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

ROWS, COLUMNS = 40, 100
PATIENCE_S = 30.0
FMVM = "import sys; sys.argv[0] = 'fmvm'; from flowmetal.cli.entry import fmvm; fmvm()"
_CONTROL = re.compile(
    r"\x1b\[([?>]?)([\d;]*)([A-Za-z])|\x1b[()=>][0-9A-B]?|\x1b\][^\x07]*\x07|[\r\n\x08\x07]"
)


class Screen:
    """What a terminal shows, as far as our programs drive one."""

    def __init__(self) -> None:
        self.rows = [[" "] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0
        self.raw = ""
        self._rest = ""

    def feed(self, text: str) -> None:
        self.raw += text
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            control = _CONTROL.match(text, at)
            if control:
                self._control(control)
                at = control.end()
            elif text[at] == "\x1b" and len(text) - at < 12:
                self._rest = text[at:]
                return
            else:
                self._put(text[at])
                at += 1

    @property
    def lines(self) -> list[str]:
        return [line for row in self.rows if (line := "".join(row).rstrip())]

    def _put(self, char: str) -> None:
        if self.column >= COLUMNS:
            self.column = 0
            self._down()
        self.rows[self.row][self.column] = char
        self.column += 1

    def _down(self) -> None:
        if self.row == ROWS - 1:
            self.rows = [*self.rows[1:], [" "] * COLUMNS]
        else:
            self.row += 1

    def _control(self, match: re.Match[str]) -> None:
        text, kind = match.group(), match.group(3)
        numbers = [int(n) for n in (match.group(2) or "").split(";") if n]
        count = numbers[0] if numbers else 1
        if text == "\r":
            self.column = 0
        elif text == "\n":
            self._down()
        elif text == "\x08":
            self.column = max(0, self.column - 1)
        elif match.group(1):
            return
        elif kind == "A":
            self.row = max(0, self.row - count)
        elif kind == "B":
            self.row = min(ROWS - 1, self.row + count)
        elif kind == "C":
            self.column = min(COLUMNS - 1, self.column + count)
        elif kind == "D":
            self.column = max(0, self.column - count)
        elif kind == "H":
            self.row = (numbers[0] if numbers else 1) - 1
            self.column = (numbers[1] if len(numbers) > 1 else 1) - 1
        elif kind == "J":
            self._erase_line()
            for row in range(self.row + 1, ROWS):
                self.rows[row] = [" "] * COLUMNS
            if count == 2 and numbers:
                self.rows = [[" "] * COLUMNS for _ in range(ROWS)]
        elif kind == "K":
            self._erase_line()

    def _erase_line(self) -> None:
        self.rows[self.row][self.column :] = [" "] * (COLUMNS - self.column)


class Terminal:
    """``fmvm repl WORDS`` at a terminal. Ends with the ``with`` block at the latest."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.screen = Screen()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._status: int | None = None
        self._seen = 0  # prompts
        inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        settings = inherited | {
            "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1",
            "XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        } | environment  # fmt: skip
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.chdir(folder)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execve(sys.executable, [sys.executable, "-c", FMVM, "repl", *words], settings)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def type(self, text: str) -> None:
        """Send keys: Enter is ``\\r``, Ctrl-C ``\\x03``, Ctrl-D ``\\x04``, Up ``\\x1b[A``."""
        os.write(self._terminal, text.encode())

    def wait(self, until: Callable[[list[str]], bool]) -> list[str]:
        """Read until the lines of the screen are as wanted, and return them."""
        deadline = time.monotonic() + PATIENCE_S
        while not until(self.screen.lines):
            left = deadline - time.monotonic()
            assert left > 0, "\n".join(["not shown in time; the screen is", *self.screen.lines])
            self._read(left)
        return self.screen.lines

    def wait_for(self, text: str) -> list[str]:
        """Read until some line has ``text`` in it."""
        return self.wait(lambda lines: any(text in line for line in lines))

    def prompt(self, namespace: str = "user") -> list[str]:
        """Read until a new prompt is there; return what is above it."""
        wanted = f"{namespace}=>"
        lines = self.wait(lambda lines: self._prompts() > self._seen and lines[-1] == wanted)
        self._seen = self._prompts()
        return lines[:-1]

    def enter(self, text: str, namespace: str = "user") -> list[str]:
        """Type a line and Enter, wait for the next prompt and return the lines since the input."""
        self.type(f"{text}\r")
        lines = self.prompt(namespace)
        shown = max(index for index, line in enumerate(lines) if line.endswith(f"=> {text}"))
        return lines[shown + 1 :]

    def _prompts(self) -> int:
        """Count the prompts so far: each switches bracketed paste on."""
        return self.screen.raw.count("\x1b[?2004h")

    def ended(self) -> int:
        """Wait for the end of the process and return its exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline
        _, status = os.waitpid(self._pid, 0)
        self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], timeout_s)
        try:
            data = os.read(self._terminal, 65_536) if ready else b""
        except OSError:  # the other side is closed
            data = b""
        self.screen.feed(self._decoder.decode(data))
        return bool(data)
