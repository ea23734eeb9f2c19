"""Simulated histories: several interpreters, one store, and whatever may go wrong.

``FLOWMETAL_SEEDS`` says how many seeds are simulated (300; 40,000 with ``FLOWMETAL_EVERYTHING``).
A fifth as many are simulated on SQLite. What fails prints how to see it again; its seed then goes into seeds.txt.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.simulation.simulation import Simulation

SEEDS = int(
    os.environ.get("FLOWMETAL_SEEDS", 40_000 if os.environ.get("FLOWMETAL_EVERYTHING") else 300)
)
CHUNK = 25
FAILED_ONCE = Path(__file__).with_name("seeds.txt")


def check(seed: int, store: str = "memory") -> None:
    before = threading.active_count()
    result = Simulation(seed, store=store).run()
    assert not result.problem, (
        f"{result.problem}\nsee it again:"
        f" python -m tests.simulation --seed {seed} --store {store} --trace"
    )
    # What runs in a real thread is not drawn from the seed.
    assert threading.active_count() <= before


def failed_once() -> list[tuple[int, str]]:
    lines = (line.partition("#")[0].split() for line in FAILED_ONCE.read_text().splitlines())
    return [(int(words[0]), words[1]) for words in lines if words]


@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_whatever_goes_wrong_every_run_ends_with_the_right_result(first: int) -> None:
    for seed in range(first, min(first + CHUNK, SEEDS + 1)):
        check(seed)


@pytest.mark.parametrize("first", range(1, SEEDS // 5 + 1, CHUNK))
def test_the_same_holds_on_a_file_that_each_process_opens_itself(first: int) -> None:
    for seed in range(first, min(first + CHUNK, SEEDS // 5 + 1)):
        check(seed, "sqlite")


def test_seeds_that_failed_once_do_not_fail_again() -> None:
    for seed, store in failed_once():
        check(seed, store)


def test_a_seed_is_one_history_whatever_the_hashes_of_a_process_are() -> None:
    script = (
        "import hashlib\n"
        "from tests.simulation.simulation import Simulation\n"
        "traces = [line for seed in (2, 5, 9) for line in Simulation(seed).run().trace]\n"
        "print(hashlib.sha256('\\n'.join(traces).encode()).hexdigest())\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
