"""Locks, semaphores and rate limits: who has permits of a name, and who stands in line.

A lock is a semaphore of limit 1. The line is first come, first served: nobody passes the one at its
head, also if fewer permits would be enough for them. Every grant has a **fencing token**, a number that
grows with each grant of the name and is never given twice, so that what is protected can refuse
a holder that lost its lease and does not know it.

A lease that is over takes nothing away by itself: the permit is taken over when somebody waits for it.

Times are those of the store's clock, which may be set back: what is left of a lease is then the lease at most, and the
places of a rate are moved by as much as is seen of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowmetal.ids import RunId
from flowmetal.store.clock import outlasts
from flowmetal.store.operations.answers import Answer, Asker, answer, bad_name, refuse, reply
from flowmetal.store.operations.records import TAB, Kept, Records, drop, each, find, first, keep
from flowmetal.store.operations.ties import Tie, bind, tie_of, unbind, wait_at, waits_no_more
from flowmetal.store.operations.vocabulary import (
    AcquirePermit,
    ReleasePermit,
    RenewPermit,
    ShowPermit,
    Throttle,
)
from flowmetal.values import vector

PERMIT = "permit"
"""The kind of ties of holders and of those that wait."""

ASIDE = "permit-aside"
"""The kind of ties of parked runs that stood in line."""

HOLD = "hold"


@dataclass(slots=True)
class Semaphore(Kept):
    """``token`` was granted last, ``turn`` is the next place in line."""

    SPACE: ClassVar[str] = "permit"
    limit: int
    token: int = 0
    turn: int = 1


@dataclass(slots=True)
class Holder(Kept):
    """Key: name, token. ``expires_us`` None: as long as the run lives."""

    SPACE: ClassVar[str] = "permit-holder"
    run: str
    effect: str
    permits: int
    since_us: int
    expires_us: int | None
    lease_us: int | None = None


@dataclass(slots=True)
class Ticket(Kept):
    """Key: name, turn."""

    SPACE: ClassVar[str] = "permit-line"
    run: str
    effect: str
    permits: int
    lease_us: int | None


@dataclass(slots=True)
class Rate(Kept):
    """``taken`` are the places that still count, oldest first; ``asked_us`` is when the last was given.

    Who asks may ask by another policy than others (a program that runs on beside a newer one), so as many are
    kept, and for as long, as any of them may ask for.
    """

    SPACE: ClassVar[str] = "rate"
    taken: list[int]
    asked_us: int = 0
    limit: int = 1
    per_us: int = 1


def acquire(records: Records, asker: Asker, operation: AcquirePermit) -> Answer | None:
    name = operation.name
    wrong = bad_name(name, "lock") or _bad_numbers(operation)
    if wrong is not None:
        return wrong
    semaphore = find(records, Semaphore, name) or Semaphore(operation.limit)
    semaphore.limit = operation.limit
    semaphore.token = max(semaphore.token, operation.above)
    ticket = Ticket(asker.run, asker.effect, operation.permits, operation.lease_us)
    _stand_in_line(records, asker, name, semaphore, ticket)
    return None


def _stand_in_line(
    records: Records, asker: Asker, name: str, semaphore: Semaphore, ticket: Ticket
) -> None:
    key = _ordered(name, semaphore.turn)
    semaphore.turn += 1
    keep(records, key, ticket)
    wait_at(records, asker, PERMIT, key)
    _serve(records, name, semaphore, asker)


def _bad_numbers(operation: AcquirePermit) -> Answer | None:
    if not 1 <= operation.permits <= operation.limit:
        return refuse(
            "FM0703",
            "effect/bad-argument",
            f"{operation.permits} permits of {operation.name}, which has {operation.limit}",
        )
    return None


def serve(records: Records, name: str) -> None:
    """Give permits that are free, or whose leases are over, to those in line."""
    semaphore = find(records, Semaphore, name)
    if semaphore is not None:
        _serve(records, name, semaphore)


def _serve(records: Records, name: str, semaphore: Semaphore, asker: Asker | None = None) -> None:
    now = records.now_us()
    holders = list(each(records, Holder, f"{name}{TAB}"))
    for place, holder in holders:
        _shorten(records, place, holder, now)
    free = semaphore.limit - sum(holder.permits for _, holder in holders)
    while (head := first(records, Ticket, f"{name}{TAB}")) is not None:
        key, ticket = head
        wanted = min(ticket.permits, semaphore.limit)  # there were more when it came: all there are
        while free < wanted and (over := _expired(holders, now)) is not None:
            holders.remove(over)
            free += over[1].permits
            _let_go(records, *over)
        if free < wanted:
            break
        semaphore.token += 1
        at_once = asker == Asker(RunId(ticket.run), ticket.effect)
        holders.append(_grant(records, name, semaphore.token, key, ticket, now, at_once=at_once))
        free -= ticket.permits
    due = [h.expires_us for _, h in holders if h.expires_us is not None] if head else []
    keep(records, name, semaphore, due_us=min(due, default=None))


def _shorten(records: Records, place: str, holder: Holder, now: int) -> None:
    """Let a lease end in its time though the clock was set back."""
    if is_late(holder, now):
        holder.expires_us = now + (holder.lease_us or 0)
        keep(records, place, holder)


def is_late(holder: Holder, now_us: int) -> bool:
    """Say whether the lease ends later than one that begins now."""
    return outlasts(holder.expires_us, holder.lease_us, now_us)


def _expired(holders: list[tuple[str, Holder]], now: int) -> tuple[str, Holder] | None:
    for found in holders:
        expires = found[1].expires_us
        if expires is not None and expires <= now:
            return found
    return None


def _grant(
    records: Records,
    name: str,
    token: int,
    key: str,
    ticket: Ticket,
    now: int,
    *,
    at_once: bool,
) -> tuple[str, Holder]:
    drop(records, Ticket, key)
    expires = None if ticket.lease_us is None else now + ticket.lease_us
    holder = Holder(ticket.run, ticket.effect, ticket.permits, now, expires, ticket.lease_us)
    place = _ordered(name, token)
    keep(records, place, holder)
    waits_no_more(records, ticket.run, ticket.effect)
    bind(records, ticket.run, HOLD, ticket.effect, Tie(PERMIT, place))
    granted = answer(name=name, token=token, expires=expires)
    reply(records, ticket.run, ticket.effect, granted, at_once=at_once)
    return place, holder


def _let_go(records: Records, place: str, holder: Holder) -> None:
    drop(records, Holder, place)
    unbind(records, holder.run, HOLD, holder.effect)


def release(records: Records, asker: Asker | None, operation: ReleasePermit) -> Answer:
    place = _ordered(operation.name, operation.token)
    holder = find(records, Holder, place)
    if holder is None or (asker is not None and holder.run != asker.run):
        return answer(value=False)
    _let_go(records, place, holder)
    serve(records, operation.name)
    return answer(value=True)


def renew(records: Records, asker: Asker, operation: RenewPermit) -> Answer:
    place = _ordered(operation.name, operation.token)
    holder = find(records, Holder, place)
    if holder is None or holder.run != asker.run:
        return answer(value=False)
    holder.expires_us = records.now_us() + operation.lease_us
    holder.lease_us = operation.lease_us
    keep(records, place, holder)
    serve(records, operation.name)
    return answer(value=True)


def show(records: Records, operation: ShowPermit) -> Answer:
    name = operation.name
    semaphore = find(records, Semaphore, name)
    holders = [
        answer(
            run=holder.run,
            token=int(key.rpartition(TAB)[2], 16),
            since=holder.since_us,
            expires=holder.expires_us,
        )
        for key, holder in each(records, Holder, f"{name}{TAB}")
    ]
    waiting = sum(1 for _ in each(records, Ticket, f"{name}{TAB}"))
    limit = 0 if semaphore is None else semaphore.limit
    return answer(limit=limit, waiting=waiting, value=vector(holders))


def leave_line(records: Records, place: str) -> None:
    """Somebody waits no longer; the line may move."""
    if drop(records, Ticket, place):
        serve(records, name_of(place))


def leave_all(
    records: Records, run: RunId, hanging: Sequence[tuple[str, str, Tie]], *, parked: bool
) -> None:
    """Give back and leave all that hangs on a run by a tie of the kind PERMIT; then the lines move.

    Not one by one: a run that holds something, and waits for it in another fiber, would get it back. A parked run
    notes what it has waited for.
    """
    for what, effect, tie in hanging:
        if what == HOLD:
            unbind(records, run, what, effect)
            drop(records, Holder, tie.place)
            continue
        ticket = find(records, Ticket, tie.place)
        drop(records, Ticket, tie.place)
        if parked and ticket is not None:
            lease = "" if ticket.lease_us is None else str(ticket.lease_us)
            aside = Tie(ASIDE, name_of(tie.place), f"{ticket.permits} {lease}")
            bind(records, run, what, effect, aside)
        else:
            unbind(records, run, what, effect)
    for name in dict.fromkeys(name_of(tie.place) for _, _, tie in hanging):
        serve(records, name)


def return_to_line(records: Records, asker: Asker, tie: Tie) -> None:
    semaphore = find(records, Semaphore, tie.place)
    if semaphore is not None:
        permits, lease = tie.note.split(" ")
        ticket = Ticket(asker.run, asker.effect, int(permits), int(lease) if lease else None)
        _stand_in_line(records, asker, tie.place, semaphore, ticket)


def withdraw_held(records: Records, asker: Asker) -> None:
    """Give back what was granted to an effect after it had stopped waiting."""
    tie = tie_of(records, asker.run, HOLD, asker.effect)
    holder = None if tie is None else find(records, Holder, tie.place)
    if tie is not None and holder is not None:
        _let_go(records, tie.place, holder)
        serve(records, name_of(tie.place))


def throttle(records: Records, operation: Throttle) -> Answer:
    wrong = bad_name(operation.name, "rate limit")
    if wrong is not None:
        return wrong
    if operation.limit < 1 or operation.per_us < 1:
        return refuse(
            "FM0703", "effect/bad-argument", "a rate limit lets at least 1 through in some time"
        )
    now = records.now_us()
    rate = find(records, Rate, operation.name) or Rate([])
    limit, per_us = max(rate.limit, operation.limit), max(rate.per_us, operation.per_us)
    back = max(0, rate.asked_us - now)
    taken = [at - back for at in rate.taken if at - back > now - per_us]
    at = now
    if len(taken) >= operation.limit:
        at = max(now, taken[-operation.limit] + operation.per_us)
    if operation.most_us is not None and at - now > operation.most_us:
        return answer(at=None, next=at)
    # The latest ``limit`` places decide about the next one, whichever it is.
    kept = sorted((*taken, at))[-limit:]
    rate = Rate(kept, now, limit, per_us)
    keep(records, operation.name, rate, due_us=kept[-1] + per_us)
    return answer(at=at)


def forget_rate(records: Records, name: str) -> None:
    """All places are over: the name can go."""
    drop(records, Rate, name)


def _ordered(name: str, number: int) -> str:
    return f"{name}{TAB}{number:016x}"


def name_of(place: str) -> str:
    """Return the name that a holder's or a ticket's key belongs to."""
    return place.rpartition(TAB)[0]
