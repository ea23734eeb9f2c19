"""From an answer of the store to the result of the effect that asked.

Bodies are what runs and the world said, encoded by whoever said it: here they become values again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flowmetal.effects.errors import CANCELLED, CANCELLED_TYPE, effect_error
from flowmetal.effects.requests import EffectResult
from flowmetal.runtime.entering import timeout_error
from flowmetal.runtime.opening import in_doubt
from flowmetal.runtime.progress import Pending
from flowmetal.store.protocol import InboxRow
from flowmetal.values import (
    EMPTY_MAP,
    DataError,
    ErrorValue,
    Instant,
    Keyword,
    Map,
    RunRef,
    Value,
    hash_map,
    keyword,
    pr_str,
    vector,
)
from flowmetal.values.codec import decode_data
from flowmetal.values.names import reads_as_keyword

if TYPE_CHECKING:
    from flowmetal.runtime.active import ActiveRun

_ERROR: Final = keyword("error")
_NAME: Final = keyword("name")
_ELSE: Final = keyword("else")
_WHOLE: Final = keyword("whole")
_RETRYABLE: Final = keyword("retryable?")
_TASK_FAILED: Final = keyword("task/failed")
_MISSING: Final = object()


class _Failed(Exception):
    """What was asked for has come to an error."""

    def __init__(self, error: ErrorValue) -> None:
        super().__init__(error.message)
        self.error = error


def result_of(active: ActiveRun, pending: Pending, row: InboxRow) -> EffectResult:
    """Return what an effect comes to by the store's answer."""
    number = pending.request.number
    found = decode_data(row.message.body)
    refused = found.get(_ERROR)
    if isinstance(refused, ErrorValue):
        return EffectResult(number, None, refused)
    read = _READ.get(pending.request.kind, _task)
    try:
        return EffectResult(number, read(active, pending, found))
    except _Failed as failed:
        return EffectResult(number, None, failed.error)


def _get(found: Map, name: str) -> Value:
    return found.get(keyword(name))


def _body(found: Map) -> Value:
    body = _get(found, "body")
    return decode_data(body) if body else None


def _map(**values: Value) -> Map:
    return hash_map((keyword(name), value) for name, value in values.items())


def _instant(us: Value) -> Value:
    return None if us is None else Instant(us)


# Runs


def _started(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return RunRef(_get(found, "run"))


def _ended(active: ActiveRun, pending: Pending, found: Map) -> Value:
    run, state = _get(found, "run"), _get(found, "state")
    if state == "completed":
        return _body(found)
    error = _body(found)
    if not isinstance(error, ErrorValue):
        error = effect_error("FM0733", f"run/{state}", _without_result(run, state))
    elif error.type.text == CANCELLED_TYPE:
        reason = "" if error.message == CANCELLED else f": {error.message}"
        message = f"{_without_result(run, 'cancelled')}{reason}"
        error = effect_error("FM0733", "run/cancelled", message)
    data = error.data if isinstance(error.data, Map) else EMPTY_MAP
    raise _Failed(
        ErrorValue(
            type=error.type,
            message=error.message,
            data=data.assoc(keyword("run"), run),
            cause=error.cause,
            frames=(),
            retryable=error.retryable,
            code=error.code,
        )
    )


def _without_result(run: Value, state: Value) -> str:
    return f"run {run} has moved away" if state == "moved" else f"run {run} was {state}"


def _nothing(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return None


def _sent(active: ActiveRun, pending: Pending, found: Map) -> Value:
    request = pending.request
    return active.signal_id_of(request) if request.args.get(_WHOLE) is True else None


def _value(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return _get(found, "value")


# Callbacks, promises, topics


def _opened(active: ActiveRun, pending: Pending, found: Map) -> Value:
    token = _get(found, "token")
    base = active.host.callback_url
    return _map(
        id=_get(found, "id"),
        url=None if base is None else f"{base}/{token}",
        token=token,
        expires=_instant(_get(found, "expires")),
    )


def _called_back(active: ActiveRun, pending: Pending, found: Map) -> Value:
    match _get(found, "state"):
        case "completed":
            return _body(found)
        case "failed":
            raise _Failed(_callback_failed(_body(found)))
        case _:
            otherwise = pending.request.args.get(_ELSE, _MISSING)
            if otherwise is not _MISSING:
                return otherwise
            after = keyword(_get(found, "after"))
            message = "the callback has expired"
            raise _Failed(
                effect_error("FM0704", "timeout", message, {"after": after}, retryable=None)
            )


def _callback_failed(said: Value) -> ErrorValue:
    """Return the error of a callback that was failed: {:type :callback/failed :data {:type ...}}.

    Senders are strangers: what they say beside "message" and "data", whatever it is called, is data, too.
    """
    if not isinstance(said, Map):
        said = _map(data=said)
    type_, message, data = (_get(said, name) for name in ("type", "message", "data"))
    values = said
    for name in ("type", "message", "data"):
        values = values.dissoc(keyword(name))
    more = data if isinstance(data, Map) else EMPTY_MAP if data is None else _map(value=data)
    for key, value in more.items():
        values = values.assoc(key, value)
    if type_ is not None:
        values = values.assoc(keyword("type"), _type_of(type_) or type_)
    if message is None:
        message = "the callback was failed"
    text = message if isinstance(message, str) else pr_str(message)
    return ErrorValue(
        type=keyword("callback/failed"),
        message=text,
        data=values,
        retryable=_says(values.get(_RETRYABLE)),
        code="FM0734",
        frames=(),
    )


def _promised(active: ActiveRun, pending: Pending, found: Map) -> Value:
    body = _body(found)
    if not _get(found, "failed"):
        return body
    if not isinstance(body, ErrorValue) or body.type.text == CANCELLED_TYPE:
        name = pending.request.args.get(_NAME)
        message = f"the promise {getattr(name, 'text', name)} was broken"
        # Whoever broke it was cancelled, and this run is not.
        body = effect_error("FM0735", "promise/broken", message, {"value": body})
    raise _Failed(body)


def _published(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return _get(found, "told")


def _subscribed(active: ActiveRun, pending: Pending, found: Map) -> Value:
    topic = pending.request.args.get(keyword("topic"))
    return _map(topic=topic, subscription=_get(found, "id"))


# Locks, rates, state


def _granted(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return _map(
        name=_get(found, "name"),
        token=_get(found, "token"),
        expires=_instant(_get(found, "expires")),
    )


def _place(active: ActiveRun, pending: Pending, found: Map) -> Value:
    at = _get(found, "at")
    return _map(at=_instant(at), next=_instant(_get(found, "next")))


def _got(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return _map(value=_body(found), version=_get(found, "version"))


def _as_it_is(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return found


def _scanned(active: ActiveRun, pending: Pending, found: Map) -> Value:
    rows = [
        _map(key=row.nth(0), value=decode_data(row.nth(1)), version=row.nth(2))
        for row in _get(found, "value")
    ]
    return vector(rows)


# Queues and tasks


def _dead(active: ActiveRun, pending: Pending, found: Map) -> Value:
    letters = [
        _map(run=RunRef(_get(row, "run")), error=_body(row), time=Instant(_get(row, "time")))
        for row in _get(found, "value")
    ]
    return vector(letters)


def _redriven(active: ActiveRun, pending: Pending, found: Map) -> Value:
    return vector([RunRef(pair.nth(1)) for pair in _get(found, "value")])


def _task(active: ActiveRun, pending: Pending, found: Map) -> Value:
    from flowmetal.values.json_mapping import json_loads

    kind = pending.request.kind
    if _get(found, "over"):
        late = timeout_error(kind, pending.effect_class, pending.options.timeout_us)
        raise _Failed(in_doubt(pending.request, late) if _get(found, "doubt") else late)
    try:
        said = json_loads(_get(found, "json"))
    except (DataError, ValueError) as problem:
        raise _Failed(
            _task_failed(kind, f"a worker answered with what is not JSON: {problem}")
        ) from None
    if not _get(found, "failed"):
        return said
    error = _worker_failed(kind, found, said)
    raise _Failed(in_doubt(pending.request, error) if _get(found, "doubt") else error)


def _worker_failed(kind: str, found: Map, said: Value) -> ErrorValue:
    """Return the error that a worker has said. It says why it failed, and cancels nobody."""
    if not isinstance(said, Map):
        return _task_failed(kind, "a worker failed", _map(value=said))
    data = _get(said, "data")
    values = data if isinstance(data, Map) else EMPTY_MAP if data is None else _map(value=data)
    values = values.assoc(keyword("kind"), kind).assoc(keyword("attempts"), _get(found, "attempts"))
    message = str(_get(said, "message") or "a worker failed")
    type_ = _get(said, "type")
    word = None if type_ is None else _type_of(type_)
    if word is None and type_ is not None:
        values = values.assoc(keyword("type"), type_)
    retryable = _says(_get(said, "retryable"), values.get(_RETRYABLE))
    return _task_failed(kind, message, values, word or _TASK_FAILED, retryable)


def _says(*said: Value) -> bool | None:
    """Return what somebody outside has said of trying again, in one place or another."""
    return next((word for word in said if type(word) is bool), None)


def _type_of(said: Value) -> Keyword | None:
    """Return the type of an error that somebody outside named; None for what can be none there."""
    text = said.text if isinstance(said, Keyword) else said
    if not isinstance(text, str) or not reads_as_keyword(text.removeprefix(":")):
        return None
    word = keyword(text.removeprefix(":"))
    return None if word.text == CANCELLED_TYPE else word


def _task_failed(
    kind: str,
    message: str,
    data: Map = EMPTY_MAP,
    type_: Keyword = _TASK_FAILED,
    retryable: bool | None = None,
) -> ErrorValue:
    return ErrorValue(
        type=type_,
        message=f"{kind}: {message}",
        data=data,
        retryable=retryable,
        code="FM0736",
        frames=(),
    )


_READ: Final[dict[str, Callable[[ActiveRun, Pending, Map], Value]]] = {
    "run/start": _started,
    "run/await": _ended,
    "run/cancel": _nothing,
    "signal/send": _sent,
    "callback/open": _opened,
    "callback/await": _called_back,
    "promise/await": _promised,
    "promise/settle": _value,
    "topic/publish": _published,
    "topic/subscribe": _subscribed,
    "topic/unsubscribe": _value,
    "lock/acquire": _granted,
    "lock/release": _value,
    "lock/renew": _value,
    "rate/take": _place,
    "state/get": _got,
    "state/put": _as_it_is,
    "state/delete": _as_it_is,
    "state/scan": _scanned,
    "queue/dead": _dead,
    "queue/redrive": _redriven,
}
