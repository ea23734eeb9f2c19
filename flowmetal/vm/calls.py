"""Calls that are not the plain case: variadic, of natives, of data, with a sequence.

``call_value`` and ``apply_value`` return a new ``Frame`` for code of the
language, to be pushed by the caller, or the result itself. They change
nothing, so a call that raises ``Unrealised`` can be made again.
"""

from __future__ import annotations

from flowmetal.bytecode.verifier import SCOPES
from flowmetal.values import (
    Cons,
    FlowError,
    Keyword,
    LazySeq,
    Map,
    OrderedByFunction,
    Realise,
    Record,
    Set,
    SortedMap,
    SortedSet,
    Symbol,
    Unrealised,
    Value,
    VarRef,
    Vector,
    describe,
    first,
    list_of,
    next_,
    seq,
    show,
)
from flowmetal.values.errors import flow_error
from flowmetal.values.limits import need_items
from flowmetal.vm.link import LinkedBody, LinkedFunction
from flowmetal.vm.state import Closure, Fiber, Frame, Machine, Native
from flowmetal.vm.vars import dynamic_value


def call_value(machine: Machine, fiber: Fiber, callee: Value, arguments: list[Value]) -> Value:
    """Call anything that can be called; see the module's docstring for what comes back."""
    kind = type(callee)
    if kind is Closure:
        body = callee.function.body_for(len(arguments))
        if body is None:
            raise arity_error(callee.function, len(arguments))
        return Frame(body, _slots(body, arguments), callee)
    if kind is Native:
        if not callee.takes(len(arguments)):
            raise callee.arity_error(len(arguments))
        if callee.wants_machine:
            if callee.name in SCOPES:
                # The verifier counts them where they are called by name.
                raise flow_error("FM0748", "scope/unknown", f"`{callee.name}` is no value to call")
            return callee.call(machine, fiber, *arguments)
        try:
            return callee.call(*arguments)
        except OrderedByFunction:
            return by_order(machine, fiber, callee.name, arguments)
    if kind is VarRef:
        return call_value(machine, fiber, dynamic_value(machine, fiber, callee.name), arguments)
    return _call_data(machine, fiber, callee, arguments)


def by_order(machine: Machine, fiber: Fiber, native: str, arguments: list[Value]) -> Value:
    """Call the function that does a native's work on values that only a function can tell about."""
    if native == "flow.core/str":
        function = machine.globals.get("flow.core/-Shown@@str")
        if function is None:
            return machine.image.native("flow.core/-plain-str").call(*arguments)
        return call_value(machine, fiber, function, [list_of(arguments)])
    function = machine.globals["flow.core/-by-order"]
    return call_value(machine, fiber, function, [native, list_of(arguments)])


def apply_value(
    machine: Machine, fiber: Fiber, callee: Value, arguments: list[Value], rest: Value
) -> Value:
    """Call with ``arguments`` and then the items of ``rest``.

    A variadic function gets as much of ``rest`` as it does not name, unrealised
    as it may be; everybody else gets a sequence realised to its end.
    """
    if type(callee) is VarRef:
        callee = dynamic_value(machine, fiber, callee.name)
    if type(callee) is not Closure:
        return call_value(machine, fiber, callee, arguments + _items(rest))
    most = most_fixed(callee.function)
    taken = list(arguments)
    remaining = seq(rest)
    while remaining is not None and len(taken) <= most:
        taken.append(first(remaining))
        remaining = next_(remaining)
    variadic = callee.function.variadic
    if remaining is None or variadic is None:
        if remaining is not None:
            taken += _items(remaining)
        return call_value(machine, fiber, callee, taken)
    tail = remaining
    for item in reversed(taken[variadic.parameters :]):
        tail = Cons(item, tail)
    stack = [*taken[: variadic.parameters], tail, *[None] * variadic.slots]
    return Frame(variadic, stack, callee)


def most_fixed(function: LinkedFunction) -> int:
    """Return the largest number of parameters that any body names."""
    return max(body.parameters for body in function.bodies)


def arity_error(function: LinkedFunction, count: int) -> FlowError:
    """Make the error for a call with the wrong number of arguments."""
    shapes = [_shape(body) for body in function.bodies]
    wanted = " or ".join(_count_text(body) for body in function.bodies)
    return flow_error(
        "FM0303",
        "arity",
        f"`{function.name}` takes {wanted} ({' '.join(shapes)}), called with {count}",
    )


def _count_text(body: LinkedBody) -> str:
    if body.variadic:
        return f"{body.parameters} or more arguments"
    return "1 argument" if body.parameters == 1 else f"{body.parameters} arguments"


def _shape(body: LinkedBody) -> str:
    names = [name or "_" for name in body.body.local_names[: body.parameters]]
    names += ["_"] * (body.parameters - len(names))
    if body.variadic:
        rest = body.body.local_names[body.parameters : body.parameters + 1]
        names += ["&", (rest[0] if rest else "") or "more"]
    return f"[{' '.join(names)}]"


def _slots(body: LinkedBody, arguments: list[Value]) -> list[Value]:
    if body.variadic:
        rest = arguments[body.parameters :]
        return [
            *arguments[: body.parameters],
            list_of(rest) if rest else None,
            *[None] * body.slots,
        ]
    return arguments + [None] * body.slots


_LOOKUPS = {
    Keyword: ("flow.core/get", 1, 2, True),
    Symbol: ("flow.core/get", 1, 2, True),
    Map: ("flow.core/get", 1, 2, False),
    SortedMap: ("flow.core/get", 1, 2, False),
    SortedSet: ("flow.core/get", 1, 1, False),
    Set: ("flow.core/get", 1, 1, False),
    Vector: ("flow.core/nth", 1, 1, False),
}
"""Data that can be called: the native that answers, how many arguments, and whether
the callee is what is looked up (a keyword) or where (a map)."""


def _call_data(machine: Machine, fiber: Fiber, callee: Value, arguments: list[Value]) -> Value:
    row = next((_LOOKUPS[kind] for kind in type(callee).__mro__ if kind in _LOOKUPS), None)
    if row is None or type(callee) is Record:
        raise flow_error("FM0302", "type/not-a-function", f"{show(callee)} is not a function")
    name, least, most, is_key = row
    if not least <= len(arguments) <= most:
        wanted = "1 argument" if most == 1 else "1 or 2 arguments"
        raise flow_error(
            "FM0303",
            "arity",
            f"{show(callee)} called as a function takes {wanted}, called with {len(arguments)}",
        )
    if is_key:
        given = [arguments[0], callee, *arguments[1:]]
    else:
        given = [callee, *arguments]
    if isinstance(callee, Vector) and type(arguments[0]) is not int:
        raise flow_error(
            "FM0501",
            "type/mismatch",
            f"a vector called as a function needs an index, argument 1 is {describe(arguments[0])}",
        )
    try:
        return machine.image.native(name).call(*given)
    except OrderedByFunction:
        return by_order(machine, fiber, name, given)


def _items(rest: Value) -> list[Value]:
    """Return the items of a sequence, all of them realised first."""
    if type(rest) is LazySeq and rest.thunk is not None:
        raise Unrealised(rest, Realise.ALL)
    items: list[Value] = []
    remaining = seq(rest)
    while remaining is not None:
        if type(remaining) is not Cons:
            need_items("apply", len(items) + (remaining.known_count or 0))
            return items + list(remaining)
        items.append(first(remaining))
        try:
            remaining = next_(remaining)
        except Unrealised as need:
            raise Unrealised(need.lazy, Realise.ALL) from None
    need_items("apply", len(items))
    return items
