"""The source files that a command names: files, folders (all sources below them), ``-`` for standard input.

A text is written back beside its name and moved there when it is whole, with
the permissions and the line ends that it had; a link stays a link.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowmetal.embed.files import read_bytes, shown_path
from flowmetal.errors import UsageError
from flowmetal.reader import decode_source
from flowmetal.source import Source

STDIN = "-"
SUFFIXES = (".flow", ".cljc")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A source, and what is to be kept when it is written back."""

    name: str
    source: Source
    windows: bool  # its lines end in \\r\\n

    def encode(self, text: str) -> bytes:
        """Return the bytes of another text, with the line ends of this one."""
        return (text.replace("\n", "\r\n") if self.windows else text).encode()

    def write(self, text: str) -> None:
        """Put another text in its place, all or nothing. Raises UsageError FM1312."""
        path = os.path.realpath(self.name)
        fresh = ""
        try:
            with tempfile.NamedTemporaryFile(
                dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.", delete=False
            ) as opened:
                fresh = opened.name
                opened.write(self.encode(text))
                opened.flush()
                os.fsync(opened.fileno())
            shutil.copymode(path, fresh)
            os.replace(fresh, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            why = (error.strerror or str(error)).lower()
            raise UsageError("FM1312", f"{self.name} cannot be written: {why}") from None


def read_source_file(name: str, data: bytes | None = None) -> SourceFile:
    """Read a file, or take ``data`` for its content. Raises UsageError FM1301 to FM1304."""
    if data is None:
        data = read_bytes(name)
    shown = "<stdin>" if name == STDIN else shown_path(name)
    windows = b"\r\n" in data and data.count(b"\r\n") == data.count(b"\n")
    return SourceFile(name, decode_source(shown, data), windows)


def source_names(words: Sequence[str]) -> list[str]:
    """Return the files that ``words`` name, each once: for a folder all sources below it, sorted."""
    names = (name for word in words for name in (_below(word) if os.path.isdir(word) else [word]))
    return list(dict.fromkeys(names))


def _below(folder: str) -> Iterator[str]:
    """Yield the sources in a folder and in those inside it that are not hidden."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            str(Path(here) / name)
            for name in sorted(files)
            if name.endswith(SUFFIXES) and not name.startswith(".")
        )


def find_beside(file: str, namespace: str, path: str) -> Source | None:
    """Return the source at ``path`` below the source root that ``namespace`` implies for ``file``."""
    from flowmetal.compiler.loader import root_depth

    here = Path(file).resolve()
    depth = root_depth(namespace, here.as_posix())
    found = here.parents[depth or 0] / path
    try:
        return read_source_file(str(found)).source if found.is_file() else None
    except (OSError, UsageError):
        return None
