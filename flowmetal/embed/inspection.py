"""What is in a program: for ``fmc inspect`` and ``fmc disasm``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowmetal.bytecode.code import Body, Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.opcodes import Op
from flowmetal.effects.kinds import KINDS
from flowmetal.errors import UsageError
from flowmetal.values import display, keyword

FORMAT = 1


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A public function of the program's namespace. ``parameters``: one list per arity."""

    name: str
    parameters: tuple[str, ...]
    doc: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What ``fmc inspect`` shows."""

    hash: str
    namespace: str
    entries: tuple[EntryPoint, ...]
    effects: tuple[str, ...]
    foreign: tuple[str, ...]
    namespaces: tuple[str, ...]
    functions: int
    flags: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "hash": self.hash,
            "format": FORMAT,
            "namespace": self.namespace,
            "entries": [
                {"name": e.name, "parameters": list(e.parameters), "doc": e.doc or None}
                for e in self.entries
            ],
            "effects": list(self.effects),
            "capabilities": sorted(_capabilities(self.effects)),
            "foreign": list(self.foreign),
            "namespaces": list(self.namespaces),
            "functions": self.functions,
            "flags": list(self.flags),
        }

    def as_text(self) -> str:
        lines = [
            f"hash        {self.hash}",
            f"format      {FORMAT}",
            f"namespace   {self.namespace}",
            f"functions   {self.functions}",
            f"requires    {', '.join(self.namespaces) or 'nothing'}",
            f"effects     {', '.join(self.effects) or 'none'}",
            f"to grant    {', '.join(sorted(_capabilities(self.effects))) or 'nothing'}",
            f"foreign     {', '.join(self.foreign) or 'none'}",
        ]
        if self.flags:
            lines.append(f"flags       {', '.join(self.flags)}")
        for entry in self.entries:
            first = entry.doc.strip().split("\n")[0] if entry.doc else ""
            lines.append(
                f"entry       {entry.name} {' '.join(entry.parameters)}"
                + (f"  {first}" if first else "")
            )
        return "\n".join(lines)


def inspect_program(program: Program) -> Inspection:
    """Look into a program."""
    entry = next(module for module in program.modules if module.name == program.entry)
    used = _effects_used(program)
    foreign = sorted(kind.kind for module in program.modules for kind in module.kinds)
    return Inspection(
        hash=program.hash,
        namespace=program.entry,
        entries=tuple(_entries(program, entry)),
        effects=tuple(sorted(used & KINDS.keys())),
        foreign=tuple(foreign),
        namespaces=tuple(sorted(m.name for m in program.modules if m.name != program.entry)),
        functions=sum(len(module.functions) for module in program.modules),
        flags=tuple(sorted(program.flags)),
    )


def disassembly(program: Program, name: str | None = None) -> list[tuple[str, str]]:
    """Return (function, listing) of the users' functions, or of the one that is named."""
    from flowmetal.bytecode.disassembler import disassemble

    functions = [f for module in program.modules for f in module.functions]
    if name is None:
        users = [f for module in program.modules if not module.library for f in module.functions]
        return [(function.name, disassemble(function)) for function in users]
    wanted = {name, f"{program.entry}/{name}"}
    found = [(f.name, disassemble(f)) for f in functions if f.name in wanted]
    if not found:
        import difflib

        near = difflib.get_close_matches(name, [f.name for f in functions], n=3)
        hint = (
            f"did you mean {' or '.join(f'`{n}`' for n in near)}?"
            if near
            else "leave it out to see all"
        )
        raise UsageError("FM1314", f"the program has no function `{name}`", hint=hint)
    return found


def _entries(program: Program, module: Module) -> Iterator[EntryPoint]:
    for definition in module.definitions:
        if definition.kind is not DefinitionKind.FUNCTION or definition.function is None:
            continue
        if _says(definition, "private") or _says(definition, "macro"):
            continue
        function = program.functions[definition.function]
        doc = definition.meta.get(keyword("doc")) if definition.meta is not None else None
        parameters = tuple(_parameters(body) for body in function.bodies)
        yield EntryPoint(definition.name.partition("/")[2], parameters, display(doc) if doc else "")


def _says(definition: Definition, name: str) -> bool:
    return definition.meta is not None and bool(definition.meta.get(keyword(name)))


def _parameters(body: Body) -> str:
    names = list(body.local_names) + ["_"] * body.locals
    words = names[: body.parameters]
    if body.variadic:
        words += ["&", names[body.parameters]]
    return "[" + " ".join(word or "_" for word in words) + "]"


def _effects_used(program: Program) -> set[str]:
    return {
        function.constants[operand]
        for module in program.modules
        for function in module.functions
        for operand in _kinds(function)
    }


def _kinds(function: Function) -> Iterator[int]:
    for body in function.bodies:
        for op, operand in body.instructions:
            if op is Op.PERFORM:
                yield operand


def _capabilities(effects: tuple[str, ...]) -> set[str]:
    return {KINDS[kind].capability or "" for kind in effects if kind in KINDS} - {""}
