"""What an ``Engine`` does with what runs share: callbacks, tasks of queues, topics, deployed programs.

Part of ``Engine`` (engine.py), and useless without it. What becomes of the store's answers is in sharing.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowmetal.embed.checking import checked_methods
from flowmetal.runtime.grants import RunGrants
from flowmetal.store.protocol import Store
from flowmetal.values import Map, Value

if TYPE_CHECKING:
    from flowmetal.bytecode.code import Program
    from flowmetal.embed.sharing import CallbackBeat, CallbackReceipt, DeployedProgram, TaskClaim
    from flowmetal.store.operations.vocabulary import Operation


@checked_methods
class Sharer:
    """See the module's docstring."""

    store: Store

    def perform(self, operation: Operation) -> Map:
        """Perform an operation of the store (``store/operations/vocabulary.py``) and return its answer.

        Raises RunError, UsageError or RefusedError for one that is refused.
        """
        from flowmetal.embed.sharing import perform

        return perform(self.store, operation)

    def find_callback(self, *, token: str) -> str:
        """Return the id of a callback. Raises RunError FM0730 if there is none."""
        from flowmetal.embed import sharing

        return sharing.find_callback(self.store, sharing.callback_name(None, token))

    def complete_callback(
        self,
        callback: str | None = None,
        value: Value = None,
        *,
        token: str | None = None,
        failed: bool = False,
        delivery: str = "",
    ) -> CallbackReceipt:
        """Answer a callback, by its id or its token, or let it fail ({:type :message :data}).

        The first answer wins; all others get its receipt. It is durable when this returns.
        Raises RunError FM0730 if there is none, RefusedError FM0731 if it takes no answer any more.
        """
        from flowmetal.embed import sharing

        name = sharing.callback_name(callback, token)
        return sharing.complete_callback(self.store, name, value, failed=failed, delivery=delivery)

    def beat_callback(
        self, callback: str | None = None, *, token: str | None = None
    ) -> CallbackBeat:
        """Say that somebody still works on a callback; return how it stands."""
        from flowmetal.embed import sharing

        return sharing.beat_callback(self.store, sharing.callback_name(callback, token))

    def claim_task(self, queue: str, worker: str, names: Sequence[str] = ()) -> TaskClaim | None:
        """Take the oldest task of a queue for a worker; None: there is none now."""
        from flowmetal.embed import sharing

        return sharing.claim_task(self.store, queue, worker, names)

    def beat_task(self, id: str, attempt: int) -> bool:
        """Extend the lease of a task. False: it is lost, stop working."""
        from flowmetal.embed import sharing

        return sharing.beat_task(self.store, id, attempt)

    def end_task(self, id: str, attempt: int, result: str, *, failed: bool = False) -> bool:
        """Say how a task ended, in JSON. False: the attempt is lost, and nobody listens."""
        from flowmetal.embed import sharing

        return sharing.end_task(self.store, id, attempt, result, failed=failed)

    def publish(self, topic: str, value: Value) -> int:
        """Tell all subscribers of a topic; return how many there were."""
        from flowmetal.embed import sharing

        return sharing.publish(self.store, topic, value)

    def deploy(self, program: Program, name: str, *, grants: RunGrants | None = None) -> str | None:
        """Let ``name`` stand for a program with its grants; return the hash that it stood for before.

        Runs in flight keep their program.
        """
        from flowmetal.bytecode.file import write_program
        from flowmetal.embed import sharing

        data = write_program(program)
        return sharing.deploy(self.store, program, data, name, grants or RunGrants())

    def deployed(self, name: str = "") -> list[DeployedProgram]:
        """Return what is deployed, by name."""
        from flowmetal.embed import sharing

        return sharing.deployed(self.store, name)

    def undeploy(self, name: str) -> bool:
        """Take a name away; say whether it was there. Its runs go on."""
        from flowmetal.embed import sharing

        return sharing.undeploy(self.store, name)
