"""A function of the host is tried again if the program asks for that, and else not."""

from __future__ import annotations

import pytest

import flowmetal

POLICY = '{:max-attempts 3 :backoff #dur "1ms"}'
PROGRAMS = {
    "declared": f"(defforeign away {{:retry {POLICY}}} [x]) (defn main [] (away 1))",
    "in a step": f'(defforeign away [x]) (defn main [] (step! "s" {{:retry {POLICY}}} (away 1)))',
}


def engine(slow: bool, calls: list[str], failures: int) -> flowmetal.Engine:
    @flowmetal.foreign("t/away", slow=slow)
    def away(x: int, idempotency_key: str) -> int:
        calls.append(idempotency_key)
        if len(calls) <= failures:
            raise ConnectionError("no route")
        return x

    return flowmetal.Engine("memory:", functions=[away])


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("how", PROGRAMS)
def test_what_it_raises_is_tried_again_under_the_same_key(how: str, slow: bool) -> None:
    calls: list[str] = []
    with engine(slow, calls, failures=2) as made:
        run, _ = made.start(flowmetal.compile(f"(ns t) {PROGRAMS[how]}"))
        assert made.result(run) == 1
    assert len(calls) == 3
    assert len(set(calls)) == 1


@pytest.mark.parametrize("slow", [False, True])
def test_nothing_is_tried_again_that_nobody_asked_for(slow: bool) -> None:
    calls: list[str] = []
    with engine(slow, calls, failures=1) as made:
        run, _ = made.start(
            flowmetal.compile("(ns t) (defforeign away [x]) (defn main [] (away 1))")
        )
        assert made.drive(run).state == "failed"
    assert len(calls) == 1


def test_the_last_attempt_says_what_went_wrong() -> None:
    calls: list[str] = []
    with engine(False, calls, failures=9) as made:
        run, _ = made.start(flowmetal.compile(f"(ns t) {PROGRAMS['declared']}"))
        error = made.drive(run).error
    assert error is not None
    assert error.message == "t/away failed: ConnectionError: no route"
    assert len(calls) == 3
