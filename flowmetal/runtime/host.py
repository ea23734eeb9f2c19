"""What an interpreter is made of: everything that the runtime does not make itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from flowmetal.bytecode.code import Program
from flowmetal.effects.world import World
from flowmetal.errors import RunError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.runtime.clock import Clock
from flowmetal.runtime.entropy import Entropy, SystemEntropy
from flowmetal.runtime.heap import resident_bytes
from flowmetal.runtime.observer import Observer, Silent
from flowmetal.runtime.threads import Threads
from flowmetal.snapshot.format import VERSION
from flowmetal.store.chain import KeyRing
from flowmetal.store.protocol import ENDED, Claim, Held, RunState, Store
from flowmetal.values.meter import DEFAULT, Limits
from flowmetal.vm.link import Image, Linker

LEASE_US = 10_000_000

_LEAVING_US: Final = 1_000_000
"""How long an interpreter may take to leave a run that waits: others of its loop have their turns meanwhile."""

_LOOK_US: Final = 2_000

HISTORY_BYTES = 512
"""Bytes of kept snapshots for each event, at most: a snapshot of a few hundred bytes is kept with
every commit, one of 50 kB with every hundredth event. 0: none is."""


@dataclass(slots=True)
class Host:
    """One interpreter's surroundings. Images are shared by its runs."""

    store: Store
    linker: Linker
    world: World
    clock: Clock
    owner: InterpreterId
    read_program: Callable[[bytes], Program]
    entropy: Entropy = field(default_factory=SystemEntropy)
    observer: Observer = field(default_factory=Silent)
    lease_us: int = LEASE_US
    callback_url: str | None = (
        None  # where a server takes answers of callbacks; None: there is none
    )
    sync_every: bool = False  # a commit for local effects too
    limits: Limits = DEFAULT
    resident: Callable[[], int] = resident_bytes  # how much memory the process takes
    keys: KeyRing = field(default_factory=KeyRing)
    history_bytes: int = HISTORY_BYTES
    threads: Threads = field(default_factory=Threads)  # of functions that take long
    stored: set[ProgramHash] = field(default_factory=set)  # programs that the store has
    driven: dict[RunId, tuple[int]] = field(default_factory=dict)  # by the threads of this process

    def enter(self, run: RunId) -> bool:
        """Say that this thread is going to drive a run; False if somebody here does.

        The store takes all threads for one holder, to whom it gives a run again: none may take it out of the
        hands of another, which would perform its effects twice.
        """
        mark = (threading.get_ident(),)
        return self.driven.setdefault(run, mark) is mark

    def leave(self, run: RunId) -> None:
        """Say that it is driven here no more."""
        self.driven.pop(run, None)

    def is_entered_here(self, run: RunId) -> bool:
        """Say whether it is this very thread that drives a run, and would wait for itself."""
        return self.driven.get(run) == (threading.get_ident(),)

    def claim(
        self, run: RunId, *, even: Collection[RunState] = (), snapshot_format: int = VERSION
    ) -> Claim | Held | None:
        """Claim a run as ``Store.claim`` does, but for this thread alone: until ``leave``, if that succeeds."""
        if not self.enter(run):
            row = self.store.run(run)
            own = "the thread that asks for it"
            who = own if self.is_entered_here(run) else "another thread of this process"
            return row and Held(row.state, self.owner, who, row.lease_expires_us)
        claim = None
        try:
            claim = self.store.claim(
                run, self.owner, self.lease_us, even=even, snapshot_format=snapshot_format
            )
            return claim
        finally:
            if not isinstance(claim, Claim):
                self.leave(run)

    @contextmanager
    def claimed(
        self, run: RunId, *, even: Collection[RunState] = (), snapshot_format: int = VERSION
    ) -> Iterator[Claim | Held | None]:
        """``claim`` a run for as long as a block lasts. What it is released with is the block's business.

        Who sees in the store that a run waits does not know that who has driven it is still about to leave it.
        """
        end = self.clock.monotonic_us() + _LEAVING_US
        has_waited = False
        while True:
            found = self.claim(run, even=even, snapshot_format=snapshot_format)
            if not isinstance(found, Held) or self.is_entered_here(run):
                break
            # What waits is often committed once or twice before it is given back.
            has_waited = has_waited or found.state is RunState.WAITING
            is_on_the_way = has_waited and found.state not in ENDED
            if not (is_on_the_way or self._is_given_back(run)) or self.clock.monotonic_us() >= end:
                break
            self.clock.wait(self.store, _LOOK_US)
        try:
            yield found
        finally:
            if isinstance(found, Claim):
                self.leave(run)

    def _is_given_back(self, run: RunId) -> bool:
        """Say whether a run that a thread here drives has been given back in the store: it only has to be left."""
        row = self.store.run(run) if run in self.driven else None
        return row is not None and row.owner is None

    def performs(self, kind: str) -> bool:
        """Say whether effects of a kind are performed in this process."""
        return self.world.function(kind) is not None or self.world.connector(kind) is not None

    def image(self, program: ProgramHash) -> Image:
        """Return the linked program. Raises RunError FM1105 if the store does not have it."""
        found = self.linker.known(program)
        return self.linker.image(self.program(program)) if found is None else found

    def program(self, program: ProgramHash) -> Program:
        """Return the program as it is stored. Raises RunError FM1105 if the store does not have it."""
        data = self.store.program(program)
        if data is None:
            raise RunError(
                "FM1105",
                f"the store does not have the program {program[:12]}",
                hint="import the run again, or restore a backup of the store",
            )
        return self.read_program(data)

    def linked(self, program: Program) -> Image:
        """Return the image of a program that is already read, so that starting it reads nothing."""
        return self.linker.image(program)
