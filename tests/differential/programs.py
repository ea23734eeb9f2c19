"""Whole programs that both languages run, and what they print.

``programs/*.clj`` hold many programs each. A line ``;;;; name`` begins one; its
text is an ordinary Clojure program of one namespace (``user`` if it has no
``ns``), whose output is compared. ``programs/answers/*.txt`` hold what Clojure
printed, below the same headings; a last line ``!`` says that an exception
ended the program. Recording: record_programs.py.

Here a program is compiled and linked as ``fmvm run`` does it, and its top level is run
by a machine; the library is loaded once for all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from flowmetal.bytecode.code import Program
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.linker import link
from flowmetal.compiler.loader import Loader
from flowmetal.embed.evaluator import SealedMachine
from flowmetal.embed.library import library
from flowmetal.embed.machine import Machine
from flowmetal.embed.natives import natives
from flowmetal.embed.reading import read
from flowmetal.errors import CompileError, ReadError
from flowmetal.source import Source
from flowmetal.values import show
from flowmetal.vm.state import MachineStatus

PROGRAMS = Path(__file__).parent / "programs"
THEMES = sorted(path.stem for path in PROGRAMS.glob("*.clj"))
FAILED = "!"
_HEADING = re.compile(r"^;;;; (\S+)\n", re.MULTILINE)
_FUEL = 20_000_000
_MAIN = "\n(defn main [] nil)\n"


@dataclass(frozen=True, slots=True)
class Part:
    """A program, or what one printed."""

    name: str
    text: str


def read_programs(theme: str) -> list[Part]:
    """Return the programs of a file."""
    return _parts((PROGRAMS / f"{theme}.clj").read_text("utf-8"))


def answers_file(theme: str) -> Path:
    """Return the file with what Clojure prints."""
    return PROGRAMS / "answers" / f"{theme}.txt"


def read_answers(theme: str) -> dict[str, str]:
    """Return what Clojure prints, by the name of the program."""
    return {part.name: part.text for part in _parts(answers_file(theme).read_text("utf-8"))}


def write_parts(parts: list[Part]) -> str:
    """Return the text of a file of programs or answers."""
    return "".join(f";;;; {part.name}\n{part.text}" for part in parts)


def _parts(text: str) -> list[Part]:
    found = _HEADING.split(text)
    return [
        Part(name, body if body.endswith("\n") else f"{body}\n")
        for name, body in zip(found[1::2], found[2::2], strict=True)
    ]


class Runner:
    """Runs programs one after the other on one copy of the library."""

    def __init__(self) -> None:
        self._environment = Environment()
        self._library = library()
        for module in self._library:
            self._environment.add(module)
        self._evaluator = SealedMachine(natives(), self._library)
        self._fixed = dict(self._evaluator.machine.globals)

    def run(self, part: Part) -> str:
        """Return what a program prints, in the form of an answer."""
        try:
            program = self._program(Source(f"{part.name}.clj", part.text + _MAIN))
        except (CompileError, ReadError) as error:
            return f"{FAILED} {error}\n"
        turn = Machine(program).run(_FUEL)
        if turn.status is MachineStatus.COMPLETED:
            return _lines(turn.output)
        return f"{_lines(turn.output)}{FAILED} {show(turn.error)} {turn.status.value}\n"

    def _program(self, source: Source) -> Program:
        self._evaluator.machine.globals.clear()
        self._evaluator.machine.globals.update(self._fixed)
        loader = Loader(
            lambda path: None, environment=self._environment, evaluator=self._evaluator, read=read
        )
        module = loader.load(source)
        return link((*self._library, *loader.modules), module.name)


def _lines(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"
