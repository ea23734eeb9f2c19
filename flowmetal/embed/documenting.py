"""Documentation of a name as somebody who does not know its namespace asks for it.

``join`` is looked for in flow.core and then in every namespace of the library;
``str/join`` in every namespace whose name ends in ``str`` or is usually called
so; ``shop.prices/price-of`` in the source roots, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.loader import paths_of
from flowmetal.compiler.resolution import Names
from flowmetal.embed.examples import examples_of
from flowmetal.embed.lookup import Known, Lookup
from flowmetal.embed.session import Session
from flowmetal.embed.special_documentation import SPECIAL
from flowmetal.errors import UsageError
from flowmetal.errors.suggestions import did_you_mean
from flowmetal.ids import flow_name

_CORE: Final = "flow.core"
_SENTENCE: Final = re.compile(r".*?[.](?= [A-Z(:{]|$)")
_USUAL_ALIASES: Final = {"str": "flow.string"}


@dataclass(frozen=True, slots=True)
class Documentation:
    """What is said of one name.

    ``names`` are the public names of a namespace, ``summaries`` the first sentence of each.
    """

    name: str
    kind: str
    arglists: tuple[str, ...]
    doc: str
    examples: str = ""
    see: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    summaries: tuple[str, ...] = ()


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
                if os.path.isfile(file):
                    self._session.loader.load(read_source(str(file)))
                    return

    def _publics(self, namespace: str) -> list[str]:
        space = self._environment.namespace(namespace)
        names = () if space is None else space.publics()
        return [name for name in names if is_meant_for_users(name)]

    def _described(self, name: str) -> Documentation:
        known = self._lookup.find(name)
        if known is None:
            known = Known(name, "namespace")
        if known.kind == "namespace":
            publics = tuple(sorted(self._publics(name)))
            summaries = tuple(self._summary(f"{name}/{public}") for public in publics)
            return Documentation(name, known.kind, (), known.doc, "", (), publics, summaries)
        section = examples_of(known.name)
        examples, see = (section.text, section.see) if section else ("", ())
        return Documentation(
            known.name, known.kind, known.arglists, known.doc.strip(), examples, see
        )

    def _summary(self, name: str) -> str:
        known = self._lookup.find(name)
        return "" if known is None else first_sentence(known.doc)

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


def first_sentence(doc: str) -> str:
    """Return what a documentation begins with: up to a full stop, or a colon before a list of things."""
    text = " ".join(doc.split())
    found = _SENTENCE.match(text)
    return found[0] if found else text


def is_meant_for_users(name: str) -> bool:
    return "@@" not in name and not (name[0] == "-" and (name[1:2].isalpha() or name[1:2] == "*"))
