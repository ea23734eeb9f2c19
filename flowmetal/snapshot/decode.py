"""Bytes -> machine, or an error that says what is wrong with the bytes.

Nothing is believed: the checksum shows damage by accident, and everything
behind it is checked as if somebody had made it up, because snapshots travel
(exports, shared stores). Reading goes from the outside in: the stream of
msgpack objects, the chunks that it names, the objects of all of them
(objects.py), the machine's own fields, its frames (frames.py).
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque

from flowmetal.effects.requests import EffectRequest, EffectResult
from flowmetal.errors import ProgramError, SnapshotError
from flowmetal.ids import EffectNumber, RunId
from flowmetal.snapshot.damage import damaged, require
from flowmetal.snapshot.format import (
    DIGEST_BYTES,
    FIBER_STATES,
    HEAD_BYTES,
    MACHINE_STATES,
    MAGIC,
    NAME_BYTES,
    VERSION,
    WITH_CODE,
)
from flowmetal.snapshot.frames import check_fibers
from flowmetal.snapshot.nesting import check_scopes
from flowmetal.snapshot.objects import (
    Fields,
)
from flowmetal.snapshot.parts import GetChunks, Parts
from flowmetal.values import (
    ErrorValue,
    FiberRef,
    LazySeq,
    Map,
    Promise,
    Value,
)
from flowmetal.values.trie import Node
from flowmetal.vm.link import Image
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import (
    HISTORY,
    QUANTUM,
    Bindings,
    Cancel,
    Cancellation,
    Closure,
    Define,
    Delivery,
    Fiber,
    FiberStatus,
    Finish,
    Frame,
    Machine,
    MachineStatus,
    OpenEffect,
    Overdue,
    Retry,
    Scope,
    Search,
    Site,
    Then,
    Verdict,
)


def decode(data: bytes, image: Image, chunks: GetChunks, *, upgrade: bool = False) -> Machine:
    """Rebuild the machine saved in ``data``.

    ``image`` holds the code of every function that the snapshot names;
    ``chunks`` gives the bytes of chunks by name and is asked a few times, for
    many at once. With ``upgrade`` the image may be of another program.

    Raises SnapshotError: FM0903 for a newer version, FM0906 for another
    program, FM0907 for unknown code, FM0908 for an unknown native function,
    FM0909 for a chunk that is not there, FM0910 for bytes that are not a
    snapshot. Layout: format.py.
    """
    try:
        version, body = _opened(data)
        return _Reader(version, body, image, chunks).machine(upgrade)
    except ProgramError as error:
        raise SnapshotError("FM0910", f"the snapshot is damaged: {error.message}") from error


def _opened(data: bytes) -> tuple[int, bytes]:
    """Return the format and what follows the head, after all checks that need no decoding."""
    if data[: len(MAGIC)] != MAGIC:
        raise damaged("these bytes are no snapshot")
    require(len(data) >= HEAD_BYTES, "the length")
    (version,) = struct.unpack_from(">H", data, len(MAGIC))
    if version > VERSION:
        raise SnapshotError(
            "FM0903",
            f"the snapshot has format {version}, this version of Flowmetal reads up to {VERSION}",
            hint="resume the run with the newer version of Flowmetal",
        )
    body = data[HEAD_BYTES:]
    digest = hashlib.sha256(body).digest()[:DIGEST_BYTES]
    if version < 1 or digest != data[HEAD_BYTES - DIGEST_BYTES : HEAD_BYTES]:
        raise damaged("its checksum does not match")
    return version, body


class _Reader:
    """Makes the machine of what a snapshot holds."""

    def __init__(self, version: int, body: bytes, image: Image, chunks: GetChunks) -> None:
        parts = Parts(body, image, chunks, has_code=version >= WITH_CODE)
        self.image = parts.image
        self.fields = parts.fields
        self.own = parts.own
        self.known = parts.known
        self._code = parts.code

    def machine(self, upgrade: bool) -> Machine:
        """Return the machine."""
        require(type(self.fields) is list and len(self.fields) == 22, "the machine")
        (
            program,
            run,
            entry,
            arguments,
            generation,
            status,
            started,
            ready,
            defined,
            values,
            fibers,
            effects,
            scopes,
            inbox,
            *numbers,
            cancelled,
        ) = self.fields
        require(type(program) is bytes and len(program) == NAME_BYTES, "the program")
        if program.hex() != self.image.program.hash[: 2 * NAME_BYTES] and not upgrade:
            raise SnapshotError(
                "FM0906",
                "the snapshot belongs to another program, "
                f"whose hash begins with {program.hex()[:16]}",
                hint="resume the run with its own program; `fmvm upgrade` moves it to another one",
            )
        for number in (generation, status, started, *numbers):
            require(type(number) is int and number >= 0, "a counter")
        require(status < len(MACHINE_STATES), "the state")
        require(started <= len(self.image.initialisers) + 1, "the start")
        require(numbers[4] < 1 << 64 and numbers[6] <= QUANTUM, "a counter")
        machine = Machine(
            RunId(self._text(run)),
            self.image,
            self._text(entry),
            tuple(self.own.values(_list(arguments))),
            generation,
            MachineStatus(MACHINE_STATES[status]),
            started,
            ready=deque(_numbers(ready)),
            next_effect=numbers[0],
            next_fiber=numbers[1],
            next_scope=numbers[2],
            next_gensym=numbers[3],
            random=numbers[4],
            fuel_used=numbers[5],
            quantum_left=numbers[6],
            cancelled=None if cancelled is None else self._text(cancelled),
            known=self.known,
        )
        machine.globals.update(self.image.static)
        names = self._text(defined).split("\0") if defined != "" else []
        roots = self.own.values(_list(values))
        require(len(names) == len(roots) == len(set(names)), "the vars")
        machine.globals.update(zip(names, roots, strict=True))
        machine.defined = dict.fromkeys(names)
        for fiber in [self._fiber(parts) for parts in _list(fibers)]:
            require(fiber.number not in machine.fibers, "a fiber")
            machine.fibers[fiber.number] = fiber
        require(1 in machine.fibers, "the first fiber")
        for parts in _groups(effects, 5):
            effect = self._open(parts)
            require(effect.request.number not in machine.open, "an effect")
            machine.open[effect.request.number] = effect
        for parts in _groups(scopes, 7):
            scope = self._scope(parts)
            require(scope.number not in machine.scopes, "a scope")
            machine.scopes[scope.number] = scope
        for parts in _groups(inbox, 4):
            at_us, order, fact = self._delivery(parts)
            deliver(machine, fact, at_us, order)
        require(all(number < machine.next_fiber for number in machine.fibers), "a fiber")
        require(all(number < machine.next_effect for number in machine.open), "an effect")
        check_fibers(machine)
        check_scopes(machine)
        return machine

    def _text(self, item: Value) -> str:
        text = self.own.value(item)
        require(type(text) is str, "a name")
        return str(text)

    def _fiber(self, parts: Value) -> Fiber:
        require(type(parts) is list and len(parts) == 9, "a fiber")
        number, status, waiting_for, bindings, result, error, more, frames, thens = parts
        require(type(number) is int and number > 0, "a fiber")
        require(type(status) is int and 0 <= status < len(FIBER_STATES), "a fiber")
        require(type(waiting_for) in (int, type(None)), "a fiber")
        bound = self.own.any(bindings)
        require(type(bound) in (Bindings, type(None)), "a fiber's bindings")
        fiber = Fiber(
            number,
            [self._frame(*each) for each in _groups(frames, 4)],
            FiberStatus(FIBER_STATES[status]),
            None if waiting_for is None else EffectNumber(waiting_for),
            bound,
            self.own.value(result),
            self._error(error),
        )
        if more is not None:
            self._more(fiber, more)
        last = -1
        for index, then, dropped, history in _groups(thens, 4):
            require(type(index) is int and last < index < len(fiber.frames), "a frame")
            require(type(dropped) is int and dropped >= 0, "a frame")
            require(then is not None or dropped > 0, "a frame")
            fiber.frames[index].then = self._then(then)
            fiber.frames[index].dropped = dropped
            fiber.frames[index].history = self._history(history, dropped)
            last = index
        return fiber

    def _more(self, fiber: Fiber, parts: Value) -> None:
        """Fill in what a fiber has to do with others."""
        require(type(parts) is list and len(parts) == 9, "a fiber")
        home, scope, handle, blocked, origin, flags, cancel, verdict, failed = parts
        fiber.home, fiber.scope = _numbers([home, scope])
        fiber.handle = self.own.value(handle)
        require(type(fiber.handle) in (FiberRef, type(None)), "a fiber")
        fiber.blocked_on = self.own.value(blocked)
        require(type(fiber.blocked_on) in (int, Promise, FiberRef, type(None)), "a fiber")
        if origin is not None:
            (fiber.origin,) = self._history(origin, 1)
        require(type(flags) is int and 0 <= flags < 16, "a fiber")
        bits = (bool(flags & bit) for bit in (1, 2, 4, 8))
        fiber.service, fiber.asked, fiber.fresh, fiber.timer = bits
        if cancel is not None:
            reasons, numbers = _list(cancel)[::2], _numbers(_list(cancel)[1::2])
            require(0 < len(reasons) == len(numbers), "a cancellation")
            texts = map(self._text, reasons)
            fiber.cancels = tuple(map(Cancellation, texts, numbers))
        fiber.verdict = self._verdict(verdict)
        if failed is not None:
            fiber.failed = self._open([*_exactly(4, _list(failed)), fiber.number]).request

    def _verdict(self, parts: Value) -> Verdict | None:
        if parts is None:
            return None
        require(type(parts) is list and len(parts) == 3, "where an error goes")
        error = self._error(parts[0])
        frame, handler = parts[1:]
        require(error is not None and type(frame) is type(handler) is int, "where an error goes")
        assert error is not None
        return Verdict(error, frame, handler)

    def _scope(self, parts: Fields) -> Scope:
        *numbers, closing, verdict, suppressed = parts
        number, owner, parent, depth = _numbers(numbers)
        require(type(closing) is bool, "a scope")
        errors = self.own.values(_list(suppressed))
        require({ErrorValue}.issuperset(map(type, errors)), "a scope")
        return Scope(
            number,
            owner,
            parent,
            depth,
            closing=closing,
            verdict=self._verdict(verdict),
            suppressed=errors,
        )

    def _frame(self, function: Value, index: Value, pc: Value, stack: Value) -> Frame:
        closure = self.own.value(function)
        require(type(closure) is Closure and type(index) is int and type(pc) is int, "a frame")
        bodies = closure.function.bodies
        require(0 <= index < len(bodies), "a frame")
        frame = Frame(bodies[index], [self.own.any(item) for item in _list(stack)], closure)
        require(not any(type(item) in _NOT_ON_STACKS for item in frame.stack), "a frame")
        frame.pc = pc
        return frame

    def _history(self, parts: Value, dropped: int) -> tuple[Site, ...]:
        """Return the places of the last tail calls."""
        found = []
        for code, index, pc in _groups(parts, 3):
            require(type(code) is int, "a frame's history")
            bodies = self._code(code).bodies
            require(type(index) is int and 0 <= index < len(bodies), "a frame's history")
            require(
                type(pc) is int and 0 <= pc < len(bodies[index].body.instructions),
                "a frame's history",
            )
            found.append((bodies[index], pc))
        require(len(found) == len(set(found)) <= min(dropped, HISTORY), "a frame's history")
        return tuple(found)

    def _then(self, parts: Value) -> Then:
        match parts:
            case None:
                return None
            case 0:
                return Finish()
            case [1, *cells]:
                found = self.own.values(cells)
                require(all(type(cell) is LazySeq for cell in found), "a frame")
                return Retry(found)
            case [2, name]:
                return Define(self._text(name))
            case [3, error, int(fiber), int(frame), int(handler)]:
                raised = self._error(error)
                if raised is not None:
                    return Search(raised, fiber, frame, handler)
        raise damaged("what becomes of a frame's result")

    def _error(self, item: Value) -> ErrorValue | None:
        error = self.own.value(item)
        require(type(error) in (ErrorValue, type(None)), "an error")
        return error  # type: ignore[no-any-return]

    def _open(self, parts: Fields) -> OpenEffect:
        number, kind, args, key, fiber = parts
        arguments = self.own.value(args)
        require(type(number) is int and number > 0 and type(fiber) is int, "an effect")
        require(type(arguments) is Map, "an effect")
        request = EffectRequest(EffectNumber(number), self._text(kind), arguments, self._text(key))
        return OpenEffect(request, fiber)

    def _delivery(self, parts: Fields) -> Delivery:
        at_us, order, reason, result = parts
        require(type(at_us) is int and type(order) is int, "the inbox")
        if result is None and type(reason) is int:
            return Delivery(at_us, order, Overdue(reason))
        if result is None:
            return Delivery(at_us, order, Cancel(self._text(reason)))
        require(reason is None and type(result) is list and len(result) == 3, "the inbox")
        require(type(result[0]) is int, "the inbox")
        value = self.own.value(result[1])
        fact = EffectResult(EffectNumber(result[0]), value, self._error(result[2]))
        return Delivery(at_us, order, fact)


_NOT_ON_STACKS = frozenset({Node, Bindings})


def _exactly(count: int, fields: Fields) -> Fields:
    require(len(fields) == count, "a fiber")
    return fields


def _list(item: Value) -> list[Value]:
    require(type(item) is list, "a list of fields")
    return item  # type: ignore[no-any-return]


def _numbers(item: Value) -> list[int]:
    require(type(item) is list and {int}.issuperset(map(type, item)), "a list of numbers")
    return item  # type: ignore[no-any-return]


def _groups(item: Value, width: int) -> list[Fields]:
    require(type(item) is list and len(item) % width == 0, "a list of fields")
    return [item[at : at + width] for at in range(0, len(item), width)]
