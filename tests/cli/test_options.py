from __future__ import annotations

import pytest

from flowmetal.cli.options import read_duration_us, read_results, read_tags
from flowmetal.errors import UsageError
from tests.shell import Shell


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("250ms", 250_000),
        ("30s", 30_000_000),
        ("1h30m", 5_400_000_000),
        ("1.5s", 1_500_000),
        ("2d", 172_800_000_000),
    ],
)
def test_lengths_of_time_are_read(text: str, us: int) -> None:
    assert read_duration_us(text, "--timeout") == us


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "5 m", "-5m", "5x", "1e3s", "٣s", f"{'9' * 5000}d", "200000000d"],
)
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_duration_us(text, "--timeout")
    assert caught.value.code == "FM1308"


@pytest.mark.parametrize("word", ["1", "one=1", "-1=1", "²=1", f"{'9' * 5000}=1"])
def test_what_is_no_result_of_an_effect_is_refused(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_results((word,))
    assert caught.value.code == "FM1336"


def test_of_two_results_of_one_effect_none_is_taken() -> None:
    with pytest.raises(UsageError) as caught:
        read_results(("3=1", "3=2"))
    assert caught.value.message == "effect 3 has two results"


@pytest.mark.parametrize("count", ["0", "-1", "²", "9" * 5000, "some"])
def test_gc_keeps_every_nth_snapshot_and_nothing_else(shell: Shell, count: str) -> None:
    done = shell("fmvm", "gc", "--snapshots", count)
    assert done.status == 2
    assert "--snapshots takes all, latest or a number from 1" in done.err


def test_a_limit_has_no_more_digits_than_a_number_here(shell: Shell) -> None:
    shell.write("one.flow", "(defn main [] 1)")
    done = shell("fmvm", "run", "one.flow", "--limit", f"heap={'9' * 5000}")
    assert (done.status, "FM1325" in done.err) == (2, True)


def test_tags_are_split_at_the_first_equals_sign() -> None:
    assert read_tags(("a=b=c", "d=")) == {"a": "b=c", "d": ""}


def test_a_tag_with_two_values_is_refused() -> None:
    assert read_tags(("a=1", "a=1")) == {"a": "1"}
    with pytest.raises(UsageError, match="two values") as caught:
        read_tags(("a=1", "a=2"))
    assert caught.value.code == "FM1309"


def test_a_tag_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        read_tags(("urgent",))
    assert caught.value.code == "FM1309"
