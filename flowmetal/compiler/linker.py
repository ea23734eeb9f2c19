"""Modules to a program: users' namespaces whole, of the library only what is reachable.

Reachable is what the code mentions by name: vars, and vars as values. A
form of the library that defines or extends something is kept if the var that
it is about is reachable: an initialiser with its var; a bare expression with any
var that holds state (an initialiser's, such as a table of methods) that it mentions,
itself or through functions of its module. A native that is only called needs no var.

A program that may find vars by names which it computes (``ASKING``: ``resolve``,
``eval`` and their like, outside of macros) keeps the library whole, documentation
included; else the documentation of a var stays if users' code mentions the var itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.opcodes import Operand
from flowmetal.compiler.forms import CORE, flag
from flowmetal.errors import CompileError
from flowmetal.ids import CodeHash
from flowmetal.values import ErrorValue, Map, Set, Value, VarRef, Vector, is_seq, keyword
from flowmetal.values.parts import is_part, table_of

ALWAYS = (f"{CORE}/-realise-all", f"{CORE}/-realise-deep")
"""Functions that the machine calls by name."""

ASKING = frozenset(
    f"{CORE}/{name}"
    for name in (
        *("resolve", "ns-resolve", "requiring-resolve", "find-var", "eval", "load-string"),
        *("find-ns", "the-ns", "all-ns", "ns-map", "ns-publics", "ns-interns", "ns-refers"),
        *("macroexpand", "macroexpand-1"),
    )
)
"""Functions that find things by names which are computed: they may ask for all of the library."""

_DOC = keyword("doc")
_EXAMPLE = keyword("example")


def link(modules: Sequence[Module], entry: str, flags: frozenset[str] = frozenset()) -> Program:
    """Return the program of namespace ``entry`` and all that it requires.

    ``modules`` may hold more than that; of those that are not the library's,
    only what ``entry`` requires, directly or not, is linked. Raises CompileError
    FM0203 if a namespace is missing.
    """
    by_name = {module.name: module for module in modules}
    ordered = _in_require_order(by_name, entry)
    marked = _Marking(by_name)
    for name in ordered:
        if not by_name[name].library:
            marked.keep_module(by_name[name])
    for name in ALWAYS:
        marked.reach(name)
    marked.finish()
    if marked.asks:
        library = [module for module in modules if module.library]
        users = [by_name[name] for name in ordered if not by_name[name].library]
        return Program(entry, (*library, *users), flags)
    order = _complete_order(by_name, ordered, marked)
    kept = [marked.pruned(by_name[name]) for name in order]
    return Program(entry, tuple(module for module in kept if _says_something(module)), flags)


def _says_something(module: Module) -> bool:
    return not module.library or bool(module.definitions or module.kinds)


def _in_require_order(by_name: dict[str, Module], entry: str) -> list[str]:
    """Return ``entry`` and what it requires, each after what it requires itself."""
    ordered: dict[str, None] = {}
    waiting: list[tuple[str, bool]] = [(entry, False)]
    begun: set[str] = set()
    while waiting:
        name, entered = waiting.pop()
        if entered:
            ordered[name] = None
            continue
        if name in begun:
            continue
        begun.add(name)
        module = by_name.get(name)
        if module is None:
            raise CompileError("FM0203", f"there is no namespace `{name}`")
        waiting.append((name, True))
        waiting.extend((required, False) for required in reversed(module.requires))
    return list(ordered)


def _complete_order(by_name: dict[str, Module], ordered: list[str], marked: _Marking) -> list[str]:
    """Add library modules that only expansions of macros mention, before everything else."""
    missing = [name for name in by_name if name in marked.modules and name not in ordered]
    if not missing:
        return ordered
    first: dict[str, None] = {}
    for name in missing:
        first.update(dict.fromkeys(_in_require_order(by_name, name)))
    return list(dict.fromkeys([*first, *ordered]))


class _Marking:
    """What was found reachable so far."""

    def __init__(self, by_name: dict[str, Module]) -> None:
        self._by_name = by_name
        self.modules: set[str] = set()
        self.asks = False
        self._quiet = False  # what is visited runs when something is compiled, or is asking itself
        self._as_vars: set[str] = set()  # library vars that users' code mentions as values
        self._names: set[str] = set()
        self._waiting: list[str] = []
        self._codes: set[CodeHash] = set()
        self._indices: dict[str, _Index] = {}
        self._expressions: dict[str, set[int]] = {}
        self._parts: dict[str, list[str]] = {}  # of the library: entries by table
        self._homes: dict[str, list[str]] = {}  # and the modules that define each entry
        for module in by_name.values():
            for definition in module.definitions if module.library else ():
                if is_part(definition.name):
                    self._parts.setdefault(table_of(definition.name), []).append(definition.name)
                    self._homes.setdefault(definition.name, []).append(module.name)

    def keep_module(self, module: Module) -> None:
        self.modules.add(module.name)
        index = self._index(module.name)
        for definition in module.definitions:
            self._names.add(definition.name)
            if is_part(definition.name):
                self.reach(table_of(definition.name))
            self._quiet = flag(definition.meta, "macro")
            self._as_vars.update(index.vars_in(definition))
            self._visit(index, definition)
        self._quiet = False

    def reach(self, name: str) -> None:
        if name in ASKING and not self._quiet:
            self.asks = True
        if name not in self._names:
            self._names.add(name)
            self._waiting.append(name)

    def finish(self) -> None:
        """Follow names until nothing new is found."""
        while True:
            while self._waiting:
                self._define(self._waiting.pop())
            if not self._keep_expressions():
                return

    def pruned(self, module: Module) -> Module:
        """Return the part of a module that is reachable."""
        if not module.library:
            return module
        kept_expressions = self._expressions.get(module.name, set())
        definitions = tuple(
            definition if definition.name in self._as_vars else _without_documentation(definition)
            for at, definition in enumerate(module.definitions)
            if at in kept_expressions or (definition.name and definition.name in self._names)
        )
        functions = tuple(f for f in self._index(module.name).in_order() if f.hash in self._codes)
        return module._replace(definitions=definitions, functions=functions, meta=None)

    def _define(self, name: str) -> None:
        for part in self._parts.get(name, ()):
            self.reach(part)
        for namespace in self._homes.get(name, (name.partition("/")[0],)):
            if namespace not in self._by_name:
                continue
            index = self._index(namespace)
            for definition in index.by_name.get(name, ()):
                self.modules.add(namespace)
                self._quiet = name in ASKING or flag(definition.meta, "macro")
                self._visit(index, definition)
                self._quiet = False

    def _visit(self, index: _Index, definition: Definition) -> None:
        for name in _names_in_value(definition.value):
            self.reach(name)
        if definition.function is not None:
            for name in index.mentioned(definition.function, self._codes):
                self.reach(name)

    def _keep_expressions(self) -> bool:
        """Keep expressions of the library whose state is reachable; say whether there were new ones."""
        found = False
        for module in self._by_name.values():
            if not module.library:
                continue
            kept = self._expressions.setdefault(module.name, set())
            index = self._index(module.name)
            for at in index.expressions:
                if at not in kept and self._is_about_reachable(index, at):
                    kept.add(at)
                    self.modules.add(module.name)
                    self._visit(index, module.definitions[at])
                    found = True
        return found

    def _is_about_reachable(self, index: _Index, at: int) -> bool:
        definition = index.module.definitions[at]
        assert definition.function is not None
        seen: set[CodeHash] = set()
        waiting = [definition.function]
        while waiting:
            for name in index.mentioned(waiting.pop(), seen):
                if name in self._names and self._holds_state(name):
                    return True
                waiting.extend(index.functions_of(name))
        return False

    def _holds_state(self, name: str) -> bool:
        namespace = name.partition("/")[0]
        if namespace not in self._by_name:
            return False
        found = self._index(namespace).by_name.get(name, ())
        return any(d.kind is DefinitionKind.INITIALISER for d in found)

    def _index(self, namespace: str) -> _Index:
        found = self._indices.get(namespace)
        if found is None:
            found = self._indices[namespace] = _Index(self._by_name[namespace])
        return found


def _without_documentation(definition: Definition) -> Definition:
    meta = definition.meta
    if meta is None:
        return definition
    return replace(definition, meta=meta.dissoc(_DOC).dissoc(_EXAMPLE))


class _Index:
    """A module's definitions by name, its functions by hash."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.by_name: dict[str, list[Definition]] = {}
        self.expressions: list[int] = []
        self._functions: dict[CodeHash, Function] | None = None
        for at, definition in enumerate(module.definitions):
            if definition.kind is DefinitionKind.EXPRESSION:
                self.expressions.append(at)
            else:
                self.by_name.setdefault(definition.name, []).append(definition)

    def functions_of(self, name: str) -> list[CodeHash]:
        """Return the code of a function of this module, nothing for other names."""
        return [
            definition.function
            for definition in self.by_name.get(name, ())
            if definition.kind is DefinitionKind.FUNCTION and definition.function is not None
        ]

    def in_order(self) -> Iterator[Function]:
        return iter(self._by_hash().values())

    def mentioned(self, code: CodeHash, seen: set[CodeHash]) -> Iterator[str]:
        """Yield the names in a function and those nested in it, that are not in ``seen`` yet."""
        waiting = [code]
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            function = self._by_hash()[current]
            waiting.extend(function.functions)
            yield from _names_in_function(function)

    def vars_in(self, definition: Definition) -> Iterator[str]:
        """Yield the names of vars that a definition has as values."""
        yield from _names_in_value(definition.value)
        waiting = [] if definition.function is None else [definition.function]
        while waiting:
            function = self._by_hash()[waiting.pop()]
            waiting.extend(function.functions)
            for constant in function.constants:
                yield from _names_in_value(constant)

    def _by_hash(self) -> dict[CodeHash, Function]:
        if self._functions is None:
            self._functions = {function.hash: function for function in self.module.functions}
        return self._functions


def _names_in_function(function: Function) -> Iterator[str]:
    for body in function.bodies:
        for op, operand in body.instructions:
            match op.operand:
                case Operand.NAME:
                    yield function.constants[operand]
                case Operand.NAMES:
                    yield from function.constants[operand]
                case Operand.CONSTANT:
                    yield from _names_in_value(function.constants[operand])
                case _:
                    pass


def _names_in_value(value: Value) -> Iterator[str]:
    """Yield the names of the vars that a constant refers to, however deep inside."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, VarRef):
            yield current.name
        elif isinstance(current, Map):
            waiting += [part for pair in current.items() for part in pair]
        elif isinstance(current, (Vector, Set)) or (current is not None and is_seq(current)):
            waiting += list(current)
        elif isinstance(current, ErrorValue):
            waiting.append(current.data)
