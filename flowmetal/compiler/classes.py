"""Names of classes in code: those of the table in ``values.classes``, and types of records.

A class is a symbol. ``String`` and ``java.util.Map`` are constants wherever
they stand; the type of a record is a var whose metadata says ``:class``, and
``shop.model.Order`` names it from anywhere.
"""

from __future__ import annotations

from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.foreigners import without_package
from flowmetal.compiler.forms import CORE, Syntax, flag, is_data, without_spans
from flowmetal.compiler.host_names import CONSTANTS, CONSTRUCTORS
from flowmetal.compiler.resolution import Names
from flowmetal.errors import CompileError
from flowmetal.source import Span
from flowmetal.values import (
    Keyword,
    List,
    Map,
    Symbol,
    TaggedLiteral,
    Value,
    Vector,
    keyword,
    list_of,
    pr_str,
    record_of,
    vector,
)
from flowmetal.values.classes import ancestry, class_named

_FIELDS = keyword("fields")


def class_of_symbol(names: Names, symbol: Symbol) -> str | None:
    """Return the full name of the class that a symbol names, None if it names none."""
    found = names.find(symbol)
    if isinstance(found, VarInfo):
        return found.name if flag(found.meta, "class") else None
    known = class_named(symbol.text) or class_named(names.namespace.aliases.get(symbol.text, ""))
    if known is not None:
        return known
    record = _record_named(names, symbol)
    return None if record is None else record.name


def symbol_of_class(name: str) -> Symbol:
    """Return the value of a class."""
    space, slash, plain = name.partition("/")
    return Symbol(space, plain) if slash else Symbol(None, name)


def constant_of_class(names: Names, symbol: Symbol) -> Value:
    """Return the constant that ``Class/NAME`` is, None if there is none."""
    if symbol.ns is None or names.namespace_of(symbol.ns) in names.environment.names():
        return None
    return CONSTANTS.get(f"{without_package(symbol.ns)}/{symbol.name}")


def construction(names: Names, class_symbol: Symbol, arguments: list[Value]) -> List | None:
    """Return the form that ``(new Class argument ...)`` means, None if it means nothing here."""
    cls = class_of_symbol(names, class_symbol)
    if cls is None:
        return None
    space, slash, plain = cls.partition("/")
    if slash:
        return list_of((Symbol(space, f"->{plain}"), *arguments))
    if cls in CONSTRUCTORS:
        space, _, plain = CONSTRUCTORS[cls].partition("/")
        return list_of((Symbol(space, plain), *arguments))
    if "java.lang.Throwable" in ancestry(cls):
        quoted = list_of((Symbol(None, "quote"), Symbol(None, cls)))
        return list_of((Symbol(CORE, "-exception"), quoted, *arguments))
    return None


def record_literal(names: Names, literal: TaggedLiteral, span: Span) -> Value:
    """Return the record that ``#ns/Name{...}`` is if the tag is a type of records, else the literal."""
    made = _record_of(names, literal, span)
    if made is not literal and not is_data(literal.form):
        raise CompileError(
            "FM0131",
            f"what stands in #{literal.tag.text}{{...}} is not evaluated",
            span,
            hint=f"write (map->{literal.tag.name.rpartition('.')[2]} {{...}})",
        )
    return made


def quoted(names: Names, form: Syntax) -> Value:
    """Return a form as a value, without spans; a literal of a record in it is one."""

    def atom(value: Value) -> Value:
        is_literal = isinstance(value, TaggedLiteral)
        return _record_of(names, value, form.span) if is_literal else value

    return without_spans(form.form, atom)


def _record_of(names: Names, literal: TaggedLiteral, span: Span) -> Value:
    found = names.find(literal.tag)
    if not (isinstance(found, VarInfo) and flag(found.meta, "class")):
        found = _record_named(names, literal.tag)
    if found is None:
        return literal
    fields: Value = None if found.meta is None else found.meta.get(_FIELDS)
    form = without_spans(literal.form)
    if not isinstance(fields, Vector) or not isinstance(form, (Map, Vector)):
        raise CompileError("FM0131", f"#{literal.tag.text} needs a map of its fields", span)
    if isinstance(form, Vector) and len(form) != len(fields):
        shown = pr_str(vector(Symbol(None, field.name) for field in fields))
        message = f"#{literal.tag.text} needs a value for each of its fields {shown}"
        raise CompileError("FM0131", f"{message}, not {len(form)}", span)
    names_of_fields: list[Keyword] = list(fields)
    if isinstance(form, Vector):
        return record_of(found.name, names_of_fields, list(form), [])
    values = [form.get(name) for name in names_of_fields]
    more = [(k, v) for k, v in form.items() if k not in names_of_fields]
    return record_of(found.name, names_of_fields, values, more)


def _record_named(names: Names, symbol: Symbol) -> VarInfo | None:
    """Return the type of records that a name with dots, as Clojure writes it, means."""
    if symbol.ns is not None or "." not in symbol.name:
        return None
    space, _, plain = symbol.name.rpartition(".")
    for candidate in (space, space.replace("_", "-")):
        found = names.environment.var(f"{candidate}/{plain}")
        if found is not None and flag(found.meta, "class"):
            return found
    return None
