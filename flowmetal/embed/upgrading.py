"""Runs moved to new code, or looked at before: what ``fmvm upgrade`` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowmetal.bytecode.code import Program
from flowmetal.effects import events as kinds
from flowmetal.errors import FlowmetalError, RefusedError, RunError
from flowmetal.ids import RunId, shell_word
from flowmetal.runtime.host import Host
from flowmetal.runtime.past import machine_at
from flowmetal.runtime.starting import decode_input
from flowmetal.runtime.upgrading import Upgrading, upgraded_event, upgrading_of
from flowmetal.snapshot import encode
from flowmetal.store import rules
from flowmetal.store.protocol import Claim, Commit, Held, NewEvent, RunRow, RunState
from flowmetal.vm.machine import start

_LIVING = frozenset(RunState) - {
    RunState.COMPLETED,
    RunState.CANCELLED,
    RunState.MOVED,
    RunState.EXPORTING,
}

_ENDED = "`fmvm fork {run} --at N --program FILE` goes on with other code from where it was before its end"
_WAYS_ON = {
    RunState.COMPLETED: _ENDED,
    RunState.CANCELLED: _ENDED,
    RunState.MOVED: "upgrade it in the store that it was imported into",
    RunState.EXPORTING: "`fmvm export {run} --abandon` keeps it here, if its export has stopped half-way",
}


@dataclass(frozen=True, slots=True)
class UpgradeView:
    """What became of a run, or would: ``outcome`` is clean, old-code, unchanged or refused.

    ``functions`` keep their old code until they return; ``frames`` are those of them being executed.
    """

    run: str
    outcome: str
    functions: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @staticmethod
    def refused(run: str, error: FlowmetalError) -> UpgradeView:
        """Return what becomes of a run whose upgrade ends in an error."""
        hints = tuple(hint for found in error.diagnostics for hint in found.help)
        return UpgradeView(run, "refused", reasons=(error.message,), hints=hints)

    def text(self) -> str:
        """Return it in words."""
        match self.outcome:
            case "refused":
                hints = f" ({'; '.join(self.hints)})" if self.hints else ""
                return f"refused: {'; '.join(self.reasons)}{hints}"
            case "unchanged":
                return "runs this program already"
            case "clean":
                return "clean: nothing of the old code is left"
            case _:
                running = ""
                if self.frames:
                    running = f"runs old code in {', '.join(self.frames)}, until it has returned"
                others = [name for name in self.functions if name not in self.frames]
                holds = f"holds functions of the old code: {', '.join(others)}" if others else ""
                return "; ".join(filter(None, (running, holds)))

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "outcome": self.outcome,
            "functions": list(self.functions),
            "frames": list(self.frames),
            "reasons": list(self.reasons),
            "help": list(self.hints),
        }


def upgrade(host: Host, run: RunId, program: Program, *, dry_run: bool = False) -> UpgradeView:
    """Move a run to a program, in one commit; it is then as ready as it was before.

    Raises RunError FM1101, RefusedError FM1107 if somebody drives it, FM1134 if it cannot go on
    with the program. With ``dry_run`` nothing is changed, and that is an outcome.
    """
    row = host.store.run(run)
    if row is None:
        raise RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")
    if dry_run:
        try:
            _check_living(run, row.state)
            return _view(row, *_look(host, row, program))
        except FlowmetalError as error:
            return UpgradeView.refused(run, error)
    with host.claimed(run, even=_LIVING) as claim:
        if isinstance(claim, Held):
            _check_living(run, claim.state)
            raise rules.driven(run, claim.owner_description)
        assert isinstance(claim, Claim)
        try:
            row = host.store.load(claim).row
            has_begun, upgrading = _look(host, row, program)
            view = _view(row, has_begun, upgrading)
            if view.outcome == "unchanged":
                host.store.release(claim)
                return view
            upgrading.check(run)
            host.store.put_program(upgrading.program.hash, upgrading.data)
            host.store.commit(claim, _commit(row, has_begun, upgrading))
        except BaseException:
            host.store.release(claim)
            raise
        return view


def _check_living(run: RunId, state: RunState) -> None:
    if state not in _LIVING:
        raise RefusedError(
            "FM1134",
            f"run {run} is {state.value}: it runs no code here",
            hint=_WAYS_ON[state].format(run=shell_word(run)),
        )


def _look(host: Host, row: RunRow, program: Program) -> tuple[bool, Upgrading]:
    if host.store.snapshot(row.id) is not None:
        return True, upgrading_of(host, machine_at(host, row).machine, program)
    found = Upgrading(program)
    entry, arguments, seed = decode_input(row.input)
    try:
        start(host.linker.image(program), entry, arguments, row.id, seed)
    except RunError as error:
        found.reasons.append(error.message)
    return False, found


def _view(row: RunRow, has_begun: bool, upgrading: Upgrading) -> UpgradeView:
    if upgrading.reasons:
        return UpgradeView(row.id, "refused", reasons=tuple(upgrading.reasons))
    if upgrading.program.hash == row.program:
        return UpgradeView(row.id, "unchanged")
    names = tuple(dict.fromkeys(function.name for function in upgrading.old))
    return UpgradeView(row.id, "old-code" if names else "clean", names, upgrading.frames)


def _commit(row: RunRow, has_begun: bool, upgrading: Upgrading) -> Commit:
    """Return the commit that gives a run its new program and changes nothing else."""
    program = upgrading.program.hash
    machine, snapshot, chunks, version = None, None, {}, 0
    if has_begun:
        machine = upgrading.machine()
        machine.known.clear()
        encoded = encode(machine)
        snapshot, chunks, version = encoded.data, encoded.chunks, encoded.version
    # A claim shows a run that is ready as running; given back, it is ready again.
    state = RunState.READY if row.state is RunState.RUNNING else row.state
    return Commit(
        events=(NewEvent(kinds.UPGRADED, "", 0, upgraded_event(row.program, program, machine)),),
        state=state,
        snapshot=snapshot,
        chunks=chunks,
        wake_at_us=row.wake_at_us if state is RunState.WAITING else None,
        result=row.result,
        error=row.error,
        seen=0 if state is RunState.WAITING else row.received,
        release=True,
        snapshot_format=version,
        keep=True,
        revived=state is RunState.QUEUED,  # it may have been admitted meanwhile
        program=program,
    )
