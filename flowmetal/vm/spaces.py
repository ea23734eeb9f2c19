"""What a program may ask about names while it runs: vars by name, namespaces, metadata.

A namespace is named by a symbol, and there is nothing else behind it. What it
defines, refers and calls its aliases is in the modules of the program; while
compiling, where the current namespace grows form by form, in the compiler's
environment. Both look the same from here: ``Spaces``. Metadata of a var is
what its definition says, until ``alter-meta!`` puts something else in an entry
of its own (``values.parts``), which is then part of the run's state.

``NAMESPACE`` is the var of ``*ns*``. Its root is the namespace whose forms are
being evaluated: while compiling, and when a run starts. Later it is that of the
function that the run began with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from flowmetal.bytecode.code import Definition, Module
from flowmetal.ids import COMPILER_MACROS, flow_name
from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_MAP,
    Map,
    Symbol,
    Value,
    VarRef,
    hash_map,
    keyword,
    list_of,
    show,
    vector,
)
from flowmetal.values.classes import class_named
from flowmetal.values.errors import type_error
from flowmetal.values.parts import is_part, part_name
from flowmetal.vm.state import Fiber, Machine, Native
from flowmetal.vm.vars import define

CORE: Final = "flow.core"
NAMESPACE: Final = f"{CORE}/*ns*"
ARGUMENTS: Final = f"{CORE}/*command-line-args*"

_MADE: Final = f"{CORE}/-namespaces"
_PRIVATE = keyword("private")
_MACRO = keyword("macro")
# What only the compiler needs.
_INTERNAL = tuple(map(keyword, ("inline", "effects", "sealed", "redef", "multi")))


class VarLike(Protocol):
    """What is known of a var."""

    @property
    def name(self) -> str: ...
    @property
    def meta(self) -> Map | None: ...
    @property
    def span(self) -> Span | None: ...


class Space(Protocol):
    """A namespace, seen from outside."""

    @property
    def meta(self) -> Map | None: ...
    @property
    def aliases(self) -> Mapping[str, str]: ...
    @property
    def refers(self) -> Mapping[str, str]: ...
    def find(self, name: str) -> VarLike | None: ...
    def names(self) -> Iterator[str]: ...
    def shows_core(self, name: str) -> bool: ...


class Spaces(Protocol):
    """All namespaces that a program, or the compiler, knows."""

    def namespace(self, name: str) -> Space | None: ...
    def names(self) -> tuple[str, ...]: ...


class ProgramSpace:
    """A namespace of a program."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self.meta = modules[0].meta
        self.aliases: dict[str, str] = {}
        self.refers: dict[str, str] = {}
        self._definitions: dict[str, Definition] = {}
        for module in modules:
            self.aliases.update(module.aliases)
            self.refers.update(module.refers)
            prefix = f"{module.name}/"
            for definition in module.definitions:
                name = definition.name
                if name.startswith(prefix) and not is_part(name):
                    self._definitions[name[len(prefix) :]] = definition

    def find(self, name: str) -> Definition | None:
        return self._definitions.get(name)

    def names(self) -> Iterator[str]:
        return iter(self._definitions)

    def shows_core(self, name: str) -> bool:
        return True


class ProgramSpaces:
    """The namespaces of a program; each is looked at when it is first asked for."""

    def __init__(self, modules: Sequence[Module], base: ProgramSpaces | None = None) -> None:
        """``modules`` add to the namespaces of ``base``, and to its number."""
        self._modules: dict[str, list[Module]] = {}
        self._base = base
        for module in modules:
            below = () if base is None else base._modules.get(module.name, ())
            self._modules.setdefault(module.name, [*below]).append(module)
        self._spaces: dict[str, ProgramSpace] = {}

    def namespace(self, name: str) -> ProgramSpace | None:
        found = self._spaces.get(name)
        if found is None and self._base is not None and name not in self._modules:
            return self._base.namespace(name)
        if found is None and name in self._modules:
            found = self._spaces[name] = ProgramSpace(self._modules[name])
        return found

    def names(self) -> tuple[str, ...]:
        below = () if self._base is None else self._base.names()
        return tuple(dict.fromkeys((*below, *self._modules)))


def enter(machine: Machine, namespace: str) -> None:
    """Make a namespace the root of ``*ns*``, if the program has a use for it."""
    if NAMESPACE in machine.globals:
        define(machine, NAMESPACE, Symbol(None, namespace))


def give_arguments(machine: Machine) -> None:
    """Let ``*command-line-args*`` be what the run was started with."""
    if ARGUMENTS in machine.globals:
        arguments = machine.arguments
        define(machine, ARGUMENTS, list_of(arguments) if arguments else None)


# -- natives


def resolve(machine: Machine, fiber: Fiber, here: Value, name: Value) -> Value:
    """Return the var or the class that a symbol names in a namespace, nil if there is none."""
    if type(name) is not Symbol:
        raise type_error("FM0501", f"`resolve` needs a symbol, got {show(name)}")
    full = _full_name(machine, _text(here), name)
    if full is not None:
        return VarRef(full)
    cls = class_named(name.text)
    if cls is None and name.ns is None and "." in name.name:
        space, _, plain = name.name.rpartition(".")
        for candidate in (space, space.replace("_", "-")):
            if f"{candidate}/{plain}@@fields" in machine.globals:
                return Symbol(candidate, plain)
    return None if cls is None else Symbol(None, cls)


def _full_name(machine: Machine, here: str, symbol: Symbol) -> str | None:
    spaces = machine.image.spaces
    own = spaces.namespace(here)
    if symbol.ns is not None:
        if symbol.text in machine.globals:
            return symbol.text
        target = None if own is None else own.aliases.get(symbol.ns)
        for space in (target, symbol.ns, flow_name(symbol.ns)):
            if space is not None and _is_known(machine, space):
                return _var_of(machine, space, symbol.name)
        return None
    found = _var_of(machine, here, symbol.name)
    if found is None and own is not None:
        found = own.refers.get(symbol.name)
    if found is None and (own is None or own.shows_core(symbol.name)):
        core = spaces.namespace(CORE)
        var = None if core is None else core.find(symbol.name)
        if var is not None and not _is(var.meta, _PRIVATE):
            found = var.name
        elif symbol.name in COMPILER_MACROS:
            found = f"{CORE}/{symbol.name}"
    return found


def _is_known(machine: Machine, space: str) -> bool:
    made = part_name(_MADE, space)
    return (
        machine.image.spaces.namespace(space) is not None or machine.globals.get(made) is not None
    )


def _var_of(machine: Machine, space: str, name: str) -> str | None:
    full = f"{space}/{name}"
    if full in machine.globals or (space == CORE and name in COMPILER_MACROS):
        return full
    found = machine.image.spaces.namespace(space)
    return None if found is None or found.find(name) is None else full


def namespaces(machine: Machine, fiber: Fiber) -> Value:
    """Return the names of all namespaces, symbols."""
    prefix = f"{_MADE}@"
    made = (
        name[len(prefix) :]
        for name, value in machine.globals.items()
        if name.startswith(prefix) and value is not None
    )
    found = dict.fromkeys((*machine.image.spaces.names(), *made))
    return list_of(Symbol(None, name) for name in found)


def find_namespace(machine: Machine, fiber: Fiber, here: Value, name: Value) -> Value:
    """Return the name of a namespace as it is called here: by itself, or by an alias of ``here``."""
    text = _text(name)
    own = machine.image.spaces.namespace(_text(here))
    for candidate in (text, flow_name(text), None if own is None else own.aliases.get(text)):
        if candidate is not None and _is_known(machine, candidate):
            return Symbol(None, candidate)
    return None


def own_names(machine: Machine, fiber: Fiber, namespace: Value) -> Value:
    """Return what a namespace defines: a map from symbols to [var private?]."""
    text = _text(namespace)
    found: dict[str, bool] = {}
    space = machine.image.spaces.namespace(text)
    if space is not None:
        for name in space.names():
            var = space.find(name)
            if var is not None and not _is_hidden(text, name):
                found[name] = _is(var.meta, _PRIVATE)
    prefix = f"{text}/"
    for full in machine.defined:
        if full.startswith(prefix) and not is_part(full):
            found.setdefault(full[len(prefix) :], False)
    if text == CORE:
        found.update(dict.fromkeys(COMPILER_MACROS, False))
    pairs = sorted(found.items())
    return hash_map(
        (Symbol(None, name), vector((VarRef(f"{text}/{name}"), private))) for name, private in pairs
    )


def _is_hidden(space: str, name: str) -> bool:
    """Say whether a name of the library is a part of its inside."""
    return space.startswith("flow.") and name[:1] == "-" and name[1:2].isalpha()


def aliases(machine: Machine, fiber: Fiber, namespace: Value) -> Value:
    """Return the aliases of a namespace: a map of symbols."""
    space = machine.image.spaces.namespace(_text(namespace))
    pairs = () if space is None else sorted(space.aliases.items())
    return hash_map((Symbol(None, alias), Symbol(None, target)) for alias, target in pairs)


def refers(machine: Machine, fiber: Fiber, namespace: Value) -> Value:
    """Return what a namespace refers by name: a map from symbols to vars."""
    space = machine.image.spaces.namespace(_text(namespace))
    pairs = () if space is None else sorted(space.refers.items())
    return hash_map((Symbol(None, name), VarRef(full)) for name, full in pairs)


def namespace_meta(machine: Machine, fiber: Fiber, namespace: Value) -> Value:
    """Return the metadata of a namespace."""
    space = machine.image.spaces.namespace(_text(namespace))
    return None if space is None else space.meta


def var_meta(machine: Machine, fiber: Fiber, var: Value) -> Value:
    """Return the metadata of a var: what its definition says, its name and place."""
    assert type(var) is VarRef
    changed = machine.globals.get(part_name(var.name, "@meta"))
    if changed is not None:
        return changed
    namespace, _, name = var.name.partition("/")
    space = machine.image.spaces.namespace(namespace)
    found = None if space is None else space.find(name)
    if found is None and var.name not in machine.globals and not _is_macro(var.name):
        return None
    meta = EMPTY_MAP if found is None or found.meta is None else found.meta
    for internal in _INTERNAL:
        meta = meta.dissoc(internal)
    span = None if found is None else found.span
    if span is not None:
        meta = meta.assoc(keyword("line"), span.line).assoc(keyword("column"), span.col)
        meta = meta.assoc(keyword("file"), span.path)
    if _is_macro(var.name):
        meta = meta.assoc(_MACRO, True)
    return meta.assoc(keyword("name"), Symbol(None, name)).assoc(
        keyword("ns"), Symbol(None, namespace)
    )


def _is_macro(full: str) -> bool:
    return full.startswith(f"{CORE}/") and full[len(CORE) + 1 :] in COMPILER_MACROS


def _is(meta: Map | None, flag: Value) -> bool:
    return meta is not None and meta.get(flag) not in (None, False)


def _text(name: Value) -> str:
    if type(name) is Symbol:
        return name.text
    if isinstance(name, str):
        return name
    raise type_error("FM0501", f"the name of a namespace, a symbol, is needed, got {show(name)}")


def _native(name: str, call: Callable[..., Value], count: int) -> Native:
    return Native(f"{CORE}/{name}", call, count, count, wants_machine=True)


# fmt: off
ROWS = (
    #       name               function        arguments
    _native("-resolve",        resolve,        2),
    _native("-all-namespaces", namespaces,     0),
    _native("-find-namespace", find_namespace, 2),
    _native("-own-names",      own_names,      1),
    _native("-aliases",        aliases,        1),
    _native("-refers",         refers,         1),
    _native("-namespace-meta", namespace_meta, 1),
    _native("-var-meta",       var_meta,       1),
)
# fmt: on
