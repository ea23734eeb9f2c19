"""Columns as parameters: one array of one type for all rows of a statement.

psycopg asks each list for the types of what is in it, and would prepare a statement once
for each mixture of small numbers, big numbers and nulls. These lists know their type. The
bytes are PostgreSQL's binary format of an array: number of dimensions, has-null flag, type of
the elements; length and first index of the one dimension; then for each element its
length (-1: null) and its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, ClassVar

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format


class Array(list[Any]):
    """A column. The subclass says what is in it; None is in any."""


class BigInts(Array):
    pass


class Integers(Array):
    pass


class Booleans(Array):
    pass


class Texts(Array):
    pass


class Byteas(Array):
    pass


class _ArrayDumper(Dumper):
    format = Format.BINARY
    element_oid: ClassVar[int]
    element: ClassVar[Callable[[Any], bytes]]

    def dump(self, obj: Array) -> bytes:
        if not obj:
            return struct.pack("!iiI", 0, 0, self.element_oid)
        has_null = None in obj
        parts = [struct.pack("!iiIii", 1, has_null, self.element_oid, len(obj), 1)]
        element, length = type(self).element, struct.Struct("!i").pack
        for item in obj:
            if item is None:
                parts.append(b"\xff\xff\xff\xff")
            else:
                data = element(item)
                parts.append(length(len(data)))
                parts.append(data)
        return b"".join(parts)


class _BigIntsDumper(_ArrayDumper):
    oid, element_oid, element = 1016, 20, struct.Struct("!q").pack


class _IntegersDumper(_ArrayDumper):
    oid, element_oid, element = 1007, 23, struct.Struct("!i").pack


class _BooleansDumper(_ArrayDumper):
    oid, element_oid, element = 1000, 16, struct.Struct("!?").pack


class _TextsDumper(_ArrayDumper):
    oid, element_oid, element = 1009, 25, str.encode


class _ByteasDumper(_ArrayDumper):
    oid, element_oid, element = 1001, 17, bytes


# fmt: off
OF_TYPE: dict[str, type[Array]] = {
    "bigint": BigInts, "integer": Integers, "boolean": Booleans, "text": Texts, "bytea": Byteas,
}
_DUMPERS: dict[type[Array], type[Dumper]] = {
    BigInts: _BigIntsDumper, Integers: _IntegersDumper, Booleans: _BooleansDumper,
    Texts: _TextsDumper, Byteas: _ByteasDumper,
}
# fmt: on


def register(connection: psycopg.Connection[Any]) -> None:
    """Let a connection take these lists as parameters."""
    for array, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(array, dumper)
