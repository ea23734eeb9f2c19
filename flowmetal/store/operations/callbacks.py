"""Callbacks and promises: something that somebody else will say, once.

A callback is found by its id, or by the hash of its token, which alone the world knows: the token
itself is in no table of this part. The first answer wins, whoever gives it and however often;
all others get its receipt. The answer stays with the callback, so that it may come before the wait,
during it, or after the wait was given up.

A promise is named by those who share it and belongs to no run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flowmetal.ids import RunId
from flowmetal.store import rules
from flowmetal.store.operations.answers import Answer, Asker, answer, bad_name, refuse, reply
from flowmetal.store.operations.records import (
    TAB,
    Kept,
    Record,
    Records,
    drop,
    each,
    find,
    keep,
    parts_of,
    read,
)
from flowmetal.store.operations.ties import Tie, bind, wait_at, waits_no_more
from flowmetal.store.operations.vocabulary import (
    AwaitCallback,
    AwaitPromise,
    BeatCallback,
    CompleteCallback,
    OpenCallback,
    RestoreCallback,
    SettlePromise,
    ShowCallback,
    ShowPromise,
)
from flowmetal.store.protocol import RunState
from flowmetal.values import keyword

CALLBACK = "callback"
PROMISE = "promise"
HASHED = "sha256:"
OPEN, COMPLETED, FAILED, EXPIRED, GONE = "open", "completed", "failed", "expired", "gone"
REMEMBERED_US = 7 * 86_400_000_000
"""How long a receipt is kept after the run has ended."""

_DIGITS = 16
"""Of the hash of a token, which nobody can guess: what tells two callbacks of one name apart."""


@dataclass(slots=True)
class Callback(Kept):
    """Key: its id. The answer is the record's body."""

    SPACE: ClassVar[str] = "callback"
    run: str
    token_hash: str
    state: str
    ends_us: int | None  # by :timeout
    heartbeat_us: int | None
    beat_us: int  # the last sign of life
    delivery: str = ""
    settled_us: int = 0
    after: str = ""  # what it expired by
    run_ended: bool = False
    name: str = ""
    run_ended_us: int = 0  # its receipt is kept from then on

    def expires_us(self) -> int | None:
        """Return when it expires, unless it is answered."""
        times = [] if self.ends_us is None else [self.ends_us]
        if self.heartbeat_us is not None:
            times.append(self.beat_us + self.heartbeat_us)
        return min(times, default=None) if self.state == OPEN else None

    def forgotten_us(self) -> int:
        """Return when nobody knows it any more, once its run has ended."""
        return max(self.settled_us, self.run_ended_us) + REMEMBERED_US


@dataclass(slots=True)
class Token(Kept):
    """Key: the hash of a token."""

    SPACE: ClassVar[str] = "callback-token"
    callback: str


@dataclass(slots=True)
class Promise(Kept):
    """Key: its name. The answer is the record's body; ``settled`` says whether there is one."""

    SPACE: ClassVar[str] = "promise"
    settled: bool
    failed: bool = False
    settled_us: int = 0


@dataclass(slots=True)
class Waiter(Kept):
    """Key: callback or promise, run, effect."""

    SPACE: ClassVar[str] = "waiter"
    since_us: int


def open_callback(records: Records, asker: Asker, operation: OpenCallback) -> Answer:
    now = records.now_us()
    ends = None if operation.timeout_us is None else now + operation.timeout_us
    id_ = _free_id(records, operation)
    callback = Callback(
        asker.run,
        operation.token_hash,
        OPEN,
        ends,
        operation.heartbeat_us,
        beat_us=now,
        name=operation.name,
    )
    _keep(records, id_, callback)
    keep(records, operation.token_hash, Token(id_))
    bind(records, asker.run, CALLBACK, id_, Tie(CALLBACK, id_))
    return answer(id=id_, token=operation.token, expires=callback.expires_us())


def _free_id(records: Records, operation: OpenCallback) -> str:
    """Return the id of a new callback: another one has that which was asked for if it was that of a fork with such a
    name, or of a run of the same id that is forgotten. Its receipt and what its token opens stay its own."""
    if records.get(Callback.SPACE, operation.id) is None:
        return operation.id
    return f"{operation.id}-{operation.token_hash[:_DIGITS]}"


def await_callback(records: Records, asker: Asker, operation: AwaitCallback) -> Answer | None:
    found = find(records, Callback, operation.id)
    if found is None or found.run != asker.run:
        return refuse(
            "FM0730",
            "callback/unknown",
            f"this run has no callback {operation.id}",
            id=operation.id,
        )
    expire(records, operation.id)
    known = _answer(records, operation.id)
    if known is None:
        _wait(records, asker, CALLBACK, operation.id)
    return known


def complete(records: Records, operation: CompleteCallback) -> Answer:
    id_ = _id_of(records, operation.callback)
    expire(records, id_)
    found = find(records, Callback, id_)
    refused = _refusal(records, found, operation.callback)
    if refused is not None:
        return refused
    assert found is not None
    first = found.state == OPEN
    if first:
        now = records.now_us()
        found.state = FAILED if operation.failed else COMPLETED
        found.settled_us, found.delivery = now, operation.delivery or f"at-{now}"
        _keep(records, id_, found, operation.body)
        _tell(records, CALLBACK, id_, _answer(records, id_))
    return answer(
        id=id_,
        run=found.run,
        delivery=found.delivery,
        time=found.settled_us,
        state=found.state,
        first=first,
    )


def beat(records: Records, operation: BeatCallback) -> Answer:
    id_ = _id_of(records, operation.callback)
    expire(records, id_)
    found = find(records, Callback, id_)
    refused = _refusal(records, found, operation.callback)
    if refused is not None:
        return refused
    assert found is not None
    if found.state == OPEN:
        found.beat_us = records.now_us()
        _keep(records, id_, found)
    return answer(id=id_, run=found.run, expires=found.expires_us(), state=found.state)


def show(records: Records, operation: ShowCallback) -> Answer:
    id_ = _id_of(records, operation.callback)
    found = find(records, Callback, id_)
    if found is None:
        return refuse("FM0730", "callback/unknown", "there is no such callback")
    return answer(
        id=id_, run=found.run, state=found.state, expires=found.expires_us(), name=found.name
    )


def _refusal(records: Records, found: Callback | None, name: str) -> Answer | None:
    if found is None:
        shown = "with this token" if name.startswith(HASHED) else name
        return refuse("FM0730", "callback/unknown", f"there is no callback {shown}")
    standing = records.run(RunId(found.run)) if found.state == OPEN else None
    if standing is not None and standing.state is RunState.EXPORTING:
        return refuse("FM0737", "callback/away", f"run {found.run} is being moved", run=found.run)
    if found.state == EXPIRED:
        return refuse("FM0731", "callback/expired", "the callback has expired", run=found.run)
    if found.state == GONE:
        return refuse(
            "FM0731", "callback/gone", f"run {found.run} has ended or moved away", run=found.run
        )
    return None


def expire(records: Records, id_: str) -> None:
    """Let a callback expire if it is time, or forget one whose time is over."""
    found = find(records, Callback, id_)
    if found is None:
        return
    now = records.now_us()
    if found.run_ended and found.forgotten_us() <= now:
        drop(records, Token, found.token_hash)
        drop(records, Callback, id_)
        return
    expires = found.expires_us()
    if expires is None or expires > now:
        return
    found.after = "timeout" if expires == found.ends_us else "heartbeat"
    found.state, found.settled_us = EXPIRED, expires
    _keep(records, id_, found)
    _tell(records, CALLBACK, id_, _answer(records, id_))


def packed(records: Records, id_: str) -> Answer:
    """Return all of a callback, for another store."""
    record = records.get(Callback.SPACE, id_)
    if record is None:
        raise rules.damaged(f"callback {id_:.40}", "it is not there")
    return answer(id=id_, fields=record.fields, body=record.body)


def restore(records: Records, operation: RestoreCallback) -> Answer:
    """Put a callback in its place; one that is in use here, or another run's, stays what it is."""
    id_, fields, body = (operation.record.get(keyword(k)) for k in ("id", "fields", "body"))
    here = find(records, Callback, id_)
    if here is not None and (here.run != operation.run or not here.run_ended):
        return answer(value=False)
    found = read(Callback, Record(id_, fields))
    if found.run != operation.run:
        return refuse("FM0730", "callback/unknown", f"callback {id_} is not one of this run")
    _keep(records, id_, found, body)
    keep(records, found.token_hash, Token(id_))
    bind(records, found.run, CALLBACK, id_, Tie(CALLBACK, id_))
    return answer(value=True)


def close(records: Records, id_: str) -> None:
    """Its run has ended: nobody can answer it any more, but its receipt is remembered."""
    record = records.get(Callback.SPACE, id_)
    if record is None:
        return
    found = read(Callback, record)
    now = records.now_us()
    if found.state == OPEN:
        found.state, found.settled_us = GONE, now
    found.run_ended, found.run_ended_us = True, now
    keep(records, id_, found, record.body, found.forgotten_us())


def _keep(records: Records, id_: str, callback: Callback, body: bytes | None = None) -> None:
    keep(records, id_, callback, body, callback.expires_us())


def _id_of(records: Records, name: str) -> str:
    if not name.startswith(HASHED):
        return name
    digest = name.removeprefix(HASHED)
    token = find(records, Token, digest)
    found = None if token is None else find(records, Callback, token.callback)
    if token is None or found is None or found.token_hash != digest:
        return ""  # what came from another store may stand where the token's own was
    return token.callback


def _answer(records: Records, id_: str) -> Answer | None:
    """Return what those that wait get; None if there is nothing yet."""
    record = records.get(Callback.SPACE, id_)
    assert record is not None
    found = read(Callback, record)
    if found.state in (COMPLETED, FAILED):
        return answer(state=found.state, body=record.body)
    if found.state == EXPIRED:
        return answer(state=EXPIRED, after=found.after, at=found.settled_us)
    return None


# Promises


def await_promise(records: Records, asker: Asker, operation: AwaitPromise) -> Answer | None:
    wrong = bad_name(operation.name, "promise")
    if wrong is not None:
        return wrong
    known = _promised(records, operation.name)
    if known is None:
        _wait(records, asker, PROMISE, operation.name)
    return known


def settle(records: Records, operation: SettlePromise) -> Answer:
    wrong = bad_name(operation.name, "promise")
    if wrong is not None:
        return wrong
    if _promised(records, operation.name) is not None:
        return answer(value=False)
    now = records.now_us()
    due = None if operation.keep_us is None else now + operation.keep_us
    keep(records, operation.name, Promise(True, operation.failed, now), operation.body, due)
    _tell(records, PROMISE, operation.name, _promised(records, operation.name))
    return answer(value=True)


def show_promise(records: Records, operation: ShowPromise) -> Answer:
    known = _promised(records, operation.name)
    if known is None:
        return answer(settled=False)
    return known.assoc(keyword("settled"), True)


def forget_promise(records: Records, name: str) -> None:
    """Nobody will ask any more what a promise came to."""
    drop(records, Promise, name)


def _promised(records: Records, name: str) -> Answer | None:
    record = records.get(Promise.SPACE, name)
    if record is None:
        return None
    return answer(body=record.body, failed=read(Promise, record).failed)


# Those that wait


def _wait(records: Records, asker: Asker, kind: str, name: str) -> None:
    place = TAB.join((kind, name, asker.run, asker.effect))
    keep(records, place, Waiter(records.now_us()))
    wait_at(records, asker, kind, place)


def leave(records: Records, place: str) -> None:
    """Somebody waits no longer."""
    drop(records, Waiter, place)


def _tell(records: Records, kind: str, name: str, found: Answer | None) -> None:
    assert found is not None
    for place, _ in each(records, Waiter, f"{kind}{TAB}{name}{TAB}"):
        _, _, run, effect = parts_of(place, 4)
        drop(records, Waiter, place)
        waits_no_more(records, run, effect)
        reply(records, run, effect, found)
