"""Runs from the outside: start, drive, look, signal, stop, move."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sqlite import opened

ROOT = Path(__file__).parents[2]

ECHO = "(ns echo)\n\n(defn main [& words] (vec words))\n\n(defn one [value] value)\n"
WAITS = """(ns waits
  (:require [flow.event :refer [receive!]]))

(defn main []
  (try
    {:got (receive! :go)}
    (finally (println "cleaned up"))))
"""
FAILS = """(ns fails)

(defn inner [x]
  (throw (ex-info "no anvils left" {:type :stock/empty :item x})))

(defn main [] (str (inner "anvil") "!"))
"""


def start(shell, text: str, *words: str, name: str = "prog.flow"):
    shell.write(name, text)
    return shell("fmvm", "run", name, *words)


# run


def test_the_result_is_on_standard_output_and_the_id_on_standard_error(shell) -> None:
    shown = start(shell, ECHO, "a", "b")
    assert (shown.status, shown.out) == (0, '["a" "b"]\n')
    assert re.fullmatch(r"run [0-9a-f]{16}\n", shown.err)


def test_a_result_in_json_is_bare(shell) -> None:
    assert start(shell, ECHO, "a", "--json").out == '["a"]\n'


def test_what_a_program_prints_is_on_standard_output(shell) -> None:
    text = '(ns p)\n(defn main [] (println "hello") :done)\n'
    assert start(shell, text).out == "hello\n:done\n"


def test_with_json_what_a_program_prints_is_out_of_the_way(shell) -> None:
    text = '(ns p)\n(defn main [] (println "hello") {:a/b [1 2.5 nil]})\n'
    shown = start(shell, text, "--json")
    assert json.loads(shown.out) == {"a/b": [1, 2.5, None]}
    assert "hello" in shown.err


def test_options_stand_before_and_after_the_file_and_dashes_end_them(shell) -> None:
    shell.write("echo.flow", ECHO)
    shown = shell(
        "fmvm", "run", "--id", "x", "echo.flow", "a", "--tag", "k=v", "--", "--json", "-5"
    )
    assert shown.out == '["a" "--json" "-5"]\n'


def test_input_is_one_value_from_the_line_a_file_or_standard_input(shell) -> None:
    shell.write("echo.flow", ECHO)
    shell.write("in.json", '{"id": 7}')
    run = ("fmvm", "run", "echo.flow", "--entry", "one", "--input")
    assert shell(*run, '[1, "x", null]').out == '[1 "x" nil]\n'
    assert shell(*run, "@in.json").out == "{:id 7}\n"
    assert shell(*run, "-", stdin=b"true").out == "true\n"


def test_the_same_id_twice_attaches_to_the_run_that_is_there(shell) -> None:
    first = start(shell, ECHO, "a", "--id", "once")
    again = start(shell, ECHO, "other", "--id", "once")
    assert first.out == again.out == '["a"]\n'
    assert "attached" in again.err
    assert len(json.loads(shell("fmvm", "ps", "--json").out)) == 1


def test_an_id_that_cannot_be_one_is_refused(shell) -> None:
    shown = start(shell, ECHO, "--id", "a b")
    assert shown.status == 2
    assert "FM1311" in shown.err


def test_a_failed_run_is_exit_1_with_frames_and_nothing_on_standard_output(shell) -> None:
    shown = start(shell, FAILS, "--json", name="fails.flow")
    assert (shown.status, shown.out) == (1, "")
    assert "no anvils left" in shown.err
    assert "--> fails.flow:4:3" in shown.err
    assert "fails/inner" in shown.err
    assert "fails/main" in shown.err


def test_an_effect_that_was_not_granted_names_the_flag(shell) -> None:
    text = '(ns p (:require [flow.env :refer [env!]]))\n(defn main [] (env! "TOKEN"))\n'
    shown = start(shell, text)
    assert (shown.status, shown.out) == (3, "")
    assert "--allow-env=TOKEN" in shown.err
    shell.monkeypatch.setenv("TOKEN", "t0k")
    assert start(shell, text, "--allow-env=TOKEN").out == '"t0k"\n'
    assert start(shell, text, "-A").out == '"t0k"\n'


def test_terminal_escapes_of_a_program_do_not_reach_the_terminal(shell) -> None:
    text = '(ns p)\n(defn main [] (println "\\u001b]0;owned\\u0007x\\u001b[2Jy") "\\u001b[31m")\n'
    shown = start(shell, text, "--tag", "t=\x1b[31mred")
    assert "\x1b" not in shown.out + shown.err
    assert shown.out.startswith("xy\n")
    everything = (
        shell("fmvm", "ps").out
        + shell("fmvm", "show", json.loads(shell("fmvm", "ps", "--json").out)[0]["id"]).out
    )
    assert "\x1b" not in everything


def test_a_python_function_is_an_effect(shell) -> None:
    shell.write(
        "images.py",
        "import flowmetal\n\n"
        '@flowmetal.foreign("gallery/resize")\n'
        "def resize(url, width, idempotency_key):\n"
        '    return {"url": url, "width": width, "key": bool(idempotency_key)}\n\n'
        '@flowmetal.foreign("gallery/slow", slow=True)\n'
        "def slow(n):\n    return n + 1\n\n"
        '@flowmetal.foreign("gallery/later")\n'
        "async def later(n):\n    return n * 2\n\n"
        '@flowmetal.foreign("gallery/broken")\n'
        'def broken():\n    raise ValueError("out of paper")\n',
    )
    text = """(ns gallery)
(defforeign resize [url width])
(defforeign slow [n])
(defforeign later [n])
(defforeign broken [])
(defn main []
  [(resize "u" 3) (slow 1) (later 4) (try (broken) (catch :connector/failed e (:message e)))])
"""
    shown = start(shell, text, "--python", "images.py", "--json")
    assert shown.status == 0, shown.err
    assert json.loads(shown.out) == [
        {"url": "u", "width": 3, "key": True}, 2, 8, "gallery/broken failed: ValueError: out of paper",
    ]  # fmt: skip


# looking


def test_ps_lists_runs_newest_first_and_filters(shell) -> None:
    start(shell, ECHO, "--id", "one", "--tag", "shop=1")
    start(shell, FAILS, "--id", "two")
    shell("fmvm", "start", "prog.flow", "--id", "three")
    listed = json.loads(shell("fmvm", "ps", "--json").out)
    assert [(run["id"], run["state"]) for run in listed] == [
        ("three", "ready"), ("two", "failed"), ("one", "completed"),
    ]  # fmt: skip
    for words, ids in (
        (("--state", "failed"), ["two"]),
        (("--state", "failed", "--state", "completed"), ["two", "one"]),
        (("--tag", "shop=1"), ["one"]),
        (("--program", listed[2]["program"][:12]), ["one"]),
        (("--limit", "1"), ["three"]),
    ):
        assert [r["id"] for r in json.loads(shell("fmvm", "ps", "--json", *words).out)] == ids
    table = shell("fmvm", "ps").out.splitlines()
    assert table[0].split() == ["RUN", "STATE", "ENTRY", "PROGRAM", "CREATED", "WAITS", "FOR"]
    assert len(table) == 4


def test_show_has_the_shape_that_is_promised(shell) -> None:
    start(shell, FAILS, "--id", "f", "--tag", "a=b")
    found = json.loads(shell("fmvm", "show", "f", "--json").out)
    assert {
        "id",
        "state",
        "result",
        "error",
        "waiting",
        "fibers",
        "program",
        "tags",
        "started",
        "ended",
    } <= found.keys()
    assert found["state"] == "failed"
    assert found["error"]["type"] == "stock/empty"
    assert found["error"]["message"] == "no anvils left"
    assert found["error"]["data"] == {"item": "anvil"} or found["error"]["data"]["item"] == "anvil"
    assert found["tags"] == {"a": "b"}
    assert found["started"].endswith("Z")
    assert found["fibers"][0]["frames"][0]["function"] == "fails/inner"
    text = shell("fmvm", "show", "f").out
    assert "fails/inner" in text
    assert "no anvils left" in text


def test_a_run_is_found_by_the_beginning_of_its_id(shell) -> None:
    start(shell, ECHO, "--id", "order-17")
    start(shell, ECHO, "--id", "order-18")
    assert json.loads(shell("fmvm", "show", "order-17", "--json").out)["id"] == "order-17"
    several = shell("fmvm", "show", "order")
    assert several.status == 2
    assert "FM1316" in several.err
    assert "order-18" in several.err


def test_events_are_the_history_with_times(shell) -> None:
    start(shell, '(ns p)\n(defn main [] (sleep! #dur "1ms") :done)\n', "--id", "p")
    events = json.loads(shell("fmvm", "events", "p", "--json").out)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["kind"] for event in events] == [
        "started",
        "effect-requested",
        "effect-resolved",
        "completed",
    ]
    assert events[1]["name"] == "time/sleep"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]) for e in events)
    followed = shell("fmvm", "events", "p", "--json", "--follow").out.splitlines()
    assert [json.loads(line) for line in followed] == events
    assert len(shell("fmvm", "events", "p").out.splitlines()) == len(events)
    last = json.loads(shell("fmvm", "events", "p", "--json", "--last", "2").out)
    assert last == events[-2:]
    assert len(shell("fmvm", "events", "p", "--last", "9999").out.splitlines()) == len(events)


# waiting and signals


def begin_waiting(shell, name: str = "w") -> None:
    """Leave a run that waits for its signal, as a driver that went away does."""
    shell.write("waits.flow", WAITS)
    shell("fmvm", "start", "waits.flow", "--id", name)
    shell("fmvm", "interpreter", "--until-idle")


def test_start_each_makes_a_run_for_every_line(shell) -> None:
    shell.write("echo.flow", ECHO)
    shell.write("lines.json", '{"n": 1}\n\n[2]\n"three"\n')
    words = ("fmvm", "start", "echo.flow", "--entry", "one", "--each", "lines.json", "--id", "r")
    shown = shell(*words)
    assert (shown.status, shown.out, shown.err) == (0, "r-1\nr-2\nr-3\n", "3 runs\n")
    assert shell("fmvm", "resume", "r-1").out == "{:n 1}\n"
    again = shell(*words, "--json")
    assert [json.loads(line)["id"] for line in again.out.splitlines()] == ["r-1", "r-2", "r-3"]
    assert again.err == "0 runs; 3 were there already\n"


def test_start_each_starts_nothing_if_a_line_is_wrong(shell) -> None:
    shell.write("echo.flow", ECHO)
    shown = shell("fmvm", "start", "echo.flow", "--each", "-", stdin=b"1\n{no\n")
    assert shown.status == 2
    assert "standard input, line 2 is not JSON" in shown.err
    both = shell("fmvm", "start", "echo.flow", "--each", "-", "word", stdin=b"1\n")
    assert (both.status, "FM1307" in both.err) == (2, True)
    assert shell("fmvm", "ps", "--json").out == "[]\n"


def test_start_prints_the_id_and_drives_nothing(shell) -> None:
    shell.write("waits.flow", WAITS)
    assert shell("fmvm", "start", "waits.flow", "--id", "w").out == "w\n"
    assert json.loads(shell("fmvm", "show", "w", "--json").out)["state"] == "ready"
    assert json.loads(shell("fmvm", "start", "waits.flow", "--id", "v", "--json").out) == {
        "id": "v"
    }


def test_a_signal_wakes_a_run(shell) -> None:
    begin_waiting(shell)
    waiting = json.loads(shell("fmvm", "show", "w", "--json").out)["waiting"]
    assert waiting == [{"kind": "signal/receive", "name": "go", "until": None}]
    assert "fmvm signal w go" in shell("fmvm", "why", "w").out
    sent = json.loads(shell("fmvm", "signal", "w", "go", '{"n": 1}', "--id", "s1", "--json").out)
    again = json.loads(shell("fmvm", "signal", "w", "go", '{"n": 2}', "--id", "s1", "--json").out)
    assert sent == again == {"run": "w", "name": "go", "id": "s1", "number": 1}
    assert shell("fmvm", "resume", "w").out == "cleaned up\n{:got {:n 1}}\n"


def test_a_signal_before_anybody_drives_the_run_is_kept(shell) -> None:
    shell.write("waits.flow", WAITS)
    shell("fmvm", "start", "waits.flow", "--id", "w")
    shell("fmvm", "signal", "w", ":go", "7")
    assert "`go`" in shell("fmvm", "why", "w").out
    assert shell("fmvm", "resume", "w").out.endswith("{:got 7}\n")


def test_wait_gives_up_with_exit_4(shell) -> None:
    begin_waiting(shell)
    shown = shell("fmvm", "wait", "w", "--timeout", "1ms")
    assert (shown.status, shown.out) == (4, "")
    assert "fmvm why w" in shown.err


def test_wait_and_resume_of_a_completed_run_print_its_result_again(shell) -> None:
    start(shell, ECHO, "a", "--id", "e")
    assert shell("fmvm", "wait", "e").out == '["a"]\n'
    assert shell("fmvm", "resume", "e", "--json").out == '["a"]\n'


def test_why_says_of_every_state_what_holds_the_run(shell) -> None:
    start(shell, ECHO, "--id", "done")
    start(shell, FAILS, "--id", "failed")
    begin_waiting(shell)
    assert "waits for nothing" in shell("fmvm", "why", "done").out
    assert "no anvils left" in shell("fmvm", "why", "failed").out
    shell("fmvm", "pause", "w")
    assert "fmvm unpause w" in shell("fmvm", "why", "w").out
    assert shell("fmvm", "export", "w").status == 0
    moved = shell("fmvm", "why", "w").out
    assert "goes on where that is imported" in moved
    assert "ended" not in moved
    refused = shell("fmvm", "signal", "w", "go", "1")
    assert (refused.status, "moved away" in refused.err) == (3, True)


def test_a_signal_that_was_there_is_answered_as_the_first_time(shell) -> None:
    begin_waiting(shell)
    words = ("fmvm", "signal", "w", ":go", "1", "--id", "7")
    first = shell(*words, "--json")
    assert json.loads(first.out)["name"] == "go"
    assert shell(*words, "--json").out == first.out
    assert shell("fmvm", "signal", "w", "stop", "2", "--id", "7", "--json").out == first.out
    assert shell("fmvm", "signal", "w", "stop", "2", "--id", "7").out.startswith("signal go is ")


def test_what_is_no_json_says_what_and_where(shell) -> None:
    begin_waiting(shell)
    for text, why in (
        ("stop", "the value is not JSON: expecting value at line 1, column 1"),
        ('"stop', "the value is not JSON: unterminated string starting at line 1, column 1"),
    ):
        shown = shell("fmvm", "signal", "w", "go", text)
        assert (shown.status, why in shown.err) == (2, True), shown.err


# stopping


def test_cancel_runs_finally_blocks(shell) -> None:
    begin_waiting(shell)
    shown = shell("fmvm", "cancel", "w", "--reason", "ordered twice")
    assert (shown.status, shown.out) == (0, "run w is cancelled\n")
    outputs = [
        e["data"]
        for e in json.loads(shell("fmvm", "events", "w", "--json").out)
        if e["kind"] == "output"
    ]
    assert outputs == ["cleaned up\n"]
    after = shell("fmvm", "resume", "w")
    assert after.status == 1
    assert "ordered twice" in after.err


def test_cancel_now_runs_none(shell) -> None:
    begin_waiting(shell)
    assert json.loads(shell("fmvm", "cancel", "w", "--now", "--json").out)["state"] == "cancelled"
    kinds = [e["kind"] for e in json.loads(shell("fmvm", "events", "w", "--json").out)]
    assert "output" not in kinds


CATCHES = """(ns p (:require [flow.event :refer [receive!]]))
(defn main [] (try (receive! :go) (catch :flow/cancelled _ (receive! :more))))
"""


def test_a_run_that_has_caught_its_cancellation_is_not_told_again(shell) -> None:
    shell.write("catches.flow", CATCHES)
    shell("fmvm", "start", "catches.flow", "--id", "c")
    shell("fmvm", "interpreter", "--until-idle")
    stopping = "was asked to stop, and cleans up or has caught that: `fmvm cancel --now c` ends it"
    assert stopping not in shell("fmvm", "why", "c").out
    assert "is asked to stop" in shell("fmvm", "cancel", "c", "--leave").out
    shell("fmvm", "interpreter", "--until-idle")
    assert stopping in shell("fmvm", "why", "c").out
    shown = shell("fmvm", "cancel", "c", "--leave")
    assert "run c has been asked to stop before, and is told so once" in shown.out
    assert shell("fmvm", "cancel", "c", "--now").out == "run c is cancelled\n"
    assert stopping not in shell("fmvm", "why", "c").out


@pytest.mark.parametrize(
    ("handler", "state", "status", "said"),
    [
        ("(catch :flow/cancelled _ :tidied)", "completed", 0, "run a has completed: its program"),
        ('(finally (throw (ex-info "no broom" {})))', "failed", 1, "error[:user]: no broom"),
    ],
)
def test_a_cancelled_run_that_ends_otherwise_is_said_to(
    shell, handler: str, state: str, status: int, said: str
) -> None:
    shell.write("p.flow", f"(defn main [] (try (flow.event/receive! :go) {handler}))")
    for run in "ab":
        shell("fmvm", "start", "p.flow", "--id", run)
    shell("fmvm", "interpreter", "--until-idle")
    shell("fmvm", "cancel", "a", "--leave")  # and again: the second one ends it
    shown = shell("fmvm", "cancel", "a")
    assert (shown.status, said in shown.out + shown.err) == (status, True), shown
    assert "asked to stop" not in shown.out
    shown = shell("fmvm", "cancel", "b", "--json")
    assert (shown.status, json.loads(shown.out)) == (status, {"id": "b", "state": state})


def test_a_run_that_cannot_be_loaded_is_ended_at_once(shell) -> None:
    begin_waiting(shell)
    with opened(os.environ["FLOWMETAL_STORE"].removeprefix("sqlite:")) as database:
        database.execute("UPDATE head SET snapshot = X'00'")
        database.execute("UPDATE event SET snapshot = NULL")
    assert "FM0910" in shell("fmvm", "resume", "w").err
    shown = shell("fmvm", "cancel", "w")
    assert (shown.status, "run w is asked to stop, and could not be driven" in shown.err) == (
        2,
        True,
    )
    shown = shell("fmvm", "cancel", "w", "--now", "--reason", "beyond repair")
    assert (shown.status, shown.out) == (0, "run w is cancelled\n")
    assert shell("fmvm", "wait", "w").err == "run w was cancelled: beyond repair\n"


def test_what_goes_on_with_a_paused_run_names_the_store_that_was_given(shell) -> None:
    begin_waiting(shell)
    shell("fmvm", "pause", "w")
    store = ("--store", os.environ["FLOWMETAL_STORE"])
    for verb in ("resume", "wait"):
        shown = shell("fmvm", verb, "w", *store)
        assert shown.err == f"run w is paused; go on with: fmvm unpause w {' '.join(store)}\n"


def test_a_command_that_is_shown_has_the_id_as_a_shell_takes_it(shell) -> None:
    run = "a;$(reboot)"
    start(shell, FAILS, "--id", run)
    for verb in ("why", "show", "retry"):
        shown = shell("fmvm", verb, run)
        commands = re.findall(r"fmvm \w+ (\S+)", shown.out + shown.err)
        assert commands, verb
        assert all(command.startswith("'a;$(reboot)'") for command in commands), shown


@pytest.mark.parametrize("words", ["signal w go -5", "callback w.1 -5", "query w total -5"])
def test_a_negative_number_is_said_to_go_behind_two_dashes(shell, words: str) -> None:
    begin_waiting(shell)
    shown = shell("fmvm", *words.split())
    assert (shown.status, "help: write `-- -5` at the end if it is a number" in shown.err) == (
        2,
        True,
    )


def test_a_negative_number_behind_two_dashes_is_the_value(shell) -> None:
    begin_waiting(shell)
    assert shell("fmvm", "signal", "w", "go", "--", "-5").status == 0
    assert "{:got -5}" in shell("fmvm", "resume", "w").out


def test_a_run_that_was_cancelled_without_a_reason_has_none(shell) -> None:
    begin_waiting(shell)
    shell("fmvm", "cancel", "w")
    assert shell("fmvm", "wait", "w").err == "run w was cancelled\n"
    assert "state    cancelled\n" in shell("fmvm", "show", "w").out


def test_a_run_that_has_ended_is_not_cancelled(shell) -> None:
    start(shell, ECHO, "--id", "e")
    assert shell("fmvm", "cancel", "e").status == 3


def test_a_paused_run_is_not_driven_and_keeps_what_comes_in(shell) -> None:
    begin_waiting(shell)
    assert shell("fmvm", "pause", "w", "--reason", "lunch").out == "run w is paused\n"
    assert shell("fmvm", "resume", "w").status == 4
    assert shell("fmvm", "signal", "w", "go", "1").status == 0
    shell("fmvm", "interpreter", "--until-idle")
    assert json.loads(shell("fmvm", "show", "w", "--json").out)["state"] == "paused"
    why = shell("fmvm", "why", "w").out
    assert "Somebody paused it at 20" in why
    assert ": lunch. `fmvm unpause w` lets it go on" in why
    assert "In its inbox, not received yet: `go`." in why
    assert shell("fmvm", "unpause", "w").status == 0
    assert shell("fmvm", "resume", "w").out.endswith("{:got 1}\n")


def test_an_interpreter_drives_all_runs_of_a_store(shell) -> None:
    shell.write("echo.flow", ECHO)
    for name in ("a", "b", "c"):
        shell("fmvm", "start", "echo.flow", name, "--id", name)
    assert shell("fmvm", "interpreter", "--until-idle").status == 0
    assert {r["state"] for r in json.loads(shell("fmvm", "ps", "--json").out)} == {"completed"}


# moving


def test_a_run_moves_as_one_file(shell) -> None:
    begin_waiting(shell)
    shell("fmvm", "signal", "w", "go", "1")
    assert shell("fmvm", "export", "w", "-o", "w.fms").out == "w.fms\n"
    gone = shell("fmvm", "resume", "w")
    assert (gone.status, gone.out) == (4, "")
    assert json.loads(shell("fmvm", "show", "w", "--json").out)["state"] == "moved"
    other = ("--store", "sqlite:other.db")
    imported = shell("fmvm", "import", "w.fms", *other)
    assert imported.out == "w\n"
    assert imported.err == f"go on with: fmvm resume w {' '.join(other)}\n"
    assert shell("fmvm", "resume", "w", *other).out.endswith("{:got 1}\n")
    twice = shell("fmvm", "import", "w.fms", *other)
    assert twice.status == 3
    assert "FM1104" in twice.err


def test_an_export_that_cannot_be_written_leaves_the_run_here(shell) -> None:
    begin_waiting(shell)
    shown = shell("fmvm", "export", "w", "-o", "nowhere/w.fms")
    assert shown.status == 2
    assert "FM1312" in shown.err
    shell("fmvm", "signal", "w", "go", "1")
    assert shell("fmvm", "resume", "w").out.endswith("{:got 1}\n")


@pytest.mark.parametrize("damage", ["cut", "flip", "noise", "empty"])
def test_a_damaged_export_is_refused_whole(shell, damage: str) -> None:
    begin_waiting(shell)
    shell("fmvm", "export", "w", "-o", "w.fms")
    data = bytearray((shell.folder / "w.fms").read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    changed = {"cut": data[:-1], "flip": data, "noise": b"noise" * 99, "empty": b""}[damage]
    shell.write("w.fms", bytes(changed))
    shown = shell("fmvm", "import", "w.fms", "--store", "sqlite:other.db")
    assert shown.status == 2
    assert "FM1016" in shown.err
    assert json.loads(shell("fmvm", "ps", "--json", "--store", "sqlite:other.db").out) == []


def test_an_effect_in_doubt_is_not_moved_by_accident(shell) -> None:
    shell.write(
        "bank.py",
        "import os\nimport flowmetal\n\n"
        '@flowmetal.foreign("bank/pay")\n'
        "def pay(n):\n    os._exit(9)\n",
    )
    shell.write(
        "bank.flow",
        "(ns bank)\n(defforeign pay [n])\n(defn main []\n"
        "  (try (perform :bank/pay {:args [1] :at-most-once true})\n"
        "    (catch :effect/in-doubt e :in-doubt)))\n",
    )
    process = spawn(shell, "run", "bank.flow", "--id", "b", "--python", "bank.py")
    process.communicate()
    assert process.returncode == 9
    refused = shell("fmvm", "export", "b")
    assert refused.status == 3, refused
    assert "FM1202" in refused.err
    assert shell("fmvm", "export", "b", "--in-doubt", "-o", "b.fms").status == 0
    other = ("--store", "sqlite:other.db")
    shell("fmvm", "import", "b.fms", *other)
    assert shell("fmvm", "resume", "b", *other).out == ":in-doubt\n"


# processes


def spawn(shell, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flowmetal.cli", "fmvm", *words],
        cwd=shell.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


READY = WAITS.replace("  (try", '  (println "ready")\n  (try')


def test_ctrl_c_leaves_the_run_and_says_how_to_go_on(shell) -> None:
    shell.write("waits.flow", READY)
    process = spawn(shell, "run", "waits.flow", "--id", "w")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "fmvm resume w" in err
    assert "Traceback" not in err
    shell("fmvm", "signal", "w", "go", "1")
    assert shell("fmvm", "resume", "w").out.endswith("{:got 1}\n")


def test_a_killed_run_goes_on_at_once(shell) -> None:
    shell.write("waits.flow", READY)
    process = spawn(shell, "run", "waits.flow", "--id", "w")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate()
    shell("fmvm", "signal", "w", "go", "1")
    assert shell("fmvm", "resume", "w").out.endswith("{:got 1}\n")


def test_a_run_that_somebody_drives_is_not_driven_twice(shell) -> None:
    shell.write("waits.flow", READY)
    process = spawn(shell, "run", "waits.flow", "--id", "w")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        refused = shell("fmvm", "export", "w")
        assert refused.status == 3, refused
        assert "driven by" in refused.err
        assert json.loads(shell("fmvm", "show", "w", "--json").out)["state"] in (
            "running",
            "waiting",
        )
        shell("fmvm", "signal", "w", "go", "1")
        out, _ = process.communicate(timeout=30)
        assert out.endswith("{:got 1}\n")
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_an_interpreter_stops_in_good_order(shell, number: signal.Signals, status: int) -> None:
    shell.write("waits.flow", READY)
    shell("fmvm", "start", "waits.flow", "--id", "w")
    process = spawn(shell, "interpreter")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status, err
    assert "left to other interpreters" in err
    assert "Traceback" not in err
    shell("fmvm", "signal", "w", "go", "1")
    assert shell("fmvm", "resume", "w").out.endswith("{:got 1}\n")


def test_sync_every_commits_local_effects_one_by_one(shell) -> None:
    text = "(ns p)\n(defn main [] (now!) (now!) (now!) :done)\n"
    assert start(shell, text, "--sync=every").out == ":done\n"
    assert start(shell, text, "--sync=never").status == 2


# doctor


def test_doctor_says_what_is_there(shell) -> None:
    found = json.loads(shell("fmvm", "doctor", "--json").out)
    assert {"python", "packages", "sqlite", "store", "clock"} <= {one["about"] for one in found}
    assert all(one["level"] in ("fine", "note") for one in found), found


def test_doctor_says_what_is_wrong_and_what_to_do(shell) -> None:
    shell.write("notes.txt", "these are notes\n" * 100)
    shown = shell("fmvm", "doctor", "--store", "sqlite:notes.txt")
    assert shown.status == 1
    assert "FM1001" in shown.out


def test_show_folds_the_frames_of_the_library_in_fibers_unless_full(shell) -> None:
    shell.write(
        "w.flow",
        """(ns w (:require [flow.async :refer [pmap!]] [flow.event :refer [receive!]]))
        (defn wait! [n] (step! "wait" (receive! :go)))
        (defn main [] (pmap! wait! [1 2]))""",
    )
    assert shell("fmvm", "start", "w.flow", "--id", "w").status == 0
    shell("fmvm", "interpreter", "--until-idle")
    folded, full = shell("fmvm", "show", "w").out, shell("fmvm", "show", "w", "--full").out
    assert "frames in the library, --full to see" in folded
    assert "in w/wait!" in folded
    assert "flow.core/-step!" not in folded
    assert "--full to see" not in full
    assert "flow.core/-step!" in full


def test_show_folds_the_frames_of_the_library_unless_full(shell) -> None:
    shell.write("f.flow", "(defn total [xs] (reduce + xs))\n(defn main [] (inc (total [1 nil])))")
    assert shell("fmvm", "run", "f.flow", "--id", "f").status == 1
    folded, full = shell("fmvm", "show", "f").out, shell("fmvm", "show", "f", "--full").out
    assert "frames in flow.core, --full to see" in folded
    assert "frames in flow.core, --full to see" not in full
    assert "in user/total" in full


# scripts


def test_a_clojure_script_runs_as_it_is(shell) -> None:
    shown = start(shell, '(println "hello")\n(+ 1 2)\n', name="hello.clj")
    assert (shown.status, shown.out) == (0, "hello\n3\n")


def test_the_main_of_clojure_gets_the_words(shell) -> None:
    text = "(ns app)\n(defn -main [& args] (vec args))\n"
    assert start(shell, text, "a", "b", name="app.cljc").out == '["a" "b"]\n'


def test_tests_at_the_bottom_of_a_file_report_as_in_clojure(shell) -> None:
    text = (
        "(ns sums-test (:require [clojure.test :refer [deftest is run-tests]]))\n"
        "(deftest sums (is (= 2 (+ 1 1))) (is (= 5 (+ 2 2))))\n"
        "(run-tests)\n"
    )
    shown = start(shell, text, name="sums_test.clj")
    assert shown.status == 0
    assert "FAIL in (sums) (sums_test.clj:2)\nexpected: (= 5 (+ 2 2))" in shown.out
    assert "Ran 1 tests containing 2 assertions.\n1 failures, 0 errors." in shown.out


def test_a_script_that_fails_shows_what_it_printed_and_is_kept(shell) -> None:
    shown = start(shell, '(println "before")\n(/ 1 0)\n')
    assert (shown.status, shown.out) == (1, "before\n")
    assert "prog.flow:2:1" in shown.err


def test_a_run_is_not_cancelled_where_its_clean_up_cannot_be_done(shell) -> None:
    shell.write("hosted.py", HOSTED)
    shell.write("hosted.flow", CALLS_IT)
    shell("fmvm", "start", "hosted.flow", "--id", "h")
    shell("fmvm", "interpreter", "--until-idle")
    shown = shell("fmvm", "cancel", "h")
    assert shown.status == 0
    assert "run h is asked to stop" in shown.out
    assert "it calls hosted/undo, which nobody here performs: see --python" in shown.err
    shown = shell("fmvm", "interpreter", "--until-idle", "--python", shell.folder / "hosted.py")
    assert "undone 7" in shown.out
    assert shell("fmvm", "start", "hosted.flow", "--id", "g").status == 0
    shell("fmvm", "interpreter", "--until-idle")
    shown = shell("fmvm", "cancel", "g", "--python", shell.folder / "hosted.py")
    assert (shown.out, "undone 7" in shown.err) == ("run g is cancelled\n", True)


HOSTED = """
import flowmetal

@flowmetal.foreign("hosted/undo")
def undo(x: int) -> int:
    return x
"""

CALLS_IT = """
(ns hosted (:require [flow.event :refer [receive!]]))
(defforeign undo [x])
(defn main [] (try (receive! :never) (finally (println "undone" (undo 7)))))
"""
