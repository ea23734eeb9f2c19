"""What a fork finds in its machine and does not own.

Callbacks, children, permits and subscriptions that the first run has asked for are still the first
run's: their ids lie in the fork's locals, but nobody answers the fork. Whatever the fork wants
of them ends in a :fork/inherited error that names them.

They are found in the history up to the fork point and kept in the ``:inherited`` of the
fork's input as texts such as ``callback w.3`` or ``lock stock 7``. If the history has been trimmed, what
the cut part told is found in the store, where it still hangs on the run, or in what the run did after
the fork point: it can have let go only of what it had.

A run that has moved knows by such names, with ``left`` before them, what it had to leave. What it makes anew
may have a name of those: a child that is started under the same id is its own from then on. A lock
has another token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.ids import RunId
from flowmetal.store import rules
from flowmetal.store.protocol import Event, RunQuery, Store
from flowmetal.values import ErrorValue, Map, RunRef, Value, keyword, vector
from flowmetal.values.codec import decode_data, encode_data

LEFT: Final = "left "
"""Before the name of what a run had to leave behind when it moved."""

_PAGE: Final = 500
_TOKEN_TEXT: Final = re.compile("[0-9]{1,18}")
"""A file may come from anybody: what no store has counted to is no token."""

_INHERITED: Final = keyword("inherited")
_INHERITED_BYTES: Final = b"inherited"
_VALUE, _ID, _RUN, _NAME = map(keyword, ("value", "id", "run", "name"))
_TOKEN, _SUBSCRIPTION = map(keyword, ("token", "subscription"))


def found_in(events: Iterable[Event], before: Iterable[str] = ()) -> frozenset[str]:
    """Return what a run owns after these events, and what it had inherited itself."""
    owned = dict.fromkeys(before)
    asked: dict[int, Value] = {}
    for event in events:
        if event.kind == kinds.REQUESTED and event.name in _GIVE_UP:
            asked[event.effect] = decode_data(event.data)
        elif event.kind == kinds.RESOLVED:
            name = event.name
            if name in _MAKE:
                value = decode_data(event.data).get(_VALUE)
                made = _MAKE[name](value)
                if made is not None:
                    owned[made] = None
                    owned.pop(f"{LEFT}{made}", None)
            elif event.effect in asked:
                owned.pop(str(_GIVE_UP[name](asked[event.effect])), None)
    return frozenset(owned)


def before_the_cut(store: Store, run: RunId, later: Iterable[Event]) -> frozenset[str]:
    """Return what a run may own of which its history, which was trimmed, does not tell any more.

    ``later`` are the events after the point in question. What the run came to own after it may be
    among the names: nothing before that point is called so.
    """
    from flowmetal.store.operations.vocabulary import ShowTies  # every run loads this module

    rows = store.operate(ShowTies(run)).get(keyword("ties"))
    hanging = (name_of_tie(row.nth(0), row.nth(1), row.nth(3)) for row in rows)
    children = (f"child run {child}" for child in _children(store, run))
    given_up = (
        _GIVE_UP[event.name](decode_data(event.data))
        for event in later
        if event.kind == kinds.REQUESTED and event.name in _GIVE_UP
    )
    return frozenset(name for name in (*hanging, *children, *given_up) if name is not None)


def _children(store: Store, run: RunId) -> Iterator[RunId]:
    """Yield the runs that a run has started, those too that have ended or do not care about it."""
    before = None
    while page := store.runs(RunQuery(parents=(run,), limit=_PAGE, before=before)):
        yield from (row.id for row in page)
        before = (page[-1].created_us, page[-1].id)


def name_of_tie(what: str, key: str, place: str) -> str | None:
    """Return the name by which a run knows what hangs on it; None: it does not name it."""
    match what:
        case "hold":
            name, _, token = place.rpartition("\t")
            try:
                return f"lock {name} {int(token, 16)}"
            except ValueError:
                raise rules.damaged("what hangs on a run", f"{place!r:.60}") from None
        case "child":
            return f"child run {key}"
        case "callback":
            return f"callback {key}"
        case "topic":
            return f"subscription {key.rpartition(chr(9))[2]}"
        case _:
            return None


def with_inherited(input_: bytes, inherited: frozenset[str]) -> bytes:
    """Return a run's input that names what the run has inherited."""
    found = decode_data(input_)
    return encode_data(found.assoc(_INHERITED, vector(sorted(inherited))))


def inherited_of(input_: bytes) -> frozenset[str]:
    """Return what a run has inherited: nothing, unless it is a fork."""
    if _INHERITED_BYTES not in input_:  # hardly any: a keyword's text is in the bytes as it is
        return frozenset()
    return frozenset(decode_data(input_).get(_INHERITED) or ())


def leaving(input_: bytes, what: Iterable[str], anew: Collection[str] = ()) -> bytes:
    """Return the input of a run that moves without what hangs on it. ``anew``: what had become its own again."""
    before = inherited_of(input_)
    after = before.difference(anew).union(f"{LEFT}{name}" for name in what)
    return input_ if after == before else with_inherited(input_, after)


def made_anew(inherited: frozenset[str], kind: str, value: Value) -> frozenset[str]:
    """Return the names of what an effect has made that stand for something which is not the run's own."""
    make = _MAKE.get(kind)
    made = None if make is None else make(value)
    return frozenset() if made is None else inherited & {made, f"{LEFT}{made}"}


def last_token(inherited: frozenset[str], lock: str) -> int:
    """Return the highest token of a lock that is not the run's own; 0: none is.

    Another store may count from 1, and permits are told apart by their tokens.
    """
    ours = (f"lock {lock}", f"{LEFT}lock {lock}")
    found = (name.rpartition(" ") for name in inherited)
    tokens = (token for name, _, token in found if name in ours and _TOKEN_TEXT.fullmatch(token))
    return max(map(int, tokens), default=0)


def refuse_inherited(request: EffectRequest, inherited: frozenset[str]) -> None:
    """Raise EffectFailed :fork/inherited if an effect is about something that is not the fork's."""
    found = error_of(request, inherited)
    if found is not None:
        raise EffectFailed(found)


def error_of(request: EffectRequest, inherited: frozenset[str]) -> ErrorValue | None:
    """Return the error in which an effect of a fork ends; None: it is about nothing inherited."""
    use = _USE.get(request.kind) if inherited else None
    what = None if use is None else use(request.args)
    if what is not None and f"{LEFT}{what}" in inherited:
        return effect_error(
            "FM0738",
            "moved/left-behind",
            f"{request.kind}: the {what} stayed at the place that this run has moved away from",
            {"kind": request.kind, "left": what},
        )
    if what is None or what not in inherited:
        return None
    return effect_error(
        "FM0739",
        "fork/inherited",
        f"{request.kind}: the {what} belongs to the run that this one was forked from",
        {"kind": request.kind, "inherited": what},
    )


def _child(value: Value) -> str | None:
    id_ = value.id if isinstance(value, RunRef) else value
    return f"child run {id_}" if isinstance(id_, str) else None


def _callback(value: Value) -> str | None:
    return f"callback {value.get(_ID)}" if isinstance(value, Map) else None


def _permit(value: Value) -> str | None:
    if not isinstance(value, Map):  # what :else gave, and no permit
        return None
    name = value.get(_NAME)
    return f"lock {_text(name)} {value.get(_TOKEN)}"


def _subscription(value: Value) -> str | None:
    return f"subscription {value.get(_SUBSCRIPTION)}" if isinstance(value, Map) else None


def _text(name: Value) -> str:
    return str(getattr(name, "text", name))


_MAKE: Final = {
    "run/start": _child,
    "callback/open": _callback,
    "lock/acquire": _permit,
    "topic/subscribe": _subscription,
}
_GIVE_UP: Final = {"lock/release": _permit, "topic/unsubscribe": _subscription}
_USE: Final = {
    "run/await": lambda args: _child(args.get(_RUN)),
    "run/cancel": lambda args: _child(args.get(_RUN)),
    "signal/send": lambda args: _child(args.get(_RUN)),
    "callback/await": _callback,
    "lock/release": _permit,
    "lock/renew": _permit,
    "topic/receive": lambda args: f"subscription {_text(args.get(_NAME))}",
    "topic/unsubscribe": _subscription,
}
