"""SIGKILL a real process on a real file; another process, with another hash seed, goes on.

``FLOWMETAL_KILLS``: how many kills on SQLite (100); ``FLOWMETAL_POSTGRES_KILLS``: on PostgreSQL (6).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmetal.effects import events
from flowmetal.ids import RunId
from flowmetal.store import open_store
from flowmetal.store.protocol import RunState
from flowmetal.values import decode_data, pr_str
from tests.crash.corpus import CASES, Case
from tests.crash.test_crash_points import reference, sample
from tests.postgres import Server

KILLS = int(os.environ.get("FLOWMETAL_KILLS", "100"))
POSTGRES_KILLS = int(os.environ.get("FLOWMETAL_POSTGRES_KILLS", "6"))
RUN = RunId("r")


class Zygote:
    """See zygote.py."""

    def __init__(self, hash_seed: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def live(self, url: str, folder: Path, name: str, nth: int) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{url} {folder}/journal {name} {nth}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def close(self) -> None:
        self._process.communicate("")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def zygotes() -> Iterator[tuple[Zygote, Zygote]]:
    pair = Zygote(1), Zygote(4711)
    yield pair
    for zygote in pair:
        zygote.close()


# Each program is killed at points spread over its life, the first and the last ones among them.
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_killed_process_loses_nothing(
    case: Case, zygotes: tuple[Zygote, Zygote], tmp_path: Path
) -> None:
    count = max(1, KILLS // len(CASES))
    for nth in sample(case, count):
        folder = tmp_path / str(nth)
        folder.mkdir()
        check(case, zygotes, f"sqlite:{folder}/store.db", folder, nth)


@pytest.mark.parametrize("turn", range(POSTGRES_KILLS))
def test_a_killed_process_loses_nothing_in_postgresql(
    turn: int, zygotes: tuple[Zygote, Zygote], tmp_path: Path, postgres: Server
) -> None:
    case = CASES[turn * 7 % len(CASES)]
    with postgres.empty_store() as url:
        check(case, zygotes, url, tmp_path, sample(case, POSTGRES_KILLS)[turn])


def check(case: Case, zygotes: tuple[Zygote, Zygote], url: str, folder: Path, nth: int) -> None:
    """Kill a process that runs the case on a store, let another go on, and look at what has happened."""
    whole = reference(case)
    first, second = random.Random(f"{case.name}{nth}").sample(zygotes, 2)
    died = first.live(url, folder, case.name, nth)
    assert died in (-9, 0), (case.name, nth, (folder / "journal.error").read_text())
    ended = second.live(url, folder, case.name, 0)
    assert ended == 0, (case.name, nth, (folder / "journal.error").read_text())
    store = open_store(url)
    try:
        row = store.run(RUN)
        assert row is not None
        assert row.state is RunState.COMPLETED, (case.name, nth)
        assert row.result is not None
        outcome = f"completed {pr_str(decode_data(row.result))}"
        history = store.events(RUN, 0, 10_000)
    finally:
        store.close()
    if case.in_doubt:
        assert outcome.count("in-doubt") <= 1
    else:
        assert outcome == whole.outcome, (case.name, nth)
    keys = set((folder / "journal").read_text().split())
    if not case.verifies:
        assert keys <= {performed.key for performed in whole.performed}, (case.name, nth)
    assert [event.seq for event in history] == list(range(1, len(history) + 1))
    answered = [e.effect for e in history if e.kind in (events.RESOLVED, events.EFFECT_FAILED)]
    assert len(answered) == len(set(answered)), (case.name, nth)
