"""``pytest`` finds ``*_test.flow`` and ``*_test.cljc``: each deftest is an item, failures look as ours do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flowmetal.errors import Diagnostic
    from flowmetal.testing.results import Result
    from flowmetal.testing.suite import TestProgram


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FlowFile | None:
    """Collect a file of Flowmetal tests."""
    if file_path.suffix in (".flow", ".cljc") and file_path.stem.endswith("_test"):
        file: FlowFile = FlowFile.from_parent(parent, path=file_path)
        return file
    return None


class FlowFailure(Exception):
    """A test of Flowmetal failed. ``text`` is what is shown."""


class FlowFile(pytest.File):
    """A file of tests."""

    def collect(self) -> Iterator[pytest.Item]:
        """Compile the file and yield its tests."""
        from flowmetal.errors import FlowmetalError
        from flowmetal.testing.suite import TestCompiler, tests_of

        try:
            test = TestCompiler().compile(str(self.path))
        except FlowmetalError as error:
            raise self.CollectError(_rendered(error.diagnostics)) from None
        for found in tests_of(test):
            if found.problems:
                raise self.CollectError(_text(found))
            name = found.name.partition("/")[2]
            yield FlowItem.from_parent(self, name=name, test=test, found=found)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show what is wrong with the file without a Python traceback."""
        if isinstance(excinfo.value, self.CollectError):
            return str(excinfo.value.args[0])
        return super().repr_failure(excinfo)


class FlowItem(pytest.Item):
    """One deftest."""

    def __init__(self, *, test: TestProgram, found: Result, **words: Any) -> None:
        super().__init__(**words)
        self._test = test
        self._found = found

    def runtest(self) -> None:
        """Run the test in a machine of its own."""
        from flowmetal.testing.results import Outcome
        from flowmetal.testing.suite import Selection, run_program

        outcome = Outcome()
        run_program(self._test, Selection(only=self._found.name), outcome, lambda result: None)
        for result in outcome.results:
            if result.output:
                self.add_report_section("call", "stdout", result.output)
            if result.problems:
                raise FlowFailure(_text(result))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show the failure as ``fmc test`` does."""
        if isinstance(excinfo.value, FlowFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the test stands."""
        place = self._found.place
        return self.path, None if place is None else place.line - 1, self._found.name


def _text(result: Result) -> str:
    return _rendered(tuple(problem.diagnostic for problem in result.problems))


def _rendered(diagnostics: tuple[Diagnostic, ...]) -> str:
    from flowmetal.embed.rendering import render

    return render(diagnostics)
