"""Syntax quote: a template becomes the form that builds it.

```
`(if ~test (do ~@body))    (list 'if test (seq (concat (list 'do) body)))
`[a ~b]                    (vector 'my.ns/a b)
`[~@xs]                    (apply vector (concat xs))
```

(all names of functions are those of flow.core.) Symbols are qualified by the
function passed in; ``x#`` becomes one fresh name throughout a template. A
syntax quote inside another is expanded first, and the outer one then walks
over its expansion, so ``~~x`` reaches the outer level as in Clojure. Where
nothing is spliced, elements are listed directly instead of through
``concat``: the value is the same, and macros run in fewer steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowmetal.reader.fresh import FreshNames
from flowmetal.reader.literals import Unreadable
from flowmetal.source import Span
from flowmetal.values.kinds import LAST_SCALAR, NAMED, Value, kind_of
from flowmetal.values.lists import List, list_of
from flowmetal.values.map import Map
from flowmetal.values.names import Symbol
from flowmetal.values.set import Set
from flowmetal.values.vector import Vector

_CORE = "flow.core"


class _Template:
    """A collection of the template, or a symbol with metadata, while its parts are expanded."""

    __slots__ = ("form", "items", "place", "places", "spliced", "values")

    def __init__(self, form: Value, place: Span) -> None:
        self.form = form
        self.place = place
        self.items, self.places = _items_of(form, place)
        if form.meta:
            self.items.append(form.meta)
            self.places.append(place)
        self.values: list[Value] = []
        self.spliced: list[bool] = []


class SyntaxQuote:
    """The expansion of one template."""

    def __init__(self, resolve_symbol: Callable[[Symbol], Symbol], fresh_names: FreshNames) -> None:
        self._resolve = resolve_symbol
        self._fresh_names = fresh_names
        self._fresh: dict[str, str] = {}

    def expand(self, form: Value, place: Span) -> Value:
        """Return the form that builds ``form``; FM0042 for a splice with nothing around it."""
        if _is_call(form, "unquote-splicing"):
            raise _nothing_around()
        if _is_call(form, "unquote"):
            return _operand(form)
        if not _has_parts(form):
            return self._leaf(form, place)
        stack = [_Template(form, place)]
        while True:
            template = stack[-1]
            at = len(template.values)
            if at < len(template.items):
                item, item_place = template.items[at], template.places[at]
                spliced = _is_call(item, "unquote-splicing")
                if spliced or _is_call(item, "unquote"):
                    value = _operand(item)
                elif _has_parts(item):
                    stack.append(_Template(item, item_place))
                    continue
                else:
                    value = self._leaf(item, item_place)
                template.values.append(value)
                template.spliced.append(spliced)
                continue
            stack.pop()
            value = self._assemble(template)
            if not stack:
                return value
            stack[-1].values.append(value)
            stack[-1].spliced.append(False)

    def _leaf(self, form: Value, place: Span) -> Value:
        if isinstance(form, Symbol):
            named = self._named(form)
            return _call(None, "quote", (Symbol(named.ns, named.name, None, form.span),), place)
        if kind_of(form) <= LAST_SCALAR and kind_of(form) != NAMED:
            return form
        return _call(None, "quote", (form,), place)

    def _named(self, symbol: Symbol) -> Symbol:
        name = symbol.name
        if symbol.ns is None and name.endswith("#") and len(name) > 1:
            if name not in self._fresh:
                self._fresh[name] = f"{name[:-1]}__{self._fresh_names.mark()}__auto__"
            return Symbol(None, self._fresh[name])
        if symbol.ns is None and name.startswith("."):
            return symbol
        if symbol.ns is None and name.endswith("."):
            stem = self._resolve(Symbol(None, name[:-1], None, symbol.span))
            return Symbol(None, stem.text.replace("/", ".") + ".")
        return self._resolve(symbol)

    def _assemble(self, template: _Template) -> Value:
        form, place, values, spliced = (
            template.form,
            template.place,
            template.values,
            template.spliced,
        )
        meta: tuple[Value, ...] = ()
        if form.meta:
            meta = (values.pop(),)
            spliced.pop()
        if isinstance(form, Symbol):
            built = self._leaf(form, place)
        elif not any(spliced):
            built = _call(_CORE, _CONSTRUCTORS[_class_of(form)], values, place)
        else:
            joined = _call(_CORE, "concat", _joined(values, spliced, place), place)
            elements = _call(_CORE, "seq", (joined,), place)
            built = elements
            if _class_of(form) is not List:
                name = Symbol(_CORE, _CONSTRUCTORS[_class_of(form)], None, place)
                built = _call(_CORE, "apply", (name, elements), place)
        return _call(_CORE, "with-meta", (built, *meta), place) if meta else built


_CONSTRUCTORS: dict[type, str] = {
    List: "list",
    Vector: "vector",
    Map: "hash-map",
    Set: "hash-set",
}


def _class_of(form: Value) -> type:
    return next(known for known in _CONSTRUCTORS if isinstance(form, known))


def _has_parts(form: Value) -> bool:
    if isinstance(form, Symbol):
        return bool(form.meta)
    return isinstance(form, List | Vector | Map | Set)


def _items_of(form: Value, place: Span) -> tuple[list[Value], list[Span]]:
    if isinstance(form, Symbol):
        return [], []
    if isinstance(form, Map):
        items = [part for entry in form.items() for part in entry]
    else:
        items = list(form)
    spans = form.item_spans
    places = list(spans) if spans and len(spans) == len(items) else [place] * len(items)
    return items, places


def _joined(values: Sequence[Value], spliced: Sequence[bool], place: Span) -> list[Value]:
    """Group neighbours that are not spliced into one (list ...) each."""
    parts: list[Value] = []
    run: list[Value] = []
    for value, is_spliced in zip(values, spliced, strict=True):
        if not is_spliced:
            run.append(value)
            continue
        if run:
            parts.append(_call(_CORE, "list", run, place))
            run = []
        parts.append(value)
    if run:
        parts.append(_call(_CORE, "list", run, place))
    return parts


def _is_call(form: Value, name: str) -> bool:
    if type(form) is not List or form.count != 2:
        return False
    head = form.first
    return type(head) is Symbol and head.ns == _CORE and head.name == name


def _operand(call: List) -> Value:
    return call.rest.first


def _call(namespace: str | None, name: str, arguments: Sequence[Value], place: Span) -> List:
    head = Symbol(namespace, name, None, place)
    places = tuple(_place_of(argument, place) for argument in arguments)
    return list_of((head, *arguments), None, place, (place, *places))


def _place_of(form: Value, default: Span) -> Span:
    span = getattr(form, "span", None)
    return span if isinstance(span, Span) else default


def _nothing_around() -> Unreadable:
    return Unreadable(
        "FM0042",
        "`~@` has no collection to splice into",
        hint="use `~`, or put brackets around it",
    )
