"""A run that several files look at, back and into."""

from __future__ import annotations

import pytest

PROGRAM = """(ns past
  (:require [flow.event :refer [receive!]]))

(def seen (atom []))

(defn take! [name]
  (let [got (receive! name)]
    (swap! seen conj got)
    got))

(defn main [who]
  (let [a (take! :a)
        sum (+ a 10)
        b (take! :b)]
    [who a sum b]))
"""


@pytest.fixture
def waiting(shell):
    """A run that has received its first signal and waits for the second one."""
    shell.write("past.flow", PROGRAM)
    assert shell("fmvm", "start", "past.flow", "Ada", "--id", "p").status == 0
    assert shell("fmvm", "signal", "p", "a", "5").status == 0
    assert shell("fmvm", "interpreter", "--until-idle").status == 0
    return shell
