"""A run on new code: vars resolve in the new program, frames and closures keep theirs.

The run's new program holds the modules of the new one and, as one more module without
definitions of its own, those functions of the old program (by hash, with all that are nested in them)
that the machine still refers to, and what they need of the library and the new program was linked
without: all of it, if they find things by names that they compute. It is stored under its own hash and travels like any other.
So nothing in the machine knows of two programs: a frame goes on in the code that it began
in, and whatever it calls by name is new. Code that the run has compiled itself goes on as it is.

State is kept: a var whose value was computed keeps it. What the new program computes at its start
and the run does not have is computed now, sealed, and so are the entries of the tables
of protocols, multimethods and records, which are code. What the new program fixes (a function, a constant) is
the new program's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.file import write_program
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.compiler.linker import ASKING
from flowmetal.effects.kinds import KINDS
from flowmetal.errors import RefusedError, RunError
from flowmetal.ids import CodeHash, ProgramHash, RunId
from flowmetal.runtime.host import Host
from flowmetal.snapshot import decode, encode
from flowmetal.snapshot.codes import codes_of
from flowmetal.values import Value, hash_map, keyword, show
from flowmetal.values.codec import encode_data
from flowmetal.values.parts import is_part
from flowmetal.vm.link import Image
from flowmetal.vm.machine import is_settled, run, start
from flowmetal.vm.spaces import ARGUMENTS, NAMESPACE
from flowmetal.vm.state import Closure, Machine, MachineStatus

CARRIER: Final = "flow.carried"
"""The module that holds the functions of older programs."""

_NOTHING: Final = "flow.core/-realise-all"
_BUDGET: Final = 50_000_000
_OF_THE_RUN: Final = (NAMESPACE, ARGUMENTS)
"""Vars for which a program fixes a value, and each run has another one."""
_FIELDS: Final = "@@fields"
_FIXED: Final = (DefinitionKind.FUNCTION, DefinitionKind.CONSTANT, DefinitionKind.NATIVE)
_OF_VARS: Final = (Operand.NAME, Operand.NAMES)


@dataclass(slots=True)
class Upgrading:
    """What a move to new code comes to. ``old`` are the functions that keep their old code.

    ``frames`` are those of them that are being executed. ``reasons``: why it cannot be done.
    """

    program: Program
    old: tuple[Function, ...] = ()
    frames: tuple[str, ...] = ()
    reasons: list[str] = field(default_factory=list)
    _made: Machine | None = None

    @property
    def data(self) -> bytes:
        return write_program(self.program)

    def machine(self) -> Machine:
        """Return the machine on its new program."""
        assert self._made is not None
        return self._made

    def check(self, run: RunId) -> None:
        """Raise RefusedError FM1134 if it cannot be done."""
        if self.reasons:
            raise RefusedError(
                "FM1134",
                f"run {run} cannot go on with this program: {'; '.join(self.reasons)}",
                hint="`fmvm upgrade --dry-run` says this for many runs; a run keeps its program until then",
            )


def upgrading_of(host: Host, machine: Machine, new: Program) -> Upgrading:
    """Look at what a move of this machine to a program comes to. ``machine`` is used up."""
    old_image = machine.image
    image = host.linker.image(new)
    if _asks(machine, image):
        new = _with_library_of(old_image.program, new)
        image = host.linker.image(new)
    found = Upgrading(new)
    _check_standing(machine, image, found)
    if found.reasons:
        return found
    _check_records(machine, image, found)
    try:
        _move(machine, image)
    except RunError as error:
        found.reasons.append(error.message)
        return found
    found.old = tuple(_held_beyond(machine, machine.image, old_image, image))
    found.frames = tuple(dict.fromkeys(_old_frames(machine, {f.hash for f in found.old})))
    library = _needed(machine, old_image, image, found.old)
    found.program = _linked(new, (*found.old, *library.functions), library, old_image.program)
    _check_names(machine, library, found)
    if not found.reasons:
        final = host.linker.image(found.program)
        machine.image = final.with_own_of(machine.image)
        found._made = _settled(machine, final, (old_image, image))
    return found


def moved(machine: Machine, image: Image) -> Machine:
    """Return the machine on the program of ``image``, which an earlier upgrade has made for it."""
    old_image = machine.image
    _move(machine, image)
    return _settled(machine, image, (old_image,))


def _settled(machine: Machine, image: Image, older: tuple[Image, ...]) -> Machine:
    """Return the machine as it will be read again: all its code is the image's, and all its literals."""
    machine.known.clear()
    encoded = encode(machine, older)
    again = decode(
        encoded.data, image, lambda names: {name: encoded.chunks[name] for name in names}
    )
    again.limits = machine.limits
    return again


def upgraded_event(old: ProgramHash, new: ProgramHash, machine: Machine | None) -> bytes:
    """Return the data of the event that tells of a move to new code; no machine: it had not begun."""
    fuel = None if machine is None else machine.fuel_used
    said = [(keyword("from"), old), (keyword("to"), new), (keyword("fuel"), fuel)]
    if machine is not None and not is_settled(machine):
        said.append((keyword("revived"), True))  # so what costs no fuel is done by the new code
    return encode_data(hash_map(said))


def _asks(machine: Machine, image: Image) -> bool:
    """Say whether code that a machine holds, and ``image`` does not have, finds things by names that it computes."""
    old = _held_beyond(machine, image, machine.image, image)
    return any(name in ASKING for function in old for name in _vars_of(function))


def _held_beyond(machine: Machine, known: Image, old: Image, new: Image) -> Iterator[Function]:
    """Return the functions of ``old`` that a machine refers to and ``known`` does not have, with what is nested in them."""
    machine.known.clear()
    names = [name for name in codes_of(encode(machine).data) if name not in known.functions]
    return _with_nested(old, names, new)


def _with_library_of(old: Program, new: Program) -> Program:
    """Return a program with the whole library, which is in ``old``: it may be asked for any of it.

    If the two are not of one library, the new one stays as it is.
    """
    library = [module for module in old.modules if module.library and module.name != CARRIER]
    linked = [module for module in new.modules if module.library]
    whole, part = _functions_by_name(library), _functions_by_name(linked)
    if part == whole or not part.items() <= whole.items():
        return new
    users = [module for module in new.modules if not module.library]
    return replace(new, modules=(*library, *users))


def _functions_by_name(modules: list[Module]) -> dict[str, CodeHash | None]:
    return {each.name: each.function for module in modules for each in module.definitions}


def _move(machine: Machine, image: Image) -> None:
    """Let the vars of a machine be those of ``image``; its frames still are what they were."""
    fresh = _beginning(machine, image)
    kept = {
        name: machine.globals[name]
        for name in machine.defined
        if name not in image.static or name in _OF_THE_RUN
    }
    variables: dict[str, Value] = dict(image.static)
    defined: dict[str, None] = {}
    for name in fresh.defined:
        is_code = name not in kept or is_part(name)
        variables[name] = fresh.globals[name] if is_code else kept[name]
        defined[name] = None
    for name, value in kept.items():
        if name not in defined:
            variables[name] = value
            defined[name] = None
    machine.globals.clear()
    machine.globals.update(variables)
    machine.defined = defined
    machine.image = image.with_own_of(machine.image)
    machine.started = len(image.initialisers) + 1


def _beginning(machine: Machine, image: Image) -> Machine:
    """Return a machine whose vars have the values with which a run of this program begins."""
    fresh = start(image, _NOTHING, _arguments(image), machine.run, machine.random)
    fresh.limits = machine.limits
    turn = run(fresh, _BUDGET)
    if turn.status is MachineStatus.WAITING:  # nothing but ``eval`` may wait there
        raise RunError("FM1134", "what the new program computes at its start evaluates code")
    if turn.status is not MachineStatus.COMPLETED:
        why = "it takes too long" if turn.error is None else turn.error.message
        raise RunError("FM1134", f"what the new program computes at its start fails: {why}")
    return fresh


def _arguments(image: Image) -> tuple[Value, ...]:
    function = image.static[_NOTHING]
    assert isinstance(function, Closure)
    return (None,) * min(body.parameters for body in function.function.bodies)


def _check_standing(machine: Machine, image: Image, found: Upgrading) -> None:
    if machine.status in (MachineStatus.COMPLETED, MachineStatus.CANCELLED):
        found.reasons.append("it has ended")
    elif machine.started <= len(machine.image.initialisers):
        found.reasons.append("its top-level forms are still being computed: let it go on first")
    if not isinstance(image.static.get(machine.entry), Closure):
        found.reasons.append(f"the program has no function {machine.entry}, where the run began")


def _check_records(machine: Machine, image: Image, found: Upgrading) -> None:
    """Refuse other fields of a type of which the machine may hold records."""
    changed = [
        (name.removesuffix(_FIELDS), old, image.static.get(name))
        for name, old in machine.globals.items()
        if name.endswith(_FIELDS) and image.static.get(name) != old
    ]
    if not changed:
        return
    machine.known.clear()
    encoded = encode(machine)
    texts = (encoded.data, *encoded.chunks.values())
    for record, old, new in changed:
        if any(record.encode() in text for text in texts):
            was, becomes = show(old), "gone" if new is None else show(new)
            found.reasons.append(f"its records of {record} have the fields {was}, now {becomes}")


def _with_nested(image: Image, names: list[CodeHash], new: Image) -> Iterator[Function]:
    seen: set[CodeHash] = set()
    waiting = list(reversed(names))
    while waiting:
        name = waiting.pop()
        if name in seen or name in new.functions:
            continue
        seen.add(name)
        function = image.functions[name].function
        yield function
        waiting.extend(function.functions)


def _old_frames(machine: Machine, old: set[CodeHash]) -> Iterator[str]:
    for _, fiber in sorted(machine.fibers.items()):
        for frame in reversed(fiber.frames):
            if frame.body.owner.function.hash in old:
                yield frame.body.owner.name


@dataclass(slots=True)
class _Library:
    """What old code needs of the library, and a program that has no use for it is linked without."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    functions: list[Function] = field(default_factory=list)


def _needed(machine: Machine, before: Image, new: Image, old: tuple[Function, ...]) -> _Library:
    """Return what is to be carried along, so that the vars of ``old`` are there: vars are those of the machine."""
    known = {
        definition.name: definition
        for module in before.program.modules
        if module.library
        for definition in module.definitions
        if definition.kind in _FIXED
    }
    found = _Library()
    waiting = list(old)
    seen = {function.hash for function in old}
    while waiting:
        for name in _vars_of(waiting.pop()):
            definition = known.get(name)
            if definition is None or name in machine.globals or name in found.definitions:
                continue
            found.definitions[name] = definition
            code = [] if definition.function is None else [definition.function]
            added = [f for f in _with_nested(before, code, new) if f.hash not in seen]
            seen.update(function.hash for function in added)
            found.functions += added
            waiting += added
    return found


def _linked(new: Program, old: tuple[Function, ...], library: _Library, before: Program) -> Program:
    """Return the new program with what is carried along."""
    declared = {kind.kind for module in new.modules for kind in module.kinds}
    carried_kinds = tuple(
        kind for module in before.modules for kind in module.kinds if kind.kind not in declared
    )
    if not old:
        return new
    definitions = tuple(library.definitions.values())
    carrier = Module(CARRIER, (), definitions, old, kinds=carried_kinds, library=True)
    return replace(new, modules=(*new.modules, carrier))


def _check_names(machine: Machine, library: _Library, found: Upgrading) -> None:
    """Refuse if old code needs a var or a kind of effect that is gone."""
    there = machine.globals.keys() | library.definitions.keys()
    for function in (*found.old, *library.functions):
        gone = [name for name in _vars_of(function) if name not in there]
        for name in dict.fromkeys(gone):
            found.reasons.append(
                f"{function.name}, which it still runs, needs {name}, which is gone"
            )
    declared = {kind.kind for module in found.program.modules for kind in module.kinds}
    for effect in machine.open.values():
        kind = effect.request.kind
        if kind not in KINDS and kind not in declared:
            found.reasons.append(f"effect {effect.request.number} is {kind}, which is not declared")


def _vars_of(function: Function) -> Iterator[str]:
    for body in function.bodies:
        for op, operand in body.instructions:
            if op is Op.DEF or op.operand not in _OF_VARS:
                continue
            names = function.constants[operand]
            yield from (names,) if isinstance(names, str) else names
