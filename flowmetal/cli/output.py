"""How commands print: results to standard output, everything else to standard error.

Text that comes from programs, runs and files is shown without control
characters, so that a run cannot move the cursor or change the title of the
terminal of whoever looks at it. Colour is for terminals alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from flowmetal.errors import Diagnostic

_ESCAPES = (
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_](?:[^\x07\x1b\n]*(?:\x07|\x1b\\))?"  # OSC and friends: titles, links, clipboards
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class OutputLost(Exception):
    """Standard output or standard error takes nothing more. The text says why; "": its reader has gone.

    From then on the stream swallows what is written to it.
    """

    def __init__(self, stream: TextIO, problem: OSError) -> None:
        name = "standard error" if stream is sys.stderr else "standard output"
        why = (problem.strerror or str(problem)).lower()
        super().__init__("" if isinstance(problem, BrokenPipeError) else f"{name}: {why}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def plain(text: str) -> str:
    """Return ``text`` without terminal escapes and control characters but tab and newline."""
    if text.replace("\n", "").isprintable():
        return text
    import re  # most text is printable, and compiling the pattern costs start-up time

    return re.sub(_ESCAPES, "", text.replace("\r\n", "\n"))


def say(text: str, end: str = "\n", *, colours: bool = False) -> None:
    """Print a result. ``colours`` keeps those that our own renderer put in.

    A reader who has had enough (``fmvm doctor | head -1``) changes nothing of what is done and decided.
    Raises OutputLost if there is no room for it.
    """
    try:
        pass_on(sys.stdout, (text if colours else plain(text)) + end)
    except OutputLost as lost:
        if lost.args[0]:
            raise


def say_json(document: Any) -> None:
    """Print a result as one JSON document on a line of its own. Raises OutputLost as ``say`` does."""
    say(json_of(document), colours=True)  # what is escaped in it stays so


def json_of(document: Any) -> str:
    """Return a document as one line, with escapes for what standard output cannot take as it is."""
    import json

    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    return json.dumps(document, ensure_ascii=not is_unicode, allow_nan=False)


def complain(text: str, end: str = "\n") -> None:
    """Print what is no result. Whether anybody takes it changes nothing of what is done and decided."""
    with suppress(OutputLost):
        sys.stdout.flush()
        pass_on(sys.stderr, (text if coloured(sys.stderr) else plain(text)) + end)


def render(
    diagnostics: Iterable[Diagnostic],
    stream: TextIO,
    sources: Mapping[str, str] | None = None,
    *,
    full: bool = False,
) -> str:
    """Return diagnostics as text for ``stream``, with excerpts of ``sources`` (None: the files).

    ``full`` shows the frames of the library too.
    """
    import shutil

    from flowmetal.embed.rendering import render as as_text

    width = shutil.get_terminal_size().columns if stream.isatty() else None
    return as_text(diagnostics, sources, width=width, colour=coloured(stream), full=full)


def coloured(stream: TextIO) -> bool:
    """Say whether to use colour on ``stream``."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def pass_on(stream: TextIO, text: str) -> None:
    """Print what is printed only as long as somebody takes it, as it is. Raises OutputLost."""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError as problem:
        raise OutputLost(stream, problem) from None


def table(head: Sequence[str], rows: Iterable[Sequence[str]], stream: TextIO | None = None) -> str:
    """Lay out rows in columns, the last one cut to the width of a terminal."""
    import shutil

    cleaned = [[plain(cell).replace("\n", " ") for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cleaned) for i in range(len(head))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cleaned
    ]
    if (stream or sys.stdout).isatty():
        width = shutil.get_terminal_size().columns
        lines = [line if len(line) <= width else line[: width - 1] + "…" for line in lines]
    return "\n".join(lines)


def ago(us: int | None, now_us: int) -> str:
    """Return a time for people: relative on a terminal, ISO 8601 elsewhere."""
    from flowmetal.embed.views import iso, rough_time

    if us is None:
        return "-"
    if not sys.stdout.isatty():
        return iso(us) or "-"
    seconds = (now_us - us) / 1e6
    return f"{rough_time(seconds)} ago" if seconds >= 0 else f"in {rough_time(-seconds)}"
