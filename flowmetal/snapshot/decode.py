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
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgpack

from flowmetal.effects.requests import EffectRequest, EffectResult
from flowmetal.errors import ProgramError, SnapshotError
from flowmetal.ids import CodeHash, EffectNumber, RunId
from flowmetal.snapshot.chunks import chunk_name
from flowmetal.snapshot.damage import damaged, missing_chunk, require, unknown_code
from flowmetal.snapshot.fixed import collections_in
from flowmetal.snapshot.format import (
    DIGEST_BYTES,
    FIBER_STATES,
    HEAD_BYTES,
    MACHINE_STATES,
    MAGIC,
    NAME_BYTES,
    VERSION,
    Ext,
)
from flowmetal.snapshot.frames import check_fibers
from flowmetal.snapshot.objects import (
    CHUNK_KINDS,
    MACHINE_KINDS,
    ChunkRef,
    Fields,
    ObjectTable,
    Ref,
    complete,
)
from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    EMPTY_SET,
    EMPTY_VECTOR,
    DataError,
    ErrorValue,
    FiberRef,
    LazySeq,
    Map,
    Value,
    decode_data,
    keyword,
    symbol,
)
from flowmetal.values.trie import Node
from flowmetal.vm.link import Image, LinkedFunction
from flowmetal.vm.state import (
    QUANTUM,
    Bindings,
    Cancel,
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
    Retry,
    Search,
    Then,
)

GetChunks = Callable[[Sequence[str]], Mapping[str, bytes]]

_DAMAGE = (
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    DataError,
    msgpack.exceptions.UnpackException,
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
        return _Reader(_opened(data), image, chunks).machine(upgrade)
    except ProgramError as error:
        raise SnapshotError("FM0910", f"the snapshot is damaged: {error.message}") from error


def _opened(data: bytes) -> bytes:
    """Return what follows the head, after all checks that need no decoding."""
    if data[: len(MAGIC)] != MAGIC:
        raise damaged("these bytes are no snapshot")
    require(len(data) >= HEAD_BYTES, "the length")
    (version,) = struct.unpack_from(">H", data, len(MAGIC))
    if version > VERSION:
        raise SnapshotError(
            "FM0903",
            f"the snapshot has format {version}, this version of flowmetal reads up to {VERSION}",
            hint="resume the run with the newer version of flowmetal",
        )
    body = data[HEAD_BYTES:]
    digest = hashlib.sha256(body).digest()[:DIGEST_BYTES]
    if version < 1 or digest != data[HEAD_BYTES - DIGEST_BYTES : HEAD_BYTES]:
        raise damaged("its checksum does not match")
    return body


class _Reader:
    """One snapshot being read."""

    def __init__(self, body: bytes, image: Image, chunks: GetChunks) -> None:
        self.image = image
        self.get_chunks = chunks
        self.codes: list[LinkedFunction] = []
        self.fixed: list[Value] = []
        self.chunk_refs: dict[bytes, None] = {}
        self.nodes: dict[bytes, Node] = {}
        self.texts: dict[bytes, Value] = {}
        self.tables: list[ObjectTable] = []
        stream = self._stream(body, self._machine_extension)
        try:
            self._read_codes(next(stream))
            self._read_fixed(next(stream))
            self.fields = next(stream)
        except StopIteration:
            raise damaged("it ends early") from None
        self.own = ObjectTable(list(stream), MACHINE_KINDS, self._chunk, self._code)
        self.tables.append(self.own)
        self._read_chunks()
        for table in self.tables:
            table.fill()
        complete(self.tables)

    # -- the stream

    def _stream(self, data: bytes, hook: Callable[[int, bytes], Value]) -> Iterator[Value]:
        unpacker = msgpack.Unpacker(
            None,
            ext_hook=hook,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            max_buffer_size=0,
        )
        unpacker.feed(data)
        try:
            yield from unpacker
        except _DAMAGE as error:
            raise damaged(str(error) or type(error).__name__) from None
        require(unpacker.tell() == len(data), "the length")

    def _extension(self, code: int, data: bytes) -> Value:
        """Return what an extension that may stand anywhere means."""
        match code:
            case Ext.KEYWORD:
                return keyword(data.decode("utf-8", "surrogatepass"))
            case Ext.SYMBOL:
                return symbol(data.decode("utf-8", "surrogatepass"))
            case Ext.SCALAR:
                return decode_data(data)
            case Ext.REF:
                return Ref(_number(data))
            case Ext.CELL:
                require(len(data) == 8, "a reference to a cell")
                place = int.from_bytes(data[4:], "big")
                require(place > 0, "a reference to a cell")
                return Ref(int.from_bytes(data[:4], "big"), place)
            case Ext.NODE | Ext.TEXT | Ext.BYTES:
                require(len(data) == NAME_BYTES, "the name of a chunk")
                self.chunk_refs[data] = None
                return ChunkRef(code, data)
            case Ext.EMPTY:
                require(data in _EMPTIES, "an empty collection")
                return _EMPTIES[data]
            case _:
                raise damaged(f"extension {code} has no meaning here")

    def _machine_extension(self, code: int, data: bytes) -> Value:
        """Return what an extension means outside of chunks."""
        match code:
            case Ext.PLAIN:
                function = self._code(_number(data))
                require(function.function.captures == 0, "a function")
                return function.plain
            case Ext.NATIVE:
                return self._native(data.decode())
            case Ext.FIXED:
                index = _number(data)
                require(index < len(self.fixed), "a literal")
                return self.fixed[index]
            case Ext.FIBER:
                return FiberRef(_number(data))
            case _:
                return self._extension(code, data)

    # -- what the program has

    def _read_codes(self, parts: Value) -> None:
        require(type(parts) is list and len(parts) % 2 == 0, "the functions")
        for at in range(0, len(parts), 2):
            code, name = parts[at : at + 2]
            require(type(code) is bytes and len(code) == NAME_BYTES, "the functions")
            require(type(name) is str, "the functions")
            found = self.image.functions.get(CodeHash(code.hex()))
            if found is None:
                raise unknown_code(name, code.hex())
            self.codes.append(found)

    def _read_fixed(self, parts: Value) -> None:
        require(type(parts) is list and len(parts) % 3 == 0, "the literals")
        parted: dict[tuple[Value, int], list[Value]] = {}
        for at in range(0, len(parts), 3):
            owner, constant, part = parts[at : at + 3]
            require(type(owner) in (int, str), "the literals")
            require(type(constant) is int and type(part) is int, "the literals")
            known = parted.get((owner, constant))
            if known is None:
                known = parted[owner, constant] = self._collections(owner, constant)
            require(0 <= part < len(known), "the literals")
            self.fixed.append(known[part])

    def _collections(self, owner: int | str, constant: int) -> list[Value]:
        if isinstance(owner, str):
            require(owner in self.image.static, f"the literals of {owner}")
            return collections_in(self.image.static[owner])
        function = self._code(owner)
        _ = function.bodies  # the machine may only hold literals of functions that are linked
        require(0 <= constant < len(function.function.constants), "the literals")
        return collections_in(function.function.constants[constant])

    def _code(self, index: int) -> LinkedFunction:
        require(0 <= index < len(self.codes), "a function")
        return self.codes[index]

    def _native(self, name: str) -> Value:
        found = self.image.natives.get(name)
        if found is None:
            raise SnapshotError(
                "FM0908",
                f"the run holds the native function {name}, which this version does not have",
                hint="resume it with the version of flowmetal that it ran in",
            )
        return found

    # -- chunks

    def _read_chunks(self) -> None:
        """Fetch and unpack all chunks, level by level."""
        done: set[bytes] = set()
        while len(done) < len(self.chunk_refs):
            wanted = [name for name in self.chunk_refs if name not in done]
            found = self.get_chunks([name.hex() for name in wanted])
            for name in wanted:
                data = found.get(name.hex())
                if data is None or chunk_name(data) != name:
                    raise missing_chunk(name.hex())
                self._read_chunk(name, data)
                done.add(name)
        self.known = done

    def _read_chunk(self, name: bytes, data: bytes) -> None:
        match data[:1]:
            case b"T":
                try:
                    self.texts[name] = data[1:].decode("utf-8", "surrogatepass")
                except UnicodeDecodeError:
                    raise damaged("a text") from None
            case b"B":
                self.texts[name] = data[1:]
            case b"N":
                node = self._node(name)
                records = list(self._stream(data[1:], self._extension))
                require(bool(records), "a chunk")
                self.tables.append(
                    ObjectTable(records, CHUNK_KINDS, self._chunk, self._code, first=node)
                )
            case _:
                raise damaged(f"chunk {name.hex()} has no known kind")

    def _node(self, name: bytes) -> Node:
        node = self.nodes.get(name)
        if node is None:
            node = self.nodes[name] = Node(())
            node.chunk = name
        return node

    def _chunk(self, ref: ChunkRef) -> Value:
        if ref.kind == Ext.NODE:
            require(ref.name in self.nodes, "a chunk")
            return self.nodes[ref.name]
        found = self.texts.get(ref.name)
        require(type(found) is (str if ref.kind == Ext.TEXT else bytes), "a chunk")
        return found

    # -- the machine's own fields

    def machine(self, upgrade: bool) -> Machine:
        """Return the machine."""
        require(type(self.fields) is list and len(self.fields) == 20, "the machine")
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
        require(numbers[3] < 1 << 64 and numbers[5] <= QUANTUM, "a counter")
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
            next_gensym=numbers[2],
            random=numbers[3],
            fuel_used=numbers[4],
            quantum_left=numbers[5],
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
        machine.inbox = [self._delivery(parts) for parts in _groups(inbox, 4)]
        require(all(number < machine.next_fiber for number in machine.fibers), "a fiber")
        require(all(number < machine.next_effect for number in machine.open), "an effect")
        check_fibers(machine)
        return machine

    def _text(self, item: Value) -> str:
        text = self.own.value(item)
        require(type(text) is str, "a name")
        return str(text)

    def _fiber(self, parts: Value) -> Fiber:
        require(type(parts) is list and len(parts) == 9, "a fiber")
        number, status, waiting_for, bindings, result, error, cancelled, frames, thens = parts
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
            None if cancelled is None else self._text(cancelled),
        )
        last = -1
        for index, then, dropped in _groups(thens, 3):
            require(type(index) is int and last < index < len(fiber.frames), "a frame")
            require(type(dropped) is int and dropped >= 0, "a frame")
            require(then is not None or dropped > 0, "a frame")
            fiber.frames[index].then = self._then(then)
            fiber.frames[index].dropped = dropped
            last = index
        return fiber

    def _frame(self, function: Value, index: Value, pc: Value, stack: Value) -> Frame:
        closure = self.own.value(function)
        require(type(closure) is Closure and type(index) is int and type(pc) is int, "a frame")
        bodies = closure.function.bodies
        require(0 <= index < len(bodies), "a frame")
        frame = Frame(bodies[index], [self.own.any(item) for item in _list(stack)], closure)
        require(not any(type(item) in _NOT_ON_STACKS for item in frame.stack), "a frame")
        frame.pc = pc
        return frame

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
            case [3, error, int(frame), int(handler)]:
                raised = self._error(error)
                if raised is not None:
                    return Search(raised, frame, handler)
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
        if result is None:
            return Delivery(at_us, order, Cancel(self._text(reason)))
        require(reason is None and type(result) is list and len(result) == 3, "the inbox")
        require(type(result[0]) is int, "the inbox")
        value = self.own.value(result[1])
        fact = EffectResult(EffectNumber(result[0]), value, self._error(result[2]))
        return Delivery(at_us, order, fact)


_NOT_ON_STACKS = frozenset({Node, Bindings})
_EMPTIES: dict[bytes, Value] = {
    b"v": EMPTY_VECTOR,
    b"l": EMPTY_LIST,
    b"m": EMPTY_MAP,
    b"s": EMPTY_SET,
}


def _number(data: bytes) -> int:
    require(0 < len(data) <= 4 and (data[0] > 0 or len(data) == 1), "a reference")
    return int.from_bytes(data, "big")


def _list(item: Value) -> list[Value]:
    require(type(item) is list, "a list of fields")
    return item  # type: ignore[no-any-return]


def _numbers(item: Value) -> list[int]:
    require(type(item) is list and {int}.issuperset(map(type, item)), "a list of numbers")
    return item  # type: ignore[no-any-return]


def _groups(item: Value, width: int) -> list[Fields]:
    require(type(item) is list and len(item) % width == 0, "a list of fields")
    return [item[at : at + width] for at in range(0, len(item), width)]
