"""What a program keeps of the library when it asks for names that it computes."""

from __future__ import annotations

from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.embed import compile
from flowmetal.ids import COMPILER_MACROS
from flowmetal.values import keyword, pr_str
from tests.stdlib.world import World

DOC = keyword("doc")


def names_in(text: str) -> set[str]:
    return {d.name for module in compile(text).modules for d in module.definitions}


def test_a_program_that_resolves_computed_names_keeps_the_library_whole() -> None:
    assert "flow.set/index" in names_in("(defn main [s] (resolve (symbol s)))")


def test_resolving_in_a_macro_alone_keeps_nothing_more() -> None:
    text = "(defmacro known? [s] (some? (resolve s)))\n(defn main [] (known? map))"
    assert "flow.set/index" not in names_in(text)


def test_the_documentation_of_a_var_that_is_mentioned_stays() -> None:
    found = {
        d.name: None if d.meta is None else d.meta.get(DOC)
        for module in compile("(defn main [] [(meta #'filter) (map inc [])])").modules
        for d in module.definitions
    }
    assert found["flow.core/filter"]
    assert not found["flow.core/map"]


def test_what_a_run_asks_about_names_lives_through_snapshots() -> None:
    text = """
      (ns shop.main (:require [clojure.string :as str]))
      (defn helper "Help." [x] x)
      (def at-load *ns*)
      (defn main [& args]
        (alter-meta! #'helper assoc :seen true)
        (create-ns 'made)
        (perform :time/now {})
        [at-load *ns* (resolve 'str/join) (resolve 'helper) ((juxt :doc :seen) (meta #'helper))
         (find-ns 'made) *command-line-args* (contains? (ns-publics *ns*) 'main)])"""
    world = World({"time/now": lambda request: None})
    found = world.run(text, "a")
    shown = '[shop.main shop.main #\'flow.string/join #\'shop.main/helper ["Help." true] made ("a") true]'
    assert pr_str(found) == shown


def test_programs_find_the_macros_that_the_compiler_provides() -> None:
    signs = {"unquote", "unquote-splicing"}  # refused wherever they stand
    assert {name for name in EXPANDERS if not name.startswith("-")} - signs == COMPILER_MACROS
