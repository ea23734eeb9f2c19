"""What every test can rely on: the same examples each time, no colour, no store of the user."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
settings.load_profile("deterministic")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A suite that a shell has begun in the background: the processes of its tests would never hear of Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _plain_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    for name in ("FLOWMETAL_STORE", "FLOW_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """fmc and fmvm in this process, in a folder and with a store of their own (tests/shell.py)."""
    from tests.shell import Shell

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOWMETAL_STORE", f"sqlite:{tmp_path}/runs.db")
    return Shell(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def postgres() -> Iterator[object]:
    """A PostgreSQL server for this session (tests/postgres.py); each test makes a schema of its own."""
    from tests.postgres import running

    with running() as server:
        yield server
