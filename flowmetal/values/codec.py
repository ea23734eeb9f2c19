"""Pure data as bytes, for every border that values cross.

The format is msgpack. What msgpack has is written as it is: nil, booleans,
integers of 64 bits, floats, strings, bytes; a vector is an array, a map a map
in its order. The rest are extensions:

```
 ext  value      its bytes                                ext  value     its bytes
   1  keyword    text in UTF-8                              8  duration  microseconds, as ext 4
   2  symbol     text in UTF-8                              9  uuid      16 bytes
   3  character  text in UTF-8                             10  regex     flags / pattern
   4  integer    two's complement, big-endian, shortest    11  secret    name
   5  ratio      numerator / denominator, hexadecimal      12  run       id
   6  decimal    coefficient E exponent, hex and decimal   13  var       name
   7  instant    microseconds, as ext 4
```

An array that begins with ext 32 is no vector: the extension's one byte says
what it is, the elements after it what it holds:

```
 'l' list   'e' set   'm' metadata, value   't' tag, form
 'r' record: type, number of fields, map   'o' sorted map: key, value, ...   's' sorted set
 'x' error: type, message, data, cause, retryable, code, frames
 'f' flat table, for data nested deeper than msgpack goes (below)
```

A **flat table** is written when a value nests deeper than ``msgpack`` packs (1,024 levels):
``[ext 32 'f', node, node, ...]``, each node an array of ext 34 with the tag of
what it is (as above; a vector has 'v', a map 'M' with keys and values in turn)
and its children; a child that is a collection is ext 33, the number of its
node. The last node is the value.

Sorted collections are data as long as their order is the default one.

The same value has the same bytes, whatever its history: big collections are
written as small ones are, realised lazy sequences as lists. Metadata is
written only on request. Reading is strict: what no writer writes is FM0331.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgpack

from flowmetal.values.codec_format import NotData, TooLarge
from flowmetal.values.codec_reading import INNER, damaged, read_array, read_extension, read_map
from flowmetal.values.codec_writing import flat_table, plain, plain_with_meta
from flowmetal.values.errors import FlowError
from flowmetal.values.kinds import Value
from flowmetal.values.lazy import Unrealised
from flowmetal.values.walking import not_data, require_realised

__all__ = ["decode_data", "encode_data", "require_realised"]


MOST_PARTS: Final = 1 << 22
"""Values in one that a program hands to the world, each counted wherever it stands."""


def check_parts(value: Value, most: int = MOST_PARTS) -> int:
    """Do what ``encode_data`` does, up to ``most`` parts, and forget the bytes; return how many there are.

    For what a program has made: a few vectors that hold each other twice, level by level, are more
    bytes than any memory has. Raises TooLarge then, else DataError as ``encode_data`` does.
    """
    left = most

    def counting(item: Value) -> Value:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooLarge
        return plain(item)

    try:
        try:
            _pack(value, counting)
        except ValueError:  # nested deeper than msgpack packs
            flat_table(value, False, most // 8)  # which takes eight times as long
            return most
    except (NotData, Unrealised):
        raise not_data(value) from None
    return most - left


def encode_data(value: Value, with_meta: bool = False) -> bytes:
    """Return the bytes of a value that is data through and through.

    Raises DataError FM0330, with the path to it, for a function, a cell, a
    fiber or a lazy sequence that is not realised (see ``require_realised``).
    """
    hook = plain_with_meta if with_meta else plain
    try:
        try:
            return _pack(value, hook)
        except ValueError:  # nested deeper than msgpack packs
            return _pack(flat_table(value, with_meta), plain)
    except (NotData, Unrealised):
        raise not_data(value) from None


# Ours (FlowError) are of numbers that are too large; MemoryError of lengths that a lie announced.
_UNREADABLE = (
    ValueError,
    OverflowError,
    MemoryError,
    FlowError,
    msgpack.exceptions.UnpackException,
)


def decode_data(data: bytes) -> Value:
    """Return the value that ``encode_data`` made ``data`` of.

    Raises DataError FM0331 for any other bytes.
    """
    try:
        value = msgpack.unpackb(
            data,
            ext_hook=read_extension,
            list_hook=read_array,
            object_pairs_hook=read_map,
            strict_map_key=False,
            unicode_errors="surrogatepass",
        )
    except _UNREADABLE as error:
        raise damaged(str(error) or type(error).__name__) from None
    if type(value) in INNER:
        raise damaged("a part of a value stands alone")
    return value


def _pack(value: Value, hook: Callable[[Value], Value]) -> bytes:
    packed: bytes = msgpack.packb(
        value, default=hook, strict_types=True, unicode_errors="surrogatepass"
    )
    return packed
