"""What defrecord, defprotocol, extend-type and defmethod stand on: entries of tables.

The macros are written in Flowmetal (flow/core/types.flow). What they cannot
know, which var or class a name means here, is answered by these.

```
(-here Name)                       the symbol ns/Name of this namespace
(-class-part P method Class f)     the implementation of a protocol's method; method nil: of P itself
(-method-part multi value f)       the method of a multimethod for a dispatch value
(-method-of P method f)            f, an implementation of a protocol's method
(-new-multi Name form...)          the forms that define a multimethod, nil where it is one already
(-own-part Name "key" value)       an entry of a table of this namespace
```

See ``values.parts`` for the names of the entries.
"""

from __future__ import annotations

from flowmetal.compiler.classes import class_of_symbol, symbol_of_class
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.forms import Syntax, core, flag, is_symbol, listed, local
from flowmetal.compiler.forms import is_data as means_itself
from flowmetal.compiler.unknown import report_unknown
from flowmetal.values import List, Map, Set, Symbol, Value, Vector, hash_map, keyword, vector
from flowmetal.values.parts import method_key, part_name

_METHODS = keyword("methods")
_PRIVATE = hash_map([(keyword("private"), True)])


def expand_here(call: MacroCall) -> Syntax:
    (name,) = call.arguments
    here = Symbol(call.context.namespace_name, name.form.name)
    return listed(call.span, local("quote"), Syntax(here, name.span))


def expand_own_part(call: MacroCall) -> Syntax:
    name, key, value = call.arguments
    return _define(
        call, name, part_name(f"{call.context.namespace_name}/{name.form.name}", key.form), value
    )


def expand_class_part(call: MacroCall) -> Syntax:
    protocol, method, cls, value = call.arguments
    found = _table(call, protocol, "a protocol")
    if found is None:
        return Syntax(None, call.span)
    _check_method(call, found, protocol, method)
    name = _class_name(call, cls)
    if name is None:
        raise call.wrong("FM0131", f"`{_shown(cls)}` is not a class", cls.span)
    plain = "" if method.form is None else method.form.name
    return _define(call, protocol, part_name(found.name, part_name(plain, name)), value)


def expand_method_of(call: MacroCall) -> Syntax:
    protocol, method, function = call.arguments
    found = call.context.names.find(protocol.form)
    if isinstance(found, VarInfo):  # else the name is unknown, which `var` says
        _check_method(call, found, protocol, method)
    return function


def _check_method(call: MacroCall, found: VarInfo, protocol: Syntax, method: Syntax) -> None:
    methods = _protocol_methods(found)
    if methods is None and not found.broken:
        raise call.wrong("FM0131", f"`{_shown(protocol)}` is not a protocol", protocol.span)
    if method.form is not None and methods is not None and method.form.name not in methods:
        raise call.wrong(
            "FM0131",
            f"the protocol `{_shown(protocol)}` has no method `{method.form.name}`",
            method.span,
            f"its methods: {', '.join(methods)}" if methods else None,
        )


def expand_new_multi(call: MacroCall) -> Syntax:
    name, *forms = call.arguments
    here = call.context.names.namespace.find(name.form.name)
    if here is not None and not here.broken and flag(here.meta, "multi"):
        return Syntax(None, call.span)
    return listed(call.span, local("do"), *forms)


def expand_method_part(call: MacroCall) -> Syntax:
    multi, dispatch, value = call.arguments
    found = _table(call, multi, "a multimethod")
    if found is None:
        return Syntax(None, call.span)
    if not flag(found.meta, "multi") and not found.broken:
        raise call.wrong("FM0131", f"`{_shown(multi)}` is not a multimethod", multi.span)
    key = _static_key(call, dispatch.form)
    if key is not None:
        return _define(call, multi, part_name(found.name, key), value)
    var = listed(multi.span, local("var"), multi)
    return listed(call.span, core("-add-method!"), var, dispatch, value)


def _define(call: MacroCall, at: Syntax, name: str, value: Syntax) -> Syntax:
    space, _, plain = name.partition("/")
    symbol = Syntax(Symbol(space, plain, _PRIVATE, at.span), at.span)
    return listed(call.span, local("def"), symbol, value)


def _table(call: MacroCall, name: Syntax, what: str) -> VarInfo | None:
    if not is_symbol(name.form):
        raise call.wrong("FM0131", f"the name of {what} is expected here", name.span)
    found = call.context.names.find(name.form)
    if isinstance(found, VarInfo):
        return found
    report_unknown(call.context, name.form, name.span)
    return None


def _protocol_methods(var: VarInfo) -> list[str] | None:
    found = None if var.meta is None else var.meta.get(_METHODS)
    return [method.name for method in found] if isinstance(found, Vector) else None


def _class_name(call: MacroCall, cls: Syntax) -> str | None:
    if cls.form is None:
        return "nil"
    return class_of_symbol(call.context.names, cls.form) if is_symbol(cls.form) else None


def _static_key(call: MacroCall, form: Value) -> str | None:
    """Return the key of a dispatch value that is known now, None if it must be computed."""
    value = _known(call, form)
    return None if value is _UNKNOWN else method_key(value)


_UNKNOWN = object()


def _known(call: MacroCall, form: Value) -> Value:
    if isinstance(form, Symbol):
        if call.context.scope.find(form.text) is not None:
            return _UNKNOWN
        name = class_of_symbol(call.context.names, form)
        return _UNKNOWN if name is None else symbol_of_class(name)
    quoted = _quoted_symbol(form)
    if quoted is not None:
        return Symbol(quoted.ns, quoted.name)
    if isinstance(form, Vector):
        items = [_known(call, item) for item in form]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else vector(items)
    return form if means_itself(form) and not isinstance(form, (Map, Set)) else _UNKNOWN


def _quoted_symbol(form: Value) -> Symbol | None:
    """Return the symbol of ``(quote symbol)``, None for any other form."""
    if not isinstance(form, List) or form.count != 2:
        return None
    head, quoted = form
    is_quote = isinstance(head, Symbol) and head.text == "quote"
    return quoted if is_quote and isinstance(quoted, Symbol) else None


def _shown(name: Syntax) -> str:
    return str(name.form.text) if is_symbol(name.form) else repr(name.form)
