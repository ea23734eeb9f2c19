"""Where a run stands: the fibers in its snapshot, and the sources of its program."""

from __future__ import annotations

from flowmetal.effects.events import FAILED, UPGRADED
from flowmetal.effects.kinds import KINDS
from flowmetal.effects.requests import EffectRequest
from flowmetal.embed.views import FiberView, FrameLocals
from flowmetal.ids import ProgramHash
from flowmetal.runtime.host import Host
from flowmetal.store.protocol import RunRow, RunState, Store
from flowmetal.values import keyword, pr_str
from flowmetal.values.codec import decode_data
from flowmetal.vm.restarts import failed_fiber, restarts
from flowmetal.vm.reviving import effect_looked_at, failed_effect
from flowmetal.vm.scopes import waited_for
from flowmetal.vm.state import Fiber, Machine
from flowmetal.vm.tracing import backtrace

_LONGEST = 80

_LAST_EVENTS = 200
"""How far back the failure of a run is looked for: behind it there are upgrades, and little else."""


def fibers_of(host: Host, row: RunRow) -> tuple[FiberView, ...]:
    """Return the fibers that are not done, each with its frames, innermost first.

    A run that never ran, or has completed, has none.
    """
    from flowmetal.snapshot import decode

    data = host.store.snapshot(row.id)
    if data is None or row.result is not None:
        return ()
    store = host.store
    machine = decode(data, host.image(row.program), lambda names: store.chunks(row.id, names))
    failed = failed_fiber(machine)
    is_failed = row.state is RunState.FAILED
    return tuple(
        FiberView(
            fiber.number,
            fiber.status.value,
            tuple((name, "" if span is None else str(span)) for name, span in backtrace(fiber)),
            "" if row.state is RunState.CANCELLED else _waits_for(machine, fiber),
            _spawned(fiber),
            _locals(fiber) if fiber is failed else (),
            _restarts(machine) if fiber is failed and is_failed else (),
            _named(failed_effect(machine)) if fiber is failed and is_failed else None,
            _named(effect_looked_at(machine)) if fiber is failed and is_failed else None,
        )
        for _, fiber in sorted(machine.fibers.items())
        if fiber.frames
    )


def _waits_for(machine: Machine, fiber: Fiber) -> str:
    if fiber.waiting_for is not None:
        request = machine.open[fiber.waiting_for].request
        return f"{request.kind} (effect #{request.number})"
    if fiber.error is not None:
        return f"somebody to decide about its error: {fiber.error.message}"
    return waited_for(fiber)


def _spawned(fiber: Fiber) -> str:
    span = None if fiber.origin is None else fiber.origin[0].span_at(fiber.origin[1])
    return "" if span is None else str(span)


def _locals(fiber: Fiber) -> tuple[FrameLocals, ...]:
    """Return the locals of the frames of users' functions, innermost first."""
    from flowmetal.embed.asking import locals_of

    return tuple(
        FrameLocals(
            number,
            frame.body.owner.name,
            tuple((name, pr_str(value, _LONGEST)) for name, value in locals_of(frame).items()),
        )
        for number, frame in enumerate(reversed(fiber.frames))
        if not frame.body.owner.name.startswith("flow.")
    )


def _named(request: EffectRequest | None) -> tuple[int, str] | None:
    return None if request is None else (int(request.number), request.kind)


def _restarts(machine: Machine) -> tuple[tuple[str, str], ...]:
    return tuple((pr_str(each.name), each.description) for each in restarts(machine))


def unserved(host: Host, row: RunRow) -> tuple[str, ...]:
    """Return the kinds of effects that a run's program declares, but neither this process nor workers
    of a queue perform."""
    world = host.world
    return tuple(
        found.kind
        for module in host.image(row.program).modules
        for found in module.kinds
        if found.options.get(keyword("queue")) is None
        and world.function(found.kind) is None
        and found.kind not in KINDS
        and world.connector(found.kind) is None
    )


def sources_of(store: Store, program: str) -> dict[str, str]:
    """Return the sources that a stored program carries, by path."""
    from flowmetal.bytecode.file import read_program

    data = store.program(ProgramHash(program))
    if data is None:
        return {}
    modules = read_program(data).modules
    return {m.source.path: m.source.text for m in modules if m.source is not None}


def program_that_failed(store: Store, row: RunRow) -> str:
    """Return the program by which a failed run failed: it may have been upgraded since, and then what its error
    says of places is about the old one."""
    failed_by: str | None = None
    for event in store.events(row.id, max(0, row.seq - _LAST_EVENTS)):
        if event.kind == FAILED:
            failed_by = None
        elif event.kind == UPGRADED and failed_by is None:
            failed_by = decode_data(event.data).get(keyword("from"))
    return failed_by or row.program
