"""with-restart and with-handler: handlers that are searched for and do not catch.

```
(with-restart [:skip "go on without it" (fn [] nil)] body)
    (let* [o [[:skip "go on without it" (fn [] nil)]]]
      (try body (catch* :restart o e (-run-restart o e))))

(with-handler [:http/status f] body)
    (let* [f f] (try body (catch* :observer (fn [e] (if (-error-is? e :http/status) (f e))) e (throw e))))
```
"""

from __future__ import annotations

from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.foreigners import (
    CLASSES_OF_EVERYTHING,
    looks_like_a_class,
    without_package,
)
from flowmetal.compiler.forms import (
    Syntax,
    bracketed,
    children,
    core,
    is_vector,
    listed,
    listed_of,
    local,
)
from flowmetal.errors import CompileError
from flowmetal.values import Keyword, Map, Symbol, Vector, pr_str

_RESTART = Keyword.of(None, "restart")
_OBSERVER = Keyword.of(None, "observer")


def expand_with_restart(call: MacroCall) -> Syntax:
    shape = '(with-restart [:name "what it does" (fn [] ...)] body)'
    parts = _vector(call, 3, "a name, a description and a function for each restart", shape)
    rows: list[Syntax] = []
    seen: dict[Keyword, None] = {}
    for name, description, function in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if not isinstance(name.form, Keyword):
            raise _wrong("the name of a restart is a keyword", name, f"write {shape}")
        if name.form in seen:
            raise _wrong(f"the restart {pr_str(name.form)} stands here twice", name, None)
        seen[name.form] = None
        if isinstance(description.form, (Keyword, Vector, Map, int, float, type(None))):
            raise _wrong("a restart says in a string what it does", description, f"write {shape}")
        rows.append(bracketed(name.span, [name, description, function]))
    span = call.arguments[0].span
    offered, error = call.fresh("restarts", span), call.fresh("chosen", span)
    result = listed(span, core("-run-restart"), offered, error)
    clause = listed(span, local("catch*"), _RESTART, offered, error, result)
    names = bracketed(span, [offered, bracketed(span, rows)])
    body = listed_of(call.span, [local("try"), *call.arguments[1:], clause])
    return listed(call.span, local("let*"), names, body)


def expand_with_handler(call: MacroCall) -> Syntax:
    shape = "(with-handler [:error/type (fn [e] ...)] body)"
    parts = _vector(call, 2, "what to handle and a function for each handler", shape)
    names: list[Syntax] = []
    clauses: list[Syntax] = []
    for selector, function in zip(parts[::2], parts[1::2], strict=True):
        span = function.span
        handler, error = call.fresh("handler", span), call.fresh("error", span)
        names += [handler, function]
        handled = listed(span, handler, error)
        test = _test(call, selector, error, names)
        if test is not None:
            handled = listed(span, local("if"), test, handled)
        observer = listed(span, local("fn*"), bracketed(span, [error]), handled)
        again = listed(span, local("throw"), error)
        clauses.append(listed(span, local("catch*"), _OBSERVER, observer, error, again))
    body = listed_of(call.span, [local("try"), *call.arguments[1:], *clauses])
    return listed(call.span, local("let*"), bracketed(call.arguments[0].span, names), body)


def _test(call: MacroCall, selector: Syntax, error: Syntax, names: list[Syntax]) -> Syntax | None:
    """Return the form that says whether an error is meant; None if every one is."""
    form, span = selector
    asked = core("-error-is?")
    if isinstance(form, Keyword):
        return None if form.text == "default" else listed(span, asked, error, selector)
    if isinstance(form, Symbol) and not _is_defined(call, form):
        plain = without_package(form.text)
        if plain in CLASSES_OF_EVERYTHING:
            return None
        if looks_like_a_class(form.text):
            return listed(span, asked, error, listed(span, local("quote"), Symbol(None, plain)))
    predicate = call.fresh("predicate", span)
    names += [predicate, selector]
    return listed(span, predicate, error)


def _is_defined(call: MacroCall, symbol: Symbol) -> bool:
    if symbol.ns is None and call.context.scope.find(symbol.name) is not None:
        return True
    return isinstance(call.context.names.find(symbol), VarInfo)


def _vector(call: MacroCall, width: int, what: str, shape: str) -> list[Syntax]:
    """Return the parts of the vector at the beginning of the call."""
    given = call.arguments[0] if call.arguments else None
    if given is None or not is_vector(given.form):
        at = given or Syntax(None, call.span)
        raise _wrong(f"`{call.name}` needs a vector: {what}", at, f"write {shape}")
    parts = children(*given)
    if not parts or len(parts) % width:
        raise _wrong(f"`{call.name}` needs {what}", parts[-1] if parts else given, f"write {shape}")
    return parts


def _wrong(message: str, at: Syntax, hint: str | None) -> CompileError:
    return CompileError("FM0142", message, at.span, hint=hint)
