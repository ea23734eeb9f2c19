"""Finds, compiles and remembers namespaces: what ``require`` needs, and a whole program.

A namespace ``shop.stock-list`` is the file ``shop/stock_list.flow`` below one
of the source roots, or ``.cljc`` if there is no such file. Reading files is the
caller's: ``find`` gets such a path and answers with the source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowmetal.bytecode.code import Module
from flowmetal.compiler.compile import USER, compile_module
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import Evaluator
from flowmetal.compiler.options import CompileOptions
from flowmetal.compiler.requiring import not_found
from flowmetal.compiler.resolution import FormReader
from flowmetal.errors import CompileError, Label, ReadError, UsageError
from flowmetal.source import Source, Span

FindSource = Callable[[str], Source | None]
"""Returns the source at a path relative to the source roots, None if no root has it."""

SUFFIXES = (".flow", ".cljc")


def paths_of(namespace: str) -> tuple[str, ...]:
    """Return where a namespace may be, relative to a source root, best first."""
    stem = namespace.replace("-", "_").replace(".", "/")
    return tuple(stem + suffix for suffix in SUFFIXES)


def namespace_of(path: str) -> str:
    """Return the namespace that a path relative to a source root should hold."""
    stem = path.rpartition(".")[0] or path
    return stem.replace("\\", "/").strip("/").replace("/", ".").replace("_", "-")


def root_depth(namespace: str, path: str) -> int | None:
    """Return how many folders above the file its source root is, None if path and name disagree."""
    parts = paths_of(namespace)[0].rpartition(".")[0].split("/")
    found = (path.rpartition(".")[0] or path).replace("\\", "/").split("/")
    return len(parts) - 1 if found[-len(parts) :] == parts else None


@dataclass(frozen=True, slots=True)
class _Loading:
    """A namespace that is being compiled, and where it was asked for."""

    namespace: str
    span: Span | None


class Loader:
    """Compiles a source and, before it, whatever it requires. Everything is compiled once."""

    def __init__(
        self,
        find: FindSource,
        *,
        environment: Environment,
        evaluator: Evaluator,
        read: FormReader,
        options: CompileOptions | None = None,
    ) -> None:
        self.modules: list[Module] = []
        self._find = find
        self._environment = environment
        self._evaluator = evaluator
        self._read = read
        self._options = options or CompileOptions()
        self._loading: list[_Loading] = []
        self._failed: dict[str, CompileError | ReadError] = {}  # while something is loaded

    def load(
        self,
        source: Source | Sequence[Source],
        namespace: str | None = None,
        *,
        begins: bool = False,
    ) -> Module:
        """Compile a source and remember its module. ``namespace``: what it must be called.

        ``begins``: a program begins with it, see ``compile_module``.

        Raises CompileError or ReadError.
        """
        return self._load(source, namespace, None, begins)

    def require(self, namespace: str, span: Span) -> None:
        """Make a namespace known, compiling it if need be. Raises CompileError or ReadError."""
        known = self._environment.namespace(namespace)
        if known is not None and known.complete:
            return
        self._refuse_cycle(namespace, span)
        failed = self._failed.get(namespace)
        if failed is not None:
            raise failed
        source = self._source_of(namespace, span)
        if source is None:
            raise self._missing(namespace, span)
        self._load(source, namespace, span)

    def _load(
        self,
        source: Source | Sequence[Source],
        wanted: str | None,
        span: Span | None,
        begins: bool = False,
    ) -> Module:
        self._loading.append(_Loading(wanted or "", span))
        try:
            module = self._compile(source, begins)
            if wanted is not None and module.name != wanted:
                self._environment.remove(module.name)
                first = source if isinstance(source, Source) else source[0]
                raise _misnamed(module, wanted, first)
        except (CompileError, ReadError) as error:
            self._failed[wanted or ""] = error
            raise
        finally:
            self._loading.pop()
            if not self._loading:
                self._failed.clear()  # the next one who asks may have mended it
        self.modules.append(module)
        return module

    def _compile(self, source: Source | Sequence[Source], begins: bool) -> Module:
        return compile_module(
            source,
            environment=self._environment,
            evaluator=self._evaluator,
            read=self._read,
            options=self._options,
            require=self.require,
            begins=begins,
        )

    def _source_of(self, namespace: str, span: Span) -> Source | None:
        for path in paths_of(namespace):
            try:
                source = self._find(path)
            except UsageError as error:
                if (
                    error.diagnostics[0].span is not None
                ):  # something in the file: it has a place of its own
                    raise
                raise _unusable(namespace, error, span) from None
            if source is not None:
                return source
        return None

    def _missing(self, namespace: str, span: Span) -> CompileError:
        error = not_found(self._environment, namespace, span)
        first, second = paths_of(namespace)
        error.with_note(f"no source root has {first} or {second}")
        return error

    def _refuse_cycle(self, namespace: str, span: Span) -> None:
        names = [loading.namespace for loading in self._loading]
        current = self._environment.namespace(namespace)
        if namespace in names:
            ring = [*names[names.index(namespace) :], namespace]
        elif current is not None and not current.complete and namespace != USER:
            # The source that the loading began with says its name only in its ``ns`` form.
            ring = [namespace, *names[1:], namespace]
        else:
            return
        labels = tuple(
            Label(each.span, "required here", primary=False)
            for each in self._loading
            if each.span is not None and each.namespace in ring[1:-1]
        )
        raise CompileError(
            "FM0204",
            "namespaces require each other in a circle: " + " -> ".join(ring),
            span,
            labels=labels,
            hint="move what both need into a third namespace",
        )


def _unusable(namespace: str, error: UsageError, span: Span) -> CompileError:
    """Return the error for a namespace whose file is there, and no good."""
    if error.code == "FM0209":
        return CompileError(
            "FM0209",
            f"namespace `{namespace}` is in two files",
            span,
            notes=(error.message,),
            hint="rename one of them, or leave one root out",
        )
    return CompileError(
        "FM0210",
        f"namespace `{namespace}` cannot be read",
        span,
        notes=(error.message,),
        hint="put a source file there that this user may read",
    )


def _misnamed(module: Module, wanted: str, source: Source) -> CompileError:
    return CompileError(
        "FM0205",
        f"this file should hold namespace {wanted}, but its `ns` says {module.name}",
        Span(source.path, 1, 1, 1, 1),
        hint=f"write (ns {wanted}), or move the file to {paths_of(module.name)[0]}",
    )
