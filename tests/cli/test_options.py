from __future__ import annotations

import pytest

from flowmetal.cli.options import read_duration_us, read_tags
from flowmetal.errors import UsageError


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


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5x", "1e3s"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_duration_us(text, "--timeout")
    assert caught.value.code == "FM1308"


def test_tags_are_split_at_the_first_equals_sign() -> None:
    assert read_tags(("a=b=c", "d=")) == {"a": "b=c", "d": ""}


def test_a_tag_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        read_tags(("urgent",))
    assert caught.value.code == "FM1309"
