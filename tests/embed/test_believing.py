"""Files that say what their run may do, and whose child it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed import moving
from flowmetal.errors import RefusedError
from flowmetal.ids import RunId
from flowmetal.runtime.grants import RunGrants, decode_grants, parse_grants
from tests.embed.test_arriving import changed, says
from tests.stores import url_of

PROGRAM = flowmetal.compile(
    """(ns a (:require [flow.event :refer [receive!]]))
       (defn child [] :own)
       (defn main [] (receive! :go))
       (defn family [] (receive! :go) (await! (start! child [] {:id "r" :if-exists :fail})))"""
)
GRANTED = parse_grants(http=("pay.example",), fs=("read:/srv",))
KEY, OTHER_KEY = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture(params=["sqlite", "postgresql"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[flowmetal.Engine]:
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as engine:
        yield engine


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWMETAL_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def exported(tmp_path: Path, grants: RunGrants = GRANTED, name: str = "r.fms") -> str:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(PROGRAM, id="r", grants=grants)
        engine.interpret(until_idle=True)
        return engine.export(run, str(tmp_path / name))


def granted(engine: flowmetal.Engine) -> RunGrants:
    row = engine.store.run(RunId("r"))
    assert row is not None
    return decode_grants(row.grants)


ASKED = pytest.mark.parametrize("asks", [GRANTED, RunGrants(everything=True)], ids=["some", "all"])


@ASKED
def test_without_keys_a_file_is_believed_as_its_program_is(
    there: flowmetal.Engine, tmp_path: Path, asks: RunGrants
) -> None:
    there.import_run(exported(tmp_path, asks))
    assert granted(there) == asks == there.granted("r")


@ASKED
def test_with_keys_what_a_file_grants_itself_is_refused(
    there: flowmetal.Engine, tmp_path: Path, keys: Path, asks: RunGrants
) -> None:
    keys.write_text(OTHER_KEY)
    file = exported(tmp_path, asks)
    keys.write_text(KEY)
    with pytest.raises(RefusedError) as refused:
        there.import_run(file)
    assert refused.value.code == "FM1204"
    assert " ".join(asks.as_options()) in refused.value.message
    assert there.runs() == []


@pytest.mark.parametrize("given", [RunGrants(), parse_grants(fs=("read:/data",)), GRANTED])
def test_whoever_imports_it_says_what_it_may_do(
    there: flowmetal.Engine, tmp_path: Path, given: RunGrants
) -> None:
    there.import_run(exported(tmp_path), grants=given)
    assert granted(there) == given


def test_a_file_that_one_of_our_keys_has_sealed_is_believed(
    there: flowmetal.Engine, tmp_path: Path, keys: Path
) -> None:
    keys.write_text(KEY)
    file = exported(tmp_path)
    keys.write_text(f"{OTHER_KEY}\n{KEY}")
    there.import_run(file)
    assert granted(there) == GRANTED
    assert there.verify("r").problems == []


def test_a_seal_of_other_bytes_is_none(there: flowmetal.Engine, tmp_path: Path, keys: Path) -> None:
    keys.write_text(KEY)
    file = exported(tmp_path, RunGrants())
    parts = moving.unpack(Path(file).read_bytes(), file)
    seal = parts.pop("seal")
    Path(file).write_bytes(moving.pack(parts))
    raised = changed(Path(file), lambda parts, row: parts.update(grants=GRANTED.encode()))
    forged = moving.unpack(Path(raised).read_bytes(), raised) | {"seal": seal}
    Path(raised).write_bytes(moving.pack(forged))
    with pytest.raises(RefusedError):
        there.import_run(raised)


def test_a_run_that_comes_back_needs_no_word_unless_it_brings_more_than_it_took(
    there: flowmetal.Engine, tmp_path: Path
) -> None:
    there.start(PROGRAM, id="r", grants=GRANTED)
    there.interpret(until_idle=True)
    file = Path(there.export("r", str(tmp_path / "r.fms")))
    more = RunGrants(everything=True).encode()
    with pytest.raises(RefusedError):
        there.import_run(changed(file, lambda parts, row: parts.update(grants=more)))
    there.import_run(str(file))
    assert granted(there) == GRANTED


def test_a_run_from_a_file_is_nobodys_child(there: flowmetal.Engine, tmp_path: Path) -> None:
    parent, _ = there.start(PROGRAM, id="parent", entry="family")
    there.interpret(until_idle=True)
    file = Path(exported(tmp_path, RunGrants()))
    there.import_run(changed(file, says(parent=parent)))
    assert there.view("r").parent is None
    there.signal(parent, "go")
    assert there.drive(parent).state == "failed"  # the id of its child is taken


def test_a_child_that_comes_back_is_its_parents_again(
    there: flowmetal.Engine, tmp_path: Path
) -> None:
    text = """(ns a (:require [flow.event :refer [receive!]]))
              (defn child [] (receive! :go))
              (defn main [] (start! child [] {:id "r"}) (receive! :go))"""
    there.start(flowmetal.compile(text), id="parent")
    there.interpret(until_idle=True)
    there.import_run(there.export("r", str(tmp_path / "r.fms")))
    assert there.view("r").parent == "parent"
