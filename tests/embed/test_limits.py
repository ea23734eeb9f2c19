"""Where the limits of a run come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowmetal import Engine, Limits, compile
from flowmetal.embed.config import limits_of, source_roots
from flowmetal.errors import UsageError
from flowmetal.values import pr_str
from flowmetal.values.meter import DEFAULT, UNTRUSTED
from tests.unprivileged import as_ordinary_user


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nobody_says_anything() -> None:
    assert limits_of() == DEFAULT


def test_words_change_one_limit_each() -> None:
    found = limits_of(["frames=50_000", "items=1000"])
    assert found == DEFAULT.with_changes(frames=50_000, items=1000)


def test_untrusted_lowers_them_all_and_can_be_changed() -> None:
    assert limits_of(["untrusted", "frames=99999"]) == UNTRUSTED.with_changes(frames=99_999)


def test_the_project_file_is_asked_before_the_words(folder: Path) -> None:
    (folder / "flow.edn").write_text("{:limits {:frames 20000 :items 5000}}")
    assert limits_of(["items=6000"]) == DEFAULT.with_changes(frames=20_000, items=6_000)


@pytest.mark.parametrize(
    "word", ["depth=5", "frames", "frames=", "frames=many", "frames=-1", "bits=8", "=5", "frames=²"]
)
def test_what_is_no_limit_is_refused(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits_of([word])
    assert caught.value.code == "FM1325"


def test_a_project_file_that_says_nonsense_is_refused(folder: Path) -> None:
    (folder / "flow.edn").write_text("{:limits [1]}")
    with pytest.raises(UsageError) as caught:
        limits_of()
    assert caught.value.code == "FM1325"


def test_a_project_out_of_reach_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "flow.edn").write_text('{:paths ["src"] :limits {:frames 20000}}')
    (folder / "inside").mkdir()
    monkeypatch.chdir(folder / "inside")
    folder.chmod(0o700 if os.geteuid() == 0 else 0)

    def ask() -> None:
        assert limits_of() == DEFAULT
        assert source_roots(folder / "inside" / "p.flow") == ()

    assert as_ordinary_user(ask) == "fine"
    folder.chmod(0o700)


def test_a_working_folder_that_is_gone_is_in_no_project(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "flow.edn").write_text('{:paths ["src"] :limits {:frames 20000}}')
    (folder / "inside").mkdir()
    monkeypatch.chdir(folder / "inside")
    (folder / "inside").rmdir()
    assert limits_of() == DEFAULT
    assert source_roots(Path("repl")) == ()


def test_a_run_that_failed_at_a_limit_stands_and_the_engine_goes_on(folder: Path) -> None:
    with Engine(f"sqlite:{folder}/runs.db", limits=Limits(items=1_000)) as engine:
        run, _ = engine.start(compile("(defn main [] (count (vec (range 2000))))"))
        view = engine.drive(run)
        assert view.state == "failed"
        assert view.error is not None
        assert view.error.type.text == "limit/items"
        other, _ = engine.start(compile("(defn main [] 1)"))
        assert engine.drive(other).state == "completed"


def test_a_large_snapshot_is_said_once_in_the_log(folder: Path) -> None:
    lines: list[str] = []
    with Engine(
        f"sqlite:{folder}/runs.db",
        limits=Limits(snapshot=700),
        on_log=lambda run, line: lines.append(line),
    ) as engine:
        text = '(defn main [] (let [xs (mapv (fn [i] (vec (range i))) (range 30))] (sleep! #dur "1ms") (sleep! #dur "1ms") (count xs)))'
        run, _ = engine.start(compile(text))
        assert engine.drive(run).state == "completed"
    assert len([line for line in lines if "a snapshot of this run takes" in line]) == 1


CAUGHT = """(ns l (:require [flow.event :refer [receive!]]))
(defn many [] (try (count (vec (range 2000))) (catch :limit/items e :no)))
(defn main [] (let [found (many)] (receive! :go) found))"""


def test_what_came_of_a_limit_comes_of_it_again_when_it_is_looked_at(folder: Path) -> None:
    with Engine(f"sqlite:{folder}/runs.db", limits=Limits(items=1_000)) as engine:
        run, _ = engine.start(compile(CAUGHT))
        engine.interpret(until_idle=True)
        last = max(event.seq for event in engine.events(run))
        copy = engine.fork(run, at=1).id
        for each in (run, copy):
            engine.signal(each, "go")
            assert pr_str(engine.result(each)) == ":no"
            assert engine.verify(each).problems == []
        assert pr_str(engine.eval(run, "found", at=last)) == ":no"
    with Engine(f"sqlite:{folder}/runs.db") as engine:
        assert engine.verify(run).problems != []


def test_under_other_limits_a_run_that_failed_is_computed_no_further_than_it_was(
    folder: Path,
) -> None:
    source = "(defn main [] (vec (range 2000)) (loop [] (recur)))"
    with Engine(f"sqlite:{folder}/runs.db", limits=Limits(items=1_000)) as engine:
        run, _ = engine.start(compile(source))
        assert engine.drive(run).state == "failed"
        assert engine.verify(run).problems == []
    with Engine(f"sqlite:{folder}/runs.db") as engine:
        assert engine.verify(run).problems == ["the snapshot is not what the history leads to"]


@pytest.mark.parametrize("number", ["many", 3.5, True, 0, -1, None])
def test_a_limit_that_is_no_whole_number_is_refused_where_it_is_given(number: object) -> None:
    with pytest.raises(UsageError) as caught:
        Limits(frames=number)  # type: ignore[arg-type]
    assert caught.value.code == "FM1325"
