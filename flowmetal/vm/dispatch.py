"""Finding functions by the class of a value, or by a dispatch value: protocols, multimethods.

Tables are vars (``values.parts``), so an entry is one look-up by name. A
protocol takes the nearest class of a value that implements it. A multimethod
takes the entry of the value itself, else the best among the entries of what the
value is one of; the candidates come from the hierarchy and not from the
entries, so the number of methods costs nothing. Nothing is remembered between
calls: what a dispatch costs does not depend on what was called before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice, product

from flowmetal.values import (
    EMPTY_MAP,
    EMPTY_SET,
    List,
    Map,
    Reified,
    Set,
    Symbol,
    TaggedLiteral,
    Value,
    VarRef,
    Vector,
    describe,
    equal,
    hash_map,
    keyword,
    list_of,
    record_of,
    set_of,
    show,
    symbol,
    vector,
)
from flowmetal.values.classes import ancestry, class_name, is_class
from flowmetal.values.errors import flow_error, type_error
from flowmetal.values.parts import is_part, method_key, part_name
from flowmetal.vm.state import Closure, Fiber, Machine, Native
from flowmetal.vm.vars import define

_ANCESTORS = keyword("ancestors")
_INLINE = keyword("inline")
_VIA_METADATA = "via-metadata"
_MOST_CANDIDATES = 10_000
_PRINTING = "flow.core/print-method"
_GLOBAL = "flow.core/-hierarchy"


# Protocols.


@cache
def _places(protocol: str, method: str, cls: str) -> tuple[tuple[str, str], ...]:
    """Return where to look for a method, nearest class first: the mark of a class, the function."""
    return tuple(
        (part_name(protocol, f"@{each}"), part_name(protocol, f"{method}@{each}"))
        for each in ancestry(cls)
    )


def implementation(
    machine: Machine, fiber: Fiber, protocol: VarRef, method: str, value: Value
) -> Value:
    """Return the function that implements a protocol's method for a value.

    What was written with the value's type comes first, then its metadata if the protocol says so,
    then what the classes of the value were extended with.
    """
    found: Value = None
    if type(value) is Reified:
        methods = value.methods.get(protocol)
        found = None if methods is None else methods.get(keyword(method))
    if found is None:
        variables = machine.globals
        places = _places(protocol.name, method, class_name(value))
        meta = getattr(value, "meta", None)
        if (
            type(meta) is Map
            and variables.get(part_name(protocol.name, _VIA_METADATA)) is not None
            and variables.get(places[0][0]) is not _INLINE
        ):
            found = meta.get(Symbol(protocol.name.partition("/")[0], method))
        if found is None:
            for mark, name in places:
                if variables.get(mark) is not None:
                    found = variables.get(name)
                    break
    if found is None:
        raise flow_error(
            "FM0515",
            "protocol/not-implemented",
            f"`{method}` of protocol {protocol.name} is not implemented for {_class_text(value)}, "
            f"called with {show(value)}",
        )
    return found


def _class_text(value: Value) -> str:
    return "nil" if value is None else f"the class {class_name(value)}"


def implements(machine: Machine, fiber: Fiber, protocol: VarRef, value: Value) -> bool:
    """Say whether a value's class implements a protocol."""
    if type(value) is Reified and protocol in value.methods:
        return True
    return _extended(machine, protocol, class_name(value))


def extended(machine: Machine, fiber: Fiber, protocol: VarRef, cls: Value) -> bool:
    """Say whether a class, nil or the name of one, implements a protocol."""
    return _extended(machine, protocol, "nil" if cls is None else cls.text)


def _extended(machine: Machine, protocol: VarRef, cls: str) -> bool:
    return any(machine.globals.get(mark) is not None for mark, _ in _places(protocol.name, "", cls))


# Tables.


def part(machine: Machine, fiber: Fiber, table: VarRef, key: str) -> Value:
    """Return an entry of a table, nil if there is none."""
    return machine.globals.get(part_name(table.name, key))


def put_part(machine: Machine, fiber: Fiber, table: VarRef, key: str, value: Value) -> Value:
    """Change an entry of a table; nil takes it away."""
    define(machine, part_name(table.name, key), value)
    return value


def parts(machine: Machine, fiber: Fiber, table: VarRef) -> Map:
    """Return the entries of a table by their keys."""
    start = part_name(table.name, "")
    return hash_map(
        (name[len(start) :], value)
        for name, value in machine.globals.items()
        if is_part(name) and name.startswith(start) and value is not None
    )


def table_of(machine: Machine, fiber: Fiber, function: Value) -> VarRef | None:
    """Return the var of a multimethod given as a function or a var, nil for anything else."""
    name = function.name if type(function) is VarRef else ""
    if type(function) is Closure:
        name = function.function.name
    return VarRef(name) if part_name(name, "@dispatch") in machine.globals else None


# Classes of values. Only the machine knows which function is a multimethod.


def symbol_of(name: str) -> Symbol | None:
    """Return the class of a name, nil for that of nil."""
    if name == "nil":
        return None
    space, slash, plain = name.partition("/")
    return Symbol(space, plain) if slash else Symbol(None, name)


def class_of(machine: Machine, fiber: Fiber, value: Value) -> Symbol | None:
    """Return the class of a value, nil for nil."""
    return symbol_of(_class_name(machine, fiber, value))


def is_instance(machine: Machine, fiber: Fiber, cls: Value, value: Value) -> bool:
    """Say whether the class of a value is ``cls`` or one of it."""
    if type(cls) is not Symbol:
        raise type_error("FM0501", f"`instance?` needs a class, argument 1 is {describe(cls)}")
    if cls.text == "java.lang.Class":
        return is_class(value)
    return cls.text in ancestry(_class_name(machine, fiber, value))


def _class_name(machine: Machine, fiber: Fiber, value: Value) -> str:
    if type(value) is Closure and table_of(machine, fiber, value) is not None:
        return "clojure.lang.MultiFn"
    return class_name(value)


def is_function(machine: Machine, fiber: Fiber, value: Value) -> bool:
    """Say whether a value is a function; a multimethod can be called, but is none, as in Clojure."""
    if type(value) is Closure:
        return table_of(machine, fiber, value) is None
    return type(value) is Native


# Hierarchies and multimethods.


def _ancestors(hierarchy: Map, value: Value) -> list[Value]:
    """Return what a value is one of: by the hierarchy, and by the table of classes."""
    derived = hierarchy.get(_ANCESTORS, EMPTY_MAP)
    found = list(derived.get(value, EMPTY_SET))
    if is_class(value):
        for cls in _classes_above(value.text):
            found.append(cls)
            if len(derived):
                found.extend(derived.get(cls, EMPTY_SET))
    return found


@cache
def _classes_above(name: str) -> tuple[Symbol, ...]:
    return tuple(map(symbol, ancestry(name)[1:]))


def is_a(hierarchy: Value, child: Value, parent: Value) -> bool:
    """Say whether ``child`` is ``parent`` or, by a hierarchy or the classes, one of it."""
    if equal(child, parent):
        return True
    if isinstance(child, Vector) and isinstance(parent, Vector):
        return len(child) == len(parent) and all(
            is_a(hierarchy, one, other) for one, other in zip(child, parent, strict=True)
        )
    return any(equal(parent, found) for found in _ancestors(hierarchy, child))


def _hierarchy(machine: Machine, table: VarRef) -> Map:
    own = machine.globals.get(part_name(table.name, "@hierarchy"))
    found = machine.globals.get(_GLOBAL if own is None else own.name)
    if type(found) is not Map:
        found = getattr(found, "value", None)  # a hierarchy in an atom, or none anywhere
    return found if type(found) is Map else EMPTY_MAP


def _candidates(hierarchy: Map, value: Value) -> Iterator[Value]:
    if isinstance(value, Vector):
        choices = [[item, *_ancestors(hierarchy, item)] for item in value]
        yield from islice(map(vector, product(*choices)), 1, _MOST_CANDIDATES)
    yield from _ancestors(hierarchy, value)


def find_method(machine: Machine, fiber: Fiber, table: VarRef, value: Value) -> Value:
    """Return the method for a dispatch value, nil if there is none, not even a default.

    Raises FM0517 if several fit and none is preferred.
    """
    variables = machine.globals
    found = variables.get(part_name(table.name, method_key(value)))
    if found is not None:
        return found
    hierarchy = _hierarchy(machine, table)
    fitting: dict[str, tuple[Value, Value]] = {}
    for candidate in _candidates(hierarchy, value):
        key = method_key(candidate)
        found = variables.get(part_name(table.name, key))
        if found is not None:
            fitting[key] = (candidate, found)
    if fitting:
        return _best(table, hierarchy, _preferences(machine, table), value, [*fitting.values()])
    default = variables.get(part_name(table.name, "@default"), keyword("default"))
    return variables.get(part_name(table.name, method_key(default)))


def _preferences(machine: Machine, table: VarRef) -> Map:
    found = machine.globals.get(part_name(table.name, "@prefers"))
    return EMPTY_MAP if found is None else found


def _best(
    table: VarRef,
    hierarchy: Map,
    preferences: Map,
    value: Value,
    fitting: list[tuple[Value, Value]],
) -> Value:
    def beats(one: Value, other: Value) -> bool:
        return is_preferred(hierarchy, preferences, one, other) or is_a(hierarchy, one, other)

    for one, method in fitting:
        if all(one is other or beats(one, other) for other, _ in fitting):
            return method
    one, other = fitting[0][0], fitting[1][0]
    raise flow_error(
        "FM0517",
        "multimethod/ambiguous",
        f"{show(value)} fits several methods of {table.name}, {show(one)} and {show(other)}: "
        "say which with prefer-method",
    )


def is_preferred(hierarchy: Value, preferences: Value, one: Value, other: Value) -> bool:
    """Say whether a multimethod prefers one dispatch value, or what it is one of, to another."""
    others = [other, *_ancestors(hierarchy, other)]
    for each in (one, *_ancestors(hierarchy, one)):
        less = preferences.get(each)
        if less is not None and any(item in less for item in others):
            return True
    return False


def method(machine: Machine, fiber: Fiber, table: VarRef, value: Value) -> Value:
    """Return the method for a dispatch value, or raise FM0516."""
    found = find_method(machine, fiber, table, value)
    if found is None:
        raise flow_error(
            "FM0516",
            "multimethod/no-method",
            f"the multimethod {table.name} has no method for {show(value)}",
        )
    return found


def printing_by_method(machine: Machine, fiber: Fiber) -> Value:
    """Return the function that prints by ``print-method``, nil if it has no methods."""
    made = machine.globals.get(part_name(_PRINTING, "@printed"))
    if made is None:
        return None
    own = (f"{_PRINTING}@@", f"{_PRINTING}@:default")
    for name, value in machine.globals.items():
        if name.startswith(f"{_PRINTING}@") and value is not None and not name.startswith(own):
            return made
    return None


def with_records(machine: Machine, fiber: Fiber, form: Value) -> Value:
    """Return a form with records in place of literals tagged with a type of records.

    Iterative; what holds none is returned as it is.
    """
    done: list[Value] = []
    tasks: list[tuple[Value, int]] = [(form, -1)]
    while tasks:
        current, count = tasks.pop()
        if count >= 0:
            parts_of = done[len(done) - count :]
            del done[len(done) - count :]
            done.append(_rebuilt(machine, current, parts_of))
            continue
        children = _children(current)
        if children:
            tasks.append((current, len(children)))
            tasks.extend((child, -1) for child in reversed(children))
        else:
            done.append(current)
    return done[0]


def _children(form: Value) -> list[Value]:
    if type(form) is Map:
        return [item for pair in form.items() for item in pair]
    if type(form) in (Vector, List, Set):
        return list(form)
    return [form.form] if type(form) is TaggedLiteral else []


def _rebuilt(machine: Machine, form: Value, children: list[Value]) -> Value:
    if type(form) is TaggedLiteral:
        return _revived(machine, form.tag, children[0])
    if all(new is old for new, old in zip(children, _children(form), strict=True)):
        return form
    made: Value
    if type(form) is Map:
        made = hash_map(zip(children[::2], children[1::2], strict=True))
    elif type(form) is Set:
        made = set_of(children)
    else:
        made = vector(children) if type(form) is Vector else list_of(children)
    return made if form.meta is None else made.with_meta(form.meta)


def _revived(machine: Machine, tag: Symbol, form: Value) -> Value:
    name = tag.text if tag.ns is not None else "/".join(tag.text.rpartition(".")[::2])
    fields = machine.globals.get(part_name(name, "@fields"))
    if fields is None:
        space, _, last = name.rpartition("/")
        name = f"{space.replace('_', '-')}/{last}"
        fields = machine.globals.get(part_name(name, "@fields"))
    names = [] if fields is None else list(fields)
    if fields is not None and type(form) is Vector and len(form) == len(names):
        return record_of(name, names, list(form), [])  # #user.Point[1 2]
    if fields is None or type(form) is not Map:
        return TaggedLiteral(tag, form)
    more = [(k, v) for k, v in form.items() if k not in names]
    return record_of(name, names, [form.get(field) for field in names], more)


def need_test_program(machine: Machine, fiber: Fiber, function: str) -> None:
    """Refuse what changes shared code outside of test programs and the REPL (FM0519)."""
    # A program that computes names has all of the library in it, flow.test too.
    modules = machine.image.program.modules
    users = [module for module in modules if not module.library]
    if modules and not any("flow.test" in module.requires for module in users):
        raise flow_error(
            "FM0519",
            "test/only",
            f"`{function}` changes code under running programs: only a program that requires "
            "flow.test may call it",
        )


def revive(machine: Machine, fiber: Fiber, record: str) -> Value:
    """Return the fields of a type of records, nil if the program has no such type."""
    return machine.globals.get(part_name(record, "@fields"))


def _native(name: str, call: Callable[..., Value], count: int) -> Native:
    return Native(f"flow.core/{name}", call, count, count, wants_machine=True)


# fmt: off
ROWS = (
    #       name               function        arguments
    _native("class",           class_of,       1),
    _native("instance?",       is_instance,    2),
    _native("fn?",             is_function,    1),
    _native("-implementation", implementation, 3),
    _native("-implements?",    implements,     2),
    _native("-extended?",      extended,       2),
    _native("-part",           part,           2),
    _native("-put-part!",      put_part,       3),
    _native("-parts",          parts,          1),
    _native("-table-of",       table_of,       1),
    _native("-find-method",    find_method,    2),
    _native("-method",         method,         2),
    _native("-fields-of-type", revive,         1),
    _native("-printing-by-method", printing_by_method, 0),
    _native("-with-records",   with_records,   1),
    _native("-need-test-program", need_test_program, 1),
)
# fmt: on
