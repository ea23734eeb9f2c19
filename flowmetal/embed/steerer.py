"""How an ``Engine`` steers runs that stand or go: cancel, pause, let go on, revive after an error.

Part of ``Engine`` (engine.py), and useless without it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from flowmetal.embed.checking import checked_methods
from flowmetal.errors import Conflict, FlowmetalError, RefusedError, RunError
from flowmetal.ids import RunId
from flowmetal.store.protocol import Message, NewEvent, RunRow, RunState, Store
from flowmetal.values import ErrorValue, Map, Value, encode_data, hash_map, keyword

if TYPE_CHECKING:
    from flowmetal.embed.engine import Receipt
    from flowmetal.embed.views import RunView
    from flowmetal.runtime.grants import RunGrants
    from flowmetal.runtime.host import Host
    from flowmetal.runtime.reviving import Revival
    from flowmetal.store.operations.vocabulary import Operation


@checked_methods
class Steerer(ABC):
    """See the module's docstring."""

    store: Store

    @property
    @abstractmethod
    def host(self) -> Host: ...

    @abstractmethod
    def drive(self, run: str, *, attach: bool = True) -> RunView: ...

    @abstractmethod
    def perform(self, operation: Operation) -> Map: ...

    @abstractmethod
    def unserved(self, run: str) -> tuple[str, ...]: ...

    @abstractmethod
    def _row(self, run: str) -> RunRow: ...

    @abstractmethod
    def _send(self, run: str, kind: str, name: str, body: bytes, id: str | None) -> Receipt: ...

    def cancel(self, run: str, reason: str = "", *, now: bool = False, drive: bool = True) -> str:
        """Ask a run to stop and return its state. If nobody drives it, it is driven to its end here.

        ``now``: its ``finally`` blocks do not run. ``drive=False`` leaves it to the store's interpreters,
        and so does a program that calls functions which this engine does not have (``unserved``).
        Raises RunError if it has ended.
        """
        row = self._row(run)
        drive = drive and (now or not self.unserved(run))
        if now and row.state is not RunState.QUEUED and self._end(row.id, reason):
            return self._row(run).state.value
        if row.state is RunState.FAILED:
            return self._cancel_parked(row.id, reason, drive)
        body = hash_map(((keyword("reason"), reason), (keyword("now"), now)))
        if row.state in (RunState.QUEUED, RunState.READY):  # it begins in order to be cancelled
            from flowmetal.store.operations.vocabulary import SendMessage

            message = Message(os.urandom(8).hex(), "cancel", "", encode_data(body))
            self.perform(SendMessage(row.id, message))
        else:
            self._send(run, "cancel", "", encode_data(body), None)
        if self._row(run).state is RunState.PAUSED:  # only now: it goes on in order to be cancelled
            self._let_go_on(run)
        if not drive:
            return self._row(run).state.value
        try:
            return self.drive(run, attach=False).state
        except RefusedError:  # whoever drives it takes the message
            return self._row(run).state.value
        except FlowmetalError as error:
            raise error.with_note(f"run {run} is asked to stop, and could not be driven") from None

    def _end(self, run: RunId, reason: str) -> bool:
        from flowmetal.runtime.reviving import end

        return end(self.host, run, reason)

    def _cancel_parked(self, run: RunId, reason: str, drive: bool) -> str:
        from flowmetal.runtime.reviving import CancelParked, revive

        revive(self.host, run, CancelParked(reason), here=drive)
        return self.drive(run, attach=False).state if drive else self._row(run).state.value

    def retry(self, run: str, *, here: bool = False, grants: RunGrants | None = None) -> None:
        """Let a failed run perform the effect that failed again, under the same key.

        This and the next ones only make the run ready: whoever drives it goes on with it. ``here``: no other
        interpreter, for this engine is going to ``drive`` it. ``grants``: what it may do from now on beside what it
        might. They raise RunError FM1103 if it has not failed, RefusedError FM1132 if that cannot be done there.
        """
        from flowmetal.runtime.reviving import Retry

        self._revive(run, Retry(), here, grants)

    def supply(
        self, run: str, value: Value, *, here: bool = False, grants: RunGrants | None = None
    ) -> None:
        """Let a failed run go on with a value in place of what failed."""
        from flowmetal.runtime.reviving import Supply

        self._revive(run, Supply(value), here, grants)

    def restart(
        self,
        run: str,
        name: str,
        *arguments: Value,
        here: bool = False,
        grants: RunGrants | None = None,
    ) -> None:
        """Let a failed run go on in a way that its program offers (``restarts`` of the fiber that failed, in ``show``)."""
        from flowmetal.runtime.reviving import Restart

        self._revive(run, Restart(name, arguments), here, grants)

    def throw(
        self,
        run: str,
        type: str,
        message: str,
        data: Value = None,
        *,
        here: bool = False,
        grants: RunGrants | None = None,
    ) -> None:
        """Raise another error where a run failed: its :type, message and data (a map, or nil)."""
        from flowmetal.runtime.reviving import Throw
        from flowmetal.vm.errors import as_data

        fields = as_data(data, "the data of an error")
        error = ErrorValue(
            keyword(type), message, fields if isinstance(fields, Map) else hash_map(())
        )
        self._revive(run, Throw(error), here, grants)

    def _revive(self, run: str, revival: Revival, here: bool, grants: RunGrants | None) -> None:
        from flowmetal.runtime.reviving import revive

        revive(self.host, RunId(run), revival, here=here, grants=grants)

    def pause(self, run: str, reason: str = "") -> str:
        """Keep a run from being driven, and return its state."""
        from flowmetal.effects.events import PAUSED

        body = encode_data(hash_map(((keyword("reason"), reason),)))
        expected = (RunState.READY, RunState.WAITING)
        try:
            event = NewEvent(PAUSED, "", 0, body)
            return self.store.set_state(RunId(run), expected, RunState.PAUSED, event).state.value
        except Conflict:  # somebody drives it and will see to it
            self._send(run, "pause", "", body, None)
            return self._row(run).state.value

    def unpause(self, run: str) -> str:
        """Let a paused run go on, and return its state."""
        from flowmetal.effects.events import UNPAUSED

        event = NewEvent(UNPAUSED, "", 0, encode_data(None))
        expected = (RunState.PAUSED,)
        return self.store.set_state(RunId(run), expected, RunState.READY, event).state.value

    def _let_go_on(self, run: str) -> None:
        with suppress(RunError, Conflict):  # somebody else was faster
            self.unpause(run)
