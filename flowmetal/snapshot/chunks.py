"""Chunks: the parts of a snapshot that are written once and named by their content.

A node of a big collection that holds nothing but pure data becomes a chunk. Its
name is kept in ``Node.chunk``, so a node is looked into once in its life;
``NOT_A_CHUNK`` there says that something below it is no pure data, which
cannot change either, since nothing ever changes a node's slots or what a value
is made of. What a machine's host has been given is in ``machine.known``: a
chunk that is not in there is written again, whatever other machines did.

Nodes below a node are chunks of their own, so one changed entry costs the few
nodes on its path. Collections may be nested as deep as they like: what must be
written first is kept on a list, not on Python's stack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import msgpack
from msgpack import ExtType

from flowmetal.snapshot.format import (
    CHUNK_OBJECTS,
    HEAD_BYTES,
    LONG,
    MAGIC,
    NAME_BYTES,
    WITH_META,
    Ext,
    Kind,
)
from flowmetal.snapshot.records import PURE, Record, Table
from flowmetal.values import KINDS, Value, WrappedKey
from flowmetal.values.kinds import LAST_SCALAR
from flowmetal.values.trie import Node

NOT_A_CHUNK = b""

WORD_BYTES = 8
"""What a reference counts in the heap: one to a small number is saved in a byte, and a million of the same
in next to nothing."""

WORDS_OF_A_CELL = 3

_CELLS = frozenset({Kind.LIST.value, Kind.CONS.value, Kind.LAZY_RUN.value})
_NESTED = frozenset({Kind.NODE.value, Kind.CHANNEL.value, Kind.INDEXED.value})

Pack: TypeAlias = Callable[[Value], bytes]


def chunk_name(data: bytes) -> bytes:
    """Return the name of a chunk."""
    return hashlib.sha256(data).digest()[:NAME_BYTES]


def packer(hook: Callable[[Value], Value], *, surrogates: bool) -> Pack:
    """Return a function that packs records; text with ``surrogates`` takes it much longer."""
    errors = "surrogatepass" if surrogates else None
    made: Pack = msgpack.Packer(default=hook, strict_types=True, unicode_errors=errors).pack
    return made


class Chunks:
    """The chunks that one snapshot adds to those its host has."""

    def __init__(self, known: set[bytes]) -> None:
        self.known = known
        self.fresh: dict[str, bytes] = {}
        self.written = 0  # what the nodes that were looked into take

    def add(self, data: bytes) -> bytes:
        """Note a chunk and return its name."""
        name = chunk_name(data)
        if name not in self.known:
            self.known.add(name)
            self.fresh[name.hex()] = data
        return name

    def shortened(self, record: Record, lengths: dict[int, int]) -> Record:
        """Return a record with chunks in place of its long texts; the same one if it has none.

        Their lengths are noted by ``id``.
        """
        return shortened(record, self._short, lengths)

    def _short(self, item: str | bytes) -> Value:
        if isinstance(item, str):
            return ExtType(Ext.TEXT, self.add(b"T" + item.encode("utf-8", "surrogatepass")))
        return ExtType(Ext.BYTES, self.add(b"B" + item))

    def of_node(self, node: Node) -> ExtType | None:
        """Return the reference to a node's chunk, None if the node is not pure data."""
        name = node.chunk
        if name is None or (name and name not in self.known):
            self._write(node)
            name = node.chunk
        return ExtType(Ext.NODE, name) if name else None

    def _write(self, first: Node) -> None:
        waiting = [first]
        while waiting:
            node = waiting[-1]
            table = _ChunkTable(self)
            try:
                data = table.packed(node)
            except _NotPureError:
                node.chunk = NOT_A_CHUNK
            else:
                if table.missing:
                    waiting += table.missing
                    continue
                node.chunk = self.add(data)
                self.written += len(data) + table.heap()
            waiting.pop()


class _NotPureError(Exception):
    """The node holds something that a chunk may not hold."""


class _ChunkTable(Table):
    """The objects of one chunk."""

    def __init__(self, chunks: Chunks) -> None:
        super().__init__()
        self.chunks = chunks
        self.missing: list[Node] = []
        self._words = 0
        self._lengths: dict[int, int] = {}

    def packed(self, node: Node) -> bytes:
        """Return the chunk's bytes; they mean nothing if nodes below are missing."""
        pack = packer(self.hook, surrogates=True)
        parts = [b"N"]
        self.queue.append(node)
        for number, _ in enumerate(self.queue):
            if number > CHUNK_OBJECTS:
                raise _NotPureError
            record = self.record(number)
            if number and _has_nan(record):
                raise _NotPureError
            self._words += words_in(record)
            part = pack(record)
            if len(part) > LONG:
                part = pack(self.chunks.shortened(record, self._lengths))
            parts.append(part)
        return b"".join(parts)

    def heap(self) -> int:
        """Return what the objects take beside the chunk's bytes."""
        return WORD_BYTES * self._words + sum(self._lengths.values())

    def first_met(self, value: Value) -> Value:
        kind = type(value)
        if kind is Node:
            name = value.chunk
            if name is None or (name and name not in self.chunks.known):
                self.missing.append(value)
                return None
            if not name:
                raise _NotPureError
            return ExtType(Ext.NODE, name)
        if kind not in PURE and KINDS[kind] > LAST_SCALAR:
            raise _NotPureError
        return super().first_met(value)

    def scalar(self, value: Value) -> Value:
        if KINDS[type(value)] > LAST_SCALAR:
            raise _NotPureError
        return super().scalar(value)


def _has_nan(items: Iterable[Value]) -> bool:
    # A collection with ##NaN in it equals itself and no other: it has to stay what it is. Directly
    # in the node it equals nothing, wherever that is.
    for item in items:
        kind = type(item)
        if kind is WrappedKey:  # as a key, or in a set
            item = item.value
            kind = type(item)
        if kind is float and item != item:
            return True
        if (kind is list or kind is tuple) and _has_nan(item):
            return True
        if kind is Node and _is_node_with_nan(item):
            return True
    return False


def _is_node_with_nan(node: Node) -> bool:
    """Say whether a node of a big collection has ##NaN in it, or one below it has."""
    try:
        return node.has_nan
    except AttributeError:  # nobody has asked yet
        node.has_nan = _has_nan(node.slots)
        return node.has_nan


def words_in(record: Record) -> int:
    """Return how many references a record stands for; a cell of a list is an object with two."""
    kind = record[0] & ~WITH_META
    if kind in _CELLS:
        return WORDS_OF_A_CELL * len(record)
    if kind in _NESTED:
        return len(record) + sum([len(item) for item in record if type(item) is list])
    return len(record)


def shortened(
    record: Record, short: Callable[[str | bytes], Value], lengths: dict[int, int]
) -> Record:
    """Return a record with what ``short`` says in place of its long texts, and note their lengths."""
    if not _has_long(record):
        return record

    def shorten(item: Value) -> Value:
        kind = type(item)
        if kind is list:
            return [shorten(each) for each in item]
        if (kind is str or kind is bytes) and len(item) > LONG:
            lengths[id(item)] = len(item)
            return short(item)
        return item

    return [shorten(item) for item in record]


def _has_long(items: Record) -> bool:
    for item in items:
        kind = type(item)
        if (kind is str or kind is bytes) and len(item) > LONG:
            return True
        if kind is list and _has_long(item):
            return True
    return False


def references(data: bytes) -> tuple[str, ...]:
    """Return the names of the chunks that a snapshot or a chunk refers to itself, each once.

    For a store that drops chunks which nothing refers to any more. ``data``
    must be what ``encode`` made.
    """
    found: dict[str, None] = {}

    def note(code: int, content: bytes) -> None:
        if code in (Ext.NODE, Ext.TEXT, Ext.BYTES):
            found[content.hex()] = None

    if data[: len(MAGIC)] == MAGIC:
        for _ in _stream(data[HEAD_BYTES:], note):
            pass
    elif data[:1] == b"N":
        for _ in _stream(data[1:], note):
            pass
    return tuple(found)


def _stream(data: bytes, note: Callable[[int, bytes], None]) -> Iterator[Value]:
    unpacker = msgpack.Unpacker(
        None, ext_hook=note, strict_map_key=False, unicode_errors="surrogatepass", max_buffer_size=0
    )
    unpacker.feed(data)
    return iter(unpacker)
