"""Past states from the outside: eval, verify, gc."""

from __future__ import annotations

import json
import os

import pytest

import flowmetal
from flowmetal.ids import RunId
from flowmetal.store.chain import KeyRing, beginning, extended
from tests.sqlite import opened


def test_an_expression_sees_vars_locals_and_the_library(waiting) -> None:
    shown = waiting("fmvm", "eval", "p", "[name @seen (map inc [1 2])]")
    assert (shown.status, shown.out) == (0, "[:b [5] (2 3)]\n")
    shown = waiting("fmvm", "eval", "p", "{:who who :sum sum}", "--frame", "2", "--json")
    assert json.loads(shown.out) == {"who": "Ada", "sum": 15}


def test_an_expression_sees_an_earlier_state(waiting) -> None:
    assert waiting("fmvm", "eval", "p", "[name @seen]", "--at", "2").out == "[:a []]\n"
    assert waiting("fmvm", "eval", "p", "[name @seen]", "--at", "4").out == "[:b [5]]\n"


def test_an_expression_does_not_change_the_run(waiting) -> None:
    assert waiting("fmvm", "eval", "p", "(reset! seen [1 2 3])").out == "[1 2 3]\n"
    assert waiting("fmvm", "eval", "p", "@seen").out == "[5]\n"
    assert waiting("fmvm", "verify", "p").status == 0


def test_an_effect_is_refused_in_an_expression(waiting) -> None:
    shown = waiting("fmvm", "eval", "p", "(uuid!)")
    assert shown.status == 1
    assert "FM0313" in shown.err


def test_what_is_wrong_with_an_expression_is_shown_in_it(waiting) -> None:
    shown = waiting("fmvm", "eval", "p", "(+ 1 nmae)")
    assert shown.status == 1
    assert "<expression>:1:6" in shown.err
    assert "did you mean `name`" in shown.err
    shown = waiting("fmvm", "eval", "p", "(+ 1 name)")
    assert shown.status == 1
    assert "`+` needs numbers" in shown.err


@pytest.mark.parametrize("endless", ["(range)", "[1 (repeat 2)]"])
def test_a_value_that_has_no_end_is_a_mistake_in_the_expression(waiting, endless: str) -> None:
    for flags in ((), ("--json",)):
        shown = waiting("fmvm", "eval", "p", endless, *flags)
        assert shown.status in (1, 2)
        assert "error[FM" in shown.err


def test_a_place_that_is_not_there_is_named(waiting) -> None:
    assert "FM1330" in waiting("fmvm", "eval", "p", "1", "--frame", "-2").err
    assert (
        "fiber 1 of run p has no frame 9" in waiting("fmvm", "eval", "p", "1", "--frame", "9").err
    )
    assert "no fiber 7" in waiting("fmvm", "eval", "p", "1", "--fiber", "7").err
    shown = waiting("fmvm", "eval", "p", "1", "--at", "99")
    assert (shown.status, "no event 99" in shown.err) == (2, True)


def test_the_end_of_a_run_can_be_looked_at(waiting) -> None:
    assert waiting("fmvm", "signal", "p", "b", "6").status == 0
    assert waiting("fmvm", "resume", "p").out == '["Ada" 5 15 6]\n'
    assert waiting("fmvm", "eval", "p", "@seen").out == "[5 6]\n"
    assert waiting("fmvm", "eval", "p", "@seen", "--at", "3").out == "[]\n"


def test_a_history_that_was_changed_by_hand_is_found(waiting) -> None:
    shown = waiting("fmvm", "verify", "p")
    assert (shown.status, "chained without a key" in shown.out) == (0, True)
    store = os.environ["FLOWMETAL_STORE"].removeprefix("sqlite:")
    with opened(store) as database:
        database.execute("UPDATE event SET name = 'b' WHERE kind = 'signal-received'")
    shown = waiting("fmvm", "verify", "p", "--json")
    assert shown.status == 1
    assert "the chain does not fit" in json.loads(shown.out)["problems"][0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE head SET result = X'A6666F72676564'", "the result is not the one of event"),
        ("UPDATE head SET state = 'failed'", "its state is failed, and by its history it is completed"),
        (
            "UPDATE head SET state = 'ready', result = NULL",
            "its state is ready, and by its history it is completed",
        ),
        ("UPDATE run SET tags = '{\"shop\": \"2\"}'", "not those of event 1"),
        ("UPDATE run SET input = replace(hex(input), hex('Ada'), hex('Eve'))", "not those of event 1"),
    ],
)  # fmt: skip
def test_a_run_that_was_changed_beside_its_history_is_found(waiting, change, problem) -> None:
    for name in ("a", "b"):
        assert waiting("fmvm", "signal", "p", name, "1").status == 0
    assert waiting("fmvm", "resume", "p").status == 0
    assert waiting("fmvm", "verify", "p").status == 0
    with opened(os.environ["FLOWMETAL_STORE"].removeprefix("sqlite:")) as database:
        database.create_function("replace", 3, lambda text, a, b: bytes.fromhex(text.replace(a, b)))
        database.execute(change)
    shown = waiting("fmvm", "verify", "p")
    assert (shown.status, problem in shown.err) == (1, True), shown.err


def test_two_runs_whose_histories_were_exchanged_are_found(waiting) -> None:
    waiting.write("small.flow", '(defn main [] (sleep! #dur "1ms") :done)')
    for name in ("one", "two"):
        assert waiting("fmvm", "run", "small.flow", "--id", name).status == 0
    with opened(os.environ["FLOWMETAL_STORE"].removeprefix("sqlite:")) as database:
        for old, new in (("one", "other"), ("two", "one"), ("other", "two")):
            database.execute("UPDATE run SET id = ? WHERE id = ?", (new, old))
    for name in ("one", "two"):
        shown = waiting("fmvm", "verify", name)
        assert (shown.status, "the chain does not fit" in shown.err) == (1, True), shown.err


@pytest.mark.parametrize("chain", ["without", "none"])
def test_with_a_key_no_history_is_chained_anew_without_one(waiting, tmp_path, chain) -> None:
    keys = tmp_path / "keys"
    keys.write_text("0123456789abcdef0123\n")
    waiting.monkeypatch.setenv("FLOWMETAL_KEYS", str(keys))
    waiting.write("small.flow", '(defn main [] (sleep! #dur "1ms") :done)')
    assert waiting("fmvm", "run", "small.flow", "--id", "keyed").status == 0
    with flowmetal.Engine() as engine:
        anew = extended(
            beginning(KeyRing()), RunId("keyed"), engine.store.events(RunId("keyed")), KeyRing()
        )
    with opened(os.environ["FLOWMETAL_STORE"].removeprefix("sqlite:")) as database:
        database.execute("UPDATE head SET chain = ?", (anew if chain == "without" else b"",))
    shown = waiting("fmvm", "verify", "keyed")
    assert shown.status == 1
    assert "chained without a key" in shown.err or "is not in the chain" in shown.err
    waiting.monkeypatch.delenv("FLOWMETAL_KEYS")
    assert waiting("fmvm", "verify", "keyed").status == 0


def test_with_a_key_only_who_has_it_can_make_a_history(waiting, tmp_path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("0123456789abcdef0123\n")
    waiting.monkeypatch.setenv("FLOWMETAL_KEYS", str(keys))
    waiting.write("small.flow", '(defn main [] (sleep! #dur "1ms") :done)')
    assert waiting("fmvm", "run", "small.flow", "--id", "keyed").status == 0
    assert "chained with a key" in waiting("fmvm", "verify", "keyed").out
    keys.write_text("another key of some length\n0123456789abcdef0123\n")
    assert waiting("fmvm", "verify", "keyed").status == 0
    keys.write_text("another key of some length\n")
    shown = waiting("fmvm", "verify", "keyed")
    assert shown.status == 1
    assert "is not here" in shown.err  # FM1039
    waiting.write(
        "w.flow", "(ns w (:require [flow.event :refer [receive!]])) (defn main [] (receive! :go))"
    )
    keys.write_text("0123456789abcdef0123\n")
    waiting("fmvm", "start", "w.flow", "--id", "w")
    waiting("fmvm", "interpreter", "--until-idle")
    waiting("fmvm", "signal", "w", "go", "1")
    keys.write_text("another key of some length\n")
    shown = waiting("fmvm", "interpreter", "--until-idle")
    assert "fmvm: run w: [FM1039]" in shown.err
    keys.write_text("short\n")
    shown = waiting("fmvm", "verify", "keyed")
    assert (shown.status, "FM1331" in shown.err) == (2, True)


def test_gc_says_what_would_go_and_takes_it(waiting) -> None:
    dry = json.loads(waiting("fmvm", "gc", "--snapshots", "latest", "--dry-run", "--json").out)
    assert dry["snapshots"] >= 1
    wet = json.loads(waiting("fmvm", "gc", "--snapshots", "latest", "--json").out)
    assert wet == {**dry, "dry_run": False}
    assert waiting("fmvm", "eval", "p", "@seen", "--at", "2").out == "[]\n"
    assert waiting("fmvm", "gc", "--snapshots", "many").status == 2


FEW = """(defn many [] (try (count (vec (range 2000))) (catch :limit/items e :no)))
(defn main [] (let [found (many)] (sleep! #dur "1ms") found))"""


def test_what_a_run_was_is_looked_at_under_the_limits_that_it_had(shell) -> None:
    shell.write("few.flow", FEW)
    few = ("--limit", "items=1000")
    assert shell("fmvm", "run", "few.flow", "--id", "f", *few).out == ":no\n"
    assert shell("fmvm", "verify", "f", *few).status == 0
    assert shell("fmvm", "verify", "f").status == 1
    assert shell("fmvm", "eval", "f", "found", "--at", "2", *few).out == ":no\n"
    assert shell("fmvm", "fork", "f", "--at", "2", "--id", "g", *few).status == 0
    assert shell("fmvm", "export", "f", "--at", "2", "--copy", *few).status == 0
    assert shell("fmvm", "resume", "g").out == ":no\n"
    assert shell("fmvm", "export", "g", *few).status == 2
