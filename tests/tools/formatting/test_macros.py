"""Macros of a program say how they are indented; those of the library are in the table."""

from __future__ import annotations

import pytest

from flowmetal.embed.library import library
from flowmetal.source import Source
from flowmetal.tools.formatting import format_source
from flowmetal.tools.formatting.indentation import STANDARD, rule_for
from flowmetal.values import Vector, keyword


def formatted(text: str, **files: str) -> str:
    def find(namespace: str, path: str) -> Source | None:
        return Source(path, files[path.partition(".")[0]]) if path.endswith(".flow") else None

    return format_source(Source("a.flow", text), find)


@pytest.mark.parametrize(
    ("macro", "call"),
    [
        ("(defmacro m {:style/indent 1} [a & b])", "(m a\n  b)"),
        ("(defmacro ^{:style/indent 1} m [a & b])", "(m a\n  b)"),
        ("(defmacro m [a & b])", "(m a\n   b)"),
        ("(defmacro m [a & body])", "(m a\n  b)"),
        ("(defmacro m ([a] a) ([a & body] a))", "(m a\n  b)"),
        ("(defmacro m {:style/indent :defn} [a & b])", "(m a\n  b)"),
        ("(defmacro m {:style/indent [2 :defn]} [a & b])", "(m a b\n  c)"),
        ("(defmacro m {:style/indent 2} [a & body])", "(m a b\n  c)"),
        ("(defmacro m {:style/indent -1} [a])", "(m a\n   b)"),
        ("(defmacro when {:style/indent 0} [a])", "(when\n  b)"),
        ("(defmacro)", "(m a\n   b)"),
        ("(defmacro 1 2)", "(m a\n   b)"),
    ],
)
def test_a_macro_of_the_file_says_how(macro: str, call: str) -> None:
    assert formatted(f"{macro}\n{call}\n") == f"{macro}\n{call}\n"


def test_a_macro_of_a_required_namespace_says_how() -> None:
    text = (
        "(ns a\n  (:require [lib :as l :refer [m]]))\n\n"
        "(m a\n  b)\n\n(l/m a\n  b)\n\n(lib/m a\n  b)\n\n(n a\n   b)\n"
    )
    lib = "(ns lib)\n(defmacro m [a & body])\n(defmacro n [a & body])"
    assert formatted(text, lib=lib) == text


def test_a_required_namespace_that_cannot_be_read_says_nothing() -> None:
    text = "(ns a\n  (:require [lib :as l]))\n\n(l/m a\n     b)\n"
    assert formatted(text, lib="(defmacro") == text


def test_an_ns_form_that_is_none_says_nothing() -> None:
    assert formatted("(ns 1\n2)") == "(ns 1\n  2)\n"


def test_every_macro_of_the_library_with_a_body_has_a_rule() -> None:
    missing = []
    for module in library():
        for definition in module.definitions:
            arglists = (definition.meta.get(keyword("arglists")) if definition.meta else None) or ()
            is_macro = definition.meta is not None and definition.meta.get(keyword("macro"))
            for arglist in arglists if is_macro else ():
                names = [getattr(name, "text", "") for name in arglist]
                assert isinstance(arglist, Vector)
                if (
                    "body" in names
                    and rule_for(definition.name.partition("/")[2], STANDARD) is None
                ):
                    missing.append(definition.name)
    assert missing == []
