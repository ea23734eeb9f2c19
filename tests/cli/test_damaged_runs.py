"""A run whose snapshot cannot be read: an operator sees what there is, and loses nothing."""

from __future__ import annotations

import json
import os

import pytest

from tests.shell import Shell
from tests.sqlite import opened

SOURCE = """(ns d (:require [flow.event :refer [receive!]]))
(defn main [] (sleep! #dur "1ms") (receive! :go))
"""


@pytest.fixture
def damaged(shell: Shell) -> Shell:
    shell.write("d.flow", SOURCE)
    assert shell("fmvm", "start", "d.flow", "--id", "r").status == 0
    while "the signal `go`" not in shell("fmvm", "show", "r").out:  # the sleep is over
        assert shell("fmvm", "interpreter", "--until-idle").status == 0
    with opened(os.environ["FLOWMETAL_STORE"].removeprefix("sqlite:")) as database:
        database.execute(
            "UPDATE event SET snapshot = x'0011' WHERE (key & 4294967295) = (SELECT seq FROM head)"
        )
        database.execute("UPDATE head SET due_us = 0")
    return shell


def test_what_can_be_read_is_shown_with_what_is_wrong(damaged: Shell) -> None:
    shown = damaged("fmvm", "show", "r")
    assert (shown.status, "waits    the signal `go`" in shown.out) == (2, True)
    assert "the snapshot is damaged" in shown.err
    assert "fmvm fork RUN --at N" in shown.err
    shown = damaged("fmvm", "show", "r", "--json")
    assert (shown.status, json.loads(shown.out)["state"]) == (2, "waiting")


def test_why_says_that_it_cannot_be_loaded(damaged: Shell) -> None:
    assert damaged("fmvm", "interpreter", "--until-idle").status == 0
    assert "it cannot be loaded: the snapshot is damaged" in damaged("fmvm", "why", "r").out


def test_it_is_not_sent_where_nobody_would_take_it_in(damaged: Shell) -> None:
    refused = damaged("fmvm", "export", "r", "-o", "r.fms")
    assert (refused.status, "run r is damaged, and stays" in refused.err) == (2, True)
    assert not os.path.exists("r.fms")
    assert json.loads(damaged("fmvm", "ps", "--json").out)[0]["state"] == "waiting"


def test_it_goes_on_from_an_older_snapshot(damaged: Shell) -> None:
    assert damaged("fmvm", "fork", "r", "--at", "2", "--id", "again").status == 0
    assert damaged("fmvm", "signal", "again", "go", "7").status == 0
    assert damaged("fmvm", "resume", "again").out == "7\n"
