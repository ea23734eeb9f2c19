"""Test files: finding them, making programs of them, running those one after the other.

Each file is a program, linked with a small namespace that starts its tests,
and runs in a machine of its own, sealed from the world. The library and what
several files require is compiled once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from flowmetal.bytecode.code import Program
from flowmetal.compiler.linker import link
from flowmetal.compiler.loader import root_depth
from flowmetal.effects.requests import EffectRequest
from flowmetal.embed.config import source_roots
from flowmetal.embed.files import read_source
from flowmetal.embed.machine import Machine
from flowmetal.embed.session import Session, namespace_in
from flowmetal.errors import CompileError, Diagnostic, Label, ReadError, UsageError
from flowmetal.source import Source
from flowmetal.testing.driven import Driven, operation
from flowmetal.testing.durability import check
from flowmetal.testing.recording import Recorder, Shelf
from flowmetal.testing.results import (
    Counts,
    Outcome,
    Problem,
    Result,
    counts_of,
    crash_of,
    problem_of,
    span_of,
)
from flowmetal.testing.sealed_world import SealedWorld
from flowmetal.values import ErrorValue, FlowError, Value, keyword, vector
from flowmetal.vm.state import Turn

SUFFIXES = (".flow", ".cljc")
FOLDERS = ("test", "tests")
_DEFTEST = re.compile(rb"\((?:[^\s()\"/]+/)?deftest")
_RUNNER = "flow.test-runner"
_ARGS, _TESTS, _NAME, _PLACE, _COUNTERS, _EVENTS = (
    keyword(name) for name in ("args", "tests", "name", "place", "counters", "events")
)


@dataclass(frozen=True, slots=True)
class TestProgram:
    """A program of tests, ready to run."""

    __test__ = False  # pytest: not a class of tests

    file: str
    namespace: str
    program: Program


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tests run, and in what order. ``only`` is the full name of one, "" for none of them.

    ``recorder`` is there if cassettes are to be recorded.
    """

    pattern: str = ""
    seed: int | None = None
    fail_fast: bool = False
    only: str | None = None
    recorder: Recorder | None = None

    def choose(self, names: Sequence[str]) -> list[str]:
        """Return the names that are wanted, shuffled if there is a seed."""
        if self.only is not None:
            return [name for name in names if name == self.only]
        chosen = [name for name in names if self.pattern.lower() in name.lower()]
        if self.seed is not None:
            Random(self.seed).shuffle(chosen)
        return chosen


def test_files(paths: Sequence[str]) -> list[str]:
    """Return the files with tests that ``paths`` name. Raises UsageError FM1301 for one that is not there."""
    if not paths:
        paths = [folder for folder in FOLDERS if os.path.isdir(folder)] or ["."]
    found: dict[str, None] = {}
    for path in paths:
        if os.path.isdir(path):
            found.update(dict.fromkeys(_below(path)))
        else:
            read_source(path)
            found[path] = None
    return list(found)


test_files.__test__ = False  # type: ignore[attr-defined]


def _below(folder: str) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(files):
            file = os.path.normpath(os.path.join(here, name))
            if name.endswith(SUFFIXES) and not name.startswith(".") and _has_tests(file):
                yield file


def _has_tests(file: str) -> bool:
    if Path(file).stem.endswith("_test"):
        return True
    try:
        return _DEFTEST.search(Path(file).read_bytes()) is not None
    except OSError:
        return False


class TestCompiler:
    """Compiles test files; those with the same source roots share what they require."""

    __test__ = False

    def __init__(self, roots: Sequence[str] = ()) -> None:
        self._given = tuple(roots)
        self._sessions: dict[tuple[Path, ...], Session] = {}

    def compile(self, file: str) -> TestProgram:
        """Compile a file of tests. Raises ReadError, CompileError, UsageError."""
        source = read_source(file)
        roots = self._roots(source, Path(file))
        session = self._sessions.get(roots)
        if session is None:
            session = self._sessions[roots] = Session(roots=roots)
        module = session.loader.load(source)
        session.loader.load(Source("flow/test_runner.flow", _starting(module.name)))
        program = link((*session.library, *session.loader.modules), _RUNNER)
        return TestProgram(file, module.name, program)

    def _roots(self, source: Source, file: Path) -> tuple[Path, ...]:
        """Return where a test's namespaces are looked for: what is configured, its own root, ``src`` beside it."""
        own = file.resolve().parent
        name = namespace_in(source)
        depth = None if name is None else root_depth(name, file.resolve().as_posix())
        if depth:
            own = file.resolve().parents[depth]
        beside = (own.parent / "src", own.parent) if own.name in FOLDERS else ()
        candidates = (*source_roots(file, self._given), own, *beside)
        return tuple(dict.fromkeys(path.resolve() for path in candidates if os.path.isdir(path)))


def _starting(namespace: str) -> str:
    return (
        f"(ns {_RUNNER} (:require [flow.test] [{namespace}]))\n"
        f'(defn main [] (flow.test/-run-program! "{namespace}"))\n'
    )


Observe = Callable[[Result], None]


def run_files(
    files: Sequence[str],
    selection: Selection,
    *,
    roots: Sequence[str] = (),
    observe: Observe = lambda result: None,
) -> Outcome:
    """Run the tests of files. What does not compile is noted, and the others run."""
    outcome = Outcome()
    compiler = TestCompiler(roots)
    ordered = list(files)
    if selection.seed is not None:
        Random(selection.seed).shuffle(ordered)
    for file in ordered:
        try:
            test = compiler.compile(file)
        except (ReadError, CompileError) as error:
            outcome.broken += [one for one in error.diagnostics if one not in outcome.broken]
            continue
        run_program(test, selection, outcome, observe)
        if selection.fail_fast and not outcome.is_good:
            break
    return outcome


def tests_of(test: TestProgram) -> list[Result]:
    """Return the tests of a program without running them; an error instead, as a result."""
    outcome = Outcome()
    found: list[Result] = []
    run_program(test, Selection(only=""), outcome, lambda result: None, found)
    return [*found, *outcome.results]


def run_program(
    test: TestProgram,
    selection: Selection,
    outcome: Outcome,
    observe: Observe,
    listed: list[Result] | None = None,
) -> None:
    """Run the tests of one program and add what they came to.

    A test that ends the machine takes no others along: those that are left run in a new one.
    """
    names: list[str] | None = None
    while names is None or names:
        names = _Running(test, selection, outcome, observe, listed, names).run()
        if selection.fail_fast and not outcome.is_good:
            return


@dataclass(slots=True)
class _Running:
    """The tests of a program in one machine. ``names``: those that are to run, None for all that are chosen."""

    test: TestProgram
    selection: Selection
    outcome: Outcome
    observe: Observe
    listed: list[Result] | None
    names: list[str] | None
    places: dict[str, object] = field(default_factory=dict)
    running: str = ""
    left: list[str] = field(default_factory=list)
    has_begun: bool = False

    def run(self) -> list[str]:
        """Run them and return those that an error which ended the machine has left."""
        program = self.test.program
        driven = Driven(program, Machine(program), SealedWorld(), shelf=self._shelf())
        while True:
            try:
                asked = driven.advance()
            except FlowError as error:
                return self._end(driven, error.error)
            if isinstance(asked, Turn):
                return self._end(driven, asked.error)
            self._answer(driven, asked)

    def _answer(self, driven: Driven, asked: EffectRequest) -> None:
        argument = asked.args.get(_ARGS)[0]
        match operation(asked):
            case "found":
                self.places = {one.get(_NAME): one.get(_PLACE) for one in argument.get(_TESTS)}
                driven.answer(asked, vector(self._chosen()))
            case "begin":
                self.running, self.has_begun = argument.get(_NAME), True
                driven.begin_test(SealedWorld(), self._shelf())
                driven.answer(asked, None)
            case "end":
                counts = counts_of(argument.get(_COUNTERS))
                problems = tuple(problem_of(one, self.running) for one in argument.get(_EVENTS))
                place = span_of(self.places.get(self.running))
                self._note(Result(self.running, place, counts, problems, driven.output))
                self.left = [name for name in self.left if name != self.running]
                self.running = ""
                driven.answer(asked, counts.is_good or not self.selection.fail_fast)
            case "durable":
                driven.answer(asked, check(driven, asked))
            case unknown:
                raise AssertionError(unknown)

    def _chosen(self) -> list[str]:
        if self.names is None:
            self.left = self.selection.choose(list(self.places))
            self.outcome.left_out += len(self.places) - len(self.left)
        else:
            self.left = self.names
        if self.listed is not None:
            places = self.places.items()
            self.listed += [Result(name, span_of(place), Counts()) for name, place in places]
        return list(self.left)

    def _end(self, driven: Driven, error: Value) -> list[str]:
        """Note the error that has ended the machine, if one has; return the tests that are left."""
        if not isinstance(error, ErrorValue):
            return []
        crash = crash_of(error)
        place = span_of(self.places.get(self.running))
        if place is not None and not crash.labels:
            crash = replace(crash, labels=(Label(place, f"in {self.running}"),))
        self._note(_crashed(self.test, self.running, crash, driven.output))
        # What fails before the first test, such as a fixture, would fail again.
        return [name for name in self.left if name != self.running] if self.has_begun else []

    def _note(self, result: Result) -> None:
        self.outcome.results.append(result)
        self.observe(result)

    def _shelf(self) -> Shelf:
        return Shelf(os.path.dirname(self.test.file), self.selection.recorder)


def _crashed(test: TestProgram, running: str, diagnostic: Diagnostic, output: str) -> Result:
    """Return what stands for an error that ended the machine."""
    name = running or f"{test.namespace}/(loading and fixtures)"
    return Result(name, diagnostic.span, Counts(error=1), (Problem("error", diagnostic),), output)


__all__ = [
    "Selection", "TestCompiler", "TestProgram", "UsageError", "run_files", "run_program",
    "test_files", "tests_of",
]  # fmt: skip
