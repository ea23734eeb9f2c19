from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed import files
from flowmetal.embed.files import write_bytes
from flowmetal.embed.retention import Retention
from flowmetal.errors import Conflict, RefusedError, RunError, UsageError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.protocol import Claim, Commit, NewEvent, RunState
from flowmetal.values import encode_data
from tests.stores import url_of

WAITS = "(ns a (:require [flow.event :refer [receive!]])) (defn main [x] (+ x (receive! :go)))"
SOURCE = '(defn main [x] (sleep! #dur "1ms") (* x x))'


@pytest.fixture(params=["memory", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as opened:
        yield opened


def test_a_run_comes_back_to_the_store_that_it_left(engine, tmp_path: Path) -> None:
    file = str(tmp_path / "r.fms")
    run, _ = engine.start(flowmetal.compile(SOURCE), [12])
    engine.export(run, file)
    with flowmetal.Engine("memory:") as there:
        there.import_run(file)
        there.export(run, file)  # over its own, older file
    assert engine.import_run(file) == run
    assert engine.result(run) == 144


@pytest.mark.parametrize("copy", [False, True])
def test_a_file_with_a_run_is_for_its_owner_alone(engine, tmp_path: Path, copy: bool) -> None:
    run, _ = engine.start(flowmetal.compile(SOURCE), [12])
    file = tmp_path / "r.fms"
    if copy:
        engine.export_copy(run, str(file))
    else:
        engine.export(run, str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_export_never_takes_the_place_of_another_file(engine, tmp_path: Path) -> None:
    program = flowmetal.compile(SOURCE)
    first, _ = engine.start(program, [1])
    second, _ = engine.start(program, [2])
    file = tmp_path / "r.fms"
    engine.export(first, str(file))
    held = file.read_bytes()
    with pytest.raises(UsageError) as refused:
        engine.export(second, str(file))
    assert refused.value.code == "FM1312"
    assert file.read_bytes() == held
    assert engine.result(second) == 4
    note = tmp_path / "note.txt"
    note.write_text("mine")
    with pytest.raises(UsageError):
        engine.export(second, str(note))
    assert note.read_text() == "mine"


@pytest.mark.parametrize("has_links", [True, False], ids=["links", "no links"])
def test_of_two_exports_into_one_file_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    program = flowmetal.compile(SOURCE)
    store, file, sync = f"sqlite:{tmp_path}/runs.db", str(tmp_path / "r.fms"), os.fsync
    other = f"import flowmetal; flowmetal.Engine({store!r}).export('second', {file!r})"

    def other_is_faster(descriptor: int) -> None:
        if file in os.readlink(f"/proc/self/fd/{descriptor}"):
            monkeypatch.setattr(os, "fsync", sync)
            subprocess.run([sys.executable, "-c", other], check=True)
        sync(descriptor)

    def has_none(*names: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with flowmetal.Engine(store) as engine:
        first, _ = engine.start(program, [2], id="first")
        second, _ = engine.start(program, [3], id="second")
        if not has_links:
            monkeypatch.setattr(os, "link", has_none)
        monkeypatch.setattr(os, "fsync", other_is_faster)
        with pytest.raises(UsageError, match="FM1312"):
            engine.export(first, file)
        assert engine.result(first) == 4
        assert engine.import_run(file) == second
        assert engine.result(second) == 9
    assert not list(tmp_path.glob("*.part"))


def test_an_export_never_takes_the_place_of_another_run_that_has_its_name(
    engine, tmp_path: Path
) -> None:
    file = tmp_path / "nightly.fms"
    program = flowmetal.compile(SOURCE)
    engine.start(program, [3], id="nightly")
    engine.export("nightly", str(file))
    held = file.read_bytes()
    with flowmetal.Engine("memory:") as there:
        there.start(program, [5], id="nightly")
        there.start(program, [7], id="other")
        for write in (
            lambda: there.export("nightly", str(file)),
            lambda: there.export_copy("other", str(file), id="nightly"),
        ):
            with pytest.raises(UsageError, match="is no older export of this run nightly"):
                write()
            assert file.read_bytes() == held
        assert there.result("nightly") == 25
    engine.import_run(str(file))
    assert engine.result("nightly") == 9


def test_an_older_state_never_takes_the_place_of_a_later_one(tmp_path: Path) -> None:
    file, store, backup = str(tmp_path / "r.fms"), tmp_path / "a.db", tmp_path / "b.db"
    with flowmetal.Engine(f"sqlite:{store}") as engine:
        engine.start(flowmetal.compile(SOURCE), [3], id="r")
    shutil.copy(store, backup)
    with flowmetal.Engine(f"sqlite:{store}") as engine:
        engine.result("r")
        engine.export("r", file)
    with flowmetal.Engine(f"sqlite:{backup}") as engine, pytest.raises(UsageError, match="FM1312"):
        engine.export("r", file)


def test_a_copy_takes_the_place_of_a_copy(engine, tmp_path: Path) -> None:
    file = str(tmp_path / "twin.fms")
    run, _ = engine.start(flowmetal.compile(WAITS), [3])
    engine.export_copy(run, file, id="twin")
    engine.interpret(until_idle=True)
    engine.export_copy(run, file, id="twin")
    with flowmetal.Engine("memory:") as there:
        there.import_run(file)
        assert "effect-requested" in [event.kind for event in there.events("twin")]
        there.export("twin", file)
    with pytest.raises(UsageError, match="FM1312"):
        engine.export_copy(run, file, id="twin")


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    with pytest.raises(UsageError) as refused:
        write_bytes(pipe, b"data")
    assert refused.value.code == "FM1312"
    assert "a device or a pipe" in refused.value.message
    assert not os.path.isfile(pipe)


def test_a_moved_run_is_not_here_any_more(engine, tmp_path: Path) -> None:
    run, _ = engine.start(flowmetal.compile(SOURCE), [3])
    engine.export(run, str(tmp_path / "r.fms"))
    with pytest.raises(RunError) as refused:
        engine.export(run, str(tmp_path / "again.fms"))
    assert refused.value.code == "FM1103"


def stopped_half_way(engine: flowmetal.Engine, run: str) -> None:
    """Leave a run as an export does whose process dies before its file is there."""
    claim = engine.store.claim(
        RunId(run), InterpreterId(engine.name), 10_000_000, even=(RunState.PAUSED,)
    )
    assert isinstance(claim, Claim)
    event = NewEvent("exported", "", 0, encode_data(None))
    engine.store.commit(claim, Commit((event,), RunState.EXPORTING))
    assert engine.view(run).state == "exporting"


@pytest.mark.parametrize("before", ["ready", "waiting", "paused"])
def test_an_export_that_stopped_half_way_can_be_abandoned(engine, before: str) -> None:
    run, _ = engine.start(flowmetal.compile(WAITS), [3])
    if before != "ready":
        engine.interpret(until_idle=True)
    if before == "paused":
        engine.pause(run)
    stopped_half_way(engine, run)
    with pytest.raises(RunError, match="FM1103|is being exported"):
        engine.signal(run, "go", 5)
    engine.abandon_export(run)
    assert engine.view(run).state == ("paused" if before == "paused" else "ready")
    if before == "paused":
        engine.unpause(run)
    engine.signal(run, "go", 5)
    assert engine.result(run) == 8
    assert [event.kind for event in engine.events(run)].count("export-abandoned") == 1
    assert engine.verify(run).problems == []


def test_an_export_that_stopped_half_way_can_be_finished(engine, tmp_path: Path) -> None:
    run, _ = engine.start(flowmetal.compile(WAITS), [3])
    stopped_half_way(engine, run)
    engine.export(run, str(tmp_path / "r.fms"))
    assert engine.view(run).state == "moved"


def test_only_an_export_that_stopped_is_abandoned(engine, tmp_path: Path) -> None:
    run, _ = engine.start(flowmetal.compile(WAITS), [3])
    for state in ("ready", "moved"):
        with pytest.raises(RunError) as refused:
            engine.abandon_export(run)
        assert (refused.value.code, state in refused.value.message) == ("FM1103", True)
        assert refused.value.exit_status == 3
        assert engine.view(run).state == state
        if state == "ready":
            engine.export(run, str(tmp_path / "r.fms"))


def test_a_run_that_had_ended_keeps_the_time_of_its_end(engine, tmp_path: Path) -> None:
    run, _ = engine.start(flowmetal.compile(SOURCE), [3])
    engine.result(run)
    ended = engine.view(run).ended_us
    with flowmetal.Engine("memory:") as there:
        there.import_run(engine.export(run, str(tmp_path / "r.fms")))
        assert abs(there.view(run).ended_us - ended) < 1_000_000
        policy = Retention(ended_us=0)
        assert there.collect(policy).runs == [run]


def test_a_run_that_stays_is_in_no_file_though_that_had_its_name(
    engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    run, _ = engine.start(flowmetal.compile(SOURCE), [3])
    file = tmp_path / "r.fms"
    with monkeypatch.context() as broken:
        broken.setattr(files, "_sync_folder", fail)
        with pytest.raises(UsageError, match="FM1312"):
            engine.export(run, str(file))
    assert not file.exists()
    assert engine.result(run) == 9


def test_an_export_that_was_given_up_before_its_end_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, file, sync = f"sqlite:{tmp_path}/runs.db", tmp_path / "r.fms", os.fsync
    other = f"import flowmetal; flowmetal.Engine({store!r}).abandon_export('r')"

    def takes_longer_than_a_lease(descriptor: int) -> None:
        if str(file) in os.readlink(f"/proc/self/fd/{descriptor}"):
            monkeypatch.setattr(os, "fsync", sync)
            time.sleep(0.2)
            subprocess.run([sys.executable, "-c", other], check=True)
        sync(descriptor)

    with flowmetal.Engine(store) as engine:
        engine.start(flowmetal.compile(SOURCE), [3], id="r")
        engine.host.lease_us = 100_000
        monkeypatch.setattr(os, "fsync", takes_longer_than_a_lease)
        with pytest.raises(Conflict, match="FM1014"):
            engine.export("r", str(file))
        assert not file.exists()
        assert engine.result("r") == 9


def test_what_runs_no_code_here_says_where_new_code_can_be_given(engine, tmp_path: Path) -> None:
    program = flowmetal.compile(SOURCE)
    found = {}
    for state in ("completed", "cancelled", "moved", "exporting"):
        run, _ = engine.start(program, [3], id=state)
        match state:
            case "completed":
                engine.result(run)
            case "cancelled":
                engine.cancel(run, now=True)
            case "moved":
                engine.export(run, str(tmp_path / "r.fms"))
            case _:
                stopped_half_way(engine, run)
        view = engine.upgrade(run, program, dry_run=True)
        assert view.outcome == "refused"
        with pytest.raises(RefusedError, match="FM1134") as refused:
            engine.upgrade(run, program)
        (found[state],) = refused.value.diagnostics[0].help
        assert found[state] in view.text()
    assert "fmvm fork completed --at N" in found["completed"]
    assert "fmvm fork cancelled --at N" in found["cancelled"]
    assert "imported into" in found["moved"]
    assert "fmvm export exporting --abandon" in found["exporting"]


def test_a_run_that_starts_its_successor_can_be_exported_for_ever(engine, tmp_path: Path) -> None:
    """Their ids grew beyond what the id of a run may be."""
    program = flowmetal.compile(
        "(defn main [n] (if (pos? n) (await! (start! main [(dec n)] {:on-parent-end :keep})) (run-id)))"
    )
    run, _ = engine.start(program, [20], id="r" * 190)
    engine.interpret(until_idle=True)
    last = str(engine.result(run))
    assert len(last) == 200
    assert last != run
    engine.export(last, str(tmp_path / "last.fms"))
