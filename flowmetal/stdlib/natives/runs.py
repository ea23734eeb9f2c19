"""What the library needs to know of runs and of functions that can begin one."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import library_error, need_text
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import RunRef, Value, show
from flowmetal.values.names import VarRef
from flowmetal.vm.state import Closure

native = Table("flow.core")


@native("-entry-name")
def entry_name(function: str, value: Value) -> str:
    """Return the full name of a top-level function; raise for any other value."""
    if isinstance(value, VarRef):
        return value.name
    if isinstance(value, Closure) and not value.captured:
        name: str = value.function.name
        namespace, _, rest = name.partition("/")
        if namespace and rest and (rest == "/" or "/" not in rest):
            return name
    raise library_error(
        "FM0501",
        "type/mismatch",
        f"`{function}` needs a function that is defined with defn, got {show(value)}: "
        "a run begins in the program, where a function made on the way does not exist",
    )


@native("-run?")
def is_run(value: Value) -> bool:
    """Say whether a value is a run."""
    return isinstance(value, RunRef)


@native("-run-id-of")
def run_id_of(function: str, run: Value) -> str:
    """Return the id of a run, which is given as a handle or as its id."""
    if isinstance(run, RunRef):
        return run.id
    return need_text(function, 1, run)
