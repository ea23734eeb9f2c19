"""From an effect to the operation of the store that performs it.

One function a kind: it reads the arguments, checks them, and returns the operation that goes into the
commit of the request. Raises EffectFailed (:effect/bad-argument) for what cannot be asked; then
nothing is committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.errors import FlowmetalError
from flowmetal.ids import ProgramHash, RunId
from flowmetal.runtime.arguments import Arguments
from flowmetal.runtime.entering import signal_name
from flowmetal.runtime.grants import RunGrants, decode_grants
from flowmetal.runtime.inheriting import last_token
from flowmetal.runtime.options import AT_MOST_ONCE, is_of_a_step
from flowmetal.runtime.retry import ONCE, policy_of
from flowmetal.runtime.starting import checked_id
from flowmetal.store.inputs import SIGNAL_ID, encode_input, first_event, fitted, is_signal_id
from flowmetal.store.operations.vocabulary import (
    AcquirePermit,
    Asked,
    AwaitCallback,
    AwaitPromise,
    AwaitRun,
    DeadLetters,
    DeleteState,
    Deployments,
    Enqueue,
    GetState,
    IfExists,
    OnParentEnd,
    OpenCallback,
    OpenTask,
    Operation,
    Publish,
    PutState,
    QueuePolicy,
    Redrive,
    ReleasePermit,
    RenewPermit,
    ScanState,
    SendMessage,
    SettlePromise,
    StartRun,
    Subscribe,
    Throttle,
    Unsubscribe,
)
from flowmetal.store.protocol import Message, NewRun
from flowmetal.values import Keyword, Map, RunRef, Value, hash_map, keyword, pr_str
from flowmetal.values.codec import encode_data
from flowmetal.vm.machine import start

if TYPE_CHECKING:
    from flowmetal.runtime.active import ActiveRun

_HEARTBEAT_US: Final = 60_000_000
_SCAN: Final = 1000
_TOKEN_BYTES: Final = 32
_MOST: Final = 1_000_000_000
"""Attempts at a task: as many as never are made, and as fit into a column of any store."""


def asked_by(active: ActiveRun, request: EffectRequest, due_us: int | None) -> Asked:
    """Return what an effect asks of the store. ``due_us``: when its time is up."""
    ask = _ASK.get(request.kind)
    if ask is not None:
        operation = ask(active, _Arguments(request))
    else:
        operation = _task(active, request, due_us)
    return Asked(active.effect_id(request.number), operation)


class _Arguments(Arguments):
    """Those of an effect that a run asks for."""

    def __init__(self, request: EffectRequest) -> None:
        super().__init__(request.kind, request.args)
        self.request = request


# Runs

_IF_EXISTS: Final = {
    member.value: member for member in (IfExists.FAIL, IfExists.ATTACH, IfExists.CANCEL)
}
_ON_PARENT_END: Final = {member.value: member for member in OnParentEnd}


def _start(active: ActiveRun, args: _Arguments) -> Operation:
    if args.get("queue") is not None:
        return _enqueue(active, args)
    policy = OnParentEnd.FOLLOW
    if args.has("on-parent-end"):
        policy = _ON_PARENT_END[args.one_of("on-parent-end", _ON_PARENT_END)]
    if_exists, again = _if_exists(args)
    delay_us = args.us_or_none("delay") or 0
    return StartRun(_new_run(active, args, delay_us), if_exists, policy, again)


def _if_exists(args: _Arguments) -> tuple[IfExists, bool]:
    """Say what is to be done if the id is taken, and whether it may be by an earlier attempt."""
    again = is_of_a_step(args.request)
    if args.has("if-exists"):
        wish = _IF_EXISTS[args.one_of("if-exists", _IF_EXISTS)]
        # To attach to a run means that run, whatever became of it.
        return wish, again and wish is not IfExists.ATTACH
    return IfExists.OURS if args.get("id") is None else IfExists.FAIL, again


def _new_run(active: ActiveRun, args: _Arguments, delay_us: int) -> NewRun:
    """Return a child: of this program, or of the one that a name is deployed for."""
    program, grants, entry = _target(active, args)
    arguments = args.items("args")
    run = _child_id(active, args)
    seed = int.from_bytes(active.host.entropy.randbytes(8), "big")
    try:
        start(active.host.image(program), entry, arguments, run, seed)
    except FlowmetalError as problem:
        raise EffectFailed(
            effect_error(problem.code, "run/cannot-start", problem.message, {"entry": entry})
        ) from None
    tags = _tags(args)
    begins_us = active.host.clock.now_us() + delay_us if delay_us else None
    return NewRun(
        run,
        program,
        encode_input(entry, arguments, seed, begins_us),
        grants.encode(),
        tags,
        first_event(program, entry, arguments, tags),
        begins_us or 0,
    )


def _target(active: ActiveRun, args: _Arguments) -> tuple[ProgramHash, RunGrants, str]:
    if not args.has("program"):
        return active.program, active.grants, args.name("entry")
    name = args.name("program")
    found = list(active.host.store.operate(Deployments(name)).get(keyword("value")) or ())
    if not found:
        raise EffectFailed(
            effect_error(
                "FM0732",
                "program/unknown",
                f"no program is deployed as {name}; `fmvm deploy FILE --name {name}` does that",
                {"name": name},
            )
        )
    program = ProgramHash(found[0].get(keyword("program")))
    theirs = decode_grants(found[0].get(keyword("grants")))
    entry = args.name("entry") if args.has("entry") else "main"
    if "/" not in entry:
        entry = f"{active.host.image(program).program.entry}/{entry}"
    return program, active.grants.intersection(theirs), entry


def _child_id(active: ActiveRun, args: _Arguments) -> RunId:
    if args.get("id") is not None:
        try:
            return RunId(checked_id(args.name("id")))
        except FlowmetalError as problem:
            raise args.wrong(problem.message) from None
    generation = f"{active.machine.generation}." if active.machine.generation else ""
    return fitted(f"{active.machine.run}.{generation}{args.request.key}")


def _tags(args: _Arguments) -> dict[str, str]:
    tags = args.get("tags")
    if tags is None:
        return {}
    if not isinstance(tags, Map):
        raise args.wrong(":tags is a map")
    return {_tag(key): _tag(value) for key, value in tags.items()}


def _tag(value: Value) -> str:
    return signal_name(value) if isinstance(value, str | Keyword) else pr_str(value)


def _await_run(active: ActiveRun, args: _Arguments) -> Operation:
    return AwaitRun(args.run("run"))


def _cancel(active: ActiveRun, args: _Arguments) -> Operation:
    reason = str(args.get("reason") or "")
    body = hash_map(((keyword("reason"), reason), (keyword("now"), False)))
    message = Message(active.message_id_of(args.request), "cancel", "", encode_data(body))
    return SendMessage(args.run("run"), message)


def _signal(active: ActiveRun, args: _Arguments) -> Operation:
    id_ = active.signal_id_of(args.request)
    if args.get("id") is not None and not is_signal_id(id_):
        raise args.wrong(f":id is {SIGNAL_ID}")
    return SendMessage(
        args.run("run"), Message(id_, "signal", args.name("name"), args.body("value"))
    )


# Callbacks, promises, topics


def _open_callback(active: ActiveRun, args: _Arguments) -> Operation:
    from base64 import urlsafe_b64encode

    token = urlsafe_b64encode(active.host.entropy.randbytes(_TOKEN_BYTES)).rstrip(b"=").decode()
    generation = active.machine.generation
    number = f"{generation}.{args.request.number}" if generation else str(args.request.number)
    return OpenCallback(
        f"{active.machine.run}.{number}",
        token_hash(token),
        args.us_or_none("timeout"),
        args.span_us_or_none("heartbeat"),
        token,
        "" if args.get("name") is None else args.name("name"),
    )


def token_hash(token: str) -> str:
    """Return what the store keeps in place of a callback's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _await_callback(active: ActiveRun, args: _Arguments) -> Operation:
    return AwaitCallback(args.name("id"))


def _await_promise(active: ActiveRun, args: _Arguments) -> Operation:
    return AwaitPromise(args.name("name"))


def _settle(active: ActiveRun, args: _Arguments) -> Operation:
    failed = args.has("error")
    body = args.body("error" if failed else "value")
    return SettlePromise(args.name("name"), body, failed, args.span_us_or_none("keep"))


def _publish(active: ActiveRun, args: _Arguments) -> Operation:
    # In a retried body, it is the same message in every attempt.
    id_ = active.message_id_of(args.request) if is_of_a_step(args.request) else ""
    return Publish(args.name("topic"), args.body("value"), id_)


def _subscribe(active: ActiveRun, args: _Arguments) -> Operation:
    from_ = args.get("from")
    if from_ not in (None, keyword("now"), keyword("start")):
        raise args.wrong(":from is :now or :start")
    id_ = f"{active.machine.generation}.{args.request.number}"
    return Subscribe(args.name("topic"), id_, from_ == keyword("start"))


def _unsubscribe(active: ActiveRun, args: _Arguments) -> Operation:
    return Unsubscribe(args.name("topic"), args.name("subscription"))


# Locks, rates, state


def _acquire(active: ActiveRun, args: _Arguments) -> Operation:
    name = args.name("name")
    return AcquirePermit(
        name,
        args.count("limit", 1),
        args.count("permits", 1),
        args.span_us_or_none("lease"),
        last_token(active.inherited, name) if active.inherited else 0,
    )


def _release(active: ActiveRun, args: _Arguments) -> Operation:
    return ReleasePermit(args.name("name"), args.count("token"))


def _renew(active: ActiveRun, args: _Arguments) -> Operation:
    return RenewPermit(args.name("name"), args.count("token"), args.span_us("lease"))


def _throttle(active: ActiveRun, args: _Arguments) -> Operation:
    most_us = args.us_or_none("most")
    return Throttle(args.name("name"), args.count("limit"), args.span_us("per"), most_us)


def _get(active: ActiveRun, args: _Arguments) -> Operation:
    return GetState(args.name("key"))


def _put(active: ActiveRun, args: _Arguments) -> Operation:
    version = args.count_or_none("if-version", least=0)
    return PutState(args.name("key"), args.body("value"), args.span_us_or_none("ttl"), version)


def _delete(active: ActiveRun, args: _Arguments) -> Operation:
    return DeleteState(args.name("key"), args.count_or_none("if-version", least=0))


def _scan(active: ActiveRun, args: _Arguments) -> Operation:
    prefix, after = args.get("prefix") or "", args.get("after") or ""
    return ScanState(signal_name(prefix), signal_name(after), args.count("limit", _SCAN))


# Queues and tasks


def _enqueue(active: ActiveRun, args: _Arguments) -> Operation:
    queue = args.get("queue")
    name = args.name("queue") if not isinstance(queue, Map) else args.inside("queue").name("queue")
    policy = queue_policy(args.inside("queue")) if isinstance(queue, Map) else None
    priority = args.get("priority") or 0
    if type(priority) is not int:
        raise args.wrong(":priority is a whole number, the higher the sooner")
    if_exists, again = _if_exists(args)
    delay_us = args.us_or_none("delay") or 0
    return Enqueue(
        name,
        policy,
        _new_run(active, args, delay_us),
        priority,
        args.name("dedup-key") if args.get("dedup-key") is not None else "",
        args.name("partition") if args.get("partition") is not None else "",
        delay_us,
        on_parent_end=_ON_PARENT_END[args.one_of("on-parent-end", _ON_PARENT_END)]
        if args.has("on-parent-end")
        else OnParentEnd.KEEP,
        if_exists=if_exists,
        again=again,
    )


def queue_policy(args: Arguments) -> QueuePolicy:
    """Read what a queue is defined with."""
    rate = args.inside("rate") if args.get("rate") is not None else None
    return QueuePolicy(
        args.count_or_none("concurrency"),
        args.count_or_none("per-worker"),
        args.count_or_none("per-partition"),
        None if rate is None else rate.count("limit"),
        0 if rate is None else rate.span_us("per"),
    )


def _dead(active: ActiveRun, args: _Arguments) -> Operation:
    return DeadLetters(args.name("queue"), args.count("limit", 100))


def _redrive(active: ActiveRun, args: _Arguments) -> Operation:
    runs = [run.id if isinstance(run, RunRef) else run for run in args.items("runs")]
    if not all(isinstance(run, str) for run in runs):
        raise args.wrong(":runs are runs or the ids of some")
    return Redrive(args.name("queue"), tuple(map(RunId, runs)), args.count("limit", 100))


def _task(active: ActiveRun, request: EffectRequest, due_us: int | None) -> Operation:
    """Return the task of a foreign function that is served by workers of a queue."""
    from flowmetal.values.json_mapping import json_dumps

    declared = active.declared(request.kind)
    assert declared is not None
    args = Arguments(request.kind, declared)
    try:
        policy = policy_of(request.args.get(keyword("retry"), declared.get(keyword("retry"))), ONCE)
    except ValueError as problem:
        raise args.wrong(str(problem)) from None
    return OpenTask(
        queue=args.name("queue"),
        name=request.kind,
        args=json_dumps(request.args.get(keyword("args"))),
        key=active.key_of(request),
        heartbeat_us=args.span_us_or_none("heartbeat") or _HEARTBEAT_US,
        expires_us=due_us,
        max_attempts=None if policy.max_attempts is None else min(policy.max_attempts, _MOST),
        first_wait_us=policy.initial_us,
        factor=policy.factor if policy.shape == "exponential" else 1.0,
        most_wait_us=policy.cap_us,
        at_most_once=bool(request.args.get(AT_MOST_ONCE, declared.get(AT_MOST_ONCE))),
    )


_ASK: Final[dict[str, Callable[[ActiveRun, _Arguments], Operation]]] = {
    "run/start": _start,
    "run/await": _await_run,
    "run/cancel": _cancel,
    "signal/send": _signal,
    "callback/open": _open_callback,
    "callback/await": _await_callback,
    "promise/await": _await_promise,
    "promise/settle": _settle,
    "topic/publish": _publish,
    "topic/subscribe": _subscribe,
    "topic/unsubscribe": _unsubscribe,
    "lock/acquire": _acquire,
    "lock/release": _release,
    "lock/renew": _renew,
    "rate/take": _throttle,
    "state/get": _get,
    "state/put": _put,
    "state/delete": _delete,
    "state/scan": _scan,
    "queue/dead": _dead,
    "queue/redrive": _redrive,
}
