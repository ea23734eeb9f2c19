"""What plain SQL writes holds nobody up: the cases that did, and a sample of all others."""

from __future__ import annotations

import json
from random import Random

import pytest

import flowmetal
from flowmetal.store.operations.vocabulary import ClaimTask
from flowmetal.values import keyword
from tests.fuzz.rows import PROGRAM, World, heeded


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize(
    "columns",
    [
        "state = 'done', result = CAST(x'ff' AS TEXT)",
        "state = 'failed', result = replace(hex(zeroblob(60000)), '00', '[')",
        "state = 'done', result = replace(hex(zeroblob(60000)), '00', '[')",
        "state = 'failed', factor = 9e999, first_wait_us = 0, most_wait_us = 0, result = '1'",
        "state = 'failed', factor = 1e300, attempt = 60, max_attempts = 60, result = '1'",
        "state = 'failed', worker = CAST(x'ff' AS TEXT), attempt = 9, result = '{}'",
    ],
)  # fmt: skip
def test_a_worker_s_row_is_heeded_whatever_is_in_it(world, columns: str) -> None:
    program = flowmetal.compile(PROGRAM)
    world.engine.start(program, [], id="r")
    world.engine.interpret(until_idle=True)
    for _ in range(3):  # as often as it is offered again
        world.execute("UPDATE task SET state = 'claimed', attempt = attempt + 1 WHERE run = 'r'")
        world.execute(f"UPDATE task SET {columns} WHERE run = 'r'")
        world.engine.start(program, [], entry="beside", id="beside")
        world.engine.interpret(until_idle=True)
        assert world.engine.view("beside").state == "completed"
    view = world.engine.view("r")
    assert view.state == "completed"
    assert "resize" in str(view.result)


def test_a_number_of_attempts_that_nobody_can_count_on_from_holds_up_no_queue(world) -> None:
    world.engine.start(flowmetal.compile(PROGRAM), [], id="r")
    world.engine.interpret(until_idle=True)
    world.execute("UPDATE task SET attempt = 9223372036854775807 WHERE run = 'r'")
    found = world.engine.host.store.operate(ClaimTask("images", "w"))
    assert found.get(keyword("attempt")) == (1 << 30) + 1


def test_an_order_that_is_no_text_says_so(world) -> None:
    world.execute(
        "INSERT INTO record (space, key, fields, due_us) VALUES ('order', 'a', CAST(x'ff7b' AS TEXT), 0)"
    )
    world.engine.start(flowmetal.compile(PROGRAM), [], entry="beside", id="beside")
    world.engine.interpret(until_idle=True)
    assert world.engine.view("beside").state == "completed"
    ((fields,),) = world.plain.execute("SELECT fields FROM record WHERE key = 'a'").fetchall()
    assert json.loads(fields)["error"] == "the fields of an order are a JSON object"


def test_an_order_whose_key_is_no_text_is_given_one_that_is(world) -> None:
    world.execute(
        "INSERT INTO record (space, key, fields, due_us)"
        ' VALUES (\'order\', CAST(x\'61ff\' AS TEXT), \'{"start": "work", "run": "beside", "entry": "beside"}\', 0)'
    )
    world.engine.interpret(until_idle=True)
    assert world.engine.view("beside").state == "completed"
    ((key, fields),) = world.plain.execute(
        "SELECT key, fields FROM record WHERE space = 'order'"
    ).fetchall()
    assert (key, list(json.loads(fields))[-1]) == ("a\ufffd", "done")


def test_rows_of_any_content_hold_up_no_run() -> None:
    for seed in range(50):
        heeded(Random(seed).randbytes(40))
