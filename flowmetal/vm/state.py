"""All state of a machine. What is not declared here is not saved.

```
Machine
 |- globals          vars by full name; those the program fixes are not saved
 |- inbox            facts delivered and not yet taken in, the next one first
 |- open             effects asked for and not answered
 |- scopes           open ones by number: what holds fibers together (scopes.py)
 `- fibers           by number, those that have not ended, and the first
     |- bindings     dynamic vars, innermost first
     `- frames       bottom first; each: body, pc, slots and operands, closure, then
```

A fiber waits in one of two ways. WAITING: for an effect, that is for the world.
BLOCKED: for something inside of the machine, a promise, the end of a fiber or of a
scope's members. It stands at the NATIVE that would have to wait, which is executed
again when the fiber is woken, and so looks again at what it waited for.

A frame keeps its local slots and its operand stack in one list, slots first.
``then`` says what becomes of a frame's result; None: it is pushed on the
caller's operand stack.

``pc`` is the instruction to execute next. A frame that waits for the frame
above it to return a value stands *after* its CALL, whose operands are gone:
its operand stack is one value short of what the verifier computes for ``pc``.
Every other frame stands *at* an instruction with its operands in place: the
PERFORM whose result is awaited, the instruction that raised, the one that is
executed again after a ``Retry``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from flowmetal.effects.requests import EffectRequest, EffectResult
from flowmetal.ids import EffectNumber, ProgramHash, RunId
from flowmetal.values import (
    ErrorValue,
    FiberRef,
    FlowError,
    LazySeq,
    Map,
    Promise,
    Value,
    flow_error,
)
from flowmetal.values.meter import DEFAULT as DEFAULT_LIMITS
from flowmetal.values.meter import Limits

if TYPE_CHECKING:
    from flowmetal.vm.link import Image, LinkedBody, LinkedFunction

QUANTUM = 10_000
"""Fuel after which a running fiber lets the next one go on. Part of the format."""


class Closure:
    """A function with what it captured. ``captured`` changes only through PATCH."""

    __slots__ = ("captured", "function", "meta")

    def __init__(
        self, function: LinkedFunction, captured: list[Value], meta: Map | None = None
    ) -> None:
        self.function = function
        self.captured = captured
        self.meta = meta

    def with_meta(self, meta: Map | None) -> Closure:
        return Closure(self.function, self.captured, meta)

    def __flow_print__(self) -> str:
        return f"#fn[{self.function.name}]"

    def lasting_name(self) -> str:
        return self.function.name


class Native:
    """A native function: pure, a leaf, known by name. ``most`` is None if variadic.

    ``wants_machine``: it is called with (machine, fiber) before its arguments;
    such natives live in vm/intrinsics.py and may change the machine.
    """

    __slots__ = ("call", "least", "most", "name", "wants_machine")

    def __init__(
        self,
        name: str,
        call: Callable[..., Value],
        least: int,
        most: int | None,
        wants_machine: bool = False,
    ) -> None:
        self.name = name
        self.call = call
        self.least = least
        self.most = most
        self.wants_machine = wants_machine

    def takes(self, count: int) -> bool:
        """Say whether it can be called with ``count`` arguments."""
        return self.least <= count and (self.most is None or count <= self.most)

    def arity_error(self, count: int) -> FlowError:
        """Return the error for a call with ``count`` arguments, which it does not take."""
        if self.most is None:
            wanted = f"{self.least} or more arguments"
        elif self.most == self.least:
            wanted = f"{self.least} argument{'s' if self.least != 1 else ''}"
        else:
            wanted = f"{self.least} to {self.most} arguments"
        return flow_error("FM0303", "arity", f"`{self.name}` takes {wanted}, called with {count}")

    def __flow_print__(self) -> str:
        return f"#fn[{self.name}]"

    def lasting_name(self) -> str:
        return self.name


@dataclass(slots=True)
class Retry:
    """The result fills these lazy sequences (none: it is dropped); the caller tries again."""

    cells: list[LazySeq]


@dataclass(slots=True)
class Define:
    """The result becomes the root value of a var ("": dropped); then the run starts further."""

    name: str


@dataclass(slots=True)
class Search:
    """The frame runs a handler's predicate; the result says whether the handler takes ``error``.

    ``fiber``, ``frame`` and ``handler`` are the place of that handler, whose fiber may be
    another one than that which runs the frame; searching goes on after it.
    """

    error: ErrorValue
    fiber: int
    frame: int
    handler: int


@dataclass(slots=True)
class Finish:
    """The result is the fiber's."""


Then: TypeAlias = Retry | Define | Search | Finish | None


class Pending:
    """An unwinding that waits for a finally block. Lives on operand stacks.

    ``frame`` and ``handler`` are where it goes; ``handler`` is -1 when the frame
    itself is to be dropped (a predicate that failed).
    """

    __slots__ = ("error", "frame", "handler")

    def __init__(self, error: ErrorValue, frame: int, handler: int) -> None:
        self.error = error
        self.frame = frame
        self.handler = handler


HISTORY = 8
"""How many tail calls a frame remembers: more than the library makes above an effect (http/get!
makes four), so that the caller's own line is among them."""

Site: TypeAlias = "tuple[LinkedBody, int]"
"""An instruction: a body and a pc in it."""


class Frame:
    """One activation of a body.

    ``dropped`` counts the tail calls that replaced it, ``history`` has the last
    places they were made at, most recent first and no place twice: an error is
    traced through them.
    """

    __slots__ = ("body", "closure", "dropped", "history", "pc", "stack", "then")

    def __init__(
        self, body: LinkedBody, stack: list[Value], closure: Closure, then: Then = None
    ) -> None:
        self.body = body
        self.pc = 0
        self.stack = stack
        self.closure = closure
        self.then = then
        self.dropped = 0
        self.history: tuple[Site, ...] = ()

    def replaced_by(self, frame: Frame, pc: int) -> None:
        """Let ``frame`` take this one's place, called in tail position at ``pc``."""
        frame.then = self.then
        frame.dropped = self.dropped + 1
        frame.history = self.history_with(pc)

    def history_with(self, pc: int) -> tuple[Site, ...]:
        """Return the history after a tail call at ``pc``."""
        site = (self.body, pc)
        history = self.history
        if history and history[0] == site:
            return history
        return (site, *[known for known in history if known != site][: HISTORY - 1])


class Bindings:
    """Values of some dynamic vars; ``outer`` has the rest. ``values`` may be changed (set!)."""

    __slots__ = ("outer", "values")

    def __init__(self, values: dict[str, Value], outer: Bindings | None) -> None:
        self.values = values
        self.outer = outer


class FiberStatus(Enum):
    """Where a fiber is in its life."""

    READY = "ready"
    WAITING = "waiting"  # for an effect
    BLOCKED = "blocked"  # for something inside of the machine
    DONE = "done"
    FAILED = "failed"  # parked: ``error`` is what nobody caught, the frames stand
    CANCELLED = "cancelled"


class Cancellation(NamedTuple):
    """Why a fiber is to stop, and the scope whose end it is: 0 for the run's own."""

    reason: str
    scope: int


class Verdict(NamedTuple):
    """Where an error that another fiber raised goes on: a handler, or -1 and -1: the fiber ends."""

    error: ErrorValue
    frame: int = -1
    handler: int = -1


@dataclass(slots=True, eq=False, repr=False)
class Fiber:
    """One thread of control.

    ``home`` is the scope that it belongs to, ``scope`` the innermost that it is in: one
    that it has opened itself, or else its home. ``handle`` is what the program knows it by.
    """

    number: int
    frames: list[Frame]
    status: FiberStatus = FiberStatus.READY
    waiting_for: EffectNumber | None = None
    bindings: Bindings | None = None
    result: Value = None
    error: ErrorValue | None = None
    home: int = 0
    scope: int = 0
    handle: FiberRef | None = None
    blocked_on: Promise | int | None = None  # a promise, a fiber, or the number of a scope
    origin: Site | None = None  # where it was spawned
    service: bool = False  # its scope does not wait for it, but cancels it at the end
    asked: bool = False  # its cancellation has been asked for: that happens once
    timer: bool = (
        False  # a service that closes a channel in time: only the end of its scope cancels it
    )
    fresh: bool = False  # it has not begun: if it is cancelled, it never does
    cancels: tuple[Cancellation, ...] = ()  # asked for and not raised yet, at most one of a scope
    verdict: Verdict | None = None  # what becomes of the error that its await will raise
    failed: EffectRequest | None = None  # its error is being raised, or has parked the fiber


@dataclass(slots=True, eq=False, repr=False)
class Scope:
    """A form that starts fibers and does not end before they have ended.

    ``depth`` is the frame of ``owner`` that the form is. ``workers`` counts the members
    that are no services, ``asked`` those that have been asked to stop. ``verdict`` is set once, by the first failure that somebody
    outside takes; ``suppressed`` are the failures after it.
    """

    number: int
    owner: int
    parent: int
    depth: int
    members: dict[int, None] = field(default_factory=dict)
    workers: int = 0
    asked: int = 0
    closing: bool = False
    verdict: Verdict | None = None
    suppressed: list[ErrorValue] = field(default_factory=list)


class Cancel(NamedTuple):
    """The run is asked to stop: raised as :flow/cancelled where each fiber waits."""

    reason: str


class Overdue(NamedTuple):
    """A fiber has been in finally blocks of a cancellation for too long: the shield is lifted."""

    fiber: int


Fact: TypeAlias = EffectResult | Cancel | Overdue


class Delivery(NamedTuple):
    """A fact in the inbox: taken in by time (microseconds of the store's clock), then by order."""

    at_us: int
    order: int
    fact: Fact


def place_in_line(delivery: Delivery) -> tuple[int, int]:
    """Return by what the inbox is in order; what is equal stays as it came."""
    return delivery.at_us, delivery.order


@dataclass(slots=True, eq=False, repr=False)
class OpenEffect:
    """An effect in flight and the fiber that waits for it. Whether its answer is in the inbox is not saved: that is."""

    request: EffectRequest
    fiber: int
    is_answered: bool = False


Watch: TypeAlias = "Callable[[Machine], None]"

Compiler: TypeAlias = "Callable[[Machine, EffectRequest], Value]"
"""Answers ``code/compile``. Raises FlowError."""


class MachineStatus(Enum):
    """What a machine can do next."""

    READY = "ready"  # has fuel to burn
    WAITING = "waiting"  # every fiber waits
    COMPLETED = "completed"  # fiber 1 has ended with a result, and so have all others
    FAILED = "failed"  # an error that nobody catches; every stack stands
    CANCELLED = "cancelled"  # a Cancel has unwound fiber 1, and all others have ended


@dataclass(slots=True, eq=False, repr=False)
class Machine:
    """A run's state in memory. Made by ``vm.machine.start`` and ``snapshot.decode``."""

    run: RunId
    image: Image
    entry: str
    arguments: tuple[Value, ...]
    generation: int = 0
    status: MachineStatus = MachineStatus.READY
    started: int = 0  # initialisers done; then the entry function runs
    fibers: dict[int, Fiber] = field(default_factory=dict)
    ready: deque[int] = field(default_factory=deque)
    inbox: list[Delivery] = field(default_factory=list)
    open: dict[int, OpenEffect] = field(default_factory=dict)
    scopes: dict[int, Scope] = field(default_factory=dict)
    globals: dict[str, Value] = field(default_factory=dict)
    defined: dict[str, None] = field(
        default_factory=dict
    )  # names in globals that are state, in order
    next_effect: int = 1
    next_fiber: int = 1
    next_scope: int = 1
    next_gensym: int = 1
    random: int = 0  # state of the generator behind rand, 64 bits
    fuel_used: int = 0
    quantum_left: int = QUANTUM
    cancelled: str | None = None  # the reason, once a Cancel has been taken in
    # What follows belongs to one turn or to the host, and is never in a snapshot.
    output: list[str] = field(default_factory=list)  # written in this turn
    requests: list[EffectRequest] = field(default_factory=list)  # made in this turn
    running: int = 0  # the fiber that is being executed
    limits: Limits = DEFAULT_LIMITS  # what one instruction and one fiber may use
    stopping: set[int] = field(default_factory=set)  # fibers that have been asked to stop
    sealed: bool = False  # a copy for macros, queries, eval: every effect is refused
    compiler: Compiler | None = None  # compiles at once, in a sealed machine of code that grows
    watch: Watch | None = None  # looks at a sealed machine now and then; raises FlowError to end it
    steps: int = 0  # for an image of single steps: how many are left
    known: set[bytes] = field(default_factory=set)  # chunks of snapshots that the host has

    @property
    def program(self) -> ProgramHash:
        return self.image.program.hash


class Turn(NamedTuple):
    """What one call of ``run`` came to.

    ``requests`` are new since the last turn, whatever the budget was. One whose fiber has been
    cancelled meanwhile is among them and not in ``Machine.open``: it is not to be performed.
    """

    status: MachineStatus
    requests: tuple[EffectRequest, ...]
    output: str
    fuel: int
    result: Value = None
    error: ErrorValue | None = None
