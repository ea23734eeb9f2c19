"""Power cuts: whatever the disk has lost, what was acknowledged is there, and nothing is torn.

``FLOWMETAL_IMAGES`` says how many images of a disk are looked at (300; 100,000 with ``FLOWMETAL_EVERYTHING``).
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowmetal.errors import FlowmetalError
from tests.power.images import images, write_image
from tests.power.recording import Recorder
from tests.power.workload import Workload, problem_of

IMAGES = int(
    os.environ.get("FLOWMETAL_IMAGES", 100_000 if os.environ.get("FLOWMETAL_EVERYTHING") else 300)
)
CHECKPOINTS = (8, 40, 1000)
"""Pages of the log after which it is written back: often, at times, and as SQLite does by itself."""

pytestmark = pytest.mark.timeout(3600 if IMAGES > 1000 else 300)
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("power")
    fast = SHARED_MEMORY / f"flowmetal-{os.getpid()}" if SHARED_MEMORY.is_dir() else made
    fast.mkdir(exist_ok=True)
    yield fast
    shutil.rmtree(fast)


@dataclass
class Found:
    images: int = 0
    problems: int = 0
    first: str = ""


def look_at(workload: Workload, folder: Path, count: int, seed: int) -> Found:
    """Look at so many images of the disk, at moments drawn from all."""
    chance = random.Random(seed)
    acts = workload.recorder.acts
    points = sorted(chance.randrange(len(acts)) for _ in range(max(1, count // 4)))
    found = Found()
    for point, image in images(acts, points, 4, chance):
        place = folder / "image"
        place.mkdir()
        write_image(place, image)
        try:
            problem = problem_of(place, workload, point)
        except (FlowmetalError, sqlite3.Error) as error:
            problem = f"it does not open: {error}"
        found.images += 1
        found.problems += bool(problem)
        found.first = found.first or (problem and f"before act {point} of {seed}: {problem}")
        shutil.rmtree(place)
    return found


def recorded(folder: Path, pages: int, synchronous: str = "FULL") -> Workload:
    place = folder / f"recorded-{pages}-{synchronous}"
    place.mkdir()
    made = Workload(Recorder(checkpoint_pages=pages, synchronous=synchronous), place / "store.db")
    made.run()
    return made


@pytest.mark.parametrize("pages", CHECKPOINTS)
def test_no_power_cut_loses_what_was_acknowledged_or_tears_anything(
    folder: Path, pages: int
) -> None:
    workload = recorded(folder, pages)
    found = look_at(workload, folder, IMAGES // len(CHECKPOINTS), seed=pages)
    assert not found.problems, f"{found.problems} of {found.images}: {found.first}"


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_a_store_that_syncs_less_is_noticed(folder: Path, synchronous: str) -> None:
    workload = recorded(folder, 40, synchronous)
    assert look_at(workload, folder, 60, seed=1).problems
