"""A full disk: the step has no effect, what was there is intact, and with room it goes on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.protocol import Claim, Commit, Message, NewEvent, NewRun, RunState
from flowmetal.store.sqlite import SqliteStore

RUN, ANN = RunId("run-1"), InterpreterId("ann")
BIG = Commit([NewEvent("a", "", 0, b"e" * 1000)], RunState.RUNNING, os.urandom(200_000))
SMALL = Commit([NewEvent("a", "", 0, b"")], RunState.RUNNING, b"small")


def open_claimed(path: Path) -> tuple[SqliteStore, Claim]:
    store = SqliteStore(path)
    store.create_run(NewRun(RUN, ProgramHash("f"), b"", b""))
    claim = store.claim(RUN, ANN, 10_000_000)
    assert isinstance(claim, Claim)
    return store, store.commit(claim, SMALL)


def fill_and_go_on(
    store: SqliteStore, claim: Claim, make_room: Callable[[], None], code: str
) -> None:
    """Commit until it fails with ``code``, see nothing half done, make room, go on."""
    full: StoreError | None = None
    while full is None:
        try:
            claim = store.commit(claim, BIG)
        except StoreError as error:
            full = error
    assert full.code == code
    assert full.diagnostics[0].help
    intact = store.run(RUN)
    assert intact is not None
    assert (intact.seq, intact.epoch) == (claim.seq, claim.epoch)
    assert len(store.events(RUN)) == claim.seq
    make_room()
    again = store.claim(RUN, ANN, 10_000_000)
    assert isinstance(again, Claim)
    after = store.commit(again, BIG)
    assert store.load(after).snapshot == BIG.snapshot
    assert store.send(RUN, Message("m", "signal", "go", b"")) is not None
    store.close()


def test_a_store_that_has_reached_its_size_goes_on_when_it_may_grow(tmp_path: Path) -> None:
    store, claim = open_claimed(tmp_path / "store.db")
    limit = store._execute
    (pages,) = limit("PRAGMA page_count").fetchone()
    limit(f"PRAGMA max_page_count = {pages + 20}")
    fill_and_go_on(
        store, claim, lambda: limit("PRAGMA max_page_count = 100000").fetchone(), "FM1007"
    )


def test_a_limit_on_the_size_of_files_is_an_error_of_the_disk(tmp_path: Path) -> None:
    store, claim = open_claimed(tmp_path / "store.db")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    try:
        fill_and_go_on(
            store, claim, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before), "FM1008"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB, where the system lets us have one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if mount is None or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_survived_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(1_000_000))
    store, claim = open_claimed(small_disk / "store.db")
    fill_and_go_on(store, claim, (small_disk / "ballast").unlink, "FM1007")


def test_a_full_disk_has_no_room_for_a_new_store_and_is_left_as_it_was(small_disk: Path) -> None:
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
    with pytest.raises(StoreError) as full:
        SqliteStore(small_disk / "store.db")
    assert full.value.code in ("FM1007", "FM1008")
    (small_disk / "ballast").unlink()
    open_claimed(small_disk / "store.db")[0].close()


def test_a_store_that_is_opened_on_a_full_disk_says_that_it_is_full(small_disk: Path) -> None:
    open_claimed(small_disk / "store.db")[0].close()
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
    with pytest.raises(StoreError, match="the disk is full") as full:
        SqliteStore(small_disk / "store.db").run(RUN)
    assert full.value.diagnostics[0].help == ("make room; the store goes on by itself",)
    (small_disk / "ballast").unlink()
    with closing(SqliteStore(small_disk / "store.db")) as store:
        assert store.run(RUN) is not None


def test_a_disk_that_becomes_read_only_refuses_and_keeps(small_disk: Path) -> None:
    store, _ = open_claimed(small_disk / "store.db")
    store.close()
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    with pytest.raises(StoreError) as refused:
        SqliteStore(small_disk / "store.db")
    assert refused.value.code == "FM1006"
