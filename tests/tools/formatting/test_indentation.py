from __future__ import annotations

import pytest

from flowmetal.tools.formatting.indentation import BODY, STANDARD, after, rule_for


@pytest.mark.parametrize(
    "name", ["defn", "def", "deftest", "defquery", "with-retry!", "with-x", "t/deftest"]
)
def test_definitions_and_surroundings_have_bodies(name: str) -> None:
    assert rule_for(name, STANDARD) == BODY


@pytest.mark.parametrize(
    "name", ["str", "default", "deref", "deflate1", "defined?", "defer", "with-", "a/b", "/"]
)
def test_other_names_are_ordinary_calls(name: str) -> None:
    assert rule_for(name, STANDARD) is None


def test_a_qualified_name_has_the_rule_of_the_bare_one() -> None:
    assert rule_for("flow.core/when", STANDARD) == after(1)


def test_a_rule_for_the_whole_name_comes_first() -> None:
    assert rule_for("u/when", {**STANDARD, "u/when": after(3)}) == after(3)
