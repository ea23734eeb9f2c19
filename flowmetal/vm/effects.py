"""PERFORM: say what the program asks of the world, and wait for the answer.

The instruction stays where it is, with its argument in place, until the answer
comes; then the answer takes the argument's place. An error is raised at it.

An effect is refused under a **sealed frame**: code that must be able to run
again or that runs at no fixed time (a lazy sequence being made, an initialiser,
a ``swap!`` function, a handler or a predicate that is asked about an error), and everywhere in a sealed machine.
"""

from __future__ import annotations

from flowmetal.bytecode.code import SCRIPT_VALUE
from flowmetal.effects.requests import EffectRequest
from flowmetal.ids import EffectNumber
from flowmetal.values import Atom, Map, Value, keyword, plain_map, show, vector
from flowmetal.values.errors import flow_error
from flowmetal.values.hashing import hash_of
from flowmetal.vm.errors import check_data
from flowmetal.vm.state import Define, Fiber, FiberStatus, Machine, OpenEffect, Retry, Search

COMPILE = "code/compile"
"""What ``eval`` asks for. It tells nothing of the world, so top-level forms may ask for it, too."""

STEP_VAR = "flow.core/*step*"
"""The dynamic var that holds the retried step a fiber is in: an atom of {:scope :ordinal :asked}."""

_SCRIPT_VALUE = f"/{SCRIPT_VALUE}"
_SCOPE = keyword("scope")
_ORDINAL = keyword("ordinal")
_ASKED = keyword("asked")

CHANGED = "~"
"""Marks the key of an effect that differs from what an earlier attempt asked for in its place."""

_REMEMBERED = 100
"""So many effects of a retried step are remembered. A body may loop for years: later ones have what they
ask for in their keys from the start."""


def perform(machine: Machine, fiber: Fiber, kind: str, given: Value) -> bool:
    """Suspend the fiber on an effect. Raises FlowError if it is refused, Unrealised like any native.

    Return True if it is answered already: a sealed machine compiles at once, and goes on.
    """
    args = plain_map(given)  # for who performs it, and for snapshots, a record is a map
    if args is None:
        raise flow_error(
            "FM0312", "type/mismatch", f"perform needs a map of arguments, got {show(given)}"
        )
    check_data(args, f"the arguments of {kind}")
    if kind == COMPILE and machine.compiler is not None:
        number = EffectNumber(machine.next_effect)
        answer = machine.compiler(machine, EffectRequest(number, kind, args, ""))
        fiber.frames[-1].stack[-1] = answer
        return True
    what = "evaluating code" if kind == COMPILE else f"the effect {kind}"
    refuse_sealed(machine, fiber, what, at_start=kind == COMPILE)
    number = EffectNumber(machine.next_effect)
    machine.next_effect += 1
    request = EffectRequest(number, kind, args, _key(fiber, kind, args, number))
    machine.open[number] = OpenEffect(request, fiber.number)
    machine.requests.append(request)
    fiber.status = FiberStatus.WAITING
    fiber.waiting_for = number
    return False


def refuse_sealed(machine: Machine, fiber: Fiber, what: str, *, at_start: bool = False) -> None:
    """Raise FlowError :effect/refused if the fiber may not ask for anything where it is, nor wait.

    ``at_start``: it may while the run computes what its top-level forms are, in their order.
    """
    seal = seal_of(machine, fiber, at_start=at_start)
    if seal is not None:
        raise flow_error("FM0313", "effect/refused", f"{what} is refused inside {seal}")


def seal_of(machine: Machine, fiber: Fiber, *, at_start: bool = False) -> str | None:
    """Name the innermost thing that forbids effects here, if there is one."""
    for frame in reversed(fiber.frames):
        if frame.body.owner.sealed:
            return f"{frame.body.owner.name}"
        match frame.then:
            case Retry(cells):
                return "a lazy sequence" if cells else "the realising of a lazy sequence"
            case Define(name) if not at_start:
                is_var = name and not name.endswith(_SCRIPT_VALUE)
                return f"the initial value of {name}" if is_var else "a top-level form"
            case Search():
                return "a handler of with-handler or the predicate of a catch clause"
            case _:
                pass
    return "a macro, a top-level form, a query or an evaluation" if machine.sealed else None


def _key(fiber: Fiber, kind: str, args: Map, number: EffectNumber) -> str:
    """Return the part of the idempotency key that the machine knows."""
    if kind.startswith("step/"):
        return str(number)
    scope = fiber.bindings
    while scope is not None:
        if STEP_VAR in scope.values:
            step = scope.values[STEP_VAR]
            if not isinstance(step, Atom):
                return str(number)
            key = _take_ordinal(step)
            is_time = kind.startswith(
                "time/"
            )  # whose arguments may name the hour, and which nobody hears of
            return key if is_time else _told_apart(step.value.get(_ASKED), key, kind, args)
        scope = scope.outer
    return str(number)


def _take_ordinal(step: Atom) -> str:
    """Return the next key in a retried step."""
    state = step.value
    ordinal = state.get(_ORDINAL)
    step.value = state.assoc(_ORDINAL, ordinal + 1)
    return f"{state.get(_SCOPE)}.{ordinal}"


def print_of(kind: str, args: Map) -> str:
    """Return what tells an effect from others that are asked for in its place."""
    return f"{hash_of(vector((kind, args))) & 0xFFFFFFFF:08x}"


def _told_apart(asked: Value, key: str, kind: str, args: Map) -> str:
    """Return the key of what is asked for in a retried step, another one for something else.

    An attempt that asks for another kind or with other arguments than the one before asks for a new
    effect: under the old key the world would take it for the old one. ``asked`` is
    what the attempts share: from keys to what was asked under them first.
    """
    if not isinstance(asked, Atom):
        return key
    print = print_of(kind, args)
    known = asked.value.get(key)
    if known is None:
        if len(asked.value) >= _REMEMBERED:
            return f"{key}+{print}"
        asked.value = asked.value.assoc(key, print)
        return key
    return key if known == print else f"{key}{CHANGED}{print}"


def step_of_child(bindings: dict[str, Value]) -> None:
    """Give a new fiber a scope of its own in the retried step that it is spawned in.

    The ordinals of its effects then depend on what it does and on nothing that runs
    beside it, and so every attempt of the step asks under the same keys.
    """
    step = bindings.get(STEP_VAR)
    if isinstance(step, Atom):
        own = step.value.assoc(_SCOPE, _take_ordinal(step)).assoc(_ORDINAL, 0)
        bindings[STEP_VAR] = Atom(own)
