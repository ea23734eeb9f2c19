"""Classes: what ``class`` says of a value, what ``instance?`` asks, what protocols extend.

There are no classes behind the values of the language. There are names, those
that Clojure has for its kinds of values, so that programs which dispatch on
them mean the same here; a class is a symbol of that name. The table has a row
for each: the name, and the classes it stands directly under. The type of a
record is a class of its own, named like its var (``shop/Order``).

``class_name`` and ``ancestry`` are all that anybody needs: the class of a value
and, nearest first, everything that a class is one of.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from flowmetal.values import kinds
from flowmetal.values.cells import Atom, Channel, Delay, FiberRef, Promise, Reduced, Volatile
from flowmetal.values.error_classes import class_of_error
from flowmetal.values.errors import ErrorValue
from flowmetal.values.kinds import Value, kind_of
from flowmetal.values.lazy import Cons, LazySeq
from flowmetal.values.lists import List
from flowmetal.values.map import Map
from flowmetal.values.names import Keyword, Symbol, VarRef
from flowmetal.values.record import Record
from flowmetal.values.reified import Reified
from flowmetal.values.scalars import (
    Char,
    Duration,
    Instant,
    Ratio,
    Regex,
    RunRef,
    Secret,
    TaggedLiteral,
)
from flowmetal.values.seq import IndexedSeq, Range, Repeat
from flowmetal.values.set import Set
from flowmetal.values.sorted import SortedMap, SortedSet
from flowmetal.values.vector import MapEntry, Vector

OBJECT: Final = "java.lang.Object"

# fmt: off
_TABLE: Final[dict[str, str]] = {
    # class                            directly under
    "java.lang.Comparable":            "",
    "java.lang.CharSequence":          "",
    "java.lang.Iterable":              "",
    "java.lang.Runnable":              "",
    "java.util.concurrent.Callable":   "",
    "java.util.Comparator":            "",
    "java.util.Collection":            "java.lang.Iterable",
    "java.util.List":                  "java.util.Collection",
    "java.util.RandomAccess":          "",
    "java.util.Set":                   "java.util.Collection",
    "java.util.Map":                   "",
    "java.util.Map$Entry":             "",
    "java.util.Date":                  "java.lang.Comparable",
    "java.time.Instant":               "java.util.Date",
    "java.time.Duration":              "java.lang.Comparable",
    "java.util.UUID":                  "java.lang.Comparable",
    "java.util.regex.Pattern":         "",
    "java.lang.Number":                "",
    "java.lang.Byte":                  "java.lang.Number java.lang.Comparable",
    "java.lang.Short":                 "java.lang.Number java.lang.Comparable",
    "java.lang.Integer":               "java.lang.Number java.lang.Comparable",
    "java.lang.Long":                  "java.lang.Integer",
    "java.lang.Float":                 "java.lang.Number java.lang.Comparable",
    "java.lang.Double":                "java.lang.Float",
    "java.math.BigInteger":            "java.lang.Number java.lang.Comparable",
    "java.math.BigDecimal":            "java.lang.Number java.lang.Comparable",
    "clojure.lang.BigInt":             "java.math.BigInteger",
    "clojure.lang.Ratio":              "java.lang.Number java.lang.Comparable",
    "java.lang.Boolean":               "java.lang.Comparable",
    "java.lang.Character":             "java.lang.Comparable",
    "java.lang.String":                "java.lang.CharSequence java.lang.Comparable",
    "java.lang.Class":                 "",
    "java.util.Iterator":              "",
    "java.net.URI":                    "java.lang.Comparable",
    "java.lang.Throwable":             "",
    "java.lang.Error":                 "java.lang.Throwable",
    "java.lang.AssertionError":        "java.lang.Error",
    "java.lang.VirtualMachineError":   "java.lang.Error",
    "java.lang.StackOverflowError":    "java.lang.VirtualMachineError",
    "java.lang.OutOfMemoryError":      "java.lang.VirtualMachineError",
    "java.lang.Exception":             "java.lang.Throwable",
    "java.lang.InterruptedException":  "java.lang.Exception",
    "java.lang.ClassNotFoundException": "java.lang.Exception",
    "java.io.IOException":             "java.lang.Exception",
    "java.io.FileNotFoundException":   "java.io.IOException",
    "java.io.EOFException":            "java.io.IOException",
    "java.util.concurrent.TimeoutException": "java.lang.Exception",
    "java.util.concurrent.ExecutionException": "java.lang.Exception",
    "java.util.concurrent.CancellationException": "java.lang.IllegalStateException",
    "java.lang.RuntimeException":      "java.lang.Exception",
    "java.lang.ArithmeticException":   "java.lang.RuntimeException",
    "java.lang.ClassCastException":    "java.lang.RuntimeException",
    "java.lang.IllegalArgumentException": "java.lang.RuntimeException",
    "java.lang.IllegalStateException": "java.lang.RuntimeException",
    "java.lang.IndexOutOfBoundsException": "java.lang.RuntimeException",
    "java.lang.StringIndexOutOfBoundsException": "java.lang.IndexOutOfBoundsException",
    "java.lang.ArrayIndexOutOfBoundsException": "java.lang.IndexOutOfBoundsException",
    "java.lang.NegativeArraySizeException": "java.lang.RuntimeException",
    "java.lang.NullPointerException":  "java.lang.RuntimeException",
    "java.lang.NumberFormatException": "java.lang.IllegalArgumentException",
    "java.lang.SecurityException":     "java.lang.RuntimeException",
    "java.lang.UnsupportedOperationException": "java.lang.RuntimeException",
    "java.util.NoSuchElementException": "java.lang.RuntimeException",
    "java.util.ConcurrentModificationException": "java.lang.RuntimeException",
    "java.util.regex.PatternSyntaxException": "java.lang.IllegalArgumentException",
    "java.time.format.DateTimeParseException": "java.lang.RuntimeException",
    "clojure.lang.ArityException":     "java.lang.IllegalArgumentException",
    "clojure.lang.Compiler$CompilerException": "java.lang.RuntimeException clojure.lang.IExceptionInfo",
    "clojure.lang.LispReader$ReaderException": "java.lang.RuntimeException",
    "clojure.lang.IExceptionInfo":     "",
    "clojure.lang.ExceptionInfo":      "clojure.lang.IExceptionInfo java.lang.RuntimeException",
    "clojure.lang.Namespace":          "",
    "clojure.lang.MultiFn":            "clojure.lang.AFn",
    "clojure.lang.ReaderConditional":  "clojure.lang.ILookup",
    "clojure.lang.IHashEq":            "",
    "clojure.lang.IReduceInit":        "",
    "clojure.lang.IReduce":            "clojure.lang.IReduceInit",
    "clojure.lang.IKVReduce":          "",
    "clojure.lang.IEditableCollection": "",
    "clojure.lang.IChunkedSeq":        "clojure.lang.ISeq clojure.lang.Sequential",
    "clojure.lang.IMapIterable":       "",
    "clojure.lang.IBlockingDeref":     "",
    "clojure.lang.IReference":         "clojure.lang.IMeta",
    "clojure.lang.IAtom2":             "clojure.lang.IAtom",
    "clojure.lang.IType":              "",
    "clojure.lang.PersistentQueue":    "clojure.lang.IPersistentList clojure.lang.IObj clojure.lang.Counted java.util.Collection",
    "clojure.lang.Agent":              "clojure.lang.ARef",
    "clojure.lang.Ref":                "clojure.lang.ARef clojure.lang.IFn java.lang.Comparable",
    "clojure.lang.Range":              "clojure.lang.ASeq clojure.lang.Counted clojure.lang.IReduce",
    "clojure.lang.Iterate":            "clojure.lang.ASeq clojure.lang.IReduce clojure.lang.IPending",
    "clojure.lang.Cycle":              "clojure.lang.ASeq clojure.lang.IReduce clojure.lang.IPending",
    "clojure.lang.ChunkedCons":        "clojure.lang.ASeq clojure.lang.IChunkedSeq",
    "clojure.lang.ArraySeq":           "clojure.lang.IndexedSeq",
    "clojure.lang.StringSeq":          "clojure.lang.IndexedSeq",
    "clojure.lang.IMeta":              "",
    "clojure.lang.IObj":               "clojure.lang.IMeta",
    "clojure.lang.IFn":                "java.util.concurrent.Callable java.lang.Runnable",
    "clojure.lang.Fn":                 "",
    "clojure.lang.AFn":                "clojure.lang.IFn",
    "clojure.lang.AFunction":          "clojure.lang.AFn clojure.lang.IObj java.util.Comparator clojure.lang.Fn",
    "clojure.lang.Named":              "",
    "clojure.lang.Keyword":            "clojure.lang.IFn java.lang.Comparable clojure.lang.Named",
    "clojure.lang.Symbol":             "clojure.lang.AFn clojure.lang.IObj java.lang.Comparable clojure.lang.Named",
    "clojure.lang.IDeref":             "",
    "clojure.lang.IRef":               "clojure.lang.IDeref",
    "clojure.lang.IPending":           "",
    "clojure.lang.IAtom":              "",
    "clojure.lang.ARef":               "clojure.lang.IRef clojure.lang.IMeta",
    "clojure.lang.Var":                "clojure.lang.ARef clojure.lang.IFn clojure.lang.IReference",
    "clojure.lang.Atom":               "clojure.lang.ARef clojure.lang.IAtom2 clojure.lang.IReference",
    "clojure.lang.Volatile":           "clojure.lang.IDeref",
    "clojure.lang.Delay":              "clojure.lang.IDeref clojure.lang.IPending",
    "clojure.lang.Reduced":            "clojure.lang.IDeref",
    "clojure.lang.Seqable":            "",
    "clojure.lang.Counted":            "",
    "clojure.lang.Sequential":         "",
    "clojure.lang.Sorted":             "",
    "clojure.lang.ILookup":            "",
    "clojure.lang.Indexed":            "clojure.lang.Counted",
    "clojure.lang.Reversible":         "clojure.lang.Seqable",
    "clojure.lang.IPersistentCollection": "clojure.lang.Seqable",
    "clojure.lang.IPersistentStack":   "clojure.lang.IPersistentCollection",
    "clojure.lang.Associative":        "clojure.lang.IPersistentCollection clojure.lang.ILookup",
    "clojure.lang.ISeq":               "clojure.lang.IPersistentCollection",
    "clojure.lang.IPersistentList":    "clojure.lang.Sequential clojure.lang.IPersistentStack",
    "clojure.lang.IPersistentVector":  "clojure.lang.Associative clojure.lang.Sequential clojure.lang.IPersistentStack"
                                       " clojure.lang.Reversible clojure.lang.Indexed",
    "clojure.lang.IPersistentMap":     "java.lang.Iterable clojure.lang.Associative clojure.lang.Counted",
    "clojure.lang.IPersistentSet":     "clojure.lang.IPersistentCollection clojure.lang.Counted",
    "clojure.lang.IMapEntry":          "java.util.Map$Entry",
    "clojure.lang.ASeq":               "clojure.lang.ISeq clojure.lang.IObj clojure.lang.Sequential java.util.List clojure.lang.IHashEq",
    "clojure.lang.APersistentVector":  "clojure.lang.AFn clojure.lang.IPersistentVector java.util.List clojure.lang.IHashEq"
                                       " java.lang.Comparable java.util.RandomAccess",
    "clojure.lang.APersistentMap":     "clojure.lang.AFn clojure.lang.IPersistentMap java.util.Map clojure.lang.IHashEq"
    " clojure.lang.IKVReduce",
    "clojure.lang.APersistentSet":     "clojure.lang.AFn clojure.lang.IPersistentSet java.util.Set clojure.lang.IHashEq",
    "clojure.lang.PersistentVector":   "clojure.lang.APersistentVector clojure.lang.IObj clojure.lang.IEditableCollection"
                                       " clojure.lang.IReduce clojure.lang.IKVReduce",
    "clojure.lang.MapEntry":           "clojure.lang.IMapEntry clojure.lang.APersistentVector",
    "clojure.lang.PersistentList":     "clojure.lang.ASeq clojure.lang.IPersistentList clojure.lang.Counted",
    "clojure.lang.Cons":               "clojure.lang.ASeq",
    "clojure.lang.LazySeq":            "clojure.lang.ISeq clojure.lang.IObj clojure.lang.Sequential clojure.lang.IPending java.util.List",
    "clojure.lang.LongRange":          "clojure.lang.ASeq clojure.lang.Counted clojure.lang.IReduce",
    "clojure.lang.Repeat":             "clojure.lang.ASeq clojure.lang.IReduce clojure.lang.IPending",
    "clojure.lang.IndexedSeq":         "clojure.lang.ASeq clojure.lang.Counted",
    "clojure.lang.PersistentHashMap":  "clojure.lang.APersistentMap clojure.lang.IObj clojure.lang.IEditableCollection",
    "clojure.lang.PersistentArrayMap": "clojure.lang.PersistentHashMap",
    "clojure.lang.PersistentTreeMap":  "clojure.lang.APersistentMap clojure.lang.IObj clojure.lang.Reversible clojure.lang.Sorted",
    "clojure.lang.PersistentHashSet":  "clojure.lang.APersistentSet clojure.lang.IObj clojure.lang.IEditableCollection",
    "clojure.lang.PersistentTreeSet":  "clojure.lang.APersistentSet clojure.lang.IObj clojure.lang.Reversible clojure.lang.Sorted",
    "clojure.lang.IRecord":            "",
    "clojure.lang.TaggedLiteral":      "clojure.lang.ILookup",
    "flow.lang.Bytes":                 "java.lang.Comparable",
    "flow.lang.Secret":                "",
    "flow.lang.Run":                   "",
    "flow.lang.Fiber":                 "clojure.lang.IDeref",
    "flow.lang.Reified":               "clojure.lang.IObj",
    OBJECT:                            "",
}

_RECORD: Final = "clojure.lang.IRecord clojure.lang.IPersistentMap clojure.lang.IObj java.util.Map"

_CLASSES: Final[dict[type, str]] = {
    bool:       "java.lang.Boolean",
    float:      "java.lang.Double",
    str:        "java.lang.String",
    bytes:      "flow.lang.Bytes",
    Ratio:      "clojure.lang.Ratio",
    Char:       "java.lang.Character",
    Keyword:    "clojure.lang.Keyword",
    Symbol:     "clojure.lang.Symbol",
    Instant:    "java.time.Instant",
    Duration:   "java.time.Duration",
    Regex:      "java.util.regex.Pattern",
    Secret:     "flow.lang.Secret",
    RunRef:     "flow.lang.Run",
    FiberRef:   "flow.lang.Fiber",
    Promise:    "flow.lang.Promise",
    Channel:    "flow.lang.Channel",
    VarRef:     "clojure.lang.Var",
    TaggedLiteral: "clojure.lang.TaggedLiteral",
    Vector:     "clojure.lang.PersistentVector",
    MapEntry:   "clojure.lang.MapEntry",
    List:       "clojure.lang.PersistentList",
    Cons:       "clojure.lang.Cons",
    LazySeq:    "clojure.lang.LazySeq",
    Range:      "clojure.lang.LongRange",
    Repeat:     "clojure.lang.Repeat",
    IndexedSeq: "clojure.lang.IndexedSeq",
    Map:        "clojure.lang.PersistentArrayMap",
    Set:        "clojure.lang.PersistentHashSet",
    SortedMap:  "clojure.lang.PersistentTreeMap",
    SortedSet:  "clojure.lang.PersistentTreeSet",
    Atom:       "clojure.lang.Atom",
    Volatile:   "clojure.lang.Volatile",
    Delay:      "clojure.lang.Delay",
    Reduced:    "clojure.lang.Reduced",
    Reified:    "flow.lang.Reified",
}
# fmt: on

_LATE: Final = {kinds.DECIMAL: "java.math.BigDecimal", kinds.UUID: "java.util.UUID"}

_SHORT: Final = {
    name.rpartition(".")[2]: name
    for name in _TABLE
    if name.rpartition(".")[0] in ("java.lang", "java.math")
} | {"Callable": "java.util.concurrent.Callable"}
"""Classes that need no package in front, as in Clojure."""


CLASSES_BY_NAME: Final = {re.split(r"[.$]", name)[-1]: name for name in _TABLE}
"""Every class by its name without the package, for a catch in a namespace that does not import it."""


def class_name(value: Value) -> str:
    """Return the name of the class of a value, "nil" for nil."""
    cls = type(value)
    if cls is int:
        return "java.lang.Long" if -(1 << 63) <= value < 1 << 63 else "clojure.lang.BigInt"
    if cls is Record:
        return str(value.record)
    if cls is ErrorValue:
        return class_of_error(value)
    found = _CLASSES.get(cls)
    if found is not None:
        return found
    if value is None:
        return "nil"
    late = _LATE.get(kind_of(value))
    if late is not None:
        return late
    return "clojure.lang.AFunction" if hasattr(value, "__flow_print__") else OBJECT


@cache
def ancestry(name: str) -> tuple[str, ...]:
    """Return a class and all that it is one of, nearest first, Object last; nil is nothing else."""
    if name == "nil":
        return ("nil",)
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        if current in found or current == OBJECT:
            continue
        found[current] = None
        parents = _RECORD if "/" in current else _TABLE.get(current, "")
        waiting.extend(parents.split())
    return (*found, OBJECT)


def class_named(text: str) -> str | None:
    """Return the full name of a class of the table, None if there is none of that name."""
    return text if text in _TABLE else _SHORT.get(text)


def is_class(symbol: Value) -> bool:
    """Say whether a symbol is the name of a class of the table or, as it looks, of a record."""
    if type(symbol) is not Symbol:
        return False
    return symbol.text in _TABLE or (symbol.ns is not None and symbol.name[:1].isupper())
