"""Nesting is limited by memory, not by Python's stack."""

from __future__ import annotations

import pytest

from flowmetal.compiler.compile import compile_module
from flowmetal.source import Source
from tests.compiler.support import Compilation, problem, read

DEEP = 3_000


@pytest.mark.parametrize(
    ("opening", "middle", "closing"),
    [
        ("(inc ", "1", ")"),
        ("(do ", "1", ")"),
        ("(let [x 1] ", "x", ")"),
        ("(if (nth [1] 0) ", "1", ")"),
        ("[", "1", "]"),
        ("'(", "1", ")"),
        ("(when 1 ", "1", ")"),
    ],
)
def test_forms_may_be_nested_deeply(opening, middle, closing):
    depth = DEEP if opening != "(when 1 " else DEEP // 6
    text = f"(ns demo) (defn f [] {opening * depth}{middle}{closing * depth})"
    compilation = Compilation()
    made = compile_module(
        Source("deep.flow", text),
        environment=compilation.environment,
        evaluator=compilation.machine,
        read=read,
    )
    assert made.definitions


def test_a_deep_pattern_is_no_problem():
    depth = DEEP // 10
    Compilation().module(f"(defn f [{'[' * depth}x{']' * depth}] x)")


@pytest.mark.parametrize(
    "macro",
    ["(defmacro m [] '(m))", "(defmacro m [] '(do (m)))", "(defmacro m [& x] `(do (m ~@x 1)))"],
)
def test_an_expansion_without_end_is_noticed(macro):
    assert problem(f"{macro} (defn f [] (m))").code == "FM0122"
