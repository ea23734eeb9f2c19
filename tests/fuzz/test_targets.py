"""The claims of targets.py for a moment each; ``make fuzz`` tries them for longer."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutants import run_verified
from tests.fuzz.targets import FRAGMENTS, TARGETS, program_of

# The other targets have tests of their own beside what they try.
EXAMPLES = {"compiler": 8, "linter": 4, "formatter": 60, "json": 100, "run_file": 60}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_claims_hold_for_any_bytes(name: str) -> None:
    @settings(max_examples=EXAMPLES[name], deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=20, max_size=120))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()


def test_code_that_the_verifier_accepts_never_breaks_the_machine() -> None:
    # Seeded, and not hypothesis: most changes are refused at once, and shrinking says little.
    accepted = sum(run_verified(Random(seed).randbytes(40)) for seed in range(600))
    assert accepted > 100


def test_no_request_reaches_the_inside_however_its_address_is_written() -> None:
    for seed in range(150):
        TARGETS["url_filter"](Random(seed).randbytes(60))


def test_any_request_is_answered_and_changes_nothing_that_it_does_not_say() -> None:
    for seed in range(200):
        TARGETS["api"](Random(seed).randbytes(40))


def test_every_fragment_can_be_said() -> None:
    assert len(set(FRAGMENTS)) == len(FRAGMENTS) < 256
    said = [program_of(bytes((at, 0))) for at in range(len(FRAGMENTS))]
    assert said == [f"{fragment} " for fragment in FRAGMENTS]
