"""The ``.fmb`` file: a program in bytes, and back, or an error that says what is wrong.

```
offset  bytes
     0      8  89 46 4D 42 0D 0A 1A 0A      no text, and broken by line-end conversion
     8      2  format version, big endian
    10      1  1: a program   2: compiled modules (the library's image)
    11      1  0
    12      8  length of the content
    20     32  SHA-256 of bytes 8 to 19 and of the content; in hexadecimal, the program's hash
    52      -  content, msgpack
```

```
program      [entry, flags, modules]
modules      [module ...]
module       [name, requires, aliases, refers, kinds, meta, source, library, definitions, functions]
definition   [name, kind, function, value, notes]      notes: packed [meta, span], or nil
function     [hash, code, notes]                       see encoding.py
kind         [name, options]
```

Text, flags and code are as encoding.py says; a definition's function is its 16
byte hash. Any one bit that is flipped is noticed before the content is looked
at, and content with a right checksum is believed only as far as it has been
checked: each function's name is the hash of its code, names of modules and of
fixed vars are unique, and every instruction is verified (verifier.py).

The functions of a library image are decoded when they are first used.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import partial

from flowmetal.bytecode.code import (
    DeclaredKind,
    Definition,
    DefinitionKind,
    Function,
    Module,
    Program,
    late,
)
from flowmetal.bytecode.encoding import (
    HASH_BYTES,
    check,
    constant,
    hash_of_code,
    malformed,
    pack,
    pack_function,
    pack_notes,
    unpack,
    unpack_function,
)
from flowmetal.errors import ProgramError
from flowmetal.ids import CodeHash, ProgramHash
from flowmetal.source import Source, Span
from flowmetal.values import Map, Value

MAGIC = b"\x89FMB\r\n\x1a\n"
VERSION = 1
_HEAD = struct.Struct(">8sHBBQ32s")
_CHECKED_FROM = len(MAGIC)
_CHECKED_TO = _HEAD.size - 32


class Content(Enum):
    """What a file holds."""

    PROGRAM = 1
    MODULES = 2


_FIXED = (DefinitionKind.FUNCTION, DefinitionKind.CONSTANT, DefinitionKind.NATIVE)
_FROM_SOURCE = "compile it again from its source"
_KINDS: dict[str, DefinitionKind] = {kind.value: kind for kind in DefinitionKind}


# -- writing


def write_program(program: Program) -> bytes:
    """Return the program as the bytes of an ``.fmb`` file; the same bytes for the same program."""
    modules = [_module_as_list(module) for module in program.modules]
    return _sealed(Content.PROGRAM, pack([program.entry, sorted(program.flags), modules]))


def write_modules(modules: Sequence[Module]) -> bytes:
    """Return compiled modules as bytes, in the same container."""
    return _sealed(Content.MODULES, pack([_module_as_list(module) for module in modules]))


def hash_of_program(program: Program) -> ProgramHash:
    """Return the program's name: 64 hexadecimal digits, the hash that stands in its file."""
    return ProgramHash(write_program(program)[_CHECKED_TO : _HEAD.size].hex())


def _sealed(content: Content, body: bytes) -> bytes:
    head = _HEAD.pack(MAGIC, VERSION, content.value, 0, len(body), b"")
    digest = _digest(head, body)
    return _HEAD.pack(MAGIC, VERSION, content.value, 0, len(body), digest) + body


def _digest(head: bytes, body: bytes) -> bytes:
    hashing = hashlib.sha256(head[_CHECKED_FROM:_CHECKED_TO])
    hashing.update(body)
    return hashing.digest()


def _module_as_list(module: Module) -> list[Value]:
    functions = {function.hash: function for function in module.functions}
    return [
        module.name,
        list(module.requires),
        [list(alias) for alias in module.aliases],
        [list(refer) for refer in module.refers],
        [[kind.kind, _packed(kind.options)] for kind in module.kinds],
        _packed(module.meta),
        None if module.source is None else [module.source.path, module.source.text],
        module.library,
        [_definition_as_list(definition) for definition in module.definitions],
        [
            [bytes.fromhex(name), *_packed_function(function)]
            for name, function in functions.items()
        ],
    ]


def _packed_function(function: Function) -> tuple[bytes, bytes]:
    """Return code and notes; what nobody has looked at is packed already."""
    unpack = function.__dict__.get("unpack")
    if isinstance(unpack, partial) and unpack.func is _late_function:
        code, notes, _ = unpack.args
        return code, notes
    return pack_function(function), pack_notes(function)


def _definition_as_list(definition: Definition) -> list[Value]:
    function = definition.function
    unpack = definition.__dict__.get("unpack")
    if isinstance(unpack, partial) and unpack.func is _definition_notes:
        notes = unpack.args[0]
    else:
        notes = _packed_notes(definition)
    return [
        definition.name,
        definition.kind.value,
        None if function is None else bytes.fromhex(function),
        pack([definition.value]),
        notes,
    ]


def _packed_notes(definition: Definition) -> bytes | None:
    span = definition.span
    place = None if span is None else [span.path, span.line, span.col, span.end_line, span.end_col]
    return None if definition.meta is None and place is None else pack([definition.meta, place])


def _packed(value: Value) -> bytes | None:
    return None if value is None else pack([value])


# -- reading


def read_program(data: bytes, *, verify: bool = True) -> Program:
    """Return the program that ``data`` holds.

    Raises ProgramError: FM0801 for other bytes, FM0802 for a newer version,
    FM0803 and FM0804 for damage, FM0805 to FM0812 for content that no compiler
    writes, in what stays packed until somebody looks, too. ``verify=False`` is for bytes that have been verified before, such
    as a store's: each function is decoded when it is first looked at.
    """
    body, name = _opened(data, Content.PROGRAM)
    match unpack(body, "the content"):
        case [str(entry), list(flags), list(parts)]:
            pass
        case _:
            raise malformed("the content has the wrong parts")
    check(_are_texts(flags) and flags == sorted(set(flags)), "the flags")
    modules = tuple([_module(each, lazy=not verify) for each in parts])
    _check_unique(modules)
    if entry not in {module.name for module in modules}:
        message = f"the program does not hold the namespace that it starts in, {entry}"
        raise ProgramError("FM0812", message, hint=_FROM_SOURCE)
    program = Program(entry, modules, frozenset(flags))
    functions = {function.hash: function for module in modules for function in module.functions}
    program.__dict__.update(hash=name, functions=functions)
    if verify:
        from flowmetal.bytecode.verifier import verify as verify_function

        _check_references(modules, functions)
        for function in functions.values():
            verify_function(function, functions.get)
        _check_notes(modules)
    return program


def read_modules(data: bytes) -> tuple[Module, ...]:
    """Return the modules that ``data`` holds; functions are decoded when first looked at.

    Meant for the library image of this very version: its instructions are
    verified as part of the programs that they get linked into.
    """
    body, _ = _opened(data, Content.MODULES)
    parts = unpack(body, "the content")
    check(type(parts) is list, "the content")
    modules = tuple([_module(each, lazy=True) for each in parts])
    _check_unique(modules)
    return modules


def _opened(data: bytes, wanted: Content) -> tuple[bytes, ProgramHash]:
    """Return the content and its hash after all checks that need no decoding."""
    again = "copy the file again, or compile it again from its source"
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise ProgramError(
            "FM0801",
            "this is not a compiled Flowmetal program",
            hint="compile the source with `fmc compile`",
        )
    if len(data) < _HEAD.size:
        raise ProgramError("FM0803", "the program is cut off inside of its head", hint=again)
    _, version, content, zero, size, digest = _HEAD.unpack_from(data)
    if version > VERSION:
        raise ProgramError(
            "FM0802",
            f"the program has format {version}, this version of Flowmetal reads up to {VERSION}",
            hint="upgrade Flowmetal, or compile the program again with this version",
        )
    body = data[_HEAD.size :]
    if len(body) != size:
        problem = "cut off" if len(body) < size else "followed by something else"
        raise ProgramError(
            "FM0803",
            f"the program is {problem}: {len(body)} bytes of content where {size} belong",
            hint=again,
        )
    if _digest(data, body) != digest:
        raise ProgramError(
            "FM0804", "the program is damaged: its checksum does not match", hint=again
        )
    if version < 1 or zero != 0 or content not in (1, 2):
        raise malformed("the head")
    if content != wanted.value:
        found = "a program" if content == Content.PROGRAM.value else "a library image"
        raise ProgramError(
            "FM0813",
            f"this file holds {found}, which does not belong here",
            hint="name a file that `fmc compile` has written",
        )
    return body, ProgramHash(digest.hex())


def _module(parts: Value, *, lazy: bool) -> Module:
    match parts:
        case [
            str(name),
            list(requires),
            list(aliases),
            list(refers),
            list(kinds),
            None | bytes() as meta,
            None | [str(), str()] as source,
            bool(library),
            list(definitions),
            list(functions),
        ]:
            pass
        case _:
            raise malformed("a module has the wrong parts")
    check(_are_texts(requires), "the requires", name)
    return Module(
        name,
        tuple(requires),
        tuple([_definition(each, name) for each in definitions]),
        tuple([_function(each, name, lazy=lazy) for each in functions]),
        _pairs(aliases, name),
        _pairs(refers, name),
        tuple([_declared(each, name) for each in kinds]),
        _map(meta, "the metadata", name),
        None if source is None else Source(*source),
        library,
    )


def _definition(parts: Value, module: str) -> Definition:
    match parts:
        case [
            str(name),
            str(kind),
            None | bytes() as function,
            bytes(value),
            None | bytes() as notes,
        ]:
            check(kind in _KINDS, f"the kind of {name}", module)
        case _:
            raise malformed("a definition has the wrong parts", module)
    known: dict[str, object] = {
        "name": name,
        "kind": _KINDS[kind],
        "function": None if function is None else CodeHash(function.hex()),
        "value": None if value == _NIL else _one(value, "the value", name),
    }
    if notes is None:
        return late(Definition, None, **known, meta=None, span=None)
    return late(Definition, partial(_definition_notes, notes, name), **known)


_NIL = pack([None])


def _definition_notes(packed: bytes, name: str) -> dict[str, object]:
    match unpack(packed, f"the metadata of {name}"):
        case [None | Map() as meta, place]:
            return {"meta": meta, "span": _span(place, name)}
        case _:
            raise malformed("the metadata has the wrong parts", name)


def _span(place: Value, name: str) -> Span | None:
    match place:
        case None:
            return None
        case [str(path), int(line), int(col), int(end_line), int(end_col)]:
            return Span(path, line, col, end_line, end_col)
        case _:
            raise malformed("the place has the wrong parts", name)


def _function(parts: Value, module: str, *, lazy: bool) -> Function:
    match parts:
        case [bytes(name), bytes(code), bytes(notes)]:
            hash = CodeHash(name.hex())
        case _:
            raise malformed("a function has the wrong parts", module)
    check(len(name) == HASH_BYTES, "the hash of a function", module)
    if lazy:
        return late(Function, partial(_late_function, code, notes, hash), hash=hash)
    return _hashed_function(code, notes, hash)


def _hashed_function(code: bytes, notes: bytes, hash: CodeHash) -> Function:
    if hash_of_code(code) != hash:
        raise ProgramError(
            "FM0806",
            f"the program is damaged: the code of function {hash} has another hash",
            hint=_FROM_SOURCE,
        )
    return unpack_function(code, notes, hash)


def _late_function(code: bytes, notes: bytes, hash: CodeHash) -> dict[str, object]:
    made = _hashed_function(code, notes, hash)
    return {"path": made.path, "capture_names": made.capture_names, **made.__dict__}


def _declared(parts: Value, module: str) -> DeclaredKind:
    match parts:
        case [str(kind), bytes(packed)]:
            options = _map(packed, f"the options of {kind}", module)
            if options is None:
                raise malformed(f"the options of {kind}", module)
            return DeclaredKind(kind, options)
        case _:
            raise malformed("a kind of effect has the wrong parts", module)


def _map(packed: bytes | None, what: str, name: str) -> Map | None:
    if packed is None:
        return None
    found = _one(packed, what, name)
    check(type(found) is Map, what, name)
    return found  # type: ignore[no-any-return]


def _one(packed: bytes, what: str, name: str) -> Value:
    found = unpack(packed, f"{what} of {name}")
    check(type(found) is list and len(found) == 1, what, name)
    return constant(found[0])


def _pairs(parts: Iterable[Value], name: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for pair in parts:
        match pair:
            case [str(left), str(right)]:
                pairs.append((left, right))
            case _:
                raise malformed("an alias has the wrong parts", name)
    return tuple(pairs)


def _are_texts(items: Iterable[Value]) -> bool:
    return set(map(type, items)) <= {str}


# -- what must fit together


def _check_unique(modules: Sequence[Module]) -> None:
    """Refuse a program that says one thing twice; the hash of functions takes care of theirs."""
    fixed: set[str] = set()
    names: set[str] = set()
    for module in modules:
        _refuse_second(module.name in names, "the namespace", module.name)
        names.add(module.name)
        hashes = {function.hash for function in module.functions}
        _refuse_second(len(hashes) < len(module.functions), "a function of", module.name)
        for definition in module.definitions:
            if definition.kind in _FIXED:
                _refuse_second(definition.name in fixed, "the var", definition.name)
                fixed.add(definition.name)


def _refuse_second(twice: bool, what: str, name: str) -> None:
    if twice:
        message = f"the program is damaged: {what} {name} is in it twice"
        raise ProgramError("FM0807", message, hint=_FROM_SOURCE)


_NEEDS_FUNCTION = (
    DefinitionKind.FUNCTION,
    DefinitionKind.INITIALISER,
    DefinitionKind.EXPRESSION,
)


def _check_notes(modules: Iterable[Module]) -> None:
    for module in modules:
        for definition in module.definitions:
            definition.check()
        for function in module.functions:
            function.check()
            for body in function.bodies:
                body.check()


def _check_references(modules: Iterable[Module], functions: dict[CodeHash, Function]) -> None:
    """Check that each definition has what its kind needs: code that can be called, a name."""
    for module in modules:
        for definition in module.definitions:
            name = definition.name or "a top-level form"
            needed = definition.kind in _NEEDS_FUNCTION
            check((definition.function is not None) == needed, "the definition", name)
            check(
                bool(definition.name) != (definition.kind is DefinitionKind.EXPRESSION),
                "the name",
                name,
            )
            if definition.kind is DefinitionKind.NATIVE:
                check(type(definition.value) is str, "the native function", name)
            if definition.function is not None:
                function = functions.get(definition.function)
                if function is None:
                    raise ProgramError(
                        "FM0806",
                        f"the program is damaged: the code of {name} is missing",
                        hint=_FROM_SOURCE,
                    )
                check(function.captures == 0, "the captured values", name)
