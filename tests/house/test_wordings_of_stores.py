"""What is said of a store that cannot be opened, read or written: FM10xx, by real files and a real server."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.protocol import Claim, Commit, Message, RunState, Store
from flowmetal.store.sqlite import SqliteStore
from tests.house.sessions import compare, said_of, same_every_time, shown_by
from tests.postgres import Server, free_port
from tests.shell import Shell
from tests.sqlite import opened

SHOP = """(ns shop
  (:require [flow.event :refer [receive!]]))

(defn main [] (receive! :paid))
"""
RUN, ANN = RunId("order-17"), InterpreterId("ann")
WAITING = "fmvm start shop.flow --id order-17"

SESSIONS = {
    "FM1001": "fmvm ps --store sqlite:notes.txt",
    "FM1002": "fmvm ps --store sqlite:songs.db",
    "FM1003": "fmvm run shop.flow --store sqlite:nowhere/runs.db",
    "FM1004": "fmvm run shop.flow --store sqlite:folder",
    "FM1012": "fmvm run shop.flow --store mysql:runs",
    "FM1016": """
        fmvm start shop.flow --id order-17
        fmvm export order-17 -o order-17.fms
        fmvm import damaged.fms --store sqlite:there.db
    """,
    "FM1021": "fmvm start shop.flow --id order-17 --tag customer='\udce9'",
    "FM1030": "fmvm ps --store sqlite:typo.db",
}


@pytest.fixture
def folder(shell: Shell) -> Shell:
    shell.write("shop.flow", SHOP)
    shell.write("notes.txt", "these are notes\n" * 100)
    shell.write("damaged.fms", b"noise" * 99)
    (shell.folder / "folder").mkdir()
    with opened(shell.folder / "songs.db") as songs:
        songs.execute("CREATE TABLE song (title)")
    songs.close()
    return shell


@pytest.fixture
def store(folder: Shell) -> Iterator[SqliteStore]:
    """A store with a run, as a library has it open."""
    assert folder("fmvm", "start", "shop.flow", "--id", "order-17").status == 0
    store = SqliteStore(folder.folder / "runs.db", timeout_s=0.05)
    yield store
    store.close()


def refusal(folder: Shell, action: Callable[[], object]) -> str:
    """Return what a host shows of the error that an action ends in."""
    with pytest.raises(flowmetal.FlowmetalError) as caught:
        action()
    return said_of(caught.value, folder.folder)


def claimed(store: Store) -> Claim:
    claim = store.claim(RUN, ANN, 10_000_000)
    assert isinstance(claim, Claim)
    return claim


@pytest.mark.parametrize("code", SESSIONS)
def test_a_store_that_is_of_no_use_is_worded_as_agreed(code: str, folder: Shell) -> None:
    compare(code, shown_by(folder, SESSIONS[code]))


def test_a_newer_store(folder: Shell, store: SqliteStore) -> None:
    with opened(folder.folder / "runs.db") as newer:
        newer.execute("UPDATE store SET schema_version = 2, minimum_writer = 2")
    newer.close()
    compare("FM1010", shown_by(folder, "fmvm ps"))


def test_a_run_of_a_newer_interpreter(folder: Shell, store: SqliteStore) -> None:
    newer = Commit([], RunState.READY, b"", snapshot_format=9, release=True)
    store.commit(claimed(store), newer)
    compare("FM1015", shown_by(folder, "fmvm resume order-17"))


def test_a_network_file_system(folder: Shell) -> None:
    folder.monkeypatch.setattr("flowmetal.store.sqlite.file.file_system_of", lambda folder: "nfs4")
    compare("FM1011", shown_by(folder, "fmvm run shop.flow"))


def test_an_old_sqlite(folder: Shell) -> None:
    folder.monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 30, 0))
    folder.monkeypatch.setattr(sqlite3, "sqlite_version", "3.30.0")
    compare("FM1018", shown_by(folder, "fmvm run shop.flow"))


def test_a_key_that_is_not_here(folder: Shell) -> None:
    keys = folder.write("keys", "0123456789abcdef0123\n")
    folder.monkeypatch.setenv("FLOWMETAL_KEYS", str(keys))
    assert folder("fmvm", "start", "shop.flow", "--id", "order-17").status == 0
    assert folder("fmvm", "interpreter", "--until-idle").status == 0
    assert folder("fmvm", "signal", "order-17", "paid").status == 0
    keys.write_text("another key of some length\n")
    compare("FM1039", shown_by(folder, "fmvm resume order-17"))


# A store that is open


def test_a_full_store(folder: Shell, store: SqliteStore) -> None:
    (pages,) = store._execute("PRAGMA page_count").fetchone()
    store._execute(f"PRAGMA max_page_count = {pages + 2}")
    big = Message("m", "signal", "paid", bytes(100_000))
    compare("FM1007", refusal(folder, lambda: store.send(RUN, big)))


def test_a_disk_that_fails(folder: Shell, store: SqliteStore) -> None:
    big = Message("m", "signal", "paid", bytes(1_000_000))
    size, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, most))
        shown = refusal(folder, lambda: store.send(RUN, big))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
        signal.signal(signal.SIGXFSZ, was)
    compare("FM1008", shown)


def test_a_locked_store(folder: Shell, store: SqliteStore) -> None:
    other = sqlite3.connect(folder.folder / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        message = Message("m", "signal", "paid", b"")
        compare("FM1009", refusal(folder, lambda: store.send(RUN, message)))
    finally:
        other.close()


def test_a_claim_that_is_lost(folder: Shell, store: SqliteStore) -> None:
    claim = claimed(store)
    store.release(claim)
    late = Commit([], RunState.READY, b"")
    compare("FM1014", refusal(folder, lambda: store.commit(claim, late)))


def test_a_closed_store(folder: Shell, store: SqliteStore) -> None:
    store.close()
    compare("FM1017", refusal(folder, lambda: store.run(RUN)))


def test_an_id_that_no_interpreter_can_have(folder: Shell, store: SqliteStore) -> None:
    wrong = InterpreterId("shop/1")
    compare("FM1019", refusal(folder, lambda: store.claim(RUN, wrong, 10_000_000)))


def test_a_store_that_was_deleted(folder: Shell, store: SqliteStore) -> None:
    for name in os.listdir(folder.folder):
        if name.startswith("runs.db") and not name.endswith("-locks"):
            (folder.folder / name).unlink()
    message = Message("m", "signal", "paid", b"")
    compare("FM1020", refusal(folder, lambda: store.send(RUN, message)))


# As an ordinary user, whom permissions bind


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def as_ordinary_user(shell: Shell, session: str) -> str:
    """Run a session in a child without privileges and return what it shows."""
    shown_by(shell, "fmvm ps --store sqlite:.")  # imports what the child might not be able to read
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            said = shown_by(shell, session)
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return answer.read()


@pytest.mark.parametrize(("code", "mode"), [("FM1005", 0o000), ("FM1006", 0o444)])
def test_a_store_of_somebody_else(
    code: str, mode: int, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(open_folder)
    SqliteStore(open_folder / "runs.db").close()
    (open_folder / "runs.db").chmod(mode)
    shell = Shell(open_folder, monkeypatch)
    compare(code, as_ordinary_user(shell, "fmvm ps --store sqlite:runs.db"))


# PostgreSQL


class Without:
    """Says of a package that it is not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_a_missing_library(folder: Shell) -> None:
    absent = ("flowmetal.store.postgres", "psycopg")
    for name in [name for name in sys.modules if name.startswith(absent)]:
        folder.monkeypatch.delitem(sys.modules, name)
    folder.monkeypatch.setattr(sys, "meta_path", [Without("psycopg"), *sys.meta_path])
    compare("FM1013", shown_by(folder, "fmvm ps --store postgresql://db.shop.example/runs"))


def on_server(folder: Shell, code: str, url: str) -> None:
    compare(code, same_every_time(shown_by(folder, f"fmvm ps --store {url}")))


def test_a_server_that_is_down(folder: Shell, postgres: Server) -> None:
    on_server(folder, "FM1022", postgres.url(port=free_port()))


def test_a_password_that_is_wrong(folder: Shell, postgres: Server) -> None:
    postgres.execute("DROP ROLE IF EXISTS guarded; CREATE ROLE guarded LOGIN PASSWORD 'right'")
    on_server(folder, "FM1023", postgres.url(user="guarded:wr0ng"))


def test_a_database_that_is_not_there(folder: Shell, postgres: Server) -> None:
    on_server(folder, "FM1024", postgres.url("orders"))


def test_a_server_without_room(folder: Shell, postgres: Server) -> None:
    postgres.execute("DROP ROLE IF EXISTS crowd; CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    on_server(folder, "FM1025", postgres.url(user="crowd"))


def test_a_database_that_does_not_keep_every_text(folder: Shell, postgres: Server) -> None:
    postgres.execute("DROP DATABASE IF EXISTS latin")
    postgres.execute(
        "CREATE DATABASE latin ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    try:
        on_server(folder, "FM1026", postgres.url("latin"))
    finally:
        postgres.execute("DROP DATABASE latin")
