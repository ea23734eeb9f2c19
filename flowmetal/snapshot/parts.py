"""The stream of a snapshot and the chunks that it names, as objects.

The first half of decoding: from bytes to objects that have their fields and
refer to each other. What the machine is made of them is decode.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgpack

from flowmetal.errors import SnapshotError
from flowmetal.ids import CodeHash
from flowmetal.snapshot.chunks import chunk_name
from flowmetal.snapshot.damage import damaged, missing_chunk, require, unknown_code
from flowmetal.snapshot.fields import fill
from flowmetal.snapshot.fixed import collections_in
from flowmetal.snapshot.format import (
    NAME_BYTES,
    Ext,
)
from flowmetal.snapshot.objects import (
    CHUNK_KINDS,
    MACHINE_KINDS,
    ChunkRef,
    ObjectTable,
    Ref,
)
from flowmetal.snapshot.trees import complete
from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    EMPTY_SET,
    EMPTY_VECTOR,
    DataError,
    Value,
    decode_data,
    keyword,
    symbol,
)
from flowmetal.values.trie import Node
from flowmetal.vm.link import Image, LinkedFunction
from flowmetal.vm.own_code import read_code

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


class Parts:
    """A snapshot's stream and chunks, read: ``fields`` are the machine's, ``own`` its objects."""

    def __init__(
        self, body: bytes, image: Image, chunks: GetChunks, *, has_code: bool = False
    ) -> None:
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
            if has_code:
                self._read_own_code(next(stream))
            self._read_codes(next(stream))
            self._read_fixed(next(stream))
            self.fields = next(stream)
        except StopIteration:
            raise damaged("it ends early") from None
        self.own = ObjectTable(list(stream), MACHINE_KINDS, self._chunk, self.code)
        self.tables.append(self.own)
        self._read_chunks()
        for table in self.tables:
            fill(table)
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
                function = self.code(_number(data))
                require(function.function.captures == 0, "a function")
                return function.plain
            case Ext.NATIVE:
                return self._native(data.decode())
            case Ext.FIXED:
                index = _number(data)
                require(index < len(self.fixed), "a literal")
                return self.fixed[index]
            case _:
                return self._extension(code, data)

    # -- what the run has compiled, and what the program has

    def _read_own_code(self, found: Value) -> None:
        """Let the image have the run's own code, before anything refers to it."""
        if type(found) is ChunkRef:
            require(found.kind == Ext.BYTES, "the code")
            name = found.name
            data = self.get_chunks([name.hex()]).get(name.hex())
            if data is None or chunk_name(data) != name:
                raise missing_chunk(name.hex())
            require(data[:1] == b"B", "the code")
            found = self.texts[name] = data[1:]
        require(type(found) is bytes, "the code")
        own = {module.name: module for module in read_code(found, self.image)}
        require(bool(own), "the code")
        self.image = self.image.with_own(own)

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
        function = self.code(owner)
        _ = function.bodies  # the machine may only hold literals of functions that are linked
        require(0 <= constant < len(function.function.constants), "the literals")
        return collections_in(function.function.constants[constant])

    def code(self, index: int) -> LinkedFunction:
        """Return the function that entry ``index`` of ``codes`` names."""
        require(0 <= index < len(self.codes), "a function")
        return self.codes[index]

    def _native(self, name: str) -> Value:
        found = self.image.natives.get(name)
        if found is None:
            raise SnapshotError(
                "FM0908",
                f"the run holds the native function {name}, which this version does not have",
                hint="resume it with the version of Flowmetal that it ran in",
            )
        return found

    # -- chunks

    def _read_chunks(self) -> None:
        """Fetch and unpack all chunks, level by level."""
        done = set(self.texts)  # the run's own code has been fetched before
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
                    ObjectTable(records, CHUNK_KINDS, self._chunk, self.code, first=node)
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


_EMPTIES: dict[bytes, Value] = {
    b"v": EMPTY_VECTOR,
    b"l": EMPTY_LIST,
    b"m": EMPTY_MAP,
    b"s": EMPTY_SET,
}


def _number(data: bytes) -> int:
    require(0 < len(data) <= 4 and (data[0] > 0 or len(data) == 1), "a reference")
    return int.from_bytes(data, "big")
