"""What an ``Engine`` does with runs as wholes: fork them, give them new code, move them.

Part of ``Engine`` (engine.py), and useless without it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flowmetal.embed.checking import checked_methods
from flowmetal.errors import RunError
from flowmetal.ids import RunId
from flowmetal.store.protocol import Message, Store
from flowmetal.values import Value, encode_data, hash_map, keyword

if TYPE_CHECKING:
    from flowmetal.bytecode.code import Program
    from flowmetal.embed.forking import ForkView
    from flowmetal.embed.upgrading import UpgradeView
    from flowmetal.runtime.grants import RunGrants
    from flowmetal.runtime.host import Host


@checked_methods
class Mover(ABC):
    """See the module's docstring."""

    store: Store
    name: str

    @property
    @abstractmethod
    def host(self) -> Host: ...

    def export(
        self,
        run: str,
        path: str | None = None,
        *,
        in_doubt: bool = False,
        force: bool = False,
    ) -> str:
        """Move a run into a file and return its path. The run is ``moved`` when the file is durable.

        Raises RefusedError FM1202 while an at-most-once effect is in flight (unless ``in_doubt``), FM1203
        while it is tied to other runs here (unless ``force``, which cuts the ties).
        """
        from flowmetal.embed.moving import export_run

        return export_run(self.host, RunId(run), path, in_doubt, force)

    def abandon_export(self, run: str) -> None:
        """Let a run go on here whose export stopped half-way. A file that is there must not be imported.

        Raises RunError FM1103 if no export of it stopped, RefusedError FM1107 if one is under way.
        """
        from flowmetal.embed.moving import abandon_export

        abandon_export(self.host, RunId(run))

    def fork(
        self,
        run: str,
        *,
        at: int | None = None,
        id: str | None = None,
        program: Program | None = None,
        results: Mapping[int, Value] | None = None,
        perform: bool = False,
    ) -> ForkView:
        """Make another run that goes on from where ``run`` stands, or stood after event ``at``.

        Effects that were open there are not performed again: the fork holds them until ``decide``,
        unless ``results`` has theirs by number, or they are to be performed anew (``perform``). What
        is ``run``'s own (callbacks, children, locks, subscriptions) is an error in the fork.

            with flowmetal.Engine() as engine:
                what_if = engine.fork("7f3c", at=12, results={4: "approved"})
                engine.drive(what_if.id)

        Raises RunError FM1101, FM1130, FM1131, RefusedError FM1136, FM1134, UsageError FM1135.
        """
        from flowmetal.embed.forking import ForkView
        from flowmetal.runtime.forking import Choices, fork

        made = fork(
            self.host, RunId(run), self._fresh_id(id), at, Choices(results or {}, perform), program
        )
        self.store.import_run(made.parts)
        return ForkView(made)

    def decide(self, run: str, effect: int, *results: Value) -> None:
        """Say what becomes of an effect that a fork holds: it is performed, or has this result.

        It is a message, taken in by whoever drives the fork.
        """
        pairs = [(keyword("effect"), effect), *((keyword("value"), value) for value in results)]
        message = Message(os.urandom(8).hex(), "decide", "", encode_data(hash_map(pairs)))
        if self.store.send(RunId(run), message) is None:
            raise RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")

    def upgrade(self, run: str, program: Program, *, dry_run: bool = False) -> UpgradeView:
        """Move a run to new code: vars resolve in ``program``, what is being executed keeps its code.

        With ``dry_run`` nothing changes, and the answer says what would become of it.

            with flowmetal.Engine() as engine:
                print(engine.upgrade("7f3c", flowmetal.compile("orders.flow")).text())

        Raises RunError FM1101, RefusedError FM1107 (somebody drives it), FM1134 (it cannot go on with it).
        """
        from flowmetal.embed.upgrading import upgrade

        return upgrade(self.host, RunId(run), program, dry_run=dry_run)

    def _fresh_id(self, id: str | None) -> RunId:
        from flowmetal.runtime.starting import checked_id, fresh_id

        return RunId(fresh_id(self.host.entropy) if id is None else checked_id(id))

    def export_copy(
        self,
        run: str,
        path: str | None = None,
        *,
        id: str | None = None,
        at: int | None = None,
        results: Mapping[int, Value] | None = None,
        perform: bool = False,
    ) -> tuple[str, ForkView]:
        """Write a fork of a run (see ``fork``) to a file; return the path and the fork. The run stays."""
        from flowmetal.embed.forking import ForkView
        from flowmetal.embed.moving import copy_run
        from flowmetal.runtime.forking import Choices

        choices = Choices(results or {}, perform)
        path, made = copy_run(self.host, RunId(run), path, self._fresh_id(id), at, choices)
        return path, ForkView(made)

    def import_run(self, path: str, *, grants: RunGrants | None = None) -> str:
        """Take a run from a file into the store and return its id.

        ``grants``: what it may do here. Without them it is what the file says; where there are keys,
        only if one of them has sealed it, or the run comes back to the store that it left.
        Raises StoreError FM1016, RunError FM1104, RefusedError FM1204.
        """
        from flowmetal.embed.moving import import_run

        return import_run(self.host, path, grants)

    def granted(self, run: str) -> RunGrants:
        """Return what a run may do to the world. Raises RunError FM1101."""
        from flowmetal.runtime.grants import decode_grants
        from flowmetal.store.rules import no_such_run

        row = self.store.run(RunId(run))
        if row is None:
            raise no_such_run(RunId(run))
        return decode_grants(row.grants)
