from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.repl.terminal import Terminal

Open = Callable[..., Terminal]


@pytest.fixture
def open_repl(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*words: str, **environment: str) -> Terminal:
        opened.append(Terminal(tmp_path, *words, **environment))
        opened[-1].prompt()
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.__exit__()


def test_a_value_is_shown_below_its_form(open_repl: Open) -> None:
    assert open_repl().enter("(+ 1 2)") == ["3"]


def test_ctrl_d_leaves_with_status_0(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_enter_goes_on_until_the_form_is_complete_and_indents(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type("(let [a 1\r")
    terminal.wait(lambda lines: len(lines) == 3 or "let [" in lines[-1])
    terminal.type("b 2]\r(+ a b))\r")
    lines = terminal.prompt()
    assert lines[1:] == [
        "user=> (let [a 1",
        "             b 2]",
        "         (+ a b))",
        "3",
    ]


def test_up_recalls_a_whole_form(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type("[1\r2]\r")
    terminal.prompt()
    terminal.type("\x1b[A")
    terminal.wait(lambda lines: lines[-2:] == ["user=> [1", "        2]"])
    terminal.type("\r")
    assert terminal.prompt()[-1] == "[1 2]"


def test_history_lasts_and_is_for_its_owner_alone(open_repl: Open, tmp_path: Path) -> None:
    first = open_repl()
    first.enter("(* 6 7)")
    first.type("\x04")
    assert first.ended() == 0
    second = open_repl()
    second.type("\x1b[A")
    second.wait(lambda lines: lines[-1] == "user=> (* 6 7)" or lines[-2:-1] == ["user=> (* 6 7)"])
    mode = os.stat(tmp_path / "state" / "flowmetal" / "repl_history").st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_ctrl_c_ends_an_endless_loop_and_not_the_repl(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type("(do (println :begun) (loop [] (recur)))\r")
    terminal.wait(lambda lines: ":begun" in lines)
    terminal.type("\x03")
    assert terminal.prompt()[-1] == "interrupted"
    assert terminal.enter("(+ 1 2)") == ["3"]


def test_ctrl_c_runs_finally(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type('(try (println :begun) (sleep! #dur "1h") (finally (println :cleaned)))\r')
    terminal.wait(lambda lines: ":begun" in lines)
    terminal.type("\x03")
    assert [line.removeprefix("^C") for line in terminal.prompt()[-2:]] == [
        ":cleaned",
        "interrupted",
    ]


def test_a_second_ctrl_c_does_not_wait_for_finally(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type(
        "(try (println :begun) (loop [] (recur)) (finally (println :stuck) (loop [] (recur))))\r"
    )
    terminal.wait(lambda lines: ":begun" in lines)
    terminal.type("\x03")
    terminal.wait(
        lambda lines: any(line.endswith(":stuck") and "println" not in line for line in lines)
    )
    terminal.type("\x03")
    assert terminal.prompt()[-1] == "interrupted"
    assert terminal.enter("(+ 1 2)") == ["3"]


def test_ctrl_c_at_the_prompt_drops_the_input(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type("(broken")
    terminal.wait_for("(broken")
    terminal.type("\x03")
    terminal.prompt()
    assert terminal.enter(":fine") == [":fine"]


def test_an_endless_sequence_is_printed_in_part(open_repl: Open) -> None:
    shown = open_repl().enter("(iterate inc 0)")
    assert "".join(shown).endswith("98 99 ...)")


def test_an_error_is_shown_as_in_files(open_repl: Open) -> None:
    assert open_repl().enter("(printn 3)") == [
        "error[FM0102]: unknown name `printn`",
        "  --> <repl-1>:1:2",
        "   |",
        " 1 | (printn 3)",
        "   |  ^^^^^^ not defined in user or flow.core",
        "help: did you mean `println`?",
    ]


def test_tab_completes_a_name(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type("(map-ind\t")
    terminal.wait_for("(map-indexed")
    terminal.type(" vector [:a])\r")
    assert terminal.prompt()[-1] == "([0 :a])"


def test_the_prompt_names_the_namespace(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.type("(ns shop.checkout)\r")
    terminal.prompt("shop.checkout")


def test_output_without_a_line_end_does_not_swallow_the_prompt(open_repl: Open) -> None:
    assert open_repl().enter('(print "abc")') == ["abc", "nil"]


def test_colour_is_for_those_who_want_it(open_repl: Open) -> None:
    coloured, plain = open_repl(), open_repl(NO_COLOR="1")
    for terminal in (coloured, plain):
        assert terminal.enter("[:a 1]") == ["[:a 1]"]
    assert "\x1b[0;36m" in coloured.screen.raw
    assert "\x1b[0;36m" not in plain.screen.raw


def test_a_program_cannot_drive_the_terminal(open_repl: Open) -> None:
    terminal = open_repl()
    terminal.enter('(println "\\u001b]0;stolen\\u0007")')
    assert "\x1b]0;" not in terminal.screen.raw


def test_a_character_that_the_terminal_does_not_have_is_escaped(open_repl: Open) -> None:
    terminal = open_repl(PYTHONIOENCODING="ascii")
    assert terminal.enter('(println "\\u6f22")') == ["\\u6f22", "nil"]


def test_a_history_that_cannot_be_written_is_no_trouble(open_repl: Open, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    assert open_repl().enter("(+ 1 2)") == ["3"]


WAITS = """(ns shop (:require [flow.event :refer [receive!]]))
(defn take! [customer] (let [answer (receive! :go)] [customer answer]))
(defn main [] (let [found (take! "Ada")] [found]))
"""


def test_a_run_is_looked_at_in_the_namespace_of_its_frame_with_its_locals(
    open_repl: Open, tmp_path: Path
) -> None:
    import flowmetal

    url = f"sqlite:{tmp_path}/runs.db"
    with flowmetal.Engine(url) as engine:
        run, _ = engine.start(flowmetal.compile(WAITS), id="w")
        engine.interpret(until_idle=True)
    terminal = Terminal(tmp_path, run, "--store", url)
    with terminal:
        assert "A copy of run w." in " ".join(terminal.prompt("shop"))
        assert terminal.enter("customer", "shop") == ['"Ada"']
        terminal.type("custo\t")
        terminal.wait(lambda lines: lines[-1] == "shop=> customer")
        terminal.type("\r")
        terminal.prompt("shop")
        terminal.type("(let [] (println :begun) (loop [] (recur)))\r")
        terminal.wait(lambda lines: ":begun" in lines)
        terminal.type("\x03")
        terminal.wait_for("interrupted")
        terminal.prompt("shop")
        assert terminal.enter("(count customer)", "shop") == ["3"]
