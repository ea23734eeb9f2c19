"""What a function may be called with."""

from __future__ import annotations

import pytest

from flowmetal.bytecode.arities import takes


@pytest.mark.parametrize(
    ("arities", "takers"),
    [
        ([], []),
        ([(0, 0)], [0]),
        ([(1, 1), (3, 3)], [1, 3]),
        ([(1, 1), (3, None)], [1, 3, 4]),
        ([(0, None)], [0, 1, 2, 3, 4]),
    ],
)
def test_a_call_is_taken_if_one_arity_takes_it(
    arities: list[tuple[int, int | None]], takers: list[int]
) -> None:
    assert [count for count in range(5) if takes(arities, count)] == takers
