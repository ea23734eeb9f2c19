"""Calls: effects whose kind another process performs. One attempt is offered in the store, and its end taken in.

Policies are applied here, where the run is driven: who performs a call knows one attempt. It gets

    {:args map :grants bytes :key text :attempt n :again? bool :timeout us-or-nil}

and says ``{:value v}`` or ``{:error e :wish us-or-nil}``, with ``:host? true`` if a function of its host has performed it.
"""

from __future__ import annotations

from typing import Final

from flowmetal.effects.errors import effect_error
from flowmetal.effects.kinds import KINDS, EffectClass
from flowmetal.effects.requests import Call
from flowmetal.ids import RunId
from flowmetal.runtime.active import ActiveRun, Arrival
from flowmetal.runtime.crashes import poisoned
from flowmetal.runtime.entering import timeout_error
from flowmetal.runtime.grants import decode_grants
from flowmetal.runtime.options import options_of
from flowmetal.runtime.progress import Pending
from flowmetal.store.operations.vocabulary import Asked, OfferCall, RecallCall
from flowmetal.store.protocol import InboxRow
from flowmetal.values import ErrorValue, Map, Value, hash_map, keyword
from flowmetal.values.codec import decode_data, encode_data

_ARGS: Final = keyword("args")
_GRANTS: Final = keyword("grants")
_KEY: Final = keyword("key")
_ATTEMPT: Final = keyword("attempt")
_AGAIN: Final = keyword("again?")
_TIMEOUT: Final = keyword("timeout")
_VALUE: Final = keyword("value")
_ERROR: Final = keyword("error")
_WISH: Final = keyword("wish")
_HOST: Final = keyword("host?")
_BODY: Final = keyword("body")
_RECALLED: Final = keyword("recalled")
_RECALLED_AGAIN: Final = keyword("again")
_LATE: Final = keyword("late")
_LOST: Final = keyword("lost")
_DOUBT: Final = keyword("doubt")


def offer(active: ActiveRun, pending: Pending) -> None:
    """Offer the next attempt, in the next commit."""
    request, options = pending.request, pending.options
    body = hash_map(
        (
            (_ARGS, request.args),
            (_GRANTS, active.grants.encode()),
            (_KEY, active.key_of(request)),
            (_ATTEMPT, pending.attempts + 1),
            (_AGAIN, pending.taken_up or pending.attempts > 0),
            (_TIMEOUT, options.timeout_us),
        )
    )
    claim = active.claim
    # Between two offers of an effect something has happened, or somebody else has taken the run.
    number = claim.epoch + claim.seq + len(active.events)
    asked = OfferCall(
        request.kind, encode_data(body), options.at_most_once, options.timeout_us, number
    )
    active.operations.append(Asked(active.effect_id(request.number), asked))
    pending.offered, pending.due_us = True, None
    active.progress.changed = active.undurable = True


def recall(active: ActiveRun, pending: Pending) -> None:
    """Take a call back, unless somebody is at it: its kind is performed here."""
    active.operations.append(Asked(active.effect_id(pending.request.number), RecallCall()))
    active.undurable = True


def go_on_with(active: ActiveRun, pending: Pending) -> None:
    """Begin the next attempt of what was performed elsewhere: there, or here if its kind is performed here now."""
    request = pending.request
    effect_class = active.class_of(request)
    if effect_class is EffectClass.CALL:
        offer(active, pending)
        return
    active.progress.changed = active.undurable = True
    if effect_class is EffectClass.CONNECTOR:
        pending.effect_class, pending.offered, pending.due_us = effect_class, False, None
    else:
        del active.progress.effects[request.number]
        active.ask_anew(request)
        active.route(request)


def answered(active: ActiveRun, pending: Pending, row: InboxRow) -> Arrival | None:
    """Return how an attempt ended, by the answer of the store. None: it was called back, and goes on here."""
    request = pending.request
    found = decode_data(row.message.body)
    pending.offered = False
    active.progress.changed = True
    if found.get(_RECALLED):
        pending.taken_up = pending.taken_up or bool(found.get(_RECALLED_AGAIN))
        go_on_with(active, pending)
        return None
    number, at_us = request.number, row.time_us
    if found.get(_LATE):
        late = timeout_error(request.kind, EffectClass.CONNECTOR, pending.options.timeout_us)
        return Arrival(number, at_us, error=late, begun=False)
    if found.get(_DOUBT):  # which is said of it where it is taken in
        why = f"who performed {request.kind} was lost"
        lost = effect_error("FM0704", "timeout", why, {"kind": request.kind})
        return Arrival(number, at_us, error=lost)
    if found.get(_LOST):
        _bear_loss(active, pending, found)
        return None
    refused = found.get(_ERROR)
    if isinstance(refused, ErrorValue):
        return Arrival(number, at_us, error=refused)
    said = decode_data(found.get(_BODY))
    error = said.get(_ERROR)
    if error is None:
        return Arrival(number, at_us, said.get(_VALUE))
    if said.get(_HOST):  # whose attempts are counted otherwise than a connector's
        pending.options = options_of(request, EffectClass.CALL, of_host=True)
    return Arrival(number, at_us, None, error, said.get(_WISH))


def _bear_loss(active: ActiveRun, pending: Pending, found: Map) -> None:
    """Several processes have died over a call. Strangers' code may be the reason; no request and no command is."""
    request, times = pending.request, found.get(_LOST)
    pending.taken_up = True
    if request.kind in KINDS:
        go_on_with(active, pending)
        return
    how = f"{times} processes died, one after the other, while they performed {request.kind}"
    active.set_aside = poisoned(how, times, {"kind": request.kind, "effect": request.number})


# For who performs it


def call_of(run: RunId, kind: str, body: bytes, again: bool) -> tuple[Call, int | None]:
    """Return the attempt that was offered, and its timeout in microseconds."""
    said = decode_data(body)
    call = Call(
        run,
        kind,
        said.get(_ARGS),
        said.get(_KEY),
        said.get(_ATTEMPT),
        decode_grants(said.get(_GRANTS)),
        again=bool(said.get(_AGAIN)) or again,
    )
    return call, said.get(_TIMEOUT)


def word(value: Value, error: ErrorValue | None, wish_us: int | None, *, of_host: bool) -> bytes:
    """Return what is said of an attempt that has ended. Raises DataError for a value that is no data."""
    if error is None:
        return encode_data(hash_map(((_VALUE, value),)))
    pairs: list[tuple[Value, Value]] = [(_ERROR, error)]
    if wish_us is not None:
        pairs.append((_WISH, wish_us))
    if of_host:
        pairs.append((_HOST, True))
    return encode_data(hash_map(pairs))
