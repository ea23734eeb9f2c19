"""Natives that look at or change the machine itself; called with (machine, fiber) first.

They are pure with respect to resuming: what they read and change is part of
the machine's state. ``INTRINSICS`` is what embed adds to the library's natives.
"""

from __future__ import annotations

from collections.abc import Callable

from flowmetal.values import (
    Keyword,
    LazySeq,
    Map,
    Symbol,
    Value,
    VarRef,
    describe,
    hash_map,
    seq,
    show,
    symbol,
    type_error,
)
from flowmetal.values.errors import flow_error
from flowmetal.vm import channels, dispatch, own_code, restarts, scopes, spaces
from flowmetal.vm.misuse import refuse_text
from flowmetal.vm.state import Bindings, Closure, Fiber, Machine, Native
from flowmetal.vm.vars import define, dynamic_value, set_binding

_MASK = 0xFFFFFFFFFFFFFFFF


def _random(machine: Machine, fiber: Fiber) -> float:
    """SplitMix64 (Steele, Lea, Flood 2014); 53 of its bits as a float in [0, 1)."""
    machine.random = (machine.random + 0x9E3779B97F4A7C15) & _MASK
    z = machine.random
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)


def _next_number(machine: Machine, fiber: Fiber) -> int:
    number = machine.next_gensym
    machine.next_gensym += 1
    return number


def _gensym(machine: Machine, fiber: Fiber, prefix: Value = "G__") -> Symbol:
    if not isinstance(prefix, (str, Symbol, Keyword)):
        raise type_error("FM0501", f"`gensym` needs a string, argument 1 is {describe(prefix)}")
    text = prefix if isinstance(prefix, str) else prefix.text
    return symbol(f"{text}{_next_number(machine, fiber)}")


def _run_id(machine: Machine, fiber: Fiber) -> str:
    return machine.run


def _var_value(machine: Machine, fiber: Fiber, var: Value) -> Value:
    _check_var(var)
    return dynamic_value(machine, fiber, var.name)


def _var_root(machine: Machine, fiber: Fiber, var: Value) -> Value:
    _check_var(var)
    return machine.globals.get(var.name)


def _var_bound(machine: Machine, fiber: Fiber, var: Value) -> bool:
    _check_var(var)
    scope = fiber.bindings
    while scope is not None:
        if var.name in scope.values:
            return True
        scope = scope.outer
    return var.name in machine.globals


def _check_var(var: Value) -> None:
    if not isinstance(var, VarRef):
        raise flow_error("FM0310", "type/mismatch", f"a var is needed, got {show(var)}")


def _find_var(machine: Machine, fiber: Fiber, name: Value) -> VarRef | None:
    if not isinstance(name, (str, Symbol)):
        raise type_error("FM0501", f"`find-var` needs a symbol, argument 1 is {describe(name)}")
    text = name if isinstance(name, str) else name.text
    return VarRef(text) if text in machine.globals else None


def _intern(machine: Machine, fiber: Fiber, name: Value, value: Value) -> VarRef:
    return define(machine, name if isinstance(name, str) else name.text, value)


def _set_var(machine: Machine, fiber: Fiber, var: Value, value: Value) -> Value:
    _check_var(var)
    set_binding(machine, fiber, var.name, value)
    return value


def _bindings(machine: Machine, fiber: Fiber) -> Map:
    """Return all bindings in force, vars to values, outermost first."""
    scopes = []
    scope = fiber.bindings
    while scope is not None:
        scopes.append(scope)
        scope = scope.outer
    merged: dict[str, Value] = {}
    for scope in reversed(scopes):
        merged.update(scope.values)
    return hash_map((VarRef(name), value) for name, value in merged.items())


def _push_bindings(machine: Machine, fiber: Fiber, bindings: Value) -> None:
    if not isinstance(bindings, Map):
        raise type_error(
            "FM0501", f"`with-bindings` needs a map of vars, argument 1 is {describe(bindings)}"
        )
    values: dict[str, Value] = {}
    for var, value in bindings.items():
        _check_var(var)
        values[var.name] = value
    fiber.bindings = Bindings(values, fiber.bindings)


def _pop_bindings(machine: Machine, fiber: Fiber) -> None:
    if fiber.bindings is None:
        raise flow_error("FM0305", "var/not-bound", "pop-bindings without push-bindings")
    fiber.bindings = fiber.bindings.outer


def _pending_concat(machine: Machine, fiber: Fiber, coll: Value) -> Value:
    thunk = coll.thunk if type(coll) is LazySeq else None
    if type(thunk) is Closure and thunk.function.name.startswith(_CONCAT):
        return seq(thunk.captured[0])
    return None


_CONCAT = "flow.core/-concat-all"


def _write(machine: Machine, fiber: Fiber, text: str) -> None:
    """Do what the instruction WRITE does, for the rare call that is not compiled to it."""
    if type(text) is not str:
        refuse_text(text)
    machine.output.append(text)


def _native(name: str, call: Callable[..., Value], least: int, most: int) -> Native:
    return Native(f"flow.core/{name}", call, least, most, wants_machine=True)


# fmt: off
_ROWS = (
    #       name               function        arguments
    _native("-random",         _random,        0, 0),
    _native("-next-number",    _next_number,   0, 0),
    _native("gensym",          _gensym,        0, 1),
    _native("run-id",          _run_id,        0, 0),
    _native("-var-value",      _var_value,     1, 1),
    _native("-var-root",       _var_root,      1, 1),
    _native("-var-bound?",     _var_bound,     1, 1),
    _native("-find-var",       _find_var,      1, 1),
    _native("-intern!",        _intern,        2, 2),
    _native("-set-var!",       _set_var,       2, 2),
    _native("-bindings",       _bindings,      0, 0),
    _native("-push-bindings!", _push_bindings, 1, 1),
    _native("-pop-bindings!",  _pop_bindings,  0, 0),
    _native("-pending-concat", _pending_concat, 1, 1),
    _native("-write",          _write,         1, 1),
)
# fmt: on

INTRINSICS: dict[str, Native] = {
    native.name: native
    for rows in (
        _ROWS,
        dispatch.ROWS,
        spaces.ROWS,
        scopes.ROWS,
        restarts.ROWS,
        channels.ROWS,
        own_code.ROWS,
    )
    for native in rows
}
