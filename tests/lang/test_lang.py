"""Every program in this folder does what it says it does. See expectations.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmetal.compiler.compile import compile_more
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.compiler.options import CompileOptions
from flowmetal.embed.evaluator import SealedMachine
from flowmetal.embed.library import library
from flowmetal.embed.natives import natives
from flowmetal.embed.reading import read
from flowmetal.errors import CompileError
from flowmetal.source import Source
from flowmetal.values import ErrorValue
from flowmetal.values.meter import UNTRUSTED
from tests.lang.expectations import Example, read_examples

PROGRAMS = sorted(Path(__file__).parent.glob("*.flow"))
RESULT = "-result-of-example"


class Session:
    """A namespace that grows form by form."""

    def __init__(self) -> None:
        self.environment = Environment()
        self.machine = SealedMachine(natives())
        self.machine.machine.limits = UNTRUSTED  # what runs away is seen to sooner
        for module in library():
            self.environment.add(module)
            self.machine.add(module)
        self.namespace = "user"

    def compile(self, text: str) -> None:
        addition = compile_more(
            Source("example", text),
            namespace=self.namespace,
            environment=self.environment,
            evaluator=self.machine,
            read=read,
            options=CompileOptions(),
        )
        self.namespace = addition.namespace

    def printed(self, text: str) -> str:
        """Return what ``pr-str`` makes of the value of a form."""
        self.compile(f"(defn {RESULT} [] (flow.core/pr-str {text}))")
        found = self.machine.call(f"{self.namespace}/{RESULT}", ())
        assert isinstance(found, str)
        return found


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_program_does_what_it_says(path: Path) -> None:
    session = Session()
    wrong = []
    for example in read_examples(path):
        complaint = complaint_of(session, example)
        if complaint is not None:
            wrong.append(f"{example.span}: {example.text}\n    {complaint}")
    assert not wrong, "\n" + "\n".join(wrong)


def complaint_of(session: Session, example: Example) -> str | None:
    """Return what is wrong with an example, None if nothing is."""
    try:
        if example.wanted is None and example.error is None:
            session.compile(example.text)
            return None
        found = session.printed(example.text)
    except EvaluationFailed as failed:
        return _compare_error(failed.error, example)
    except CompileError as error:
        if example.error is not None and error.code.startswith(example.error):
            return None
        return f"does not compile: {error}"
    if found == example.wanted:
        return None
    return f"gave {found}, expected {example.wanted or 'the error ' + str(example.error)}"


def _compare_error(error: ErrorValue, example: Example) -> str | None:
    wanted = example.error
    if wanted is not None:
        if wanted.startswith("FM") and (error.code or "").startswith(wanted):
            return None
        if wanted == f":{error.type.text}":
            return None
    return f"threw {error.code} :{error.type.text} {error.message!r}, expected {wanted or example.wanted}"
