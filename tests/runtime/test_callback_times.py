"""When the end of a callback's time counts, which the store keeps: by when it was, as a timer does."""

from __future__ import annotations

import pytest

from flowmetal.embed import compile
from flowmetal.embed.natives import natives
from flowmetal.runtime.advance import advance
from flowmetal.runtime.committing import carry_out
from flowmetal.runtime.loading import open_run
from flowmetal.runtime.verifying import verify
from flowmetal.store.protocol import Claim
from flowmetal.values import decode_data, pr_str
from flowmetal.vm.link import Linker
from tests.runtime.hosts import Bench

SECOND = 1_000_000

TEXT = """(ns t (:require [flow.async :refer [race!]] [flow.event :as event]))
(defn main []
  (let [cb (event/callback! {AFTER #dur "10s"})]
    (race! OTHER (try (event/await-callback! cb {:timeout #dur "1h"})
                      (catch :timeout e (:after (ex-data e)))))))"""


def begun(other: str, after: str) -> Bench:
    """A run that waits, and that nobody drives."""
    bench = Bench()
    bench.current.linker = Linker(natives())
    run = bench.start(compile(TEXT.replace("OTHER", other).replace("AFTER", after)))
    claim = bench.store.claim(run, bench.current.owner, 10 * SECOND)
    assert isinstance(claim, Claim)
    active = open_run(bench.current, claim, 0)
    carry_out(active, advance(active, let_go=True))
    return bench


def came_to(bench: Bench) -> str:
    row = bench.drive()
    assert row.result is not None
    assert verify(bench.current, row).problems == []
    return pr_str(decode_data(row.result))


def later(bench: Bench) -> None:
    bench.clock.advance(9 * SECOND)
    bench.signal("early", ":early")
    bench.clock.advance(3 * SECOND)
    bench.signal("late", ":late")
    bench.clock.advance(60 * SECOND)


@pytest.mark.parametrize("after", [":timeout", ":heartbeat"])
@pytest.mark.parametrize("away", [True, False])
@pytest.mark.parametrize(
    ("other", "first"),
    [
        ('(do (sleep! #dur "9900ms") "timer")', False),
        ('(do (sleep! #dur "10100ms") "timer")', True),
        ("(event/receive! :early)", False),
        ("(event/receive! :late)", True),
    ],
)
def test_it_comes_before_what_was_due_or_came_after_it(
    other: str, first: bool, after: str, away: bool
) -> None:
    bench = begun(other, after)
    if away:
        later(bench)
    else:
        bench.clock.after(9 * SECOND, lambda: bench.signal("early"))
        bench.clock.after(12 * SECOND, lambda: bench.signal("late"))
    assert (came_to(bench) == after) is first
