"""Functions as canonical bytes, and the hash that names them.

```
function    [name, captures, constants, functions, flags, bodies]
  constants   a list; see below
  functions   hashes of the nested functions, 16 bytes each, joined
  flags       sorted strings
body        [parameters, variadic, locals, opcodes, operands, handlers, tables]
  opcodes     one byte each, joined          operands   as many integers
  handlers    six integers each, flat: start end target depth kind operand
  tables      [keys, targets, default] each
notes       [path, capture names, [names of locals, positions, scopes] per body]
  positions   five lists: steps of pc, steps of line, columns, heights, end columns
  scopes      [slot, start, end, name] each; left out where every slot has a name of its own
```

all in msgpack. A function's hash is the SHA-256 of the bytes of ``function``,
cut to 16 bytes; its ``notes`` are kept beside them and have no part in it.

A constant that msgpack has a type for stands for itself: nil, booleans, 64-bit
integers, floats, strings, bytes. A plain vector of strings and integers is an
array. A keyword is an extension of type 1, any other value one of type 2 that
holds its ``values.codec`` form.

One function has one encoding. Nothing here knows the file around the functions
(file.py) or whether the code makes sense (verifier.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from itertools import accumulate
from operator import add

import msgpack

from flowmetal.bytecode.code import (
    MOST_SLOTS,
    Body,
    CaseTable,
    Function,
    Handler,
    HandlerKind,
    NameScope,
    Position,
    late,
)
from flowmetal.bytecode.opcodes import BY_NUMBER, Op
from flowmetal.errors import ProgramError
from flowmetal.ids import CodeHash
from flowmetal.values import DataError, Keyword, Value, Vector, keyword, vector

HASH_BYTES = 16
_KEYWORD = 1
_DATA = 2

_OPS: tuple[Op | None, ...] = tuple(BY_NUMBER.get(number) for number in range(256))
_KINDS: tuple[HandlerKind, ...] = tuple(HandlerKind)


def hash_of_function(function: Function) -> CodeHash:
    """Return the name of a function's code: 32 hexadecimal digits."""
    return hash_of_code(pack_function(function))


def hash_of_code(code: bytes) -> CodeHash:
    """Return the hash of a function from its packed code."""
    return CodeHash(hashlib.sha256(code).hexdigest()[: 2 * HASH_BYTES])


# -- packing


def pack(value: Value) -> bytes:
    """Return the one msgpack form of nested lists, constants and ``ExtType``s."""
    packed: bytes = msgpack.packb(
        value, default=_pack_other, strict_types=True, unicode_errors="surrogatepass"
    )
    return packed


def pack_function(function: Function) -> bytes:
    """Return the canonical bytes of a function's code, without its notes."""
    return pack(
        [
            function.name,
            function.captures,
            list(function.constants),
            b"".join(map(bytes.fromhex, function.functions)),
            sorted(function.flags),
            [_body_as_list(body) for body in function.bodies],
        ]
    )


def pack_notes(function: Function) -> bytes:
    """Return what a function says for people, packed."""
    return pack(
        [
            function.path,
            list(function.capture_names),
            [_notes_of(body) for body in function.bodies],
        ]
    )


def _notes_of(body: Body) -> list[Value]:
    scopes = [list(scope) for scope in body.scopes]
    return [list(body.local_names), _columns(body.positions), *([scopes] if scopes else ())]


def _body_as_list(body: Body) -> list[Value]:
    return [
        body.parameters,
        body.variadic,
        body.locals,
        bytes([op.number for op, _ in body.instructions]),
        [operand for _, operand in body.instructions],
        [
            number
            for row in body.handlers
            for number in (row.start, row.end, row.target, row.depth, row.kind.value, row.operand)
        ],
        [[list(table.keys), list(table.targets), table.default] for table in body.tables],
    ]


def _columns(positions: tuple[Position, ...]) -> list[list[int]]:
    """Return positions column by column; steps and heights are small where values are not."""
    return [
        _steps([position.pc for position in positions]),
        _steps([position.line for position in positions]),
        [position.col for position in positions],
        [position.end_line - position.line for position in positions],
        [position.end_col for position in positions],
    ]


def _steps(numbers: list[int]) -> list[int]:
    return [number - before for before, number in zip([0, *numbers], numbers, strict=False)]


def _pack_other(value: Value) -> Value:
    if type(value) is Keyword:
        return msgpack.ExtType(_KEYWORD, value.text.encode("utf-8", "surrogatepass"))
    if type(value) is Vector and value.meta is None and _is_flat(value):
        return list(value)
    # Rare and heavier than all the rest of this file: only programs with such constants pay.
    from flowmetal.values.codec import encode_data

    return msgpack.ExtType(_DATA, encode_data(value, with_meta=True))


def _is_flat(items: Iterable[Value]) -> bool:
    return all(
        type(item) is str or (type(item) is int and -(1 << 63) <= item < 1 << 63) for item in items
    )


# -- unpacking


def malformed(what: str, name: str = "") -> ProgramError:
    """Return the error FM0805: the content is not what a compiler writes."""
    where = f" of {name}" if name else ""
    return ProgramError(
        "FM0805",
        f"the program is damaged: {what}{where}",
        hint="compile it again from its source",
    )


def unpack(data: bytes, what: str) -> Value:
    """Undo ``pack``; lists stay lists. Raises ProgramError FM0805, naming ``what``, for anything else."""
    try:
        found = msgpack.unpackb(
            data, ext_hook=_unpack_other, strict_map_key=False, unicode_errors="surrogatepass"
        )
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError, DataError):
        raise malformed(f"{what} cannot be decoded") from None
    return found


def unpack_function(code: bytes, notes: bytes, hash: CodeHash) -> Function:
    """Build a function from its packed parts; its positions and names are unpacked when looked at.

    Raises ProgramError FM0805 for bytes that no compiler writes. Whether the
    code may be run is for the verifier to say.
    """
    match unpack(code, "a function"):
        case [str(name), int(captures), list(constants), bytes(nested), list(flags), list(bodies)]:
            pass
        case _:
            raise malformed("a function has the wrong parts")
    check(_are(str, flags) and flags == sorted(set(flags)), "the flags", name)
    check(type(captures) is int and 0 <= captures <= MOST_SLOTS, "the captured values", name)
    check(len(nested) % HASH_BYTES == 0, "the nested functions", name)
    notes_of = _Notes(notes, name, captures, len(bodies))
    return late(
        Function,
        notes_of.of_function,
        name=name,
        captures=captures,
        constants=tuple([constant(value) for value in constants]),
        functions=tuple(
            [
                CodeHash(nested[at : at + HASH_BYTES].hex())
                for at in range(0, len(nested), HASH_BYTES)
            ]
        ),
        flags=frozenset(flags),
        bodies=tuple(
            [_body(parts, name, partial(notes_of.of_body, at)) for at, parts in enumerate(bodies)]
        ),
        hash=hash,
    )


def constant(value: Value) -> Value:
    """Return the constant that an unpacked value stands for."""
    if type(value) is not list:
        check(type(value) is not dict and type(value) is not msgpack.Timestamp, "a constant")
        return value
    check(_is_flat(value), "a constant")
    return vector(value)


def _body(parts: Value, name: str, notes: Callable[[], dict[str, object]]) -> Body:
    match parts:
        case [
            int(parameters),
            bool(variadic),
            int(count),
            bytes(opcodes),
            list(operands),
            list(handlers),
            list(tables),
        ]:
            pass
        case _:
            raise malformed("a body has the wrong parts", name)
    check(type(parameters) is int and type(count) is int, "the slots", name)
    check(0 <= parameters <= count <= MOST_SLOTS, "the number of slots", name)
    check(len(operands) == len(opcodes) and _are(int, operands), "the operands", name)
    operations = [_OPS[number] for number in opcodes]
    if None in operations:
        number = opcodes[operations.index(None)]
        raise ProgramError(
            "FM0808",
            f"{name} has an instruction that this version does not know (0x{number:02x})",
            hint="upgrade Flowmetal, or compile the program again with this version",
        )
    return late(
        Body,
        notes,
        parameters=parameters,
        variadic=variadic,
        locals=count,
        instructions=tuple(zip(operations, operands, strict=True)),
        handlers=_handlers(handlers, name) if handlers else (),
        tables=tuple([_table(table, name) for table in tables]),
    )


def _handlers(numbers: list[Value], name: str) -> tuple[Handler, ...]:
    check(len(numbers) % 6 == 0 and _are(int, numbers), "the handlers", name)
    rows = [numbers[at : at + 6] for at in range(0, len(numbers), 6)]
    check(all(0 <= row[4] < len(_KINDS) for row in rows), "a handler's kind", name)
    return tuple(
        [
            Handler(start, end, target, depth, _KINDS[kind], operand)
            for start, end, target, depth, kind, operand in rows
        ]
    )


def _table(parts: Value, name: str) -> CaseTable:
    match parts:
        case [list(keys), list(targets), int(default)]:
            check(_are(int, [*keys, *targets, default]), "a case table", name)
            return CaseTable(tuple(keys), tuple(targets), default)
        case _:
            raise malformed("a case table has the wrong parts", name)


class _Notes:
    """The notes of one function, unpacked at the first look and checked then."""

    def __init__(self, packed: bytes, name: str, captures: int, bodies: int) -> None:
        self.packed = packed
        self.name = name
        self.captures = captures
        self.bodies = bodies
        self.parts: list[Value] | None = None

    def unpacked(self) -> list[Value]:
        if self.parts is None:
            match unpack(self.packed, "the notes"):
                case [str(), list(names), list(bodies)] as parts:
                    check(_are(str, names), "the names of captured values", self.name)
                    check(len(bodies) == self.bodies, "the notes", self.name)
                    self.parts = parts
                case _:
                    raise malformed("the notes have the wrong parts", self.name)
        return self.parts

    def of_function(self) -> dict[str, object]:
        path, names, _ = self.unpacked()
        return {"path": path, "capture_names": tuple(names)}

    def of_body(self, at: int) -> dict[str, object]:
        match self.unpacked()[2][at]:
            case [list(names), [list(), list(), list(), list(), list()] as columns, *more]:
                check(_are(str, names), "the names of locals", self.name)
            case _:
                raise malformed("the notes have the wrong parts", self.name)
        check(len({len(column) for column in columns}) == 1, "the positions", self.name)
        check(all(_are(int, column) for column in columns), "the positions", self.name)
        pcs, lines, cols, heights, end_cols = columns
        rows = list(accumulate(lines))
        positions = map(Position, accumulate(pcs), rows, cols, map(add, rows, heights), end_cols)
        return {
            "local_names": tuple(names),
            "positions": tuple(positions),
            "scopes": _scopes(more, len(names), self.name),
        }


def _scopes(more: list[Value], slots: int, name: str) -> tuple[NameScope, ...]:
    match more:
        case []:
            return ()
        case [list(rows)]:
            found = []
            for row in rows:
                match row:
                    case [int(slot), int(), int(), str()] if 0 <= slot < slots:
                        found.append(NameScope(*row))
                    case _:
                        raise malformed("the scope of a local has the wrong parts", name)
            return tuple(found)
        case _:
            raise malformed("the notes have the wrong parts", name)


def check(holds: bool, what: str, name: str = "") -> None:
    """Raise ProgramError FM0805 unless ``holds``."""
    if not holds:
        raise malformed(f"{what} cannot be right", name)


def _are(cls: type, items: Iterable[Value]) -> bool:
    """Say whether all items are of exactly this class (a boolean is no integer)."""
    return set(map(type, items)) <= {cls}


def _unpack_other(number: int, data: bytes) -> Value:
    if number == _KEYWORD:
        return keyword(data.decode("utf-8", "surrogatepass"))
    if number == _DATA:
        from flowmetal.values.codec import decode_data

        return decode_data(data)
    raise ValueError(f"extension {number}")
