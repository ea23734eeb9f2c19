"""Cells that change, metadata and errors (flow.core).

What calls a function (``swap!``, validators, watches, delays) is written in
Flowmetal over these.
"""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import need_map, need_text, wrong
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.values import (
    Atom,
    Char,
    Delay,
    ErrorValue,
    Keyword,
    Map,
    Reduced,
    Symbol,
    TaggedLiteral,
    Value,
    VarRef,
    Volatile,
    equal,
    hash_map,
    keyword,
    vector,
)
from flowmetal.values.error_classes import host_class

native = Table("flow.core")


# Atoms.


@native("-atom")
def make_atom(value: Value, meta: Value, validator: Value) -> Atom:
    return Atom(value, None if meta is None else need_map("atom", 3, meta), validator)


def _atom(function: str, cell: Value) -> Atom:
    if type(cell) is not Atom:
        raise wrong(function, "an atom", 1, cell)
    return cell


@native("-plain?")
def is_plain(cell: Value) -> bool:
    """Say whether an atom has neither a validator nor watches."""
    atom = _atom("reset!", cell)
    return atom.validator is None and not len(atom.watches)


@native("-cell-value")
def cell_value(cell: Value) -> Value:
    """Return what an atom, volatile or reduced value holds."""
    if type(cell) in (Atom, Volatile, Reduced):
        return cell.value
    raise wrong("deref", "an atom, volatile, delay or var", 1, cell)


@native("-cell-set!")
def set_cell(cell: Value, value: Value) -> Value:
    """Change an atom; no validator, no watches."""
    _atom("reset!", cell).value = value
    return value


native.add("-validator", lambda cell: _atom("get-validator", cell).validator)
native.add("-watches", lambda cell: _atom("add-watch", cell).watches)


@native("-set-validator!")
def set_validator(cell: Value, validator: Value) -> None:
    _atom("set-validator!", cell).validator = validator


@native("-set-watch!")
def set_watch(cell: Value, key: Value, watch: Value) -> Value:
    """Add a watch, or take it away if ``watch`` is nil."""
    atom = _atom("add-watch", cell)
    atom.watches = atom.watches.dissoc(key) if watch is None else atom.watches.assoc(key, watch)
    return atom


@native("-compare-and-set!")
def compare_and_set(cell: Value, old: Value, new: Value) -> bool:
    """Change an atom if it holds ``old``."""
    atom = _atom("compare-and-set!", cell)
    if not equal(atom.value, old):
        return False
    atom.value = new
    return True


# Volatiles, delays, reduced values.

native.add("volatile!", lambda value: Volatile(value))


@native("vreset!")
def reset_volatile(cell: Value, value: Value) -> Value:
    if type(cell) is not Volatile:
        raise wrong("vreset!", "a volatile", 1, cell)
    cell.value = value
    return value


native.add("make-delay", lambda thunk: Delay(thunk))
native.add("-delay-thunk", lambda cell: cell.thunk)
native.add("-delay-value", lambda cell: cell.value)
native.add("-delay-ready?", lambda cell: bool(cell.realised))


@native("-delay-fill!")
def fill_delay(cell: Value, value: Value) -> Value:
    """Give a delay its value."""
    cell.value = value
    cell.thunk = None
    cell.realised = True
    return value


@native("-delay-begin!")
def begin_delay(cell: Value, promise: Value, fiber: Value) -> None:
    """Note that a fiber computes a delay, and the promise that is kept when it has ended."""
    cell.thunk = promise
    cell.value = fiber


@native("-delay-fail!")
def fail_delay(cell: Value, thunk: Value) -> None:
    """Let a delay that has no value call a function from now on."""
    cell.thunk = thunk
    cell.value = None


native.add("reduced", lambda x: Reduced(x))
native.add("ensure-reduced", lambda x: x if type(x) is Reduced else Reduced(x))
native.add("unreduced", lambda x: x.value if type(x) is Reduced else x)


# Metadata.


@native("-meta")
def meta(x: Value) -> Value:
    """Return the metadata of a value, nil if it has none."""
    found = getattr(x, "meta", None)
    return found if type(found) is Map else None


@native("with-meta")
def with_meta(x: Value, metadata: Value) -> Value:
    """Return the same value with other metadata."""
    if metadata is not None:
        need_map("with-meta", 2, metadata)
    if not hasattr(x, "with_meta"):
        raise wrong("with-meta", "a value that can have metadata", 1, x)
    return x.with_meta(metadata)


@native("-reset-meta!")
def reset_meta(x: Value, metadata: Value) -> Value:
    """Change the metadata of an atom."""
    _atom("reset-meta!", x).meta = (
        None if metadata is None else need_map("reset-meta!", 2, metadata)
    )
    return metadata


# Errors.

_TYPE, _RETRYABLE, _USER = keyword("type"), keyword("retryable?"), keyword("user")


@native("ex-info")
def ex_info(message: Value, data: Value, cause: Value = None) -> ErrorValue:
    """Make an error; ``:type`` and ``:retryable?`` of its data are the error's own."""
    if message is not None:
        need_text("ex-info", 1, message)
    fields = need_map("ex-info", 2, data)
    if cause is not None and type(cause) is not ErrorValue:
        raise wrong("ex-info", "an error as the cause", 3, cause)
    kind = fields.get(_TYPE)
    retryable = fields.get(_RETRYABLE)
    return ErrorValue(
        kind if type(kind) is Keyword else _USER,
        message,
        fields,
        cause=cause,
        retryable=retryable if type(retryable) is bool else None,
    )


@native("-error")
def make_error(kind: Value, message: Value, data: Value, code: Value) -> ErrorValue:
    """Make an error of the library, with its code."""
    return ErrorValue(kind, message, data, code=code)


@native("ex-data")
def ex_data(error: Value) -> Value:
    if type(error) is not ErrorValue or host_class(error) is not None:
        return None
    return error.data


@native("ex-message")
def ex_message(error: Value) -> Value:
    return error.message if type(error) is ErrorValue else None


@native("ex-cause")
def ex_cause(error: Value) -> Value:
    return error.cause if type(error) is ErrorValue else None


@native("-error-type")
def error_type(error: Value) -> Value:
    return error.type if type(error) is ErrorValue else None


@native("-error-with")
def error_with(error: Value, key: Value, value: Value) -> ErrorValue:
    """Return an error with one more entry in its data; it keeps the frames of where it was raised."""
    return ErrorValue(
        error.type,
        error.message,
        error.data.assoc(key, value),
        error.cause,
        error.frames,
        error.retryable,
        error.code,
    )


@native("-error-retryable")
def error_retryable(error: Value) -> Value:
    """Return what an error says of trying again: true, false or nil."""
    return error.retryable if type(error) is ErrorValue else None


@native("Throwable->map")
def error_map(error: Value) -> Map:
    """Return an error and its causes as plain data."""
    chain = []
    link = error
    while type(link) is ErrorValue:
        chain.append(link)
        link = link.cause
    if not chain:
        raise wrong("Throwable->map", "an error", 1, error)
    root = chain[-1]
    said = hash_map([(keyword("cause"), root.message), *_data_of(root)])
    return said.assoc(keyword("via"), vector(map(_link, chain)))


def _link(error: ErrorValue) -> Map:
    return hash_map(
        [(_TYPE, error.type), (keyword("message"), error.message), *_data_of(error)],
    )


def _data_of(error: ErrorValue) -> list[tuple[Value, Value]]:
    """Return the entry of what ``ex-data`` has of an error."""
    data = ex_data(error)
    return [] if data is None else [(keyword("data"), data)]


# Names.


def _text_of_name(function: str, x: Value) -> str:
    if type(x) is str:
        return x
    if type(x) in (Keyword, Symbol):
        return str(x.name)
    raise wrong(function, "a string, keyword or symbol", 1, x)


native.add("name", lambda x: _text_of_name("name", x))


@native("namespace")
def namespace(x: Value) -> str | None:
    if type(x) not in (Keyword, Symbol):
        raise wrong("namespace", "a keyword or symbol", 1, x)
    found: str | None = x.ns
    return found


@native("keyword")
def make_keyword(x: Value, name: Value = MISSING) -> Keyword | None:
    """Make a keyword of a name, or of a namespace and a name."""
    if name is not MISSING:
        return Keyword.of(
            None if x is None else need_text("keyword", 1, x), need_text("keyword", 2, name)
        )
    if type(x) is Keyword:
        return x
    if type(x) is Symbol:
        return Keyword.of(x.ns, x.name)
    return keyword(x) if type(x) is str else None


@native("symbol")
def make_symbol(x: Value, name: Value = MISSING) -> Symbol:
    """Make a symbol of a name, or of a namespace and a name."""
    if name is not MISSING:
        return Symbol(
            None if x is None else need_text("symbol", 1, x), need_text("symbol", 2, name)
        )
    if type(x) is Symbol:
        return x
    if type(x) is Keyword:
        return Symbol(x.ns, x.name)
    text = x.name if type(x) is VarRef else x
    if type(text) is not str:
        raise wrong("symbol", "a string, keyword, symbol or var", 1, x)
    at = text.find("/")
    return Symbol(None, text) if at <= 0 else Symbol(text[:at], text[at + 1 :])


@native("char")
def make_char(x: Value) -> Char:
    """Return the character with this code point."""
    if type(x) is Char:
        return x
    if type(x) is not int or not 0 <= x < 0x110000:
        raise wrong("char", "a code point", 1, x)
    return Char(chr(x))


@native("tagged-literal")
def make_tagged_literal(tag: Value, form: Value) -> TaggedLiteral:
    """Return a literal with a tag."""
    if type(tag) is not Symbol:
        raise wrong("tagged-literal", "a symbol", 1, tag)
    return TaggedLiteral(tag, form)
