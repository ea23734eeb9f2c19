"""What is known of namespaces while compiling: vars, aliases, refers, kinds of effects.

``Environment.add`` makes a compiled module known; the namespace that is being
compiled is in the environment too and grows form by form. Nothing here
evaluates anything: values live in the machine behind the ``Evaluator``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flowmetal.bytecode.arities import Arities, Arity
from flowmetal.bytecode.code import Definition, DefinitionKind, Module
from flowmetal.compiler.forms import CORE, flag
from flowmetal.effects.kinds import KINDS
from flowmetal.source import Span
from flowmetal.values import Map, Value, Vector, is_seq, keyword
from flowmetal.values.parts import is_part

_ARGLISTS = keyword("arglists")
_INLINE = keyword("inline")


@dataclass(frozen=True, slots=True)
class VarInfo:
    """What the compiler knows of a var."""

    name: str
    kind: DefinitionKind
    meta: Map | None = None
    span: Span | None = None
    broken: bool = False  # its definition has an error: say nothing more about it

    @property
    def namespace(self) -> str:
        return self.name[: self.name.index("/")]

    @property
    def private(self) -> bool:
        return flag(self.meta, "private")

    @property
    def macro(self) -> bool:
        return flag(self.meta, "macro")

    @property
    def dynamic(self) -> bool:
        return flag(self.meta, "dynamic")

    @property
    def inline(self) -> str | None:
        """Return the name of the instruction that a call of this native becomes."""
        return None if self.meta is None else self.meta.get(_INLINE)

    @property
    def arglists(self) -> tuple[Vector, ...]:
        found: Value = None if self.meta is None else self.meta.get(_ARGLISTS)
        if found is None or not (isinstance(found, Vector) or is_seq(found)):
            return ()
        return tuple(arglist for arglist in found if isinstance(arglist, Vector))

    @property
    def arities(self) -> Arities | None:
        """Return what a call may look like, if that is fixed when compiling."""
        if self.broken or self.kind not in (DefinitionKind.FUNCTION, DefinitionKind.NATIVE):
            return None
        # What is a static function may still be rebound or redefined under these.
        if self.dynamic or flag(self.meta, "redef"):
            return None
        return tuple(arity_of(arglist) for arglist in self.arglists) or None


def arity_of(arglist: Vector) -> Arity:
    """Return the least and the most arguments for one argument list."""
    names = [getattr(name, "text", None) for name in arglist]
    return (names.index("&"), None) if "&" in names else (len(names), len(names))


class Namespace:
    """The names of one namespace."""

    def __init__(self, name: str, library: bool = False) -> None:
        self.name = name
        self.library = library
        self.complete = False  # False while it is compiled
        self.aliases: dict[str, str] = {}
        self.refers: dict[str, str] = {}
        # Those of the library that came with :refer :all, and that a definition may take as it may
        # those of flow.core: the library has more names than the Clojure that a source was written for.
        self.lent: dict[str, None] = {}
        self.requires: dict[str, None] = {}
        self.kinds: dict[str, Map] = {}
        self.meta: Map | None = None
        self.hidden_core: frozenset[str] = frozenset()
        self.only_core: frozenset[str] | None = None
        self._vars: dict[str, VarInfo | Definition] = {}

    def lend(self, name: str, full: str) -> None:
        """Let a name mean a var unless it means one already; a definition may take it."""
        if self.refers.setdefault(name, full) == full:
            self.lent[name] = None

    def copy(self) -> Namespace:
        """Return the same names, to which others can be added."""
        made = Namespace(self.name, self.library)
        for field, value in vars(self).items():
            setattr(made, field, value.copy() if isinstance(value, dict) else value)
        return made

    def define(self, var: VarInfo) -> None:
        if is_part(var.name):  # no source can name it
            return
        self._vars[var.name[len(self.name) + 1 :]] = var

    def know(self, definition: Definition) -> None:
        """Make a compiled definition known. What it says is read when somebody asks for it."""
        if definition.kind is DefinitionKind.DECLARED:
            self.define(info_of(definition, self.find(_local_name(definition))))
        elif not is_part(definition.name):
            self._vars[_local_name(definition)] = definition

    def forget(self, name: str) -> None:
        """Forget a var: its definition failed, and its namespace goes on without it."""
        self._vars.pop(name, None)

    def find(self, name: str) -> VarInfo | None:
        found = self._vars.get(name)
        if isinstance(found, Definition):
            found = self._vars[name] = info_of(found)
        return found

    def has(self, name: str) -> bool:
        return name in self._vars

    def names(self) -> Iterator[str]:
        return iter(self._vars)

    def publics(self) -> Iterator[str]:
        for name in self._vars:
            var = self.find(name)
            if var is not None and not var.private:
                yield name

    def shows_core(self, name: str) -> bool:
        """Say whether ``name`` of flow.core may be used here without a qualifier."""
        if self.only_core is not None and name not in self.only_core:
            return False
        return name not in self.hidden_core


class Environment:
    """All namespaces that a compilation can see.

    What is added to one that stands on another is unknown below.
    """

    def __init__(self, below: Environment | None = None) -> None:
        self._namespaces: dict[str, Namespace] = {} if below is None else below.state()
        self._shared: set[str] = set(self._namespaces)  # copied before they are changed

    def add(self, module: Module) -> None:
        """Make a compiled module known. One of the same name is replaced."""
        self.remove(module.name)
        self.extend(module)

    def extend(self, module: Module) -> None:
        """Add what a compiled module says to what is known of its namespace."""
        made = self.open(module.name, module.library)
        made.aliases.update(module.aliases)
        made.refers.update(module.refers)
        # Which of them were lent it does not say.
        made.lent.update(dict.fromkeys(name for name, _ in module.refers))
        made.requires.update(dict.fromkeys(module.requires))
        made.kinds.update((kind.kind, kind.options) for kind in module.kinds)
        made.meta = module.meta or made.meta
        made.complete = True
        for definition in module.definitions:
            if definition.name:
                made.know(definition)

    def know(self, names: Iterable[str]) -> None:
        """Make vars known of which nothing is known but that they are there."""
        for full in names:
            space, _, name = full.partition("/")
            known = self._namespaces.get(space)
            if (known is None or not known.has(name)) and not is_part(full):
                self.open(space).define(VarInfo(full, DefinitionKind.DECLARED))
                self.open(space).complete = True

    def namespace(self, name: str) -> Namespace | None:
        return self._namespaces.get(name)

    def open(self, name: str, library: bool = False) -> Namespace:
        """Return the namespace, made if it was not known."""
        found = self._namespaces.get(name)
        if found is None:
            found = self._namespaces[name] = Namespace(name, library)
        elif name in self._shared:
            self._shared.discard(name)
            found = self._namespaces[name] = found.copy()
        return found

    def remove(self, name: str) -> None:
        """Forget a namespace, because its source did not compile."""
        self._namespaces.pop(name, None)
        self._shared.discard(name)

    def state(self) -> dict[str, Namespace]:
        """Return which namespaces there are, for ``restore``."""
        return dict(self._namespaces)

    def restore(self, state: dict[str, Namespace]) -> None:
        """Forget namespaces that a failed compilation began; those it loaded whole stay."""
        for name in [*self._namespaces]:
            if name in state:
                self._namespaces[name] = state[name]
            elif not self._namespaces[name].complete:
                del self._namespaces[name]

    def restore_one(self, name: str, state: dict[str, Namespace]) -> None:
        """Make one namespace what it was."""
        self._namespaces.pop(name, None)
        if name in state:
            self._namespaces[name] = state[name]

    def names(self) -> tuple[str, ...]:
        return tuple(self._namespaces)

    def var(self, full_name: str) -> VarInfo | None:
        """Return what is known of the var ``ns/name``."""
        namespace, _, name = full_name.partition("/")
        found = self._namespaces.get(namespace)
        return None if found is None else found.find(name)

    def core(self) -> Namespace | None:
        return self._namespaces.get(CORE)

    def knows_kind(self, kind: str) -> bool:
        """Say whether an effect of this kind is declared anywhere."""
        return kind in KINDS or any(kind in space.kinds for space in self._namespaces.values())

    def kinds(self) -> Iterator[str]:
        yield from KINDS
        for space in self._namespaces.values():
            yield from space.kinds


def info_of(definition: Definition, known: VarInfo | None = None) -> VarInfo:
    """Return what a definition tells about its var; ``declare`` takes nothing away."""
    if definition.kind is DefinitionKind.DECLARED and known is not None and definition.meta is None:
        return known
    return VarInfo(definition.name, definition.kind, definition.meta, definition.span)


def _local_name(definition: Definition) -> str:
    return definition.name.partition("/")[2]


def local_value(meta: Map | None, name: str) -> Value:
    """Return what metadata has under the keyword ``name``."""
    return None if meta is None else meta.get(keyword(name))
