"""A store whose file was damaged: errors with codes, never a traceback, never a run that hangs.

What can be damaged without the file noticing is tried too: single values of rows, under SQLite's nose.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed import compile
from flowmetal.embed.moving import unpack
from flowmetal.errors import FlowmetalError, StoreError
from flowmetal.store import transfer
from tests.crash.corpus import HEAD
from tests.sqlite import opened

PROGRAM = (
    HEAD
    + """
(defn child [x] (event/receive! :never))
(defn main []
  (state/put! "k" [1 2])
  (let [s (event/subscribe! :t) cb (event/callback!) c (start! child [1]) m (into {} (map (fn [i] [i i]) (range 100)))]
    (event/publish! :t {:a 1})
    (lock/with-lock! "l"
      (event/receive! :go)
      [(count m) (event/receive! s)])))
(defn failing [] (throw (ex-info "no" {:type :no})))
"""
)
EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
pytestmark = pytest.mark.timeout(3600 if EVERYTHING else 300)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with runs that wait, have ended and have failed."""
    path = tmp_path_factory.mktemp("damage") / "store.db"
    program = compile(PROGRAM)
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        for name, entry in (("waits", "main"), ("fails", "failing")):
            engine.start(program, (), entry=entry, id=name)
        engine.interpret(until_idle=True)
        engine.signal("waits", "later", 1)
    return path


def look_at(path: Path) -> list[str]:
    """Do what people do with a store; return the codes of the errors. Anything else is raised."""
    codes: list[str] = []

    def tried(act: Callable[[], object]) -> None:
        try:
            act()
        except FlowmetalError as error:
            codes.append(error.code)

    def use() -> None:
        with flowmetal.Engine(f"sqlite:{path}") as engine:
            for run in ("waits", "fails"):
                tried(lambda run=run: engine.show(run))
                tried(lambda run=run: list(engine.events(run)))
                tried(lambda run=run: engine.why(run))
                tried(lambda run=run: engine.verify(run))
                tried(lambda run=run: engine.eval(run, "(+ 1 2)"))
            tried(engine.runs)
            tried(engine.deployed)
            tried(lambda: engine.publish("t", 2))
            tried(lambda: engine.retry("fails"))
            tried(lambda: engine.supply("fails", 1))
            tried(lambda: engine.signal("waits", "go", 1))
            tried(lambda: engine.interpret(until_idle=True))
            tried(lambda: engine.cancel("waits", "enough"))
            tried(lambda: engine.export("waits", str(path) + ".fms", force=True))

    tried(use)
    assert all(codes)
    return codes


def test_a_whole_store_gives_no_errors_but_those_it_should(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    place.write_bytes(whole.read_bytes())
    assert set(look_at(place)) <= {"FM1102", "FM1103", "FM1132", "FM1130"}


def test_a_damaged_file_is_refused_or_used_and_never_a_traceback(
    whole: Path, tmp_path: Path
) -> None:
    data = whole.read_bytes()
    chance = random.Random(1)
    for number in range(3000 if EVERYTHING else 25):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 20))):
            at = chance.randrange(len(data))
            damaged[at] ^= chance.randrange(1, 256)
        place = tmp_path / f"{number}.db"
        place.write_bytes(damaged)
        look_at(place)


@pytest.mark.parametrize(
    ("column", "value"), [("snapshot", "text"), ("state", None), ("seq", "many"), ("waiting", 7)]
)
def test_a_row_with_a_value_of_another_type_is_damage_wherever_it_is_met(
    whole: Path, tmp_path: Path, column: str, value: object
) -> None:
    """One flipped bit makes it of bytes: the table is strict, so that writing the row again fails."""
    place = tmp_path / "store.db"
    place.write_bytes(whole.read_bytes())
    with opened(place) as strict:
        (schema,) = strict.execute("SELECT sql FROM sqlite_master WHERE name = 'head'").fetchone()
    lax = schema.replace(") STRICT", ")").replace("NOT NULL", "")
    for sql, change in ((lax, f"UPDATE head SET {column} = ?"), (schema, "")):
        connection = sqlite3.connect(place, isolation_level=None)
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'head'", (sql,))
        connection.close()
        if change:
            with opened(place) as changed:
                changed.execute(change, (value,))
            changed.close()
    assert "FM1001" in look_at(place)


def test_a_table_that_is_another_one_is_damage(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    place.write_bytes(whole.read_bytes())
    connection = sqlite3.connect(place, isolation_level=None)
    connection.execute("ALTER TABLE interpreter DROP COLUMN description")
    connection.close()
    assert "FM1001" in look_at(place)


def test_a_file_that_was_cut_off_is_refused(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    lengths = range(0, len(data), 512 if EVERYTHING else 20_000)
    for length in lengths:
        place = tmp_path / f"{length}.db"
        place.write_bytes(data[:length])
        look_at(place)


def values(path: Path) -> list[tuple[str, int, str, object]]:
    """Return (table, row, column, value) of all that is in a store."""
    found: list[tuple[str, int, str, object]] = []
    with opened(path) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='table'")
        for table, sql in tables.fetchall():
            if "WITHOUT ROWID" in sql or table.startswith("sqlite_"):
                continue
            cursor = connection.execute(f"SELECT rowid, * FROM {table}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                found += [(table, row[0], n, v) for n, v in zip(names[1:], row[1:], strict=True)]
    connection.close()
    return found


def other(value: object, chance: random.Random) -> object:
    """Return a value of the same type that is not this one."""
    match value:
        case bytes():
            if not value or chance.random() < 0.3:
                return chance.choice((b"", b"\xc1", b"\x93\x01", chance.randbytes(20)))
            at = chance.randrange(len(value))
            return value[:at] + bytes([value[at] ^ chance.randrange(1, 256)]) + value[at + 1 :]
        case str():
            return chance.choice(("", "\x00", "nobody", "{", "[]", value[:-1], "ÿ" + value))
        case int():
            return chance.choice((-1, 0, value + 1, 1 << 40))
        case _:
            return value


def test_a_value_that_was_changed_in_a_row_is_refused_or_used_and_never_a_traceback(
    whole: Path, tmp_path: Path
) -> None:
    chance = random.Random(2)
    places = [each for each in values(whole) if each[3] is not None]
    for number in range(4000 if EVERYTHING else 30):
        table, row, column, value = chance.choice(places)
        place = tmp_path / f"{number}.db"
        place.write_bytes(whole.read_bytes())
        connection = sqlite3.connect(place)
        changed = other(value, chance)
        try:
            with connection:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (changed, row)
                )
        except sqlite3.Error:
            continue
        finally:
            connection.close()
        try:
            look_at(place)
        except Exception as crash:
            raise AssertionError(
                f"{table}.{column} of row {row}: {value!r} -> {changed!r}"
            ) from crash


@pytest.mark.parametrize("change", ["fields = '{'", "space = 'nothing'", "fields = '{}'"])
def test_a_damaged_row_that_is_due_holds_up_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    path = tmp_path / "store.db"
    program = compile(HEAD + '(defn main [k] (state/put! k 1 {:ttl #dur "1h"}) (state/get! k))')
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        first, _ = engine.start(program, ["a"])
        assert engine.result(first) == 1
    with opened(path) as connection:
        connection.execute(f"UPDATE record SET due_us = 1, {change} WHERE space = 'state'")
    connection.close()
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        second, _ = engine.start(program, ["b"])
        engine.interpret(until_idle=True)
        assert engine.view(second).state == "completed"
        engine.interpret(until_idle=True)
        assert capsys.readouterr().err.count("FM1001") == 1


@pytest.mark.parametrize(
    "change",
    ["run SET tags = '{' WHERE id = 'bad'", "head SET state = CAST(x'ff' AS TEXT) WHERE number = 1",
     "message SET name = CAST(x'ff' AS TEXT) WHERE run = 1"],
)  # fmt: skip
def test_a_damaged_run_that_can_go_on_holds_up_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    path = tmp_path / "store.db"
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        program = compile(HEAD + "(defn main [] 7)")
        engine.start(program, id="bad")
        engine.start(program, id="good")
        engine.signal("bad", "go")
    with opened(path) as connection:
        connection.execute(f"UPDATE {change}")
    connection.close()
    with flowmetal.Engine(f"sqlite:{path}") as engine:
        engine.interpret(until_idle=True)
        assert engine.view("good").state == "completed"
        said = capsys.readouterr().err
        assert (said.count("FM1001"), said.count("run bad: ")) == (1, 1)


def test_every_flipped_bit_and_every_length_of_an_exported_run_is_refused(
    whole: Path, tmp_path: Path
) -> None:
    place = tmp_path / "store.db"
    place.write_bytes(whole.read_bytes())
    with flowmetal.Engine(f"sqlite:{place}") as engine:
        data = Path(engine.export("fails", str(tmp_path / "run.fms"))).read_bytes()
    chance = random.Random(3)
    everything = (
        range(len(data) * 8) if EVERYTHING else sorted(chance.sample(range(len(data) * 8), 3000))
    )
    for bit in everything:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        refused(bytes(damaged))
    for length in range(0, len(data), 1 if EVERYTHING else 11):
        refused(data[:length])


def refused(data: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        unpack(data, "run.fms")
    assert caught.value.code == "FM1016"


@pytest.mark.parametrize("seq", [0, 1, 1 << 62, -1])
def test_an_exported_run_that_claims_another_number_of_events_is_refused(
    whole: Path, tmp_path: Path, seq: int
) -> None:
    place = tmp_path / "store.db"
    place.write_bytes(whole.read_bytes())
    with flowmetal.Engine(f"sqlite:{place}") as engine:
        parts = unpack(Path(engine.export("fails", str(tmp_path / "r.fms"))).read_bytes(), "r.fms")
    own = {
        name: part for name, part in parts.items() if name in json.loads(parts["manifest"])["parts"]
    }
    own["row"] = json.dumps({**json.loads(own["row"]), "seq": seq}).encode()
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in sorted(own.items())}
    manifest = {**json.loads(parts["manifest"]), "parts": digests}
    own["manifest"] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(StoreError) as caught:
        transfer.unpack(own)
    assert caught.value.code == "FM1016"
