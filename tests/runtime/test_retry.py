"""Policies as data, and the delays they give."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flowmetal.runtime.retry import DEFAULT, ONCE, RetryPolicy, policy_of
from flowmetal.values import Duration, Ratio, Value, hash_map, keyword

S = 1_000_000


def data(**pairs: Value) -> Value:
    return hash_map((keyword(name.replace("_", "-")), value) for name, value in pairs.items())


def backoff(kind: str, base_s: float, **more: Value) -> Value:
    return data(kind=keyword(kind), base=Duration(int(base_s * S)), **more)


def delays(policy: RetryPolicy, count: int) -> list[float]:
    return [policy.delay_us(n, 0.0) / S for n in range(1, count + 1)]


def test_the_default_doubles_up_to_five_minutes_with_full_jitter() -> None:
    assert [DEFAULT.delay_us(n, 0.999999) // S for n in (1, 2, 3, 9, 50)] == [0, 1, 3, 255, 299]
    assert DEFAULT.delay_us(5, 0.0) == 0
    assert DEFAULT.next_due_us(9, 0, 0, 0.5, None) is not None
    assert DEFAULT.next_due_us(10, 0, 0, 0.5, None) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Duration(2 * S), [2, 2, 2]),
        (backoff("constant", 2), [2, 2, 2]),
        (backoff("linear", 1, step=Duration(2 * S)), [1, 3, 5, 7]),
        (backoff("exponential", 1, factor=3), [1, 3, 9, 27]),
        (backoff("exponential", 1, max=Duration(4 * S)), [1, 2, 4, 4]),
        (backoff("exponential", 4, factor=Ratio(3, 2)), [4, 6, 9]),
        (backoff("exponential", 4, factor=Decimal("1.5")), [4, 6, 9]),
        (backoff("exponential", 1, factor=10**400), [1, 300, 300]),
        (backoff("fibonacci", 1), [1, 1, 2, 3, 5, 8]),
    ],
)
def test_backoffs(given: Value, expected: list[float]) -> None:
    policy = policy_of(data(backoff=given, jitter=keyword("none")), DEFAULT)
    assert delays(policy, len(expected)) == expected


@pytest.mark.parametrize(
    ("value", "attempts"),
    [
        (None, 10),
        (False, 1),
        (keyword("none"), 1),
        (3, 3),
        (data(max_attempts=7), 7),
        (data(max_attempts=None), None),
    ],
)
def test_a_number_of_attempts_can_be_said_in_several_ways(
    value: Value, attempts: int | None
) -> None:
    assert policy_of(value, DEFAULT).max_attempts == attempts


def test_no_attempt_begins_after_the_time_is_up() -> None:
    policy = policy_of(
        data(max_elapsed=Duration(10 * S), backoff=Duration(4 * S), jitter=keyword("none")), ONCE
    )
    assert policy.next_due_us(1, 0, 5 * S, 0.0, None) == 9 * S
    assert policy.next_due_us(1, 0, 7 * S, 0.0, None) is None


def test_a_wish_of_the_world_is_obeyed_within_reason() -> None:
    assert DEFAULT.next_due_us(1, 0, 0, 0.0, 7 * S) == 7 * S
    assert DEFAULT.next_due_us(1, 0, 0, 0.0, 10**15) == 24 * 3600 * S


def test_an_endless_policy_never_overflows() -> None:
    policy = policy_of(
        data(max_attempts=None, backoff=backoff("exponential", 1, factor=1000)), DEFAULT
    )
    assert policy.delay_us(10**9, 0.999) <= 300 * S


@pytest.mark.parametrize(
    "value",
    [
        "often", 0, -1, 1.5,
        data(max_attempts=0), data(max_attempts="3"), data(backoff=5), data(backoff=backoff("cubic", 1)),
        data(backoff=backoff("exponential", 1, factor=0)), data(backoff=backoff("exponential", 1, factor=float("nan"))),
        data(max_elapsed=5), data(backoff=data(base=5)),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_said_in_a_sentence(value: Value) -> None:
    with pytest.raises(ValueError, match=r"^:|seconds or"):
        policy_of(value, DEFAULT)
