"""Values that share their parts are bytes without end when they leave a machine: they are refused."""

from __future__ import annotations

import pytest

from flowmetal import Machine, compile

SHARED = "(reduce (fn [made _] [made made]) [] (range 60))"
DEEP = "(reduce (fn [made _] [made made]) [] (range 1500))"


@pytest.mark.parametrize(
    ("value", "use"), [(SHARED, "(perform :log/write {:data x})"), (SHARED, "x"), (DEEP, "x")]
)
def test_what_would_be_more_than_any_memory_has_is_refused(value: str, use: str) -> None:
    turn = Machine(compile(f"(defn main [] (let [x {value}] {use}))")).run()
    assert turn.error is not None
    assert (turn.error.code, turn.error.type.text) == ("FM0514", "limit/parts")


def test_what_is_large_and_deep_leaves_as_before() -> None:
    text = "(defn main [] (perform :log/write {:data [(range 100000) (reduce (fn [m _] [m]) 1 (range 5000))]}))"
    turn = Machine(compile(text)).run()
    assert turn.error is None
    assert len(turn.requests) == 1
