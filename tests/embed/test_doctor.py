"""What ``fmvm doctor`` finds in a store of SQLite. PostgreSQL: tests/store/test_postgres_health.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed import doctor
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store import clock
from flowmetal.store.protocol import Claim, Commit, NewRun, RunState
from flowmetal.store.sqlite import SqliteStore

PROGRAM = flowmetal.compile("(ns p)\n(defn main [] 1)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "runs.db"
    flowmetal.Engine(f"sqlite:{made}").close()
    return made


def found(path: Path, about: str) -> tuple[str, str]:
    """Return level and message of the worst finding about something."""
    findings = [one for one in doctor.examine(f"sqlite:{path}") if one.about == about]
    assert findings, about
    assert all(one.remedy for one in findings if one.level != "fine"), findings
    worst = max(findings, key=lambda one: ("fine", "note", "wrong").index(one.level))
    return worst.level, worst.message


def test_a_store_in_good_order_is_fine(path: Path) -> None:
    with flowmetal.Engine(f"sqlite:{path}"):  # with a log and locks beside it
        for about in ("python", "store", "files", "disk", "clock"):
            assert found(path, about)[0] == "fine"
    assert "runs" not in {one.about for one in doctor.examine(f"sqlite:{path}")}


def test_a_file_that_everybody_may_read_is_wrong(path: Path) -> None:
    path.chmod(0o644)
    level, message = found(path, "files")
    assert (level, str(path) in message, "644" in message) == ("wrong", True, True)


def test_a_log_that_everybody_may_read_is_wrong_too(path: Path) -> None:
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        engine.start(PROGRAM)
        os.chmod(f"{path}-wal", 0o604)
        level, message = found(path, "files")
    assert (level, f"{path}-wal" in message) == ("wrong", True)


@pytest.mark.parametrize(
    ("limit", "level"), [("LITTLE_ROOM_BYTES", "wrong"), ("SCARCE_ROOM_BYTES", "note")]
)
def test_a_disk_that_is_nearly_full_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, level: str
) -> None:
    monkeypatch.setattr(doctor, limit, 1 << 62)
    assert found(path, "disk")[0] == level


def test_a_clock_that_was_set_back_is_wrong(path: Path) -> None:
    class Ahead(clock.SystemClock):
        def now_us(self) -> int:
            return super().now_us() + 3_600_000_000

    store = SqliteStore(path, Ahead())
    store.create_run(NewRun(RunId("r"), PROGRAM.hash, b"", b""))
    store.close()
    level, message = found(path, "clock")
    assert (level, "set back" in message) == ("wrong", True)


def test_an_export_whose_process_died_is_wrong(path: Path) -> None:
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        run, _ = engine.start(PROGRAM)
        claim = engine.store.claim(RunId(run), InterpreterId(engine.name), 10_000_000)
        assert isinstance(claim, Claim)
        engine.store.commit(claim, Commit((), RunState.EXPORTING))
        assert all("exported" not in one.message for one in doctor.examine(f"sqlite:{path}"))
    level, message = found(path, "runs")
    assert (level, message) == ("wrong", f"run {run} was being exported when that stopped")


def test_runs_that_nobody_drives_are_said(path: Path) -> None:
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        engine.start(PROGRAM)
        level, message = found(path, "runs")
        assert (level, "nobody drives" in message) == ("note", True)
        engine.interpret(until_idle=True)
    assert "runs" not in {one.about for one in doctor.examine(f"sqlite:{path}")}
