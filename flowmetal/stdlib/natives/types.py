"""Classes, records, what reify makes (flow.core). Dispatch looks at vars: it is in vm/dispatch.py."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import need_map, wrong
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    Map,
    Record,
    Reified,
    Symbol,
    Value,
    list_of,
    record_of,
)
from flowmetal.values.classes import ancestry, is_class
from flowmetal.values.parts import method_key
from flowmetal.vm.dispatch import is_a, is_preferred, symbol_of
from flowmetal.vm.errors import data_or_nil

native = Table("flow.core")


native.add("class?", is_class)
native.add("-data-or-nil", data_or_nil)
native.add("-method-key", method_key)
native.add("-prefers?", is_preferred)
native.add("-reify", lambda methods: Reified(methods))
native.add("-record", lambda cls, fields, *values: record_of(cls.text, list(fields), values))


@native("-supers")
def supers(cls: Value) -> Value:
    """Return the classes that a class is one of; nil is of none."""
    if cls is None:
        return EMPTY_LIST
    if type(cls) is not Symbol:
        raise wrong("supers", "a class", 1, cls)
    return list_of(map(symbol_of, ancestry(cls.text)[1:]))


@native("-isa?")
def is_one_of(hierarchy: Value, child: Value, parent: Value) -> bool:
    """Say whether ``child`` is one of ``parent``, by a hierarchy; nil is an empty one."""
    return is_a(EMPTY_MAP if hierarchy is None else need_map("isa?", 1, hierarchy), child, parent)


@native("-record-of")
def record_of_map(cls: Value, fields: Value, source: Value) -> Record:
    """Return a record with the entries of a map; a field that is not in it is nil."""
    found: Map = need_map(f"map->{cls.name}", 1, source)
    names = list(fields)
    more = [(k, v) for k, v in found.items() if k not in names]
    return record_of(cls.text, names, [found.get(name) for name in names], more)
