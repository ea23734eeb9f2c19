"""The one renderer of diagnostics: as text for people and as JSON for programs.

```
error[FM0102]: unknown name `printn`
  --> src/orders.flow:3:6
   |
 2 |   (let [total (reduce + x)]
 3 |     (printn total)))
   |      ^^^^^^ not defined in orders, flow.core or this function
help: did you mean `println`?
```

The first line stands alone; the second is a place that terminals and editors
can open. Excerpts need the text of the file, by path; without it they are
left out. What comes from programs and files is printed with control
characters replaced, so that a source cannot drive somebody's terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from wcwidth import wcwidth

from flowmetal.errors import Diagnostic, Label
from flowmetal.source import Span

_LEAST_EXCERPT = 20  # columns; a terminal narrower than that gets long lines instead
_LIBRARY, _LIBRARY_SOURCES = "flow.", "flow/"  # how its names and its paths begin
_CORE = "flow.core/"
_RESET = "\x1b[0m"
_STYLES = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "message": "\x1b[1m",
    "gutter": "\x1b[34m",
    "secondary": "\x1b[36m",
    "help": "\x1b[32m",
}


def render(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, str] | None = None,
    *,
    width: int | None = None,
    colour: bool = False,
    full: bool = False,
) -> str:
    """Return the diagnostics as text without a last line end, a blank line between two.

    ``sources`` maps paths to texts; None means the source files themselves,
    which is for commands only: nothing else should open paths that a program
    names. ``width`` is that of the terminal in columns, None if lines may be
    of any length. ``full`` shows every frame.
    """
    renderer = _Renderer(SourceFiles() if sources is None else sources, width, colour, full)
    return "\n\n".join(renderer.render(diagnostic) for diagnostic in diagnostics)


class SourceFiles(Mapping[str, str]):
    """The texts of source files by path, read when asked for; other files are not there."""

    _suffixes = (".flow", ".cljc", ".clj", ".edn")
    _most_bytes = 10_000_000

    def __init__(self) -> None:
        self._texts: dict[str, str | None] = {}

    def __getitem__(self, path: str) -> str:
        if path not in self._texts:
            self._texts[path] = self._read(Path(path))
        text = self._texts[path]
        if text is None:
            raise KeyError(path)
        return text

    def _read(self, path: Path) -> str | None:
        try:
            if path.suffix not in self._suffixes or not path.is_file():
                return None
            with path.open("rb") as file:
                data = file.read(self._most_bytes)
        except (OSError, ValueError):
            return None
        return data.decode("utf-8-sig", "replace")

    def __iter__(self) -> Iterator[str]:
        return (path for path, text in self._texts.items() if text is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def to_json(diagnostic: Diagnostic) -> dict[str, object]:
    """Return the diagnostic as what ``json.dumps`` takes; every key is always there."""
    return {
        "code": diagnostic.code,
        "level": diagnostic.level,
        "message": diagnostic.message,
        "spans": [
            _span_json(label.span) | {"label": label.text, "primary?": label.primary}
            for label in diagnostic.labels
        ],
        "notes": list(diagnostic.notes),
        "help": list(diagnostic.help),
        "fixes": [],
        "frames": [
            {"name": name, "span": None if span is None else _span_json(span)}
            for name, span in diagnostic.frames
        ],
        "context": list(diagnostic.context),
        "cause": None,
    }


def _span_json(span: Span) -> dict[str, object]:
    return {
        "file": span.path,
        "line": span.line,
        "col": span.col,
        "end-line": span.end_line,
        "end-col": span.end_col,
    }


class _Renderer:
    def __init__(
        self, sources: Mapping[str, str], width: int | None, colour: bool, full: bool
    ) -> None:
        self._sources = sources
        self._width = width
        self._colour = colour
        self._full = full

    def render(self, diagnostic: Diagnostic) -> str:
        lines = [self._headline(diagnostic)]
        for _, labels in groupby(_by_file(diagnostic.labels), key=lambda label: label.span.path):
            lines += self._place(list(labels))
        lines += _frame_lines(diagnostic.frames, self._full)
        lines += [f"   {printable(line)}" for line in diagnostic.context]
        lines += [self._note("note", note) for note in diagnostic.notes]
        lines += [self._note("help", line) for line in diagnostic.help]
        return "\n".join(line.rstrip() for line in lines)

    def _headline(self, diagnostic: Diagnostic) -> str:
        code = f"[{diagnostic.code}]" if diagnostic.code else ""
        level = self._styled(diagnostic.level, f"{diagnostic.level}{code}")
        return f"{level}: {self._styled('message', printable(diagnostic.message))}"

    def _note(self, kind: str, text: str) -> str:
        first, *more = printable(text, keep="\n").split("\n")
        return "\n".join([f"{self._styled('help', kind)}: {first}", *(f"      {m}" for m in more)])

    def _place(self, labels: Sequence[Label]) -> list[str]:
        """Return the arrow and the excerpt of one file; the first label is the main one."""
        span = labels[0].span
        lines = [f"  {self._styled('gutter', '-->')} {span}"]
        text = self._sources.get(span.path)
        excerpt = None if text is None else self._excerpt(labels, text.split("\n"))
        return lines + (_without_excerpt(labels) if excerpt is None else excerpt)

    def _excerpt(self, labels: Sequence[Label], text: Sequence[str]) -> list[str] | None:
        """Return the marked lines with the one before the first label, None if there are none."""
        marked = {label.span.line for label in labels}
        if any(not 1 <= line <= len(text) for line in marked):
            return None
        before = labels[0].span.line - 1
        context = {before} if before and text[before - 1].strip() else set()
        gutter = len(str(max(marked)))
        lines = [self._styled("gutter", f" {'':{gutter}} |")]
        for number in sorted(marked | context):
            here = [label for label in labels if label.span.line == number]
            window = _Window(text[number - 1].rstrip("\r"), here, self._room(gutter))
            lines.append(f"{self._styled('gutter', f' {number:>{gutter}} |')} {window.text}")
            for label in here:
                mark = window.mark(label)
                style = "error" if label.primary else "secondary"
                lines.append(
                    f"{self._styled('gutter', f' {chr(32):>{gutter}} |')} {self._styled(style, mark)}"
                )
        return lines

    def _room(self, gutter: int) -> int | None:
        return None if self._width is None else max(self._width - gutter - 4, _LEAST_EXCERPT)

    def _styled(self, style: str, text: str) -> str:
        if not self._colour or not text.strip():
            return text
        return f"{_STYLES.get(style, '')}{text}{_RESET}"


class _Window:
    """The part of a source line that is shown, and where its columns come to lie."""

    def __init__(self, line: str, labels: Sequence[Label], room: int | None) -> None:
        self._line = line
        self._shown = [(_visible(char), max(wcwidth(_visible(char)), 0)) for char in line]
        self._first, self._last = 0, len(line)
        if room is not None and self._columns(0, len(line)) > room:
            self._cut(labels, room)
        head = "…" if self._first else ""
        tail = "…" if self._last < len(line) else ""
        self._indent = len(head)
        self.text = head + "".join(c for c, _ in self._shown[self._first : self._last]) + tail

    def mark(self, label: Label) -> str:
        """Return the carets under ``label``, and what it says."""
        start, end = self._extent(label)
        start = min(max(start, self._first), self._last)
        end = min(max(end, start), self._last)
        lead = self._indent + self._columns(self._first, start)
        count = max(self._columns(start, end), 1)
        sign = "^" if label.primary else "-"
        return f"{'':{lead}}{sign * count} {printable(label.text)}".rstrip()

    def _extent(self, label: Label) -> tuple[int, int]:
        """Return the part of the line that the label covers, as indices."""
        span = label.span
        ends_here = span.end_line == span.line
        end = span.end_col - 1 if ends_here else len(self._line.rstrip())
        return min(span.col - 1, len(self._line)), min(end, len(self._line))

    def _cut(self, labels: Sequence[Label], room: int) -> None:
        """Choose what to show so that the first label lies inside, with text before it."""
        start, end = self._extent(labels[0]) if labels else (0, 0)
        room -= 2  # an ellipsis on either side
        wanted = self._columns(start, end)
        before = max((room - wanted) // 2, room // 4)
        first = start
        while first > 0 and self._columns(first - 1, start) <= before:
            first -= 1
        last = first
        while last < len(self._line) and self._columns(first, last + 1) <= room:
            last += 1
        while first > 0 and self._columns(first - 1, last) <= room:
            first -= 1
        self._first, self._last = first, last

    def _columns(self, start: int, end: int) -> int:
        return sum(columns for _, columns in self._shown[start:end])


def _by_file(labels: Sequence[Label]) -> list[Label]:
    """Order labels by file, in order of appearance, the primary ones first."""
    ordered = sorted(labels, key=lambda label: not label.primary)
    paths = list(dict.fromkeys(label.span.path for label in ordered))
    return sorted(ordered, key=lambda label: paths.index(label.span.path))


def _without_excerpt(labels: Sequence[Label]) -> list[str]:
    first, *more = labels
    lines = [f"   = {printable(first.text)}"] if first.text else []
    return lines + [f"  --> {label.span} {printable(label.text)}" for label in more]


def _frame_lines(frames: Sequence[tuple[str, Span | None]], full: bool) -> list[str]:
    """Return a line for each frame; unless ``full``, those of the library are folded, and a
    function that called itself again and again at one place is named once."""
    shown: list[tuple[str, Span | None] | str] = []
    for in_library, run in groupby(frames, key=_is_of_library):
        group = list(run)
        shown += [_folded(group)] if in_library and len(group) > 1 and not full else group
    named = [frame for frame in shown if not isinstance(frame, str) and frame[0][:3] != "..."]
    widest = max((len(name) for name, _ in named), default=0)
    lines: list[str] = []
    for frame, alike in groupby(shown):
        times = len(list(alike))
        if isinstance(frame, str):
            lines.append(frame)
            continue
        name, span = frame
        if span is None and name.startswith("..."):  # frames left out, not the name of one
            lines.append(f"   {name}")
            continue
        place = "" if span is None else f"   {span}"
        line = f"   in {printable(name):{widest}}{place}"
        lines += [line] * times if full or times < 3 else [line, f"   ... {times - 1} times more"]
    return lines


def _is_of_library(frame: tuple[str, Span | None]) -> bool:
    name, span = frame
    return name.startswith(_LIBRARY) and (span is None or span.path.startswith(_LIBRARY_SOURCES))


def _folded(frames: Sequence[tuple[str, Span | None]]) -> str:
    where = "flow.core" if all(name.startswith(_CORE) for name, _ in frames) else "the library"
    return f"   ... {len(frames)} frames in {where}, --full to see"


def _visible(char: str) -> str:
    if char in "\t\n":
        return " "
    return char if char.isprintable() else "�"


def printable(text: str, keep: str = "") -> str:
    """Return ``text`` with what would steer a terminal replaced."""
    if text.isprintable():
        return text
    return "".join(char if char in keep else _visible(char) for char in text)
