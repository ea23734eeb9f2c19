"""Runs that failed, and go on: what an operator chooses, written down and applied in one commit.

A run whose error nobody took is parked with its stack standing. A revival changes its
machine (vm/reviving.py) and gives it back to whoever is free; nothing is performed here.
The event says what was chosen:

```
{:by :retry}                          the failed effect, under its number and its key
{:by :value :value v}                 v in place of what failed
{:by :restart :name :k :args [...]}   a way on that the program offers
{:by :throw :error e}                 another error
{:by :cancel :reason "..."}           finally blocks run, and the run is cancelled
{:by :resume}                         a run whose machine did not fail, as it was
```

With ``:grants`` beside it, what the run may do to the world from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from flowmetal.effects import events as kinds
from flowmetal.effects.errors import cancelled
from flowmetal.errors import RefusedError, RunError, RunStateError
from flowmetal.ids import RunId, shell_word
from flowmetal.runtime.active import ActiveRun, Step
from flowmetal.runtime.committing import commit_step
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.host import Host
from flowmetal.runtime.loading import open_run
from flowmetal.store.protocol import Claim, Commit, Held, NewEvent, RunState
from flowmetal.values import (
    ErrorValue,
    FlowError,
    Keyword,
    Map,
    Value,
    hash_map,
    keyword,
    pr_str,
    vector,
)
from flowmetal.values.codec import encode_data
from flowmetal.vm import restarts, reviving
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import Cancel, Machine, MachineStatus

_BY, _VALUE, _NAME, _ARGS = map(keyword, ("by", "value", "name", "args"))
_ERROR, _REASON, _FUEL, _GRANTS = map(keyword, ("error", "reason", "fuel", "grants"))
_ANY: Final = 1 << 30
"""Above every format of snapshots: for who does not read them."""
_COMPENSATED: Final = keyword("compensated")


class Revival(Protocol):
    """What was chosen. ``apply`` changes a parked machine; ``data`` is what the event says."""

    def data(self) -> dict[Keyword, Value]: ...

    def apply(self, machine: Machine) -> None: ...


@dataclass(frozen=True, slots=True)
class Retry:
    """Perform the failed effect again."""

    def data(self) -> dict[Keyword, Value]:
        return {_BY: keyword("retry")}

    def apply(self, machine: Machine) -> None:
        reviving.retry(machine)


@dataclass(frozen=True, slots=True)
class Supply:
    """Go on with a value in place of what failed."""

    value: Value

    def data(self) -> dict[Keyword, Value]:
        return {_BY: keyword("value"), _VALUE: self.value}

    def apply(self, machine: Machine) -> None:
        reviving.supply(machine, self.value)


@dataclass(frozen=True, slots=True)
class Restart:
    """Go on in a way that the program offers."""

    name: str
    arguments: tuple[Value, ...] = ()

    def data(self) -> dict[Keyword, Value]:
        name = keyword(self.name.removeprefix(":"))
        return {_BY: keyword("restart"), _NAME: name, _ARGS: vector(self.arguments)}

    def apply(self, machine: Machine) -> None:
        name = keyword(self.name.removeprefix(":"))
        restarts.invoke_restart(machine, name, self.arguments)


@dataclass(frozen=True, slots=True)
class Throw:
    """Raise another error where the run failed."""

    error: ErrorValue

    def data(self) -> dict[Keyword, Value]:
        return {_BY: keyword("throw"), _ERROR: self.error}

    def apply(self, machine: Machine) -> None:
        reviving.throw(machine, self.error)


@dataclass(frozen=True, slots=True)
class CancelParked:
    """Let ``finally`` blocks run, and end as cancelled."""

    reason: str = ""

    def data(self) -> dict[Keyword, Value]:
        return {_BY: keyword("cancel"), _REASON: self.reason}

    def apply(self, machine: Machine) -> None:
        reviving.cancel(machine, self.reason)


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a run whose machine did not fail: it was put aside, because its interpreters died
    or because its heap was beyond their limit."""

    def data(self) -> dict[Keyword, Value]:
        return {_BY: keyword("resume")}

    def apply(self, machine: Machine) -> None:
        """Change nothing."""


def revival_of(data: Map) -> Revival:
    """Return the revival that an event tells of."""
    by = data.get(_BY)
    match by.name if isinstance(by, Keyword) else str(by):
        case "retry":
            return Retry()
        case "value":
            return Supply(data.get(_VALUE))
        case "restart":
            return Restart(data.get(_NAME).text, tuple(data.get(_ARGS)))
        case "throw":
            return Throw(data.get(_ERROR))
        case "cancel":
            return CancelParked(str(data.get(_REASON) or ""))
        case _:
            return Resume()


def revive(
    host: Host,
    run: RunId,
    revival: Revival,
    *,
    here: bool = False,
    grants: RunGrants | None = None,
) -> None:
    """Let a failed run go on, for whoever drives it next; or ``here``: it stays claimed.

    ``grants``: what it may do to the world beside what it might.
    Raises RunError FM1101 (no such run), FM1103 (it has not failed), RefusedError FM1107
    (somebody drives it), FM1132 (this cannot be done there; says what can), and then nothing has
    changed.
    """
    taken = host.clock.monotonic_us()
    active = None
    is_kept = False
    with _claimed(host, run) as claim:
        try:
            loaded = host.store.load(claim)
            if loaded.row.state is not RunState.FAILED:  # somebody was faster
                raise _not_failed(run, loaded.row.state)
            active = open_run(host, claim, taken, loaded=loaded, patient=True)
            if active.left is not None:  # what it had not heard of yet has ended it
                raise _not_failed(run, active.left)
            granted = None if grants is None else active.grants.union(grants)
            _choose(active, revival, granted)
            data = None if granted is None else granted.encode()
            commit_step(active, Step(RunState.RUNNING, leave=not here, revived=True, grants=data))
            is_kept = here
        finally:
            if not is_kept and (active is None or active.is_driven()):
                host.store.release(claim if active is None else active.claim)


def end(host: Host, run: RunId, reason: str) -> bool:
    """End a run as cancelled, where it stands; False if somebody drives it, or it has ended.

    No finally block runs. Nothing is loaded, so it does not matter whether that could be.
    """
    even = (RunState.FAILED, RunState.PAUSED)
    with host.claimed(run, even=even, snapshot_format=_ANY) as claim:
        if not isinstance(claim, Claim):
            return False
        commit = Commit(
            events=(NewEvent(kinds.CANCELLED, "", 0, encode_data(reason)),),
            state=RunState.CANCELLED,
            error=encode_data(cancelled(reason)),
            release=True,
        )
        host.store.commit(claim, commit)
        return True


@contextmanager
def _claimed(host: Host, run: RunId) -> Iterator[Claim]:
    row = host.store.run(run)
    if row is None:
        raise RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")
    if row.state is not RunState.FAILED:
        raise _not_failed(run, row.state)
    with host.claimed(run, even=(RunState.FAILED,)) as claim:
        if isinstance(claim, Held):
            if claim.owner is None:
                raise _not_failed(run, claim.state)
            raise RefusedError(
                "FM1107",
                f"run {run} is being driven by {claim.owner_description}",
                hint=f"see `fmvm show {shell_word(run)}` again",
            )
        assert isinstance(claim, Claim)
        yield claim


def _choose(active: ActiveRun, revival: Revival, granted: RunGrants | None) -> None:
    machine = active.machine
    _check(machine, active.machine.run, revival)
    fuel = machine.fuel_used
    failed = reviving.failed_effect(machine)
    applied = Resume() if restarts.failed_fiber(machine) is None else revival
    try:
        applied.apply(machine)
    except FlowError as error:
        raise RefusedError(
            "FM1132",
            f"run {machine.run}: {error.error.message}",
            hint=f"`fmvm show {shell_word(machine.run)}` says where it stands and what it offers",
        ) from None
    if isinstance(applied, Retry) and failed is not None:
        active.ask_anew(failed)
    data = hash_map((*applied.data().items(), (_FUEL, fuel)))
    if granted is not None:
        data = data.assoc(_GRANTS, granted.as_data())
    number = 0 if failed is None else int(failed.number)
    active.record(kinds.REVIVED, "", number, encode_data(data))
    active.undurable = True
    active.progress.changed = True
    if isinstance(revival, CancelParked):
        now = active.host.clock.now_us()
        reason = hash_map(((_REASON, revival.reason), (_FUEL, fuel)))
        active.record(kinds.CANCELLING, "", 0, encode_data(reason), now)
        active.progress.cancelled = (now, revival.reason)
        deliver(machine, Cancel(revival.reason), now)


def _check(machine: Machine, run: RunId, revival: Revival) -> None:
    """Refuse what makes no sense where the run stands, and say what does."""
    fiber = restarts.failed_fiber(machine)
    if isinstance(revival, Resume):
        return
    if fiber is None:
        if machine.status not in (MachineStatus.READY, MachineStatus.WAITING):
            raise _not_failed(run, RunState.FAILED)
        if isinstance(revival, Retry | CancelParked):
            return
        raise RefusedError(
            "FM1132",
            f"run {run} was put aside, and no error was raised in it: there is nothing to replace",
            hint=f"`fmvm retry {shell_word(run)}` lets it go on as it stands",
        )
    if not isinstance(revival, Retry) or reviving.failed_effect(machine) is not None:
        return
    # Of an effect's error it would say nothing: that of a child tells what the child has undone.
    if fiber.error is not None and _COMPENSATED in fiber.error.data:
        raise RefusedError(
            "FM1132",
            f"run {run} has failed and was compensated: there is nothing to try again",
            hint="compensated: fork or start again",
        )
    looked_at = reviving.effect_looked_at(machine)
    if looked_at is not None:
        raise RefusedError(
            "FM1132",
            f"run {run} failed in a handler for the error of effect #{looked_at.number} ({looked_at.kind})",
            hint="`--skip` or `--value JSON` lets the handler go on; if it takes no way on, the effect can be tried again then",
        )
    offered = " ".join(pr_str(each.name) for each in restarts.restarts(machine))
    restart = f" or `--restart NAME` (it offers {offered})" if offered else ""
    raise RefusedError(
        "FM1132",
        f"run {run} did not fail in an effect: there is nothing to perform again",
        hint=f"`--value JSON` goes on with a value in its place{restart}; `fmvm show {shell_word(run)}` says where",
    )


def _not_failed(run: RunId, state: RunState) -> RunStateError:
    return RunStateError(
        "FM1103",
        f"run {run} is {state.value}, and only a run that has failed can be revived",
        hint=f"`fmvm why {shell_word(run)}` says how it stands",
    )
