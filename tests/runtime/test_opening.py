"""When effects are over by themselves, on every store."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmetal import Engine, compile
from flowmetal.values import keyword
from tests.stores import url_of

HEAD = """(ns p (:require [flow.async :refer [race! promise!]] [flow.event :refer [callback! receive!]]
                [flow.time :as t :refer [days]]))
"""
FIRST_OF = '(defmacro first-of [wait] `(race! ~wait (sleep! #dur "50ms")))'
LONG = "(days 53000000)"  # the longest duration has some more
FAR_MS = 9_000_000_000_000_000_000  # in microseconds no store has room for it


@pytest.mark.parametrize("place", ["memory", "sqlite", "postgresql"])
@pytest.mark.parametrize(
    "wait",
    [
        f"(sleep-until! (t/of-ms -{FAR_MS}))",
        "(deref (promise!) -10000000000000000000000 nil)",
        "(callback! {:timeout %s})",
        "(first-of (sleep! %s))",
        f"(first-of (sleep-until! (t/of-ms {FAR_MS})))",
        "(first-of (receive! :x {:timeout %s}))",
        "(first-of (deref (promise!) 10000000000000000000000 nil))",
    ],
)
def test_a_time_beyond_all_clocks_is_no_damage_to_the_store(
    wait: str, place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    wait = wait.replace("%s", LONG)
    text = f"{HEAD}{FIRST_OF}(defn main [] {wait} :over)"
    with Engine(url_of(place, request, tmp_path)) as engine:
        run, _ = engine.start(compile(text))
        view = engine.drive(run)
        assert (view.error, view.result) == (None, keyword("over"))
