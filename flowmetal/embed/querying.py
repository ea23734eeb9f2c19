"""Queries: what a run says of itself when somebody asks, without noticing it.

``(defquery name [args] body)`` defines a function whose var says so; only such functions are asked,
so that a program decides what can be seen of it. The answer is computed in a sealed copy of the
last commit, or of the state after an earlier event: effects are refused and the fuel is bounded. It
works on runs that wait, have failed or have ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flowmetal.bytecode.code import Definition, Program
from flowmetal.embed.asking import Copy, thrown
from flowmetal.embed.library import library
from flowmetal.errors import RunError, UsageError
from flowmetal.ids import shell_word
from flowmetal.runtime.heap import Watch
from flowmetal.runtime.host import Host
from flowmetal.runtime.past import machine_at, program_at
from flowmetal.stdlib.natives.walking import unrealised_inside
from flowmetal.store.protocol import RunRow
from flowmetal.values import FlowError, Value, keyword
from flowmetal.vm.link import Image
from flowmetal.vm.machine import evaluate

_QUERY: Final = keyword("query")
_REALISE: Final = "flow.core/-realise-deep"
BUDGET: Final = 1_000_000
"""Fuel for one answer: a second or so. Whoever asks waits for it, and others behind."""


def answer(
    host: Host, row: RunRow, name: str, arguments: Sequence[Value], at: int | None = None
) -> Value:
    """Return the answer of a query, realised.

    Raises UsageError FM1332 if the program has no such query, asking.Thrown for what it throws.
    """
    program = host.program(row.program if at is None else program_at(host, row, at))
    full = _full_name(program, name.removeprefix(":"))
    # A fork stands somewhere in its life already, though nobody has driven it.
    if row.started_us is None and host.store.snapshot(row.id) is None:
        raise _not_begun(row)
    image = Image(program, host.linker.natives)
    machine = machine_at(host, row, at, image).machine
    if machine.started <= len(machine.image.initialisers):  # its vars have no values yet
        raise _not_begun(row)
    copy = Copy(image, machine, None)
    machine.watch = Watch(host.limits.heap)
    try:
        value = evaluate(machine, machine.globals[full], tuple(arguments), BUDGET)
        if unrealised_inside(value):
            for module in library():
                image.add((), module.functions)
            copy.complete(one for module in library() for one in module.definitions)
            evaluate(machine, machine.globals[_REALISE], (value,), BUDGET)
    except FlowError as error:
        raise thrown(error.error) from None
    return value


def _not_begun(row: RunRow) -> RunError:
    return RunError(
        "FM1133",
        f"run {row.id} has not begun",
        hint=f"see `fmvm why {shell_word(row.id)}`: an interpreter begins it",
    )


def queries(program: Program) -> Iterator[Definition]:
    """Yield the definitions of a program that can be asked."""
    for module in program.modules:
        if not module.library:
            for one in module.definitions:
                if one.meta is not None and one.meta.get(_QUERY) is True:
                    yield one


def _full_name(program: Program, name: str) -> str:
    """Return the full name of a query; of several with one name, that of the entry's namespace."""
    known = [one.name for one in queries(program)]
    found = [full for full in known if name in (full, full.partition("/")[2])]
    if not found:
        shown = ", ".join(sorted(full.partition("/")[2] for full in known))
        raise UsageError(
            "FM1332",
            f"the program {program.entry} has no query {name[:100]}",
            hint=f"its queries are {shown}"
            if known
            else "define one with (defquery name [args] body), or use `fmvm eval`",
        )
    first = f"{program.entry}/{name}"
    return first if first in found else found[0]
