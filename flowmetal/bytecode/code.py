"""What the compiler makes and the machine runs, as immutable data.

```
Program     a namespace and all that it requires, linked; named by its hash
 `- Module        one compiled namespace, definitions in source order
     |- Definition    one top-level form
     `- Function      code of a function; named by its hash; shared by reference
         `- Body          one arity
```

A frame's local slots: the parameters first (fixed ones, then the rest
parameter of a variadic body), then every ``let`` binding. Slots start as nil.

Handlers protect the instructions ``start <= pc < end`` of their body. The
table is searched from its first row on, so inner handlers stand before outer
ones. When a CATCH handler takes an error, the operand stack is cut to
``depth``, the error is pushed and execution goes on at ``target``. When an
unwinding passes a FINALLY handler, the stack is cut to ``depth``, nil and the
pending unwinding are pushed, and the block at ``target`` runs up to its
END_FINALLY. Normal flow enters the same block with its result and nil on the stack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from flowmetal.bytecode.opcodes import Op
from flowmetal.ids import CodeHash, ProgramHash
from flowmetal.source import Source, Span
from flowmetal.values import Map, Value


class Late:
    """An object of which a decoder may leave some fields packed until somebody looks.

    Most of a program is never looked at: documentation, positions, the library
    functions that a compiler does not inline. A field that may come late has no
    default at the class, so that looking at it ends in ``__getattr__``.
    """

    if not TYPE_CHECKING:  # a type checker would take every attribute for granted

        def __getattr__(self, name: str) -> Value:
            unpack = self.__dict__.get("unpack")
            if unpack is not None:
                self.__dict__.update(unpack())
                self.__dict__.pop("unpack", None)
            try:
                return self.__dict__[name]
            except KeyError:
                raise AttributeError(name) from None

    def check(self) -> None:
        """Raise ProgramError if what is left packed cannot be unpacked; it stays packed."""
        unpack = self.__dict__.get("unpack")
        if unpack is not None:
            unpack()


MOST_SLOTS: Final = 0xFFFF
"""How many slots a body has at most, and how many values a function captures. Part of the format."""

Some = TypeVar("Some", bound=Late)


def late(cls: type[Some], unpack: Callable[[], dict[str, object]] | None, **known: object) -> Some:
    """Make an object of ``cls`` whose fields are ``known`` now and ``unpack()`` when looked at."""
    made = object.__new__(cls)
    made.__dict__.update(known)
    if unpack is not None:
        made.__dict__["unpack"] = unpack
    return made


class HandlerKind(Enum):
    """How a handler decides whether an error is its own."""

    ANY = 0  # every error but :flow/cancelled
    TYPE = 1  # operand: constant, a keyword (the error's :type) or a symbol (a class name)
    PREDICATE = 2  # operand: local slot that holds a function of the error
    FINALLY = 3  # takes none; runs while an unwinding passes
    RESTART = (
        4  # operand: local slot with restarts [name description function]; takes a choice of one
    )
    OBSERVER = 5  # operand: local slot with a function of the error; called, takes none


class Handler(NamedTuple):
    """A protected range. See the module's docstring."""

    start: int
    end: int
    target: int
    depth: int
    kind: HandlerKind
    operand: int = 0


class CaseTable(NamedTuple):
    """Where CASE goes: ``keys[i]`` is a constant index, ``targets[i]`` an instruction."""

    keys: tuple[int, ...]
    targets: tuple[int, ...]
    default: int


class Position(NamedTuple):
    """From instruction ``pc`` on, until the next position, the code comes from ``span``."""

    pc: int
    line: int
    col: int
    end_line: int
    end_col: int


class NameScope(NamedTuple):
    """Where a slot holds the local ``name``: what is behind the instruction at ``start``, which stores it
    (-1: a parameter), up to ``end``."""

    slot: int
    start: int
    end: int
    name: str


@dataclass(frozen=True)
class Body(Late):
    """One arity of a function.

    ``parameters`` counts the fixed ones; a variadic body has one more slot that
    receives the rest as a list or nil. ``locals`` counts all slots, parameters
    included.
    """

    parameters: int
    variadic: bool
    locals: int
    instructions: tuple[tuple[Op, int], ...]
    handlers: tuple[Handler, ...] = ()
    tables: tuple[CaseTable, ...] = ()
    positions: tuple[Position, ...] = field(default_factory=tuple)
    local_names: tuple[str, ...] = field(
        default_factory=tuple
    )  # one per slot, for people; "" if it has none
    scopes: tuple[NameScope, ...] = field(
        default_factory=tuple
    )  # of all locals, outer ones first, where ``local_names`` do not tell: a slot has several, with "/"
    # between them, or a name several slots


@dataclass(frozen=True)
class Function(Late):
    """The code of a function, all arities.

    ``name`` is "ns/name" for a top-level function and "ns/name/fn-2" or
    "ns/name/inner" inside it. ``functions`` names the nested ones. The hash
    covers everything but positions, local names and path: moving a function
    in its file does not make it another one.
    """

    name: str
    captures: int
    constants: tuple[Value, ...]
    functions: tuple[CodeHash, ...]
    bodies: tuple[Body, ...]
    path: str = field(default_factory=str)
    capture_names: tuple[str, ...] = field(default_factory=tuple)
    flags: frozenset[str] = field(
        default_factory=frozenset
    )  # "sealed": no effect may start under it

    @cached_property
    def hash(self) -> CodeHash:
        from flowmetal.bytecode.encoding import hash_of_function

        return hash_of_function(self)


def _nothing() -> None:
    """Be the default of a field that may come late."""


SCRIPT_VALUE: Final = "-script-value"
"""The var that keeps what the last expression of a script gives, in the script's namespace."""


class DefinitionKind(Enum):
    """What a top-level form amounts to."""

    FUNCTION = "function"  # a function without captures: code, not state
    CONSTANT = "constant"  # a value known when it was compiled: code, not state
    NATIVE = "native"  # library only: a native function, by name
    INITIALISER = "initialiser"  # computed by ``function`` when a run starts
    EXPRESSION = "expression"  # a bare top-level form, run for what it does
    DECLARED = "declared"  # (declare x): a name without a value


@dataclass(frozen=True)
class Definition(Late):
    """One top-level form, in source order.

    ``name`` is the full name "ns/name", "" for an EXPRESSION. ``function`` is
    the function itself, or the initialiser of no arguments. A function that
    defines a var itself (a ``def`` inside other forms) is an EXPRESSION that
    uses DEF. ``meta`` is data: :doc :arglists :private :macro :dynamic :effects ...
    """

    name: str
    kind: DefinitionKind
    function: CodeHash | None = None
    value: Value = None
    meta: Map | None = field(default_factory=_nothing)
    span: Span | None = field(default_factory=_nothing)


class DeclaredKind(NamedTuple):
    """A kind of effect that a program declares (``defforeign``): name and options (data)."""

    kind: str
    options: Map


class Module(NamedTuple):
    """One compiled namespace.

    ``aliases`` are (alias, namespace), ``refers`` (name here, full name).
    ``source`` is kept for users' namespaces so that errors can show the line.
    """

    name: str
    requires: tuple[str, ...]
    definitions: tuple[Definition, ...]
    functions: tuple[Function, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    refers: tuple[tuple[str, str], ...] = ()
    kinds: tuple[DeclaredKind, ...] = ()
    meta: Map | None = None
    source: Source | None = None
    library: bool = False


@dataclass(frozen=True)
class Program:
    """Everything that a run needs, in require order; ``entry`` is a namespace."""

    entry: str
    modules: tuple[Module, ...]
    flags: frozenset[str] = frozenset()

    @cached_property
    def hash(self) -> ProgramHash:
        from flowmetal.bytecode.file import hash_of_program

        return hash_of_program(self)

    @cached_property
    def functions(self) -> dict[CodeHash, Function]:
        return {f.hash: f for module in self.modules for f in module.functions}
