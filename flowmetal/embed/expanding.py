"""The macros that the compiler itself provides, expanded while a program runs.

Every other macro is a function of the program, which ``macroexpand-1`` calls
(flow/core/names.flow). These are Python, pure functions of the call and of what the
namespace knows of names. The compiler is loaded when the first of them is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flowmetal.errors import FlowmetalError
from flowmetal.source import Span
from flowmetal.values import Symbol, Value
from flowmetal.values.errors import flow_error
from flowmetal.vm.link import Image
from flowmetal.vm.state import Fiber, Machine, Native

if TYPE_CHECKING:
    from flowmetal.compiler.environment import Environment

_UNEXPANDED: Final = frozenset(
    {"ns", "in-ns", "require", "use", "import", "alias", "refer", "refer-clojure", "refer-flow"}
)
"""What the top level of a source understands as it is."""


def _expand(machine: Machine, fiber: Fiber, form: Value, namespace: Value) -> Value:
    """Return what a call of one of the compiler's macros stands for after one step."""
    from flowmetal.compiler.context import Context, Unit
    from flowmetal.compiler.evaluator import NoMachine
    from flowmetal.compiler.expanders import EXPANDERS
    from flowmetal.compiler.expanders.call import MacroCall
    from flowmetal.compiler.forms import children
    from flowmetal.compiler.options import CompileOptions
    from flowmetal.compiler.problems import Problems
    from flowmetal.compiler.resolution import Names

    class Fresh(Unit):
        """Names that no other expansion of the run has."""

        def fresh(self, hint: str) -> str:
            machine.next_gensym += 1
            return f"{hint}__{machine.next_gensym - 1}"

    assert type(namespace) is Symbol
    name = next(iter(form)).name
    if name in _UNEXPANDED:
        return form
    environment = _environment(machine.image)
    names = Names(environment, environment.open(namespace.text), frozenset(EXPANDERS))
    context = Context(names, NoMachine(), Problems(), CompileOptions(), Fresh("macroexpand"))
    span = getattr(form, "span", None) or Span("<form>", 1, 1, 1, 1)
    try:
        return EXPANDERS[name](MacroCall(context, span, form, children(form, span))).form
    except FlowmetalError as error:
        raise flow_error(error.code, "macro/failed", error.message) from None


def _environment(image: Image) -> Environment:
    from flowmetal.compiler.environment import Environment
    from flowmetal.runtime.compiling import environment_of

    if isinstance(image.spaces, Environment):  # while something is compiled
        return image.spaces
    return environment_of(image)


EXPANDING: Final = {
    native.name: native
    for native in (Native("flow.core/-expand-built-in", _expand, 2, 2, wants_machine=True),)
}
