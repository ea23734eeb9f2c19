"""Machine -> bytes. Runs after every effect, so it is measured in microseconds.

msgpack's packer, in C, walks lists and writes scalars; Python is asked only
about what msgpack has no type for (records.py), once for each such value. The
layout is in format.py. Two rules make the bytes canonical: objects are
numbered in the order in which they are met, breadth first, and nothing depends
on addresses, on ``hash()`` or on what was in memory earlier.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from msgpack import ExtType

from flowmetal.effects.requests import EffectResult
from flowmetal.snapshot.chunks import WORD_BYTES, Chunks, packer, shortened, words_in
from flowmetal.snapshot.fixed import Fixed
from flowmetal.snapshot.format import (
    DIGEST_BYTES,
    FIBER_STATES,
    LONG,
    MACHINE_STATES,
    MAGIC,
    NAME_BYTES,
    WITH_CODE,
    WITH_META,
    WITHOUT_CODE,
    Ext,
    Kind,
)
from flowmetal.snapshot.own import own_code
from flowmetal.snapshot.records import (
    WITHOUT_META,
    WRITERS,
    Record,
    Table,
    keyword_extension,
    keywords,
    number_bytes,
    reference,
    references,
)
from flowmetal.values import Keyword, Map, Value, Vector
from flowmetal.values.trie import Node
from flowmetal.vm.link import Image, LinkedFunction
from flowmetal.vm.state import (
    Bindings,
    Cancel,
    Closure,
    Define,
    Delivery,
    Fiber,
    FiberStatus,
    Finish,
    Machine,
    MachineStatus,
    Native,
    Overdue,
    Pending,
    Retry,
    Search,
    Then,
    Verdict,
)

FIBER_BYTES: Final = 512
"""What a fiber counts in the heap: it is saved in some twenty bytes."""


class Encoded(NamedTuple):
    """A snapshot, and by name the chunks that it needs and the host has not been given yet.

    ``heap`` is what the machine takes but for the nodes that are chunks, ``written`` what those take
    that were met for the first time. See ``weigh``.
    """

    data: bytes
    chunks: dict[str, bytes]
    heap: int = 0
    written: int = 0

    @property
    def version(self) -> int:
        """Return the format that it is written in: who reads it must know that one."""
        return int.from_bytes(self.data[len(MAGIC) : len(MAGIC) + 2], "big")


def encode(machine: Machine, older: Iterable[Image] = ()) -> Encoded:
    """Return the machine as bytes, the same for the same state. Never fails and changes nothing.

    ``older`` are the images of which a machine that has just moved to its own still holds parts.
    The names of new chunks go into ``machine.known``: the host must write them
    in the same transaction as the snapshot, and drop the machine if it cannot.
    """
    chunks = Chunks(machine.known)
    try:
        body, beside = _body(machine, chunks, older, surrogates=False)
    except UnicodeEncodeError:  # a text with half of a surrogate pair; the packer's slow way
        body, beside = _body(machine, chunks, older, surrogates=True)
    version = WITH_CODE if machine.image.own else WITHOUT_CODE
    head = MAGIC + struct.pack(">H", version) + hashlib.sha256(body).digest()[:DIGEST_BYTES]
    return Encoded(head + body, chunks.fresh, len(body) + beside, chunks.written)


def weigh(machine: Machine) -> int:
    """Return the heap of a machine: the bytes that its state is saved in, and a word for each reference.

    So it is a fraction of the memory that the machine takes, the same for many small values and
    few large ones. What is referred to again and again counts once. It costs as much as encoding
    everything, where ``encode`` passes over the nodes that it has met before.
    """
    table = _WholeTable(machine.image, Chunks(set()))
    pack = packer(_hook_of(table), surrogates=True)
    lengths: dict[int, int] = {}
    record = shortened(_machine(machine, table), _without, lengths)
    total = len(pack(record)) + FIBER_BYTES * len(machine.fibers)
    for number, _ in enumerate(table.queue):
        record = table.record(number)
        total += WORD_BYTES * words_in(record) + len(pack(shortened(record, _without, lengths)))
    return total + sum(lengths.values())


def _without(text: str | bytes) -> Value:
    return None


def _body(
    machine: Machine, chunks: Chunks, older: Iterable[Image], *, surrogates: bool
) -> tuple[bytes, int]:
    """Return the body, and what the machine takes beside its bytes and its nodes."""
    lengths: dict[int, int] = {}
    words = 0
    table = _MachineTable(machine.image, chunks, older)
    pack = packer(_hook_of(table), surrogates=surrogates)
    record = _machine(machine, table)
    part = pack(record)
    if len(part) > LONG:
        part = pack(chunks.shortened(record, lengths))
    parts = [b"", part]
    for number, value in enumerate(table.queue):  # which grows meanwhile
        kind = type(value)
        record = WRITERS[kind](table, number, value)
        if kind not in WITHOUT_META and value.meta is not None:
            record = [record[0] + WITH_META, value.meta, *record[1:]]
        words += words_in(record)
        part = pack(record)
        if len(part) > LONG:
            part = pack(chunks.shortened(record, lengths))
        parts.append(part)
    code = b""
    if machine.image.own:  # only now it is known which functions are needed
        code = pack(*chunks.shortened([own_code(machine.image, table.codes[::2])], lengths))
    parts[0] = code + pack(table.codes) + pack(table.fixed_names)
    beside = WORD_BYTES * words + FIBER_BYTES * len(machine.fibers) + sum(lengths.values())
    return b"".join(parts), beside


# Looked up by identity: the hash of an enum's member is computed in Python.
_FIBER_STATE = {id(status): FIBER_STATES.index(status.value) for status in FiberStatus}
_MACHINE_STATE = {id(status): MACHINE_STATES.index(status.value) for status in MachineStatus}


def _machine(machine: Machine, table: _MachineTable) -> Record:
    variables = machine.globals
    return [
        bytes.fromhex(machine.program)[:NAME_BYTES],
        machine.run,
        machine.entry,
        list(machine.arguments),
        machine.generation,
        _MACHINE_STATE[id(machine.status)],
        machine.started,
        list(machine.ready),
        "\0".join(machine.defined),
        [variables[name] for name in machine.defined],
        [_fiber(fiber, table) for fiber in machine.fibers.values()],
        [
            field
            for effect in machine.open.values()
            for field in (
                effect.request.number,
                effect.request.kind,
                effect.request.args,
                effect.request.key,
                effect.fiber,
            )
        ],
        [
            field
            for scope in machine.scopes.values()
            for field in (
                scope.number,
                scope.owner,
                scope.parent,
                scope.depth,
                scope.closing,
                _verdict(scope.verdict),
                scope.suppressed,
            )
        ],
        [field for delivery in machine.inbox for field in _delivery(delivery)],
        machine.next_effect,
        machine.next_fiber,
        machine.next_scope,
        machine.next_gensym,
        machine.random,
        machine.fuel_used,
        machine.quantum_left,
        machine.cancelled,
    ]


def _fiber(fiber: Fiber, table: _MachineTable) -> Record:
    frames: Record = []
    thens: Record = []
    for index, frame in enumerate(fiber.frames):
        frames += (frame.closure, frame.body.index, frame.pc, frame.stack)
        if frame.then is not None or frame.dropped:
            history: Record = []
            for body, pc in frame.history:
                history += (table.code_index(body.owner), body.index, pc)
            thens += (index, _then(frame.then), frame.dropped, history)
    return [
        fiber.number,
        _FIBER_STATE[id(fiber.status)],
        fiber.waiting_for,
        fiber.bindings,
        fiber.result,
        fiber.error,
        _more(fiber, table),
        frames,
        thens,
    ]


def _more(fiber: Fiber, table: _MachineTable) -> Value:
    """Return what a fiber has to do with others, nil if it has nothing to do with any."""
    cancels, origin = [part for each in fiber.cancels for part in each] or None, fiber.origin
    flags = fiber.service + 2 * fiber.asked + 4 * fiber.fresh + 8 * fiber.timer
    failed = fiber.failed
    others = (fiber.handle, fiber.blocked_on, cancels, fiber.verdict, failed)
    if not fiber.scope and not flags and others == (None, None, None, None, None):
        return None
    return [
        fiber.home,
        fiber.scope,
        fiber.handle,
        fiber.blocked_on,
        origin and [table.code_index(origin[0].owner), origin[0].index, origin[1]],
        flags,
        cancels,
        _verdict(fiber.verdict),
        failed and [failed.number, failed.kind, failed.args, failed.key],
    ]


def _verdict(verdict: Verdict | None) -> Value:
    return verdict and [verdict.error, verdict.frame, verdict.handler]


def _then(then: Then) -> Value:
    match then:
        case None:
            return None
        case Finish():
            return 0
        case Retry(cells):
            return [1, *cells]
        case Define(name):
            return [2, name]
        case Search(error, fiber, frame, handler):
            return [3, error, fiber, frame, handler]


def _delivery(delivery: Delivery) -> tuple[Value, ...]:
    match delivery.fact:
        case Cancel(reason):
            return delivery.at_us, delivery.order, reason, None
        case Overdue(fiber):
            return delivery.at_us, delivery.order, fiber, None
        case EffectResult(number, value, error):
            return delivery.at_us, delivery.order, None, [number, value, error]


class _MachineTable(Table):
    """The objects of a machine, and what it refers to of its program."""

    def __init__(self, image: Image, chunks: Chunks, older: Iterable[Image] = ()) -> None:
        super().__init__()
        self.chunks = chunks
        self.fixed = self.places = Fixed.over(image, older) if older else Fixed.of(image)
        self.codes: Record = []
        self.fixed_names: Record = []
        self._codes: dict[int, ExtType] = {}

    def first_met(self, value: Value) -> Value:
        kind = type(value)
        if kind is Closure:
            function = value.function
            if value is function.plain:
                found = self._codes.get(id(function)) or self._code(function)
                self.memo[id(value)] = found
                return found
        else:
            place = self.places.get(id(value))
            if place is not None:
                return self._fixed(value, *place)
            if kind is Node:
                return self.chunks.of_node(value) or super().first_met(value)
        return super().first_met(value)

    def scalar(self, value: Value) -> Value:
        if type(value) is Native:
            return ExtType(Ext.NATIVE, value.name.encode())
        return super().scalar(value)

    def _code(self, function: LinkedFunction) -> ExtType:
        """Return the reference to a function's code, entered into ``codes``."""
        found = ExtType(Ext.PLAIN, number_bytes(len(self._codes)))
        self._codes[id(function)] = found
        self.codes += (bytes.fromhex(function.function.hash), function.name)
        return found

    def code_index(self, function: LinkedFunction) -> int:
        found = self._codes.get(id(function)) or self._code(function)
        return int.from_bytes(found.data, "big")

    def _fixed(self, value: Value, owner: LinkedFunction | str, constant: int, part: int) -> Value:
        """Return the reference to a collection that the program holds."""
        found = ExtType(Ext.FIXED, number_bytes(len(self.fixed_names) // 3))
        named = owner if isinstance(owner, str) else self.code_index(owner)
        self.fixed_names += (named, constant, part)
        self.memo[id(value)] = found
        return found


class _WholeTable(_MachineTable):
    """All objects of a machine, those below nodes that are chunks elsewhere too."""

    def first_met(self, value: Value) -> Value:
        if type(value) is Node and id(value) not in self.places:
            return Table.first_met(self, value)
        return super().first_met(value)


def _hook_of(table: _MachineTable) -> Callable[[Value], Value]:
    """Return ``table.hook`` with the common cases in front: this function is most of the time."""
    keyword_of = keywords.get
    memo = table.memo
    known = memo.get
    places = table.places
    queue = table.queue

    def hook(value: Value) -> Value:
        kind = type(value)
        if kind is Keyword:
            return keyword_of(value) or keyword_extension(value)
        at = id(value)
        found = known(at)
        if type(found) is ExtType:
            return found
        if (kind is Map or kind is Vector) and at not in places:
            number = len(queue)
            found = memo[at] = references[number] if number < len(references) else reference(number)
            queue.append(value)
            return found
        return table.hook(value)

    return hook


def _closure(table: Table, number: int, value: Closure) -> Record:
    assert isinstance(table, _MachineTable)
    return [Kind.CLOSURE.value, table.code_index(value.function), *value.captured]


def _bindings(table: Table, number: int, value: Bindings) -> Record:
    record: Record = [Kind.BINDINGS.value, value.outer]
    for name, bound in value.values.items():
        record += (name, bound)
    return record


def _pending(table: Table, number: int, value: Pending) -> Record:
    return [Kind.PENDING.value, value.error, value.frame, value.handler]


WRITERS[Closure] = _closure
WRITERS[Bindings] = _bindings
WRITERS[Pending] = _pending
WITHOUT_META |= {Bindings, Pending}
