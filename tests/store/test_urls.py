"""Stores by their address."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from flowmetal.errors import StoreError
from flowmetal.store import open_store
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import RunQuery
from flowmetal.store.sqlite import SqliteStore
from tests.unprivileged import as_ordinary_user


@pytest.mark.parametrize("prefix", ["sqlite:", "sqlite://"])
def test_a_path_names_a_file_that_is_made_on_first_use(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "with blank, % and ?.db"
    store = open_store(f"{prefix}{path}")
    assert isinstance(store, SqliteStore)
    assert store.url == f"sqlite:{path}"
    assert path.exists()
    store.close()


def test_no_path_is_the_users_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store = open_store("sqlite:")
    store.close()
    made = tmp_path / "state" / "flowmetal" / "flowmetal.db"
    assert made.exists()
    assert made.parent.stat().st_mode & 0o777 == 0o700


def test_memory_is_a_store_of_its_own_each_time() -> None:
    first, second = open_store("memory:"), open_store("memory:")
    assert isinstance(first, MemoryStore)
    assert first is not second


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql:x", "FM1012"),
        ("postgresql://h/x?shema=y", "FM1012"),
        ("postgresql://h/x?schema=A-b", "FM1012"),
        ("ftp://x", "FM1012"),
        ("sqlite:~nobody-is-called-so/runs.db", "FM1012"),
        ("store.db", "FM1012"),
        ("", "FM1012"),
    ],
)
def test_an_address_that_nobody_serves_is_refused_with_a_remedy(url: str, code: str) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(url)
    assert refused.value.code == code
    assert refused.value.diagnostics[0].help


@pytest.mark.parametrize("password", ["a?b", "a#b", "a[b", "a+b", "a:b", "é%20€", "a%3Fb"])
def test_a_password_is_what_it_is_for_psql(password: str) -> None:
    from flowmetal.store.postgres.address import read_address

    said = unquote(password)
    address = read_address(f"postgresql://me:{password}@h/d?schema=x")
    assert (address.parameters["password"], address.parameters["host"]) == (said, "h")
    assert address.shown == "postgresql://me@h/d?schema=x"
    address = read_address(f"postgresql://me@h/d?schema=x&password={password}&sslmode=prefer")
    assert (address.parameters["password"], address.parameters["sslmode"]) == (said, "prefer")
    assert address.schema == "x"


def test_a_setting_of_connections_may_be_written_with_its_sign() -> None:
    from flowmetal.store.postgres.address import read_address

    for sign in ("=", "%3D"):
        address = read_address(f"postgresql://h/d?options=-c%20statement_timeout{sign}60000")
        assert address.parameters["options"] == "-c statement_timeout=60000"


@pytest.mark.parametrize("password", ["se/cret", "se@cret", "1/cret?", "cret%zz"])
def test_no_piece_of_a_password_is_shown(password: str) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(f"postgresql://me:{password}@h/d")
    assert refused.value.code == "FM1012"
    assert "cret" not in str(refused.value)


def test_importing_the_package_does_not_import_sqlite() -> None:
    script = "import sys, flowmetal.store; sys.exit('sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_strangers_store_comes_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        @staticmethod
        def load() -> object:
            return lambda url: MemoryStore()

    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [Found])
    assert open_store("other://x").runs(RunQuery()) == []


def test_a_strangers_store_that_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        value = "other_store:open"

        @staticmethod
        def load() -> object:
            raise ImportError("no driver")

    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [Found])
    with pytest.raises(StoreError) as refused:
        open_store("other://x")
    assert (refused.value.code, "no driver" in refused.value.message) == ("FM1012", True)


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that an ordinary user may not look into."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "inside").mkdir()
        Path(name).chmod(0o700 if os.geteuid() == 0 else 0)
        yield Path(name)
        Path(name).chmod(0o700)


@pytest.mark.parametrize("must_exist", [True, False])
def test_a_store_in_a_folder_out_of_reach_is_refused(closed_folder: Path, must_exist: bool) -> None:
    url = f"sqlite:{closed_folder}/inside/runs.db"
    assert as_ordinary_user(lambda: open_store(url, must_exist=must_exist)) == "FM1005"


def test_a_state_folder_that_cannot_be_made_is_refused(
    closed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(closed_folder / "state"))
    assert as_ordinary_user(lambda: open_store("sqlite:")) == "FM1005"


def test_a_state_folder_whose_place_is_taken_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "flowmetal").write_text("")
    with pytest.raises(StoreError) as refused:
        open_store("sqlite:")
    assert refused.value.code == "FM1003"
