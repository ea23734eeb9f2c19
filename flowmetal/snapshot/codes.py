"""Which functions a snapshot refers to, without decoding it."""

from __future__ import annotations

import msgpack

from flowmetal.ids import CodeHash
from flowmetal.snapshot.format import HEAD_BYTES, MAGIC, WITH_CODE


def codes_of(data: bytes) -> list[CodeHash]:
    """Return the hashes of the functions that a snapshot names, in its own order, each once."""
    unpacker = msgpack.Unpacker(None, strict_map_key=False, max_buffer_size=0)
    unpacker.feed(data[HEAD_BYTES:])
    if int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2], "big") >= WITH_CODE:
        unpacker.skip()  # the code itself
    return [CodeHash(code.hex()) for code in dict.fromkeys(unpacker.unpack()[::2])]
