"""The macros that the compiler itself provides, so that the library can be written with them.

An expander takes the forms of a call and returns a form. They are found under
their names in flow.core; a definition of the same name there comes first.
"""

from __future__ import annotations

from collections.abc import Callable

from flowmetal.compiler.expanders.asking import expand_if_function, expand_this_namespace
from flowmetal.compiler.expanders.bindings import (
    expand_binding,
    expand_let,
    expand_letfn,
    expand_loop,
)
from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.expanders.conditions import expand_with_handler, expand_with_restart
from flowmetal.compiler.expanders.functions import (
    expand_defmacro,
    expand_defn,
    expand_fn,
    expand_private_defn,
)
from flowmetal.compiler.expanders.matching import expand_match
from flowmetal.compiler.expanders.parts import (
    expand_class_part,
    expand_here,
    expand_method_of,
    expand_method_part,
    expand_new_multi,
    expand_own_part,
)
from flowmetal.compiler.forms import Syntax, core, is_symbol, listed, listed_of, local

Expand = Callable[[MacroCall], Syntax]


def expand_declare(call: MacroCall) -> Syntax:
    for name in call.arguments:
        if not is_symbol(name.form):
            raise call.wrong("FM0115", "`declare` needs names", name.span)
    definitions = [listed(name.span, local("def"), name) for name in call.arguments]
    return listed_of(call.span, [local("do"), *definitions])


def refuse_inside(call: MacroCall) -> Syntax:
    """Refuse what only the top level of a source may have, where it is handled without expanding."""
    raise call.wrong(
        "FM0128",
        f"`{call.name}` stands at the top level only",
        None,
        "put what a namespace needs into its `ns` form",
    )


def expand_in_ns(call: MacroCall) -> Syntax:
    """Inside of a function it says what ``*ns*`` is from then on; at the top level it is not expanded."""
    return listed_of(call.span, [core("-in-ns!"), *call.arguments])


def refuse_unquote(call: MacroCall) -> Syntax:
    """Refuse what only has a meaning inside of a syntax quote, where the reader takes it away."""
    sign = "~@" if call.name == "unquote-splicing" else "~"
    raise call.wrong(
        "FM0143",
        f"`{sign}` stands outside of a syntax quote",
        None,
        "it belongs into a form after `",
    )


EXPANDERS: dict[str, Expand] = {
    "let": expand_let,
    "loop": expand_loop,
    "fn": expand_fn,
    "letfn": expand_letfn,
    "binding": expand_binding,
    "defn": expand_defn,
    "defn-": expand_private_defn,
    "defmacro": expand_defmacro,
    "declare": expand_declare,
    "with-restart": expand_with_restart,
    "with-handler": expand_with_handler,
    "match": expand_match,
    "-here": expand_here,
    "-method-of": expand_method_of,
    "-new-multi": expand_new_multi,
    "-own-part": expand_own_part,
    "-class-part": expand_class_part,
    "-method-part": expand_method_part,
    "-if-function": expand_if_function,
    "-this-namespace": expand_this_namespace,
    "unquote": refuse_unquote,
    "unquote-splicing": refuse_unquote,
    "ns": refuse_inside,
    "in-ns": expand_in_ns,
    "require": refuse_inside,
    "use": refuse_inside,
    "import": refuse_inside,
    "alias": refuse_inside,
    "refer": refuse_inside,
    "refer-clojure": refuse_inside,
    "refer-flow": refuse_inside,
}
