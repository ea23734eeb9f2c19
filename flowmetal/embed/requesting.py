"""Requests: a signal to a run, and what the run replies (``receive-request!`` and ``reply!``).

The reply is a promise that runs share, named by the run and the signal's id (flow/event.flow), so it
is durable, comes once, and the same request may be made again by somebody who has lost the reply.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from flowmetal.embed.asking import thrown
from flowmetal.embed.patience import wait_until
from flowmetal.embed.sharing import perform
from flowmetal.errors import RunError
from flowmetal.ids import RunId, shell_word
from flowmetal.store.inputs import checked_signal_id
from flowmetal.store.operations.vocabulary import ShowPromise
from flowmetal.store.protocol import ENDED, Store
from flowmetal.values import ErrorValue, Value, decode_data, keyword

if TYPE_CHECKING:
    from flowmetal.embed.engine import Engine


class Reply(NamedTuple):
    """What a run has replied."""

    value: Value


def reply_to(store: Store, run: str, id: str) -> Reply | None:
    """Return what a run has replied to the signal ``id``, None if it has not yet.

    Raises asking.Thrown for the error that it was rejected with.
    """
    found = perform(store, ShowPromise(f"reply/{run}/{id}"))
    if not found.get(keyword("settled")):
        return None
    value = decode_data(found.get(keyword("body")))
    if not found.get(keyword("failed")):
        return Reply(value)
    if not isinstance(value, ErrorValue):
        value = ErrorValue(keyword("signal/rejected"), "the request was rejected", value)
    raise thrown(value)


def ask(
    engine: Engine, run: str, name: str, value: Value, id: str | None, timeout_us: int | None
) -> Reply | None:
    """Send a signal and wait for the reply. See ``Engine.ask``."""
    if id is None:
        id = os.urandom(8).hex()
    elif (known := reply_to(engine.store, run, checked_signal_id(id))) is not None:
        return known
    engine.signal(run, name, value, id=id)
    return wait_until(engine.store, lambda: find_reply(engine.store, run, name, id), timeout_us)


def find_reply(store: Store, run: str, name: str, id: str) -> Reply | None:
    """Return the reply to the signal ``name`` that was sent as ``id``, None if there is none yet.

    Raises asking.Thrown as above, RunError FM1137 if the run has ended without one.
    """
    row = store.run(RunId(run))
    found = reply_to(store, run, id)  # read after the run: an end comes after its replies
    if found is None and (row is None or row.state in ENDED):
        raise RunError(
            "FM1137",
            f"run {run} has ended without a reply to {name}",
            hint=f"see `fmvm show {shell_word(run)}` for how it ended",
        )
    return found
