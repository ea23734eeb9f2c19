"""The programs of this folder again, on a machine that is saved and restored all the time.

Each landing moves some of them after 97 instructions at first and then ever less often; the long run
(FLOWMETAL_EVERYTHING=1) moves after every instruction, every 7 and every 97 of all programs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowmetal.compiler.environment import Environment
from flowmetal.embed.library import library
from flowmetal.embed.natives import natives
from tests.lang.expectations import read_examples
from tests.lang.moving import MovingMachine
from tests.lang.test_lang import PROGRAMS, Session, complaint_of

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
STEPS = ((1, 50), (7, 50), (97, 50)) if EVERYTHING else ((97, 1),)
SAMPLED = ("errors", "macros", "multimethods", "records", "state", "watches")
OF_RUNS = ("evaluating",)
"""What a run compiles is the run's own, and the compiler's machine has no such code: tests/snapshot/test_own_code.py."""
SAMPLE = [
    path for path in PROGRAMS if path.stem in SAMPLED or (EVERYTHING and path.stem not in OF_RUNS)
]


class MovingSession(Session):
    """A namespace that grows form by form on a machine that moves."""

    def __init__(self, step: int, dense: int) -> None:
        self.environment = Environment()
        self.machine = MovingMachine(natives(), step, dense)
        self.machine.still = True
        for module in library():
            self.environment.add(module)
            self.machine.add(module)
        self.machine.still = False
        self.namespace = "user"


@pytest.mark.parametrize(("step", "dense"), STEPS, ids=[f"every {step}" for step, _ in STEPS])
@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.stem)
def test_the_program_does_the_same_on_machines_that_move(path: Path, step: int, dense: int) -> None:
    session = MovingSession(step, dense)
    found = [(each.text, complaint_of(session, each)) for each in read_examples(path)]
    assert [(text, wrong) for text, wrong in found if wrong] == []
    assert session.machine.moves > 0


def test_a_machine_moves_after_every_instruction() -> None:
    session = MovingSession(1, 1_000_000)
    session.compile("(defn f [xs] (reduce + 0 (map inc (filter odd? xs))))")
    assert session.printed("(f (range 12))") == "42"
    assert session.machine.moves > 500
