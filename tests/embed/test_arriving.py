"""Files of runs that are whole and not sound: somebody else has made them. None gets in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import flowmetal
from flowmetal.bytecode.file import write_program
from flowmetal.embed import moving
from flowmetal.errors import StoreError
from flowmetal.values import decode_data, encode_data, hash_map, keyword, vector

SOURCE = "(ns a (:require [flow.event :refer [receive!]])) (defn main [] (receive! :go))"
OTHER = flowmetal.compile("(ns other) (defn main [] :other)")

Parts = dict[str, bytes]
Change = Callable[[Parts, dict[str, object]], object]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(SOURCE), id="r")
        engine.interpret(until_idle=True)
        return Path(engine.export(run, str(tmp_path / "r.fms")))


def changed(file: Path, change: Change) -> str:
    """Return a file with a change, all of whose digests are right."""
    parts = moving.unpack(file.read_bytes(), str(file))
    row = json.loads(parts["row"])
    change(parts, row)
    parts["row"] = json.dumps(row, sort_keys=True, separators=(",", ":")).encode()
    own = {
        n: d
        for n, d in parts.items()
        if n not in ("manifest", "callbacks", "ends") and "/" not in n
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(own.items())}
    manifest = {"format": 1, "parts": digests}
    parts["manifest"] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    made = file.with_name("changed.fms")
    made.write_bytes(moving.pack(parts))
    return str(made)


def says(**fields: object) -> Change:
    return lambda parts, row: row.update(fields)


def holds(name: str, data: bytes) -> Change:
    return lambda parts, row: parts.update({name: data})


def ends(**fields: object) -> bytes:
    return encode_data(vector([hash_map((keyword(name), each) for name, each in fields.items())]))


def begins_at(seq: int, parts: Parts, row: dict[str, object]) -> None:
    """Let a history be cut off so that it is one event, which has this number."""
    _, *event = json.loads(parts["events"].splitlines()[0])
    row["seq"] = seq
    parts["events"] = json.dumps([seq, *event]).encode() + b"\n"
    parts["anchor"] = bytes(4) + (seq - 1).to_bytes(8, "big") + bytes(32)


def callbacks(**fields: object) -> bytes:
    known = {"run": "r", "token_hash": "00", "state": "open", "ends_us": None}
    said = known | {"heartbeat_us": None, "beat_us": 5} | fields
    pairs = (("id", "r.1"), ("fields", json.dumps(said)), ("body", None))
    return encode_data(vector([hash_map((keyword(name), each) for name, each in pairs)]))


def notes(**fields: object) -> bytes:
    return encode_data(hash_map((keyword(name), each) for name, each in fields.items()))


def adds(name: str, value: object) -> Change:
    """Put a value into the run's input."""
    return lambda parts, row: parts.update(
        input=encode_data(decode_data(parts["input"]).assoc(keyword(name), value))
    )


def ends_with(part: str, *line: object) -> Change:
    """Let a line be the last one of the history, or of the inbox."""

    def change(parts: Parts, row: dict[str, object]) -> None:
        lines = parts[part].splitlines() if part == "events" else []
        row["received"] = 1
        parts[part] = b"\n".join((*lines[:-1], json.dumps(line).encode()))

    return change


NIL = base64.b64encode(encode_data(None)).decode()
CHANGES = {
    "an empty id": says(id=""),
    "an id with a line end": says(id="a\nb"),
    "an id without end": says(id="x" * 5000),
    "a parent that is no id": says(parent="a b"),
    "a time that no calendar has": says(created_us=2**63 - 1),
    "a run that has moved": says(state="moved"),
    "a run that is being exported": says(state="exporting"),
    "a completed run without a result": says(state="completed"),
    "a failed run without an error": says(state="failed"),
    "another program under its name": holds("program", write_program(OTHER)),
    "a program that is not there": lambda parts, row: parts.pop("program"),
    "a program that is none": holds("program", b"none"),
    "a snapshot that is none": holds("snapshot", b"none"),
    "an input that is none": holds("input", b"\xc1"),
    "grants that are none": holds("grants", b"\xc1"),
    "notes that are none": holds("progress", b"\xc1"),
    "callbacks that are none": holds("callbacks", encode_data(7)),
    "callbacks that are no data": holds("callbacks", b"\xc1"),
    "ends of children that are none": holds("ends", encode_data(7)),
    "an end of no child": holds("ends", ends(run=7, state="completed", body=b"\xc0")),
    "an end in a state that is none": holds("ends", ends(run="c", state="over", body=b"\xc0")),
    "an end without a result": holds("ends", ends(run="c", state="completed", body=None)),
    "an end whose result is no data": holds("ends", ends(run="c", state="completed", body=b"\xc1")),
    "a failure that is no error": holds("ends", ends(run="c", state="failed", body=b"\xc0")),
    "a callback that ends at no time": holds("callbacks", callbacks(ends_us="x")),
    "a callback that ends at the end of all times": holds("callbacks", callbacks(ends_us=2**63)),
    "a callback that beats at no time": holds("callbacks", callbacks(heartbeat_us=[1])),
    "a callback whose token is none": holds("callbacks", callbacks(token_hash=[1])),
    "a callback with a name that no store keeps": holds("callbacks", callbacks(name="\ud800")),
    "a callback in a state that is none": holds("callbacks", callbacks(state="odd")),
    "a callback in a state that is no text": holds("callbacks", callbacks(state=[1])),
    "a callback that may have ended": holds("callbacks", callbacks(run_ended="x")),
    "an effect that began at no time": holds(
        "progress", notes(effects=hash_map([(1, vector((0, "x", None, False)))]))
    ),
    "a cancellation at no time": holds("progress", notes(cancel=vector(("x", "enough")))),
    "a cancellation for no reason that is text": holds("progress", notes(cancel=vector((5, 5)))),
    "clean-up that ends at no time": holds("progress", notes(cleaning=hash_map([(1, "x")]))),
    "an inheritance that is none": adds("inherited", 7),
    "an inheritance of what has no name": adds("inherited", vector((1, 2))),
    "a result that is none": ends_with("events", 3, 5, "effect-resolved", "x", 1, NIL),
    "new code that is none": ends_with("events", 3, 5, "upgraded", "", 0, NIL),
    "a decision about nothing": ends_with("inbox", 1, 5, "m", "decide", "", NIL, False),
    "a tag that no store keeps": says(tags={"a": "\0"}),
    "an earlier program that is none": holds("earlier/00", b"none"),
    "tags that are none": says(tags=[]),
    "a tag that is no text": says(tags={"a": 1}),
    "claims beyond the last": says(epoch=2**63 - 1),
    "messages beyond the last": says(received=2**63 - 1),
    "a snapshot in a format beyond the last": says(snapshot_format=2**31),
    "events beyond the last": lambda parts, row: begins_at(1 << 40, parts, row),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_is_not_sound_is_refused_whole(whole: Path, change: Change) -> None:
    with flowmetal.Engine("memory:") as engine:
        with pytest.raises(StoreError) as refused:
            engine.import_run(changed(whole, change))
        assert refused.value.code == "FM1016"
        assert engine.runs() == []
        assert engine.store.program(OTHER.hash) is None
        assert engine.import_run(str(whole)) == "r"
        engine.signal("r", "go", 5)
        assert engine.result("r") == 5


def test_a_run_that_waited_for_its_queue_begins_where_it_comes_to(whole: Path) -> None:
    with flowmetal.Engine("memory:") as engine:
        run = engine.import_run(changed(whole, says(state="queued")))
        engine.signal(run, "go", 5)
        assert engine.result(run) == 5


def test_a_wait_that_none_of_ours_has_written_breaks_no_listing(whole: Path) -> None:
    odd = {"kind": 1, "name": keyword("k"), "attempts": "x", "effect": vector(()), "class": 2.5}
    waiting = encode_data(vector([hash_map((keyword(n), v) for n, v in odd.items())]))
    with flowmetal.Engine("memory:") as engine:
        run = engine.import_run(changed(whole, holds("waiting", waiting)))
        (view,) = engine.runs()
        assert view.waiting_text(engine.now_us()) == "1"
        assert json.loads(json.dumps(view.summary_json()))["waiting"] == [
            {"kind": "1", "name": None, "until": None}
        ]
        assert "waits" in engine.why(run)
