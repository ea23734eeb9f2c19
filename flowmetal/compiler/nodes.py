"""The abstract syntax tree: what a top-level form means, all names resolved.

Nodes are immutable and each has the span an error at run time should show. A
``Binding`` is a local name; it is compared by identity, and the emitter decides
where it lives. ``Function`` nodes know what they capture; a binding of an outer
function that is used inside is in ``captures`` of every function in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from flowmetal.bytecode.code import HandlerKind
from flowmetal.bytecode.opcodes import Op
from flowmetal.source import Span
from flowmetal.values import Keyword, Symbol, Value


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A local name. ``depth`` counts the functions around it, 0 for the top-level form's own.

    ``is_self``: it is the name of the function of that depth itself.
    """

    name: str
    span: Span
    depth: int
    is_self: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Where a ``recur`` goes: a loop or an arity of a function."""

    bindings: tuple[Binding, ...]
    what: str  # "loop" or "function", for errors


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    span: Span
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    span: Span
    binding: Binding


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    span: Span
    name: str
    dynamic: bool


@dataclass(frozen=True, slots=True, eq=False)
class Do:
    span: Span
    statements: tuple[Node, ...]
    result: Node


@dataclass(frozen=True, slots=True, eq=False)
class If:
    span: Span
    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True, eq=False)
class Let:
    span: Span
    bindings: tuple[tuple[Binding, Node], ...]
    body: Node


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    span: Span
    target: Target
    initial: tuple[Node, ...]
    body: Node


@dataclass(frozen=True, slots=True, eq=False)
class Recur:
    span: Span
    target: Target
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Arity:
    """One body of a function. Its target's bindings are the parameters, the rest last."""

    span: Span
    target: Target
    variadic: bool
    body: Node


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function. ``name`` is what stack traces and ``Function.name`` say."""

    span: Span
    name: str
    captures: tuple[Binding, ...]
    arities: tuple[Arity, ...]
    depth: int
    sealed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LetFunctions:
    """``letfn*``: every function sees all names."""

    span: Span
    bindings: tuple[tuple[Binding, Function], ...]
    body: Node


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    span: Span
    function: Node
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """A call whose last argument is a sequence of more arguments."""

    span: Span
    function: Node
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NativeCall:
    span: Span
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An instruction whose operand, if it has one, counts its arguments."""

    span: Span
    op: Op
    arguments: tuple[Node, ...]
    operand: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Throw:
    span: Span
    error: Node


@dataclass(frozen=True, slots=True, eq=False)
class Catch:
    """``selector``: None takes everything; a constant is a type; a node is a predicate.

    ``kind`` is for those that take nothing of the kind: a node is then its operand.
    """

    span: Span
    selector: Keyword | Symbol | Node | None
    binding: Binding
    body: Node
    kind: HandlerKind = HandlerKind.PREDICATE


@dataclass(frozen=True, slots=True, eq=False)
class Try:
    span: Span
    body: Node
    catches: tuple[Catch, ...]
    finally_: Node | None


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Branches by constant; ``keys[i]`` are the constants of ``branches[i]``."""

    span: Span
    value: Node
    keys: tuple[tuple[Value, ...], ...]
    branches: tuple[Node, ...]
    default: Node


@dataclass(frozen=True, slots=True, eq=False)
class Attempts:
    """``match*``: a ``NoMatch`` in one attempt goes on with the next; the last has none."""

    span: Span
    attempts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NoMatch:
    """The last word of an attempt that comes to nothing."""

    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Perform:
    span: Span
    kind: str
    arguments: Node


@dataclass(frozen=True, slots=True, eq=False)
class Define:
    """A ``def`` inside other code: gives the var its value at run time."""

    span: Span
    name: str
    value: Node


@dataclass(frozen=True, slots=True, eq=False)
class SetVar:
    span: Span
    name: str
    value: Node


@dataclass(frozen=True, slots=True, eq=False)
class Bind:
    """``binding``: dynamic vars have other values while the body runs."""

    span: Span
    names: tuple[str, ...]
    values: tuple[Node, ...]
    body: Node


Node: TypeAlias = (
    Constant
    | Local
    | Var
    | Do
    | If
    | Let
    | Loop
    | Recur
    | Function
    | LetFunctions
    | Call
    | Apply
    | NativeCall
    | Operation
    | Throw
    | Try
    | Case
    | Attempts
    | NoMatch
    | Perform
    | Define
    | SetVar
    | Bind
)
