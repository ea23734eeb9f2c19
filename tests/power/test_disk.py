"""A disk that fails at some write or sync: an error with a code, nothing half done, and with the disk well again
everything ends as it should.

``FLOWMETAL_DISK_FAULTS`` says how many moments are tried for each kind of fault (12; 2,000 with
``FLOWMETAL_EVERYTHING``).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.starting import start_run
from flowmetal.runtime.verifying import verify
from flowmetal.store.sqlite import SqliteStore
from flowmetal.testing.clock import VirtualClock
from flowmetal.values import decode_data, pr_str
from tests.crash.harness import program_of
from tests.power.recording import Act, Recorder
from tests.power.workload import host_on

MOMENTS = int(
    os.environ.get("FLOWMETAL_DISK_FAULTS", 2000 if os.environ.get("FLOWMETAL_EVERYTHING") else 12)
)
CASE = "children"
pytestmark = pytest.mark.timeout(3600 if MOMENTS > 100 else 300)


def _full() -> apsw.Error:
    return _failing(apsw.FullError("the disk is full"), apsw.SQLITE_FULL)


def _eio(code: int) -> Callable[[], apsw.Error]:
    return lambda: _failing(apsw.IOError("the disk has failed"), code)


def _failing(error: apsw.Error, code: int) -> apsw.Error:
    error.extendedresult = code
    return error


FAULTS = {
    "full": ("write", _full),
    "write fails": ("write", _eio(apsw.SQLITE_IOERR_WRITE)),
    "sync fails": ("sync", _eio(apsw.SQLITE_IOERR_FSYNC)),
    "truncate fails": ("truncate", _eio(apsw.SQLITE_IOERR_TRUNCATE)),
}


@dataclass
class Disk:
    """Fails at the ``nth`` act of a kind, and at as many after it as ``length`` says."""

    kind: str
    error: Callable[[], apsw.Error]
    nth: int
    length: int
    seen: int = 0

    def __call__(self, act: Act) -> None:
        if act.what == self.kind:
            self.seen += 1
            if self.nth <= self.seen < self.nth + self.length:
                raise self.error()


def live(path: Path, disk: Disk) -> list[StoreError]:
    """Run a program on a store whose disk fails; go on until it has ended. Return the errors."""
    recorder, errors = Recorder(before=disk, checkpoint_pages=20), []
    program, data = program_of(CASE)
    with recorder.at_work():
        for life in range(300):
            store = None
            try:
                clock = VirtualClock()
                store = SqliteStore(path, clock)
                host = host_on(store, clock, InterpreterId(f"i{life}"))
                start_run(host, program, lambda _: data, id="r")
                row = drive(host, RunId("r")).row
                assert row.result is not None, pr_str(decode_data(row.error))
                assert pr_str(decode_data(row.result)) == "[0 10 2 30 40]"
                assert not verify(host, row).problems
                assert store._execute("PRAGMA integrity_check").fetchone() == ("ok",)
                return errors
            except StoreError as error:
                errors.append(error)
            finally:
                if store is not None:
                    store.close()
    raise AssertionError(f"it does not end: {errors[-1]}")


def count_of(path: Path, kind: str) -> int:
    disk = Disk(kind, _full, nth=0, length=0)
    live(path, disk)
    return disk.seen


@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_at_any_moment_is_an_error_with_a_code_and_loses_nothing(
    tmp_path: Path, fault: str
) -> None:
    kind, error = FAULTS[fault]
    chance, told = random.Random(fault), 0
    last = count_of(tmp_path / "whole.db", kind)
    for number in range(min(MOMENTS, last)):
        nth = number + 1 if last <= MOMENTS else chance.randrange(1, last + 1)
        disk = Disk(kind, error, nth, length=chance.choice((1, 1, 3, 40)))
        errors = live(tmp_path / f"{number}.db", disk)
        told += len(errors)
        for each in errors:
            assert each.code in ("FM1007", "FM1008", "FM1014"), each
    assert told or kind == "truncate"
