"""The beginning of a run: a row and a first event, before any instruction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from flowmetal.bytecode.code import Program
from flowmetal.errors import FlowmetalError, RunError, UsageError
from flowmetal.ids import RunId
from flowmetal.runtime.entropy import Entropy
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.host import Host
from flowmetal.store.inputs import (
    ARGS,
    ENTRY,
    LONGEST_ID,
    SEED,
    encode_input,
    first_event,
    is_run_id,
)
from flowmetal.store.protocol import NewRun, RunRow, Store
from flowmetal.values import DataError, Value, keyword
from flowmetal.values.codec import decode_data, encode_data
from flowmetal.vm.machine import start

_FIRST = keyword("first")
_ID_BYTES = 8

TOGETHER = 500
"""Runs that are made in one transaction: others want to write too."""

HEAD_START_US = 5_000_000
"""How long a new run is left to whoever made it, to claim it by name: as a rule that takes some milliseconds.
If its maker dies before, others take it afterwards."""


class Beginning(NamedTuple):
    """What differs between runs that are started together."""

    arguments: Sequence[Value] = ()
    id: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})


def start_run(
    host: Host,
    program: Program,
    write: Callable[[Program], bytes],
    *,
    entry: str = "main",
    arguments: Sequence[Value] = (),
    grants: RunGrants | None = None,
    tags: Mapping[str, str] | None = None,
    id: str | None = None,
    wake_at_us: int = 0,
    parent: RunId | None = None,
    here: bool = False,
) -> tuple[RunRow, bool]:
    """Store a new run and return its row; or the row that has the id already, and False.

    ``here``: whoever starts it is going to claim it by name, and other interpreters leave it alone for a while.
    ``write`` gives the bytes of the program, for a store that does not have it. Nothing is stored
    if the run could not begin: RunError FM1120 (no such entry), FM1121
    (number of arguments), DataError (an argument is not data), UsageError FM1311 (the id).
    """
    beginning = Beginning(arguments, id, tags or {})
    checked = None if id is None else RunId(checked_id(id))
    there = None if checked is None else host.store.run(checked)
    if there is not None:
        return there, False
    new = _new_run(host, program, entry, beginning, (grants or RunGrants()).encode())
    if here:
        wake_at_us = host.store.now_us() + HEAD_START_US
    _keep_program(host, program, write)
    return host.store.create_run(replace(new, wake_at_us=wake_at_us, parent=parent))


def start_runs(
    host: Host,
    program: Program,
    write: Callable[[Program], bytes],
    beginnings: Sequence[Beginning],
    *,
    entry: str = "main",
    grants: RunGrants | None = None,
) -> list[tuple[RunId, bool]]:
    """Store many new runs, some hundreds in a transaction; return the id of each, and whether it is new.

    If one of them could not begin none is stored; the error says which (``start_run`` has the errors). What is there
    has begun, whatever the program asks for by now.
    """
    encoded = (grants or RunGrants()).encode()
    started: list[tuple[RunId, bool]] = []
    new: dict[int, NewRun] = {}
    for place, beginning in enumerate(beginnings):
        try:
            new[place] = _new_run(host, program, entry, beginning, encoded)
            started.append((new[place].id, False))
        except FlowmetalError as problem:
            if not is_there(host.store, beginning):
                raise problem.with_note(f"it is number {place + 1} of {len(beginnings)}") from None
            started.append((RunId(str(beginning.id)), False))
    _keep_program(host, program, write)
    places = list(new)
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        made = host.store.create_runs([new[place] for place in some])
        for place, is_new in zip(some, made, strict=True):
            started[place] = (new[place].id, is_new)
    return started


def is_there(store: Store, beginning: Beginning) -> bool:
    """Say whether a run has been started already: it was asked for under an id that a run has."""
    id = beginning.id
    return id is not None and is_run_id(id) and store.run(RunId(id)) is not None


def _new_run(
    host: Host, program: Program, entry: str, beginning: Beginning, grants: bytes
) -> NewRun:
    """Return a run that can begin: what could go wrong then goes wrong here."""
    id, arguments, tags = beginning.id, beginning.arguments, beginning.tags
    run = RunId(fresh_id(host.entropy) if id is None else checked_id(id))
    if not all(isinstance(text, str) for pair in tags.items() for text in pair):
        raise UsageError("FM1309", "the tags of a run are texts", hint='write {"customer": "42"}')
    name = entry if "/" in entry else f"{program.entry}/{entry}"
    seed = int.from_bytes(host.entropy.randbytes(8), "big")
    start(host.linked(program), name, arguments, run, seed)
    event = first_event(program.hash, name, arguments, tags)
    return NewRun(run, program.hash, encode_input(name, arguments, seed), grants, tags, event)


def _keep_program(host: Host, program: Program, write: Callable[[Program], bytes]) -> None:
    """Let the store have the program. It lets go of none, so it is asked once."""
    if program.hash not in host.stored:
        host.store.put_program(program.hash, write(program))
        host.stored.add(program.hash)


def difference(there: RunRow, program: Program, entry: str, arguments: Sequence[Value]) -> str:
    """Say how a call differs from the one that a run was started with; "" if it does not."""
    name = entry if "/" in entry else f"{program.entry}/{entry}"
    if there.program != program.hash:
        return "it runs another program, or another version of this one"
    if decode_input(there.input)[:2] != (name, tuple(arguments)):
        return "it was started with other arguments"
    return ""


def fresh_id(entropy: Entropy) -> str:
    """Make an id that nobody has: 16 hexadecimal digits."""
    return entropy.randbytes(_ID_BYTES).hex()


def checked_id(id: str) -> str:
    """Return a user's id. Raises UsageError FM1311 if it cannot be one."""
    if not is_run_id(id):
        raise UsageError(
            "FM1311",
            f"{id!r} cannot be the id of a run",
            hint=f"use 1 to {LONGEST_ID} printable characters without spaces",
        )
    return id


def input_of_fork(data: bytes, first: RunId) -> bytes:
    """Return the input of a fork: it began as another run, ``first`` or what that one was forked from."""
    found = decode_data(data)
    return encode_data(found if _FIRST in found else found.assoc(_FIRST, first))


def first_id(data: bytes) -> RunId | None:
    """Return the id under which a fork began; None: the run is no fork."""
    found = decode_data(data).get(_FIRST)
    return None if found is None else RunId(found)


def decode_input(data: bytes) -> tuple[str, tuple[Value, ...], int]:
    """Return entry, arguments and seed. Raises RunError FM1106 for bytes that are no input."""
    try:
        found = decode_data(data)
        return found.get(ENTRY), tuple(found.get(ARGS)), int(found.get(SEED))
    except (DataError, TypeError, ValueError, AttributeError):
        raise RunError(
            "FM1106", "the input of the run is damaged", hint="restore a backup of the store"
        ) from None
