from __future__ import annotations

import pytest

from flowmetal.repl.indentation import indentation


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 0),
        ("(+ 1 2)", 0),
        ("(defn f [x]", 2),
        ("(defn f", 2),
        ("  (let [a 1]", 4),
        ("(let [a 1", 6),
        ("(let [a (f 1)", 6),
        ("{:a 1", 1),
        ("#{1", 2),
        ("(f a", 3),
        ("(f", 1),
        ("(", 1),
        ("(f\n a", 1),
        ("(reduce + (map inc", 15),
        ("(-> x", 4),
        ("(when-not x", 2),
        ("(with-open-thing x", 2),
        ("(t/deftest name", 2),
        ("#(f a", 4),
        ("(:key m", 1),
        ("([x] x", 1),
        ("'(a b", 4),
        ('(println "a\n  b', 0),
        ('(println "(" \\( ; (\n', 9),
        ("(f a)\n(g b", 3),
    ],
)
def test_a_line_begins_where_the_community_puts_it(text: str, column: int) -> None:
    assert indentation(text) == column


def test_a_macro_with_a_body_is_known_by_its_parameters() -> None:
    assert indentation("(my-macro x", lambda head: head == "my-macro") == 2


@pytest.mark.parametrize("text", [")", "(]", '"', "#", "\\", "(((", "]]]("])
def test_any_text_has_an_indentation(text: str) -> None:
    assert indentation(text) >= 0
