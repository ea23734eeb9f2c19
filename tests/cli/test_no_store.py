"""A verb about runs that are there makes no store; and the version."""

from __future__ import annotations

import pytest

from tests.shell import Shell

ABOUT_A_RUN = (
    *("cancel", "events", "export", "fork", "pause", "resume", "retry", "show", "unpause"),
    *("verify", "wait", "why"),
)
VERBS = (
    *(f"{verb} run-1" for verb in ABOUT_A_RUN),
    *("callback run-1.1", "eval run-1 1", "query run-1 total", "signal run-1 go"),
    *("gc", "programs", "ps", "undeploy shop"),
)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_about_what_is_there_says_that_there_is_no_store_and_makes_none(
    shell: Shell, verb: str
) -> None:
    words = verb.split()
    done = shell("fmvm", *words, "--store", f"sqlite:{shell.folder}/none.db")
    assert done.status == 2
    assert f"error[FM1030]: there is no store at {shell.folder}/none.db yet" in done.err
    assert list(shell.folder.iterdir()) == []


def test_nor_does_it_make_the_folder_of_the_store_of_the_user(shell: Shell) -> None:
    shell.monkeypatch.delenv("FLOWMETAL_STORE", raising=False)
    shell.monkeypatch.setenv("XDG_STATE_HOME", str(shell.folder / "state"))
    assert shell("fmvm", "ps").status == 2
    assert list(shell.folder.iterdir()) == []


@pytest.mark.parametrize("program", ["fmc", "fmvm"])
@pytest.mark.parametrize("option", ["--version", "-V"])
def test_both_programs_say_their_version(shell: Shell, program: str, option: str) -> None:
    done = shell(program, option)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"{program} ")
    assert "(Python " in done.out


def test_a_working_folder_that_is_gone_is_no_trouble(shell: Shell) -> None:
    shell.write("p.flow", "(defn main [] :end)")
    shell.write("inside/none", "").unlink()
    store = ("--store", f"sqlite:{shell.folder}/runs.db")
    shell.monkeypatch.chdir(shell.folder / "inside")
    (shell.folder / "inside").rmdir()
    assert shell("fmvm", "run", shell.folder / "p.flow", *store).out == ":end\n"
    assert shell("fmvm", "ps", *store).status == 0
    assert shell("fmvm", "doctor", *store).status in (0, 1)
    assert shell("fmvm", "repl", stdin=b"(+ 1 2)\n(require 'nothing-there)").out == "3\n"
    assert shell("fmc", "doc", "map").status == 0
    assert shell("fmvm", "run", "p.flow", *store).status == 2
    assert shell("fmvm", "ps", "--store", "sqlite:runs.db").status == 2
    assert shell("fmvm", "doctor", "--store", "sqlite:runs.db").status == 1
