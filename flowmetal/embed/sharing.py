"""What a host program does with what runs share: callbacks, tasks of queues, topics, deployed programs.

``Engine`` has these as methods; here is what they do with the store's answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.embed.views import iso, to_json
from flowmetal.errors import RefusedError, RunError, UsageError
from flowmetal.errors.remedies import remedies_of
from flowmetal.ids import ProgramHash, RunId
from flowmetal.runtime.grants import RunGrants, decode_grants
from flowmetal.store.operations.vocabulary import (
    BeatCallback,
    BeatTask,
    ClaimTask,
    CompleteCallback,
    Deploy,
    Deployments,
    EndTask,
    FindTask,
    Operation,
    Publish,
    ShowCallback,
    Undeploy,
)
from flowmetal.store.protocol import RunState, Store
from flowmetal.values import (
    ErrorValue,
    Map,
    Value,
    decode_data,
    encode_data,
    hash_map,
    keyword,
    vector,
)

if TYPE_CHECKING:
    from flowmetal.bytecode.code import Program
    from flowmetal.runtime.host import Host

_REFUSED = {"FM0731": RefusedError, "FM0737": RefusedError, "FM0703": UsageError}


class CallbackReceipt(NamedTuple):
    """What is said to whoever answers a callback: that of the first answer, whoever asks again."""

    id: str
    run: str
    delivery: str
    time_us: int
    state: str  # completed or failed
    first: bool


class CallbackBeat(NamedTuple):
    """How a callback stands after a sign of life: one that is ``open`` expires at ``expires_us`` (None: never)."""

    id: str
    run: str
    state: str
    expires_us: int | None


class TaskClaim(NamedTuple):
    """A task that a worker has to do now. Without a heartbeat within ``lease_us`` it is lost."""

    id: str
    attempt: int
    name: str
    arguments: str  # JSON
    run: str
    idempotency_key: str
    lease_us: int


class DeployedProgram(NamedTuple):
    """A name and what it stands for."""

    name: str
    program: str
    grants: RunGrants
    time_us: int
    details: Value

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "program": self.program,
            "grants": to_json(self.grants.as_data()),
            "time": iso(self.time_us),
        }


def perform(store: Store, operation: Operation) -> Map:
    """Perform an operation and return its answer. Raises RunError for one that is refused."""
    found = store.operate(operation)
    error = found.get(keyword("error"))
    if isinstance(error, ErrorValue):
        code = error.code or "FM0703"
        hint = next(iter(remedies_of(code)), None)
        if code == "FM1021":  # in a program it may be something else that is not kept
            hint = "write it in other characters"
        raise _REFUSED.get(code, RunError)(code, error.message or "it is refused", hint=hint)
    return found


def callback_name(callback: str | None, token: str | None) -> str:
    """Return how the store knows a callback: by its id or by the hash of its token."""
    if (callback is None) == (token is None):
        raise TypeError("either callback or token")
    if token is None:
        return str(callback)
    return f"sha256:{hashlib.sha256(token.encode('utf-8', 'surrogatepass')).hexdigest()}"


def find_callback(store: Store, callback: str) -> str:
    return str(_of(perform(store, ShowCallback(callback)), "id"))


def complete_callback(
    store: Store, callback: str, value: Value, *, failed: bool, delivery: str
) -> CallbackReceipt:
    found = perform(store, CompleteCallback(callback, encode_data(value), failed, delivery))
    return CallbackReceipt(
        *(_of(found, name) for name in ("id", "run", "delivery", "time", "state", "first"))
    )


def beat_callback(store: Store, callback: str) -> CallbackBeat:
    """Say that somebody still works on it; return how it stands."""
    found = perform(store, BeatCallback(callback))
    return CallbackBeat(*(_of(found, name) for name in ("id", "run", "state", "expires")))


def claim_task(store: Store, queue: str, worker: str, names: Sequence[str]) -> TaskClaim | None:
    if not _of(perform(store, FindTask(queue, tuple(names))), "value"):
        return None  # who waits for a task asks often, and keeps no writer waiting
    found = perform(store, ClaimTask(queue, worker, tuple(names)))
    if _of(found, "id") is None:
        return None
    return TaskClaim(
        *(_of(found, name) for name in ("id", "attempt", "name", "args", "run", "key", "lease"))
    )


def beat_task(store: Store, id: str, attempt: int) -> bool:
    return bool(_of(perform(store, BeatTask(id, attempt)), "value"))


def end_task(store: Store, id: str, attempt: int, result: str, *, failed: bool) -> bool:
    return bool(_of(perform(store, EndTask(id, attempt, result, failed)), "value"))


def task_has_moved(store: Store, id: str) -> bool:
    """Say whether a task that is lost has gone elsewhere, together with its run."""
    row = store.run(RunId(id.partition("\t")[0]))
    return row is not None and row.state is RunState.MOVED


def publish(store: Store, topic: str, value: Value) -> int:
    """Tell all subscribers; return how many there were."""
    return int(_of(perform(store, Publish(topic, encode_data(value))), "told"))


def deploy(store: Store, program: Program, data: bytes, name: str, grants: RunGrants) -> str | None:
    """Let ``name`` stand for a program; return the hash of the one before."""
    entries = hash_map(_entries(program))
    details = hash_map(((keyword("entry"), program.entry), (keyword("entries"), entries)))
    store.put_program(program.hash, data)
    wish = Deploy(name, program.hash, grants.encode(), encode_data(details))
    previous: str | None = _of(perform(store, wish), "previous")
    return previous


def _entries(program: Program) -> Iterator[tuple[str, Value]]:
    """Yield the functions that a run may begin with, and [least most] of each of their arities."""
    from flowmetal.bytecode.arities import arity_of_body

    for module in program.modules:
        for one in () if module.library else module.definitions:
            if one.function is not None and one.kind is DefinitionKind.FUNCTION:
                bodies = program.functions[one.function].bodies
                yield one.name, vector(vector(arity_of_body(body)) for body in bodies)


def deployed(store: Store, name: str = "") -> list[DeployedProgram]:
    rows = _of(perform(store, Deployments(name)), "value")
    return [
        DeployedProgram(
            _of(row, "name"),
            ProgramHash(_of(row, "program")),
            decode_grants(_of(row, "grants")),
            _of(row, "time"),
            decode_data(_of(row, "details")),
        )
        for row in rows
    ]


def program_named(store: Store, name: str) -> str:
    """Return the hash that ``name`` is deployed as; the beginning of a hash is itself. Raises RunError FM0732."""
    found = [one.program for one in deployed(store, name) if one.name == name] if name else []
    if found:
        return found[0]
    if name.strip("0123456789abcdef"):
        raise not_deployed(name)
    return name


def stored_program(host: Host, name: str) -> tuple[Program, RunGrants]:
    """Return a program and its grants, by deployed name, else by hash. Raises RunError FM0732."""
    found = next((one for one in deployed(host.store, name) if one.name == name), None)
    hash_ = ProgramHash(name if found is None else found.program)
    if host.linker.known(hash_) is None and host.store.program(hash_) is None:
        raise not_deployed(name)
    return host.image(hash_).program, RunGrants() if found is None else found.grants


def not_deployed(name: str) -> RunError:
    return RunError("FM0732", f"no program is deployed as {name[:100]}", hint="`fmvm programs`")


def put_program(store: Store, data: bytes, hash: str) -> tuple[bool, str] | None:
    """Store a program that has this hash; say whether it is new. Raises ProgramError for other bytes."""
    from flowmetal.bytecode.file import read_program

    program = read_program(data)
    if program.hash != hash:
        return None
    made = store.program(program.hash) is None
    if made:
        store.put_program(program.hash, data)
    return made, program.hash


def undeploy(store: Store, name: str) -> bool:
    return bool(_of(perform(store, Undeploy(name)), "value"))


def _of(found: Map, name: str) -> Any:
    return found.get(keyword(name))
