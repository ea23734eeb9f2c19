"""Orders by plain SQL, on both databases: a row is obeyed once, and says what became of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import flowmetal
from flowmetal.embed.moving import _keeping
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.protocol import RunState
from flowmetal.values import pr_str
from tests.postgres import Server

SHOP = """(ns shop (:require [flow.event :as event]))
(defn main [n & more] [n more (event/receive! :go)])
(defn once [x] x)
"""
Execute = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[flowmetal.Engine, Execute]]:
    """Return an engine with a deployed program, and what executes SQL from outside."""
    if request.param == "sqlite":
        url = f"sqlite:{tmp_path / 'store.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        url = server.new_store()
    with flowmetal.Engine(url) as engine:
        engine.deploy(flowmetal.compile(SHOP), "shop")
        if request.param == "sqlite":
            light = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
            yield engine, lambda sql, *given: light.execute(sql, given).fetchall()
            light.close()
        else:
            plain, _, schema = url.partition("&schema=")
            heavy = psycopg.connect(plain, autocommit=True)
            heavy.execute(f'SET search_path TO "{schema}"')  # type: ignore[call-overload]

            def execute(sql: str, *given: Any) -> list[tuple[Any, ...]]:
                found = heavy.execute(sql.replace("?", "%s"), given)  # type: ignore[call-overload]
                return found.fetchall() if found.description else []

            yield engine, execute
            heavy.close()


def order(execute: Execute, key: str, fields: str) -> None:
    execute(
        "INSERT INTO record (space, key, fields, due_us) VALUES ('order', ?, ?, 0)", key, fields
    )


def outcome(execute: Execute, key: str) -> dict[str, Any]:
    ((fields,),) = execute("SELECT fields FROM record WHERE space = 'order' AND key = ?", key)
    found: dict[str, Any] = json.loads(fields)
    return found


def test_a_run_is_started_and_signalled_by_rows(store) -> None:
    engine, execute = store
    order(execute, "a", '{"start": "shop", "args": [1, {"x": [null]}], "tags": {"k": "v"}}')
    order(execute, "b", '{"signal": ":go", "run": "a", "value": {"by": "ada"}}')
    engine.interpret(until_idle=True)
    assert outcome(execute, "a")["done"] == {"run": "a", "made": True}
    assert outcome(execute, "b")["done"] == {"run": "a", "number": 1}
    view = engine.view("a")
    assert (pr_str(view.result), view.tags) == ('[1 ({:x [nil]}) {:by "ada"}]', {"k": "v"})


def test_orders_that_are_written_together_may_start_a_run_and_be_for_it(store) -> None:
    engine, execute = store
    order(execute, "a", '{"signal": "go", "run": "b", "value": 2}')
    order(execute, "b", '{"start": "shop", "args": [1]}')
    order(execute, "c", '{"signal": "go", "run": "nobody"}')
    engine.interpret(until_idle=True)
    assert outcome(execute, "a")["done"] == {"run": "b", "number": 1}
    assert outcome(execute, "c")["error"] == "there is no run nobody"
    assert pr_str(engine.view("b").result) == "[1 nil 2]"


def test_a_run_is_named_and_begins_where_the_order_says(store) -> None:
    engine, execute = store
    order(execute, "a", '{"start": "shop", "run": "r", "entry": "once", "input": {"n": 7}}')
    order(execute, "b", '{"start": "shop", "run": "r", "entry": "once", "input": 8}')
    engine.interpret(until_idle=True)
    assert pr_str(engine.view("r").result) == "{:n 7}"
    assert outcome(execute, "b")["done"] == {"run": "r", "made": False}


def test_a_run_is_asked_to_stop_by_a_row(store) -> None:
    engine, execute = store
    order(execute, "a", '{"start": "shop", "args": [1]}')
    engine.interpret(until_idle=True)
    order(execute, "b", '{"cancel": "a", "reason": "enough"}')
    engine.interpret(until_idle=True)
    assert engine.view("a").state == "cancelled"


def test_what_became_of_an_order_is_kept_and_then_forgotten(store) -> None:
    engine, execute = store
    order(execute, "a", '{"start": "shop", "args": [1]}')
    engine.interpret(until_idle=True)
    engine.interpret(until_idle=True)
    assert "done" in outcome(execute, "a")
    execute("UPDATE record SET due_us = 0 WHERE space = 'order'")
    engine.interpret(until_idle=True)
    assert execute("SELECT key FROM record WHERE space = 'order'") == []
    assert len(engine.runs()) == 1


def test_an_order_to_stop_says_if_there_is_nothing_to_stop(store) -> None:
    engine, execute = store
    order(execute, "a", '{"start": "shop", "args": [1]}')
    engine.interpret(until_idle=True)
    order(execute, "b", '{"cancel": "a", "reason": "enough"}')
    engine.interpret(until_idle=True)
    order(execute, "c", '{"cancel": "a", "reason": "enough"}')
    engine.interpret(until_idle=True)
    said = "run a has ended (cancelled) and takes no more messages"
    assert outcome(execute, "c")["error"] == said


def test_an_order_to_a_run_that_is_being_exported_waits_until_it_is_there_or_gone(store) -> None:
    engine, execute = store
    order(execute, "a", '{"start": "shop", "args": [1]}')
    engine.interpret(until_idle=True)
    claim = engine.store.claim(RunId("a"), InterpreterId("mover"), 10_000_000)
    row = engine.store.load(claim).row
    claim = engine.store.commit(claim, _keeping(row, RunState.EXPORTING, (), release=False))
    order(execute, "b", '{"cancel": "a"}')
    engine.store.attend()
    assert not {"done", "error"} & outcome(execute, "b").keys()
    engine.store.commit(claim, _keeping(row, RunState.MOVED, (), release=True))
    execute("UPDATE record SET due_us = 0 WHERE space = 'order' AND key = 'b'")
    engine.store.attend()
    assert "moved" in outcome(execute, "b")["error"]


# fmt: off
WRONG = [
    ("",                                                    "the fields of an order are a JSON object"),
    ("[1]",                                                 "the fields of an order are a JSON object"),
    ("{",                                                   "the fields of an order are a JSON object"),
    ("[" * 5000,                                            "the fields of an order are a JSON object"),
    ("{}",                                                  "an order has one of signal, start and cancel"),
    ('{"start": "shop", "cancel": "r"}',                    "an order has one of signal, start and cancel"),
    ('{"start": "nobody"}',                                 "no program is deployed as nobody"),
    ('{"start": 7}',                                        "`start` is not a text"),
    ('{"start": "shop", "args": [1], "run": "a b"}',        "'a b' cannot be the id of a run"),
    ('{"start": "shop", "args": 1}',                        "`args` is not an array"),
    ('{"start": "shop", "args": [], "input": 1}',           "`args` and `input` exclude each other"),
    ('{"start": "shop", "args": []}',                       "shop/main does not take 0 arguments"),
    ('{"start": "shop", "entry": "nope"}',                  "the program has no function shop/nope"),
    ('{"start": "shop", "input": 1, "tags": {"a": 1}}',     "`tags` is not an object of texts"),
    ('{"start": "shop", "input": 1, "grants": "all"}',      "there is no `grants` in an order to start: it has args, entry, input, run, start, tags"),
    ('{"signal": "go", "run": "nobody"}',                   "there is no run nobody"),
    ('{"signal": "a b", "run": "nobody"}',                  "'a b' cannot be the name of a signal"),
    ('{"signal": "go"}',                                    "`run` is not a text"),
    ('{"cancel": "nobody"}',                                "there is no run nobody"),
    ('{"start": "\\ud800"}',                                "`start` holds a character that no store can keep"),
    ('{"start": "shop", "input": 1, "tags": {"a": "\\u0000"}}', "`tags` is not an object of texts"),
    ('{"signal": "go", "run": "\\ud800"}',                  "`run` holds a character that no store can keep"),
    ('{"cancel": "a\\u0000"}',                              "`cancel` holds a character that no store can keep"),
]
# fmt: on


def test_an_order_that_cannot_be_obeyed_says_why_and_holds_nobody_up(store) -> None:
    engine, execute = store
    for number, (fields, _) in enumerate(WRONG):
        order(execute, f"w{number:02}", fields)
    order(execute, "z", '{"start": "shop", "run": "r", "args": [1]}')
    engine.interpret(until_idle=True)
    found = [outcome(execute, f"w{number:02}")["error"] for number in range(len(WRONG))]
    assert found == [message for _, message in WRONG]
    assert engine.view("r").state == "waiting"


def test_an_order_with_half_a_character_is_answered_like_any_other(store) -> None:
    engine, execute = store
    order(execute, "a", '{"start": "shop", "run": "\\ud800"}')
    order(execute, "z", '{"start": "shop", "run": "r", "args": [1]}')
    engine.interpret(until_idle=True)
    assert "error" in outcome(execute, "a")
    assert engine.view("r").state == "waiting"
