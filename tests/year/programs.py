"""The program of the family (family.flow), and what operators change in it while its runs go on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import flowmetal

SOURCE: Final = Path(__file__).with_name("family.flow").read_text()

_SECOND: Final = {  # a constant and state, a macro, a method of a record, arities, a method, a function
    "(def version 1)": "(def version 2)\n(def added (atom {:new 1}))",
    "(remember [~t :v1])": "(remember [~t :v2 (count @log)])",
    "(str (:text w) (:n w))": '(str (:n w) "-" (:text w))',
    "(defn some-of ([me op] (all-of! me (nth op 2))) ([me op n] (all-of! me (nth op n))))": (
        "(defn nth-of [op n] (nth op n))"
        "(defn some-of [me op & [n]] (let [n (or n 2)] (all-of! me (nth-of op n))))"
    ),
    "(println me (t-of op))": '(println "second" me (t-of op))',
    "(or (:type e) :none)": "(get e :type :none)",
}

_THIRD: Final = {  # a loop that runs go through, a queue, a variadic function, an arity of the entry
    "(def version 2)": "(def version 3)",
    """(loop [ops ops value nil]
    (if (seq ops) (recur (rest ops) (do! me (first ops))) value))""": """(loop [[op & more :as ops] (vec ops) value nil]
    (if (empty? ops) value (recur (vec more) (do! me op))))""",
    "(defqueue jobs {:concurrency 2": "(defqueue jobs {:concurrency 3",
    "(defn remember [x] (swap! log conj x) x)": "(defn remember [x & more] (swap! log into (cons x more)) x)",
    "(defn main [me ops] (let": "(defn main ([me] (main me [])) ([me ops] (let",
    '(note me ["end"]) r))': '(note me ["end"]) r)))',
}


def _changed(source: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in source, old
        source = source.replace(old, new)
    return source


_TWO: Final = _changed(SOURCE, _SECOND)
VERSIONS: Final = (SOURCE, _TWO, _changed(_TWO, _THIRD))


@cache
def program(version: int) -> flowmetal.Program:
    return flowmetal.compile(VERSIONS[version])
