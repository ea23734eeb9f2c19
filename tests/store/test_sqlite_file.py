"""What can be wrong with the file: each is a sentence and a remedy, and nothing is changed."""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.protocol import NewRun
from flowmetal.store.sqlite import SqliteStore
from flowmetal.store.sqlite.file import file_system_of
from tests.unprivileged import as_ordinary_user

NEW = NewRun(RunId("run-1"), ProgramHash("f"), b"", b"")


def refusal(path: Path) -> str:
    """Open the store, see it refused with a remedy and nothing made beside it, return the code."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(StoreError) as refused:
        SqliteStore(path)
    assert refused.value.diagnostics[0].help
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == before
    return refused.value.code


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    assert refusal(tmp_path / "typo" / "store.db") == "FM1003"


def test_a_folder_below_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file" / "store.db") == "FM1003"


def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "FM1004"


def test_a_device_is_not_a_store() -> None:
    with pytest.raises(StoreError) as refused:
        SqliteStore(Path("/dev/null"))
    assert refused.value.code == "FM1004"


@pytest.mark.parametrize("size", [1, 10, 100, 511, 512, 5_000, 100_000])
def test_random_bytes_are_not_a_store_and_stay_as_they_are(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    path = tmp_path / "store.db"
    path.write_bytes(data)
    assert refusal(path) == "FM1001"
    assert path.read_bytes() == data


def test_a_database_of_another_application_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE song (title)")
    other.close()
    data = path.read_bytes()
    assert refusal(path) == "FM1002"
    assert path.read_bytes() == data


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"")
    store = SqliteStore(path)
    store.create_run(NEW)
    store.close()


def test_a_store_of_which_only_the_header_was_written_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    half_made = sqlite3.connect(path)
    half_made.execute("PRAGMA journal_mode=WAL")
    half_made.close()
    store = SqliteStore(path)
    store.create_run(NEW)
    store.close()


def test_a_store_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    newer = sqlite3.connect(path)
    newer.execute("UPDATE store SET schema_version = 2, minimum_writer = 2")
    newer.commit()
    newer.close()
    assert refusal(path) == "FM1010"


def test_a_newer_store_that_older_writers_may_use_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    newer = sqlite3.connect(path)
    newer.execute("UPDATE store SET schema_version = 2")
    newer.commit()
    newer.close()
    SqliteStore(path).close()


def test_a_truncated_store_is_refused_or_read_but_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.create_run(NEW)
    store.close()
    whole = path.read_bytes()
    for length in range(512, len(whole), 4096 - 512):
        path.write_bytes(whole[:length])
        try:
            opened = SqliteStore(path)
        except StoreError as error:
            assert error.code in ("FM1001", "FM1002", "FM1008")  # noqa: PT017
            continue
        try:
            opened.run(RunId("run-1"))
        except StoreError as error:
            assert error.code == "FM1001"  # noqa: PT017
        finally:
            opened.close()


def test_a_deleted_store_acknowledges_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    for name in os.listdir(tmp_path):
        if name.startswith("store.db") and not name.endswith("-locks"):
            (tmp_path / name).unlink()
    with pytest.raises(StoreError) as refused:
        store.create_run(NEW)
    assert refused.value.code == "FM1020"
    store.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_whose_file_was_moved_says_so_and_goes_on_when_it_is_back(
    tmp_path: Path, replaced: bool
) -> None:
    path, moved = tmp_path / "store.db", tmp_path / "moved.db"
    store = SqliteStore(path)
    store.create_run(NEW)
    store.wait_for_change(0)
    path.rename(moved)
    if replaced:
        path.write_bytes(moved.read_bytes())
    store._session._look_again_at = 0.0
    for use in (lambda: store.run(NEW.id), lambda: store.create_run(NEW)):
        with pytest.raises(StoreError) as refused:
            use()
        assert refused.value.code == "FM1020"
        assert ("another file" in refused.value.message) is replaced
    store.wait_for_change(3600)
    moved.rename(path)
    assert store.run(NEW.id) is not None
    store.close()


def test_no_store_is_made_where_the_log_of_one_lies_without_its_file(tmp_path: Path) -> None:
    path, moved = tmp_path / "store.db", tmp_path / "moved.db"
    store = SqliteStore(path)
    store.create_run(NEW)
    path.rename(moved)
    with pytest.raises(StoreError) as refused:
        SqliteStore(path)
    assert refused.value.code == "FM1020"
    assert not path.exists()
    for end in ("-wal", "-shm"):
        (tmp_path / f"store.db{end}").rename(tmp_path / f"moved.db{end}")
    there = SqliteStore(moved)
    assert there.run(NEW.id) is not None
    there.close()
    SqliteStore(path).close()
    store.close()


def test_a_store_reached_by_a_link_or_a_relative_path_is_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "store.db")
    monkeypatch.chdir(tmp_path)
    first, second = SqliteStore(Path("store.db")), SqliteStore(Path("link.db"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    first.create_run(NEW)
    first.claim(NEW.id, InterpreterId("ann"), 10_000_000)
    assert first.url == second.url
    assert second.claim_ready(InterpreterId("bob"), 10_000_000, 1) == []
    first.close()
    second.close()


def test_the_store_and_what_is_beside_it_belong_to_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.claim(RunId("none"), InterpreterId("ann"), 1)
    modes = {name.name: name.stat().st_mode & 0o777 for name in tmp_path.rglob("*")}
    store.close()
    assert modes.pop("store.db-locks") == 0o700
    assert set(modes.values()) == {0o600}
    assert {"store.db", "store.db-wal", ".writer", "ann"} <= modes.keys()


def test_a_shared_store_shares_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(0o660)
    store = SqliteStore(path)
    store.claim(RunId("none"), InterpreterId("ann"), 1)
    assert (tmp_path / "store.db-locks").stat().st_mode & 0o777 == 0o770
    assert (tmp_path / "store.db-locks" / "ann").stat().st_mode & 0o777 == 0o660
    store.close()


@pytest.mark.parametrize("id_", ["", ".", "../x", "a/b", ".writer", "a\n", "x" * 101, "é"])
def test_an_interpreter_id_that_cannot_name_a_file_is_refused(tmp_path: Path, id_: str) -> None:
    store = SqliteStore(tmp_path / "store.db")
    with pytest.raises(StoreError) as refused:
        store.claim(RunId("run-1"), InterpreterId(id_), 1)
    store.close()
    assert refused.value.code == "FM1019"


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/ann/my\\040disk xfs rw 0 0
tmpfs /over tmpfs rw 0 0
host /over 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/bob/x", "nfs4"),
        ("/homes", "ext4"),
        ("/home/ann/my disk/x", "xfs"),
        ("/over", "9p"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    assert file_system_of(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowmetal.store.sqlite.file.file_system_of", lambda folder: "nfs4")
    assert refusal(tmp_path / "store.db") == "FM1011"


# As an ordinary user, whom permissions bind


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an ordinary user can get at, even if root runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def use(path: Path) -> None:
    store = SqliteStore(path)
    store.create_run(NEW)
    store.close()


def test_a_file_of_somebody_else_may_not_be_opened(open_folder: Path) -> None:
    use(open_folder / "store.db")
    (open_folder / "store.db").chmod(0)
    assert as_ordinary_user(lambda: use(open_folder / "store.db")) == "FM1005"


def test_a_file_that_cannot_be_written_is_read_only(open_folder: Path) -> None:
    use(open_folder / "store.db")
    (open_folder / "store.db").chmod(0o444)
    assert as_ordinary_user(lambda: use(open_folder / "store.db")) == "FM1006"


def test_a_folder_that_cannot_be_written_is_read_only(open_folder: Path) -> None:
    use(open_folder / "store.db")
    (open_folder / "store.db").chmod(0o666)
    open_folder.chmod(0o555)
    assert as_ordinary_user(lambda: use(open_folder / "store.db")) == "FM1006"
    assert as_ordinary_user(lambda: use(open_folder / "another.db")) == "FM1006"


def test_locks_of_somebody_else_may_not_be_opened(open_folder: Path) -> None:
    use(open_folder / "store.db")
    (open_folder / "store.db").chmod(0o666)
    (open_folder / "store.db-locks").chmod(0)
    assert as_ordinary_user(lambda: use(open_folder / "store.db")) == "FM1005"
    (open_folder / "store.db-locks").chmod(0o700)


def test_a_store_does_not_survive_a_fork(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.create_run(NEW)
    claim = store.claim(NEW.id, InterpreterId("ann"), 10_000_000)
    assert as_ordinary_user(lambda: store.run(NEW.id)) == "FM1017"
    other = SqliteStore(tmp_path / "store.db")
    assert other.claim_ready(InterpreterId("bob"), 10_000_000, 1) == []  # ann still holds it
    assert claim is not None
    other.close()
    store.close()


def test_a_child_that_is_forked_while_a_thread_waits_to_write_holds_nobody_up(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "store.db", timeout_s=5)
    until_end, end = os.pipe()
    with (tmp_path / "store.db-locks" / ".writer").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        writing = threading.Thread(target=store.create_run, args=(NEW,))
        writing.start()
        while not any("writer-queue" in thread.name for thread in threading.enumerate()):
            time.sleep(0.001)
        if (child := os.fork()) == 0:
            os.close(end)
            os.read(until_end, 1)
            os._exit(0)
        fcntl.flock(other, fcntl.LOCK_UN)
    writing.join()
    store.create_run(replace(NEW, id=RunId("run-2")))
    os.close(end)
    os.waitpid(child, 0)
    os.close(until_end)
    store.close()
