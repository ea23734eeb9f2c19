"""Examples of the library's names: where they are written, and how they are found by name.

They stand beside the sources, in ``flowmetal/stdlib/examples/``, because they must cost a
program nothing: no compiled program has them, and nobody reads them who does not ask.
A file is a group of names of one namespace (``core/`` has many groups of flow.core, any
other file is a namespace), in the order in which they are best read::

    ;; Numbers                          ; the title, and what there is to say of the group
    ;; Integers have no bounds.

    (require '[flow.string :as str])    ; what every section begins with

    ;;; +                               ; a name, and what else to look at
    ;;; see: - inc
    (+ 1 2)              ;=> 3          ; the value as it is printed
    (+ 1 "2")            ;! :type/mismatch
    (println "sum" 3)    ;=> nil
    ;> sum 3                            ; what was printed, line by line

tests/stdlib/test_examples.py evaluates every section in a namespace of its own. The text of
a section is shown as it stands: by ``fmc doc``, the REPL's ``doc`` and docs/stdlib/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import flowmetal
from flowmetal.embed.special_documentation import SPECIAL
from flowmetal.stdlib.examples import FILES

FOLDER: Final = Path(flowmetal.__file__).parent / "stdlib" / "examples"
_CORE: Final = "flow.core"
_SECTION: Final = re.compile(r"^;;; (?!see: )(\S+)$", re.MULTILINE)
_SEE: Final = ";;; see: "


@dataclass(frozen=True, slots=True)
class Section:
    """The examples of one name. ``name`` is full, or that of a special form; ``line`` is the text's first."""

    name: str
    see: tuple[str, ...]
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Group:
    """One file: names of a namespace that belong together. ``prologue`` is what its examples begin with."""

    file: str
    namespace: str
    title: str
    about: str
    prologue: str
    sections: tuple[Section, ...]


@lru_cache(maxsize=1)
def groups() -> tuple[Group, ...]:
    """Return the groups of all namespaces in the order of ``FILES``."""
    return tuple(parse_group(file, (FOLDER / file).read_text("utf-8")) for file in FILES)


def examples_of(name: str) -> Section | None:
    """Return the examples of a full name, or of a special form."""
    return _by_name().get(name)


def parse_group(file: str, text: str) -> Group:
    """Take a file apart."""
    namespace = _CORE if file.startswith("core/") else f"flow.{file.removesuffix('.flow')}"
    begins = [*_SECTION.finditer(text)]
    head = text[: begins[0].start()] if begins else text
    about = [line.removeprefix(";;").strip() for line in head.splitlines() if line[:1] == ";"]
    prologue = "\n".join(line for line in head.splitlines() if line[:1] != ";").strip()
    ends = [*(match.start() for match in begins[1:]), len(text)]
    return Group(
        file,
        namespace,
        about[0] if about else namespace,
        "\n".join(about[1:]).strip(),
        prologue,
        tuple(
            _section(namespace, match[1], text, match.end() + 1, end)
            for match, end in zip(begins, ends, strict=True)
        ),
    )


def full_name(namespace: str, name: str) -> str:
    """Return the name under which documentation knows a name of a namespace."""
    return name if namespace == _CORE and name in SPECIAL else f"{namespace}/{name}"


def _section(namespace: str, name: str, text: str, start: int, end: int) -> Section:
    body = text[start:end]
    see: tuple[str, ...] = ()
    line = text.count("\n", 0, start) + 1
    if body.startswith(_SEE):
        first, _, body = body.partition("\n")
        see = tuple(first.removeprefix(_SEE).split())
        line += 1
    return Section(full_name(namespace, name), see, body.strip("\n"), line)


@lru_cache(maxsize=1)
def _by_name() -> Mapping[str, Section]:
    return {section.name: section for section in _sections()}


def _sections() -> Iterator[Section]:
    for group in groups():
        yield from group.sections
