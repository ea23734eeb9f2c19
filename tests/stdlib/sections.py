"""The examples of the library, taken apart and evaluated as a REPL would, effects and all.

Each section gets a namespace of its own that begins with the prologue of its file. What
looks like ``http://localhost:8080`` is a server of the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flowmetal.embed.examples import Group, Section
from flowmetal.embed.interactive import EvaluationError, Interactive
from flowmetal.ids import RunId
from flowmetal.reader import ReadOptions, read_all_with_spans
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.observer import Silent
from flowmetal.source import Source, Span
from flowmetal.testing.results import Outcome
from flowmetal.testing.suite import Selection, TestCompiler, run_program

SHOWN_SERVER = "http://localhost:8080"


@dataclass(frozen=True, slots=True)
class Step:
    """A form and what is expected of it: a value, an error and lines of output, each if it is said."""

    text: str
    line: int
    value: str | None
    error: str | None
    printed: str | None

    @property
    def checked(self) -> bool:
        """Say whether anything is expected; if not, the form prepares the ones after it."""
        return not (self.value is None and self.error is None and self.printed is None)


def steps_of(section: Section) -> list[Step]:
    """Return the forms of a section with their expectations."""
    lines = section.text.split("\n")
    options = ReadOptions(resolve_alias=lambda alias: alias or "user")
    spans = [form.span for form in read_all_with_spans(Source(section.name, section.text), options)]
    return [_step(lines, span, section.line) for span in spans]


def _step(lines: list[str], span: Span, first: int) -> Step:
    after = lines[span.end_line - 1][span.end_col - 1 :].strip()
    printed = []
    for line in lines[span.end_line :]:
        if not line.startswith(";>"):
            break
        printed.append(line[3:] + "\n")
    return Step(
        _text(lines, span),
        first + span.line - 1,
        after[3:].strip() if after.startswith(";=>") else None,
        after[2:].strip() if after.startswith(";!") else None,
        "".join(printed) if printed else None,
    )


def _text(lines: list[str], span: Span) -> str:
    if span.line == span.end_line:
        return lines[span.line - 1][span.col - 1 : span.end_col - 1]
    first, last = lines[span.line - 1], lines[span.end_line - 1]
    between = lines[span.line : span.end_line - 1]
    return "\n".join([first[span.col - 1 :], *between, last[: span.end_col - 1]])


def _lines(text: str) -> list[str]:
    """Return lines as they are compared: white space at their ends cannot be seen in an example."""
    return [line.rstrip() for line in text.splitlines()]


@dataclass
class _Output(Silent):
    text: str = ""

    def wrote(self, run: RunId, text: str) -> None:
        self.text += text


@dataclass
class Evaluation:
    """A conversation that may do everything, and what it printed."""

    server: str
    folder: Path
    tests: TestCompiler = field(default_factory=TestCompiler)
    output: _Output = field(default_factory=_Output)
    count: int = 0

    def __post_init__(self) -> None:
        self.conversation = Interactive(self.output, grants=RunGrants(everything=True))

    def begin(self, group: Group) -> None:
        """Begin a section: a fresh namespace with the group's prologue."""
        self.count += 1
        self.conversation.enter(f"examples.section-{self.count}")
        list(self.conversation.evaluate(group.prologue))

    def outcome(self, step: Step) -> tuple[str | None, str | None, str]:
        """Return the value, or the type of the error, and what was printed."""
        self.output.text = ""
        value = error = None
        try:
            *_, value = self.conversation.evaluate(self._local(step.text), "example.flow")
        except EvaluationError as failed:
            code = failed.error.code or ""
            error = f":{failed.error.type.text}" if not code.startswith("FM01") else code
        shown = None if value is None else self._shown(value)
        return shown, error, self._shown(self.output.text)

    def complaints(self, group: Group, section: Section) -> Iterator[str]:
        """Yield what is wrong with a section."""
        self.begin(group)
        checked = 0
        for step in steps_of(section):
            value, error, printed = self.outcome(step)
            found = f"{group.file}:{step.line}: {step.text}\n    gave {value or error}"
            if step.checked:
                checked += 1
            if error != step.error:
                yield f"{found}, expected {step.value or step.error}"
            elif step.value is not None and value != step.value:
                yield f"{found}, expected {step.value}"
            elif _lines(printed) != _lines(step.printed or ""):
                yield f"{found}, and printed {printed!r} instead of {step.printed!r}"
        if not checked and "(deftest " in section.text:
            yield from self._failing(group, section)
        elif not checked:
            yield f"{group.file}:{section.line}: `{section.name}` has no result"

    def _failing(self, group: Group, section: Section) -> Iterator[str]:
        """Run a section of tests as ``fmc test`` does; yield what failed."""
        place = f"{group.file}:{section.line}"
        file = self.folder / f"example_{section.line}_test.flow"
        file.write_text(
            f"(ns example-{section.line}-test)\n{group.prologue}\n{section.text}\n", "utf-8"
        )
        outcome = Outcome()
        run_program(self.tests.compile(str(file)), Selection(), outcome, lambda result: None)
        for result in outcome.results:
            for problem in result.problems:
                yield f"{place}: {problem.diagnostic.message}"
        if outcome.counts.passed == 0:
            yield f"{place}: `{section.name}` checks nothing"

    def _local(self, text: str) -> str:
        return text.replace(SHOWN_SERVER, self.server)

    def _shown(self, text: str) -> str:
        """Return what a page shows: as if the section had been typed at a REPL, with its server."""
        for own, shown in (("section-", "user/"), ("section_", "user.")):  # names, classes
            text = text.replace(f"examples.{own}{self.count}{shown[-1]}", shown)
        return text.replace(self.server, SHOWN_SERVER)
