"""Source to program: the library, the compile-time machine and the source roots in one place.

A session compiles one program. Namespaces that the source requires are looked
for in the source roots: those given, else the folder that the file's namespace
implies (``src/shop/checkout.flow`` that holds ``shop.checkout`` implies
``src``), else the file's own folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowmetal.bytecode.code import Module, Program
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.linker import link
from flowmetal.compiler.loader import Loader, root_depth
from flowmetal.compiler.options import CompileOptions
from flowmetal.embed.evaluator import SealedMachine
from flowmetal.embed.library import library
from flowmetal.embed.natives import natives
from flowmetal.embed.reading import read
from flowmetal.source import Source


class Session:
    """Compiles a source and all that it requires, on top of the library."""

    def __init__(self, *, roots: Sequence[Path] = (), contracts: bool = True) -> None:
        self._given_roots = tuple(roots)
        self._roots = self._given_roots
        self.environment = Environment()
        self.library = library()
        for module in self.library:
            self.environment.add(module)
        self.machine = SealedMachine(natives(), self.library)
        self.loader = Loader(
            self._find,
            environment=self.environment,
            evaluator=self.machine,
            read=read,
            options=CompileOptions(contracts=contracts),
        )

    def compile_text(self, source: Source) -> Program:
        """Compile text that is in no file. Raises ReadError or CompileError."""
        return self._linked(self.loader.load(source, begins=True))

    def compile_source(self, source: Source, file: Path) -> Program:
        """Compile the text of ``file``. Raises ReadError or CompileError, UsageError for what it requires."""
        if not self._given_roots:
            self._roots = (file.resolve().parent,)
            name = namespace_in(source)
            depth = None if name is None else root_depth(name, file.resolve().as_posix())
            if depth:
                self._roots = (file.resolve().parents[depth],)
        return self._linked(self.loader.load(source, begins=True))

    def _linked(self, module: Module) -> Program:
        return link((*self.library, *self.loader.modules), module.name)

    def _find(self, path: str) -> Source | None:
        from flowmetal.embed.files import find_source

        return find_source(self._roots, path)


def namespace_in(source: Source) -> str | None:
    """Return the name that the source's ``ns`` form gives, if it begins with one that can be read."""
    from flowmetal.errors import ReadError
    from flowmetal.reader import ReadOptions, read_forms
    from flowmetal.values import List, Symbol

    try:
        for form, _ in read_forms(source, ReadOptions(resolve_alias=lambda alias: alias or "user")):
            if isinstance(form, List) and form.count > 1 and form.first == Symbol(None, "ns"):
                name = form.rest.first
                return name.text if isinstance(name, Symbol) else None
            return None
    except ReadError:
        return None
    return None
