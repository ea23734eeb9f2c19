"""Which names of the library call what they are given: derived from its sources.

A parameter of a function is *called* when it stands at the head of a form,
inside of that head, or where a function is known to call its argument:
``(reduce f ...)`` inside a function calls the function's own ``f``. The set
grows until nothing is added. A parameter with one of the names by which the
library calls functions counts too, for what only keeps a function to be called
later. Macros take forms, so all of them may run code of the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.reader import read_all_with_spans
from flowmetal.source import Source
from flowmetal.values import List, Map, Symbol, Value, Vector

FUNCTION_NAMES = frozenset(
    {"f", "g", "fs", "fn", "fns", "function", "functions", "pred", "preds", "xform", "rf", "cmp"}
    | {"keyfn", "order", "comparator", "thunk", "valid?", "handler", "on-error", "callback"}
)

_KEPT = {
    "flow.core/apply": {0},
    "flow.core/make-lazy-seq": {0},
    "flow.core/make-delay": {0},
    "flow.core/-atom": {2},
    "flow.core/-set-validator!": {1},
    "flow.core/-set-watch!": {2},
}
"""Natives that get a function, to be called by others."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or macro of the library as it stands in its source; an arity is (params, body)."""

    name: str
    is_macro: bool
    arities: tuple[tuple[Vector, tuple[Value, ...]], ...]


def higher_order_names() -> frozenset[str]:
    """Return the public functions that call an argument, and all public macros."""
    definitions = list(_definitions())
    called = {name: set(positions) for name, positions in _KEPT.items()}
    grown = True
    while grown:
        grown = False
        for each in definitions:
            found = called.setdefault(each.name, set())
            for parameters, body in each.arities:
                positions = _positions(each.name, parameters, body, called)
                grown = grown or not positions <= found
                found |= positions
    macros = {each.name for each in definitions if each.is_macro}
    expanded = {f"flow.core/{name}" for name in EXPANDERS}
    names = macros | expanded | {name for name, positions in called.items() if positions}
    return frozenset(name for name in names if not name.partition("/")[2].startswith("-"))


def _definitions() -> Iterator[Definition]:
    root = files("flowmetal") / "stdlib" / "flow"
    folders = [root, root / "core"]
    for file in sorted((f for d in folders for f in d.iterdir()), key=lambda f: str(f)):
        if not file.name.endswith(".flow"):
            continue
        namespace = "flow.core"
        for read in read_all_with_spans(Source(file.name, file.read_text("utf-8"))):
            form = read.form
            items = list(form) if type(form) is List else []
            if not items or type(items[0]) is not Symbol:
                continue
            if items[0].text == "ns":
                namespace = items[1].text
            elif items[0].text in ("defn", "defmacro"):
                yield Definition(
                    f"{namespace}/{items[1].text}",
                    items[0].text == "defmacro",
                    tuple(_arities(items[2:])),
                )


def _arities(tail: list[Value]) -> Iterator[tuple[Vector, tuple[Value, ...]]]:
    for index, item in enumerate(tail):
        if type(item) is Vector:
            yield item, tuple(tail[index + 1 :])
            return
        if type(item) is List and len(item) and type(next(iter(item))) is Vector:
            parameters, *body = item
            yield parameters, tuple(body)


def _positions(
    name: str, parameters: Vector, body: tuple[Value, ...], called: dict[str, set[int]]
) -> set[int]:
    """Return the positions of the parameters that ``body`` calls; -1 is the rest parameter."""
    names = [p.text if type(p) is Symbol else "" for p in parameters]
    place = {text: index for index, text in enumerate(names) if text and text != "&"}
    if "&" in names:
        place[names[-1]] = names.index("&")
    namespace = name.partition("/")[0]
    found = {index for text, index in place.items() if text in FUNCTION_NAMES}
    todo = list(body)
    while todo:
        form = todo.pop()
        if type(form) is Map:
            todo += [part for pair in form.items() for part in pair]
        elif type(form) in (Vector, List) and len(form):
            items = list(form)
            todo += items
            head = items[0]
            if type(form) is List and type(head) is List:
                mentioned = {part.text for part in head if type(part) is Symbol}
                found |= {place[text] for text in mentioned & place.keys()}
            if type(form) is not List or type(head) is not Symbol:
                continue
            if head.text in place and head.ns is None:
                found.add(place[head.text])
            own, core = f"{namespace}/{head.text}", f"flow.core/{head.text}"
            for position in called.get(own, set()) | called.get(core, set()):
                argument = items[position + 1] if position + 1 < len(items) else None
                if type(argument) is Symbol and argument.text in place:
                    found.add(place[argument.text])
    return found
