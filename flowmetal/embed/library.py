"""The standard library, compiled: read from its image, which is built when it is not there.

The image is a file of modules (bytecode/file.py) whose name carries a digest of
all that it is made from: the library's sources and the code of the reader and
the compiler. So an image is never stale, and a wheel brings its own. Where the
package's folder cannot be written, the image lives in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import flowmetal
from flowmetal.bytecode.code import Module
from flowmetal.bytecode.file import read_modules, write_modules
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.loader import Loader
from flowmetal.compiler.options import CompileOptions
from flowmetal.embed.evaluator import SealedMachine
from flowmetal.embed.natives import natives
from flowmetal.embed.reading import read
from flowmetal.errors import ProgramError
from flowmetal.source import Source
from flowmetal.stdlib import SOURCES

_PACKAGE = Path(flowmetal.__file__).parent
_SOURCES = _PACKAGE / "stdlib" / "flow"
_IMAGE = _PACKAGE / "stdlib" / "image"
_MADE_FROM = ("reader", "compiler", "bytecode")


@lru_cache(maxsize=1)
def library() -> tuple[Module, ...]:
    """Return the compiled library in the order in which its namespaces require each other."""
    name = f"library-{_digest()}.fml"
    for folder in (_IMAGE, _cache_folder()):
        with contextlib.suppress(OSError, ProgramError):
            return read_modules((folder / name).read_bytes())
    modules = compile_library()
    _keep(name, write_modules(modules))
    return modules


def compile_library() -> tuple[Module, ...]:
    """Compile the library from its sources; the files of a folder are one namespace."""
    environment = Environment()
    loader = Loader(
        lambda path: None,
        environment=environment,
        evaluator=SealedMachine(natives()),
        read=read,
        options=CompileOptions(library=True),
    )
    for _, paths in groupby(SOURCES, key=lambda path: path.rpartition("/")[0] or path):
        loader.load(
            [Source(f"flow/{path}", (_SOURCES / path).read_text("utf-8")) for path in paths]
        )
    return tuple(loader.modules)


def _digest() -> str:
    made = hashlib.sha256()
    for path in sorted(_made_from()):
        made.update(path.relative_to(_PACKAGE).as_posix().encode())
        made.update(path.read_bytes())
    return made.hexdigest()[:16]


def _made_from() -> Iterator[Path]:
    yield from _SOURCES.rglob("*.flow")
    yield _PACKAGE / "stdlib" / "__init__.py"
    for package in _MADE_FROM:
        yield from (_PACKAGE / package).rglob("*.py")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "flowmetal"


def _keep(name: str, data: bytes) -> None:
    """Write an image where it can be written; whoever cannot write any compiles every time."""
    for folder in (_IMAGE, _cache_folder()):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            fresh = folder / f"{name}.{os.getpid()}.part"
            fresh.write_bytes(data)
            os.replace(fresh, folder / name)
            for old in _IMAGE.glob("library-*.fml"):
                if old.name != name:
                    old.unlink()
            return
