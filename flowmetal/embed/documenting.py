"""Documentation of a name as somebody who does not know its namespace asks for it.

``join`` is looked for in flow.core and then in every namespace of the library;
``str/join`` in every namespace whose name ends in ``str`` or is usually called
so; ``shop.prices/price-of`` in the source roots, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.loader import paths_of
from flowmetal.compiler.resolution import Names, flow_name
from flowmetal.embed.lookup import Known, Lookup
from flowmetal.embed.session import Session
from flowmetal.embed.special_documentation import SPECIAL
from flowmetal.errors import UsageError
from flowmetal.errors.suggestions import did_you_mean

_CORE: Final = "flow.core"
_EXAMPLE: Final = "For example, "
_USUAL_ALIASES: Final = {"str": "flow.string"}


@dataclass(frozen=True, slots=True)
class Documentation:
    """What is said of one name; ``names`` are the public names of a namespace."""

    name: str
    kind: str
    arglists: tuple[str, ...]
    doc: str
    example: str
    names: tuple[str, ...] = ()


class Library:
    """The library, and the namespaces of the source roots as far as they are asked for."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self._session = Session(roots=roots)
        self._environment = self._session.environment
        here = self._environment.open("user")
        names = Names(self._environment, here, frozenset(EXPANDERS))
        self._lookup = Lookup(self._environment, lambda: names, dict)

    def documentation_of(self, name: str) -> tuple[Documentation, ...]:
        """Return what is known of a name, several if several namespaces have it.

        Raises UsageError FM1319 if none has; ReadError or CompileError for a
        namespace of the source roots that does not compile.
        """
        found = tuple(self._described(full) for full in dict.fromkeys(self._full_names(name)))
        if not found:
            hint = did_you_mean(name, self._candidates(name))
            raise UsageError(
                "FM1319",
                f"nothing is known of `{name}`",
                hint=hint or "name a function as ns/name, or a namespace such as flow.string",
            )
        return found

    def _full_names(self, name: str) -> Iterator[str]:
        qualifier, slash, rest = name.partition("/")
        if slash and qualifier and rest:
            for space in self._namespaces(qualifier):
                if rest in self._publics(space):
                    yield f"{space}/{rest}"
            return
        if name in SPECIAL:
            yield name
        elif name in self._publics(_CORE):
            yield f"{_CORE}/{name}"
        else:
            spaces = self._environment.names()
            yield from (f"{space}/{name}" for space in spaces if name in self._publics(space))
        yield from self._namespaces(name)

    def _namespaces(self, name: str) -> list[str]:
        """Return the namespaces that ``name`` may mean: itself, else those that are called so."""
        name = flow_name(name)
        self._load(name)
        known = [space for space in self._environment.names() if space != "user"]
        if name in known:
            return [name]
        usual = _USUAL_ALIASES.get(name)
        return [space for space in known if space == usual or space.rpartition(".")[2] == name]

    def _load(self, name: str) -> None:
        """Compile a namespace of the source roots, if there is such a file."""
        from flowmetal.embed.files import read_source

        if self._environment.namespace(name) is not None:
            return
        for path in paths_of(name):
            for file in [root / path for root in self._roots]:
                if file.is_file():
                    self._session.loader.load(read_source(str(file)))
                    return

    def _publics(self, namespace: str) -> list[str]:
        space = self._environment.namespace(namespace)
        names = () if space is None else space.publics()
        return [name for name in names if _is_meant_for_users(name)]

    def _described(self, name: str) -> Documentation:
        known = self._lookup.find(name)
        if known is None:
            known = Known(name, "namespace")
        text, _, example = known.doc.partition(_EXAMPLE)
        publics = sorted(self._publics(name)) if known.kind == "namespace" else []
        return Documentation(
            known.name, known.kind, known.arglists, text.strip(), example, tuple(publics)
        )

    def _candidates(self, name: str) -> Iterator[str]:
        qualifier, slash, _ = name.partition("/")
        spaces = self._namespaces(qualifier) if slash else []
        if spaces:
            for space in spaces:
                yield from (f"{qualifier}/{public}" for public in self._publics(space))
            return
        yield from SPECIAL
        for space in self._environment.names():
            yield space
            yield from self._publics(space)


def _is_meant_for_users(name: str) -> bool:
    return "@@" not in name and not (name[0] == "-" and (name[1:2].isalpha() or name[1:2] == "*"))
