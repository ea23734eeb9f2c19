"""What the formatter makes of programs, example by example."""

from __future__ import annotations

import textwrap

import pytest

from flowmetal.source import Source
from flowmetal.tools.formatting import format_source


def formatted(text: str) -> str:
    made = format_source(Source("a.flow", text))
    assert format_source(Source("a.flow", made)) == made
    return made


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


UNCHANGED = {
    "body forms": """
        (defn f
          "Doc."
          [x & more]
          (when x
            (let [y 1
                  z 2]
              (if-let [a y]
                (do
                  (print a))
                z))))
    """,
    "arguments below the first": """
        (foo a
             b
             (bar c
                  d))
    """,
    "arguments on lines of their own": """
        (foo
         a
         b)
    """,
    "the body of an if that begins beside its test": """
        (if a b
            c)
    """,
    "arities": """
        (defn f
          ([x]
           (f x 1))
          ([x y] (g x)
                 (h y)))
    """,
    "try": """
        (try
          (a)
          (catch :default e
            (b))
          (finally
            (c)))
    """,
    "collections": """
        [{:a 1
          :b [1
              2]}
         #{1
           2}
         '(1
           2)]
    """,
    "function literals": """
        (map #(foo %
                   1)
             #(do
                (bar %)))
    """,
    "a name space": """
        (ns a.b
          "Doc."
          (:require [c :as d]
                    [e :refer [f]])
          (:refer-clojure :exclude [map]))
    """,
    "steps and retries": """
        (step! "a" {:retry p}
          (b))
        (with-retry! p
          (c))
        (saga!
          (d))
    """,
    "protocols": """
        (defprotocol P
          (a [this]
            "Doc."))

        (extend-protocol P
          T
          (a [this]
            this))

        (reify P
          (a [this]
            this))

        (defrecord R [b] P
          (a [this]
            this))
    """,
    "local functions": """
        (letfn [(a [x]
                  x)
                (b [y]
                  y)]
          (a (b 1)))
    """,
    "a string of several lines": """
        (def a
          "one
        two
             three")
    """,
    "reader macros and literals": """
        (def a [2r101 1_000 0xFF 010 1/2 1.5M 1N \\a \\newline \\( #"a\\(b" ##Inf])
        (def b ['c `(d ~e ~@f g#) @h #'i ^:k j ^{:l 1} m #_ignored n #inst "2026-01-01T00:00:00Z"])
        #?(:flow 1
           :default [#?@(:flow [1])])
        #:a{:b 1
            :c 2}
        ::d
        (f ~ @x)
    """,
    "comments": """
        #!/usr/bin/env fmvm
        ;; top

        (a) ; beside
        (b ; beside the head
         c)
        (d e
           ;; before f
           f
           ;; at the end
           )
        [ ; beside a bracket
         1]
    """,
    "comment forms": """
        (comment
          (a)
          (b)
          )
    """,
    "columns": """
        {:a   1
         :bbb (foo
               2)
         :c   3}
        (let [a   1
              bbb 2]
          [[1   2]
           [100 3]])
        (def x   1)
        (def yyy 2)
    """,
    "commas between things": """
        {:a 1, :b 2,
         :c 3}
    """,
    "metadata on a line of its own": """
        (def
          ^{:a 1}
          b
          1)
        ^:c
        (d)
    """,
    "discarded forms do not count": """
        (when #_a b
          c)
        (if #_#_a b c
          d)
    """,
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_stays_as_it_is(name: str) -> None:
    text = dedent(UNCHANGED[name])
    assert formatted(text) == text


CHANGED = {
    "wrong indentation": (
        """
        (defn f [x]
        (if x
                1
              2))
        """,
        """
        (defn f [x]
          (if x
            1
            2))
        """,
    ),
    "space inside brackets": ("( a [ 1 2 ] { :b 1 } #{ 2 } )", "(a [1 2] {:b 1} #{2})"),
    "closing brackets on lines of their own": ("(a\n (b\n )\n)\n", "(a\n (b))"),
    "no space between forms": ('(a)(b[c]"d"e)', '(a) (b [c] "d" e)'),
    "too much space": ("(a   b  [1    2])", "(a b [1 2])"),
    "space at line ends": ("(a)   \n;; b  \n\n", "(a)\n;; b"),
    "tabs": ("(a\tb\n\tc)", "(a b\n   c)"),
    "commas that separate nothing": ("[, 1 ,2,, 3 ,]", "[1, 2, 3]"),
    "commas at the beginning of a line": ("{:a 1\n , :b 2}", "{:a 1\n :b 2}"),
    "many blank lines": ("\n\n(a)\n\n\n\n(b\n\n\n c)", "(a)\n\n(b\n\n c)"),
    "space after a prefix": ("(' a ~ b @ c #' d ^ :e f #_ g h)", "('a ~b @c #'d ^:e f #_g h)"),
    "a tag beside its form": ('#inst"2026-01-01T00:00:00Z"', '#inst "2026-01-01T00:00:00Z"'),
    "a comment beside its code": ("(a);b", "(a) ;b"),
    "columns that are none any more": ("{:a    1\n :b 2}", "{:a 1\n :b 2}"),
    "nothing": ("  \n ,\n", ""),
    "a comment alone": (" ; a", "; a"),
    "a missing line end": ("a", "a"),
    "a byte order mark": ("\ufeff(a)", "(a)"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_is_put_right(name: str) -> None:
    given, wanted = CHANGED[name]
    wanted = dedent(wanted).rstrip() + "\n" if wanted else ""
    assert formatted(dedent(given)) == wanted


def test_columns_that_move_together_stay_columns() -> None:
    text = "(when a\n      {:b   1\n       :ccc 2})"
    assert formatted(text) == "(when a\n  {:b   1\n   :ccc 2})\n"


def test_deep_nesting_has_no_limit() -> None:
    text = "[" * 5_000 + "]" * 5_000 + "\n"
    assert formatted(text) == text
