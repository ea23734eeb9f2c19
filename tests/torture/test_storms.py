"""Many interpreters, one store, and a storm over them.

A small storm each time. With FLOWMETAL_EVERYTHING=1 (``make torture``): 200 runs of 30 steps, and 8 runs of 2,000 under
the lease of 10 s that users have; PostgreSQL's server crashes twice; and storm after storm over it for
twenty minutes (FLOWMETAL_STORMS_S), most of them over as few runs as there are workers.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.torture.storm import Restart, Storm
from tests.torture.works import WORKS

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
STORMS_S = float(os.environ.get("FLOWMETAL_STORMS_S", 1200))

# Runs, steps of each. As few runs as workers: then somebody always waits for what another one has.
if EVERYTHING:
    FEW, MANY, FEW_LINKED, SHARED, FEW_SHARED = (4, 400), (100, 30), (4, 80), (4, 40), (3, 30)
else:
    FEW, MANY, FEW_LINKED, SHARED, FEW_SHARED = (4, 80), (40, 20), (4, 50), (4, 25), (3, 20)
FEWEST, MOST = (8, 2000), (200, 30)
BLOWS = {FEWEST: {"lease_s": 10, "pause_s": 2}, MOST: {"lease_s": 1, "pause_s": 0.3}}


@pytest.mark.parametrize("size", [FEW, MANY])
def test_a_storm_over_sqlite_leaves_every_run_whole(size: tuple[int, int], tmp_path: Path) -> None:
    Storm(f"sqlite:{tmp_path}/store.db", tmp_path, seed=size[0]).run(*size, limit_s=250)


@pytest.mark.parametrize("size", [FEW, MANY])
def test_a_storm_over_postgresql_leaves_every_run_whole(
    size: tuple[int, int], tmp_path: Path, postgres: Server
) -> None:
    with postgres.empty_store() as url:
        storm = Storm(url, tmp_path, seed=size[0])
        storm.run(*size, limit_s=250, restarts=[Restart(3, postgres)])


def test_a_storm_that_cuts_links_to_postgresql_leaves_every_run_whole(
    tmp_path: Path, postgres: Server
) -> None:
    with postgres.empty_store() as url:
        Storm(url, tmp_path, seed=1, server=postgres).run(*FEW_LINKED, limit_s=250)


def test_a_storm_over_runs_that_share_locks_and_start_runs(tmp_path: Path) -> None:
    storm = Storm(f"sqlite:{tmp_path}/store.db", tmp_path, seed=1)
    storm.run(*SHARED, limit_s=250, work=WORKS["shared"])


def test_a_storm_over_postgresql_and_runs_that_share_locks_and_start_runs(
    tmp_path: Path, postgres: Server
) -> None:
    with postgres.empty_store() as url:
        storm = Storm(url, tmp_path, seed=1)
        storm.run(*FEW_SHARED, limit_s=250, work=WORKS["shared"], restarts=[Restart(3, postgres)])


everything = pytest.mark.skipif(not EVERYTHING, reason="make torture")


@everything
@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [FEWEST, MOST])
def test_a_long_storm_over_sqlite_leaves_every_run_whole(
    size: tuple[int, int], tmp_path: Path
) -> None:
    storm = Storm(f"sqlite:{tmp_path}/store.db", tmp_path, seed=size[0], **BLOWS[size])
    storm.run(*size, limit_s=600)


@everything
@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [FEWEST, MOST])
def test_a_long_storm_over_postgresql_leaves_every_run_whole(
    size: tuple[int, int], tmp_path: Path, postgres: Server
) -> None:
    with postgres.empty_store() as url:
        storm = Storm(url, tmp_path, seed=size[0], server=postgres, **BLOWS[size])
        storm.run(*size, limit_s=600, restarts=[Restart(3, postgres), Restart(7, postgres)])


@everything
@pytest.mark.timeout(STORMS_S + 900)
def test_no_storm_over_postgresql_in_a_long_time_harms_a_run(
    tmp_path: Path, postgres: Server
) -> None:
    end, seed = time.monotonic() + STORMS_S, 1000
    while time.monotonic() < end:
        seed += 1
        (folder := tmp_path / str(seed)).mkdir()
        with postgres.empty_store() as url:
            storm = Storm(url, folder, seed, postgres, pause_s=1)
            size, work = ((FEW, "alone"), (MANY, "alone"), (SHARED, "shared"))[seed % 3]
            storm.run(*size, limit_s=600, work=WORKS[work], restarts=[Restart(seed % 9, postgres)])
