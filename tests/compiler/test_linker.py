"""Linking: users' namespaces whole, of the library what is reachable."""

from __future__ import annotations

import pytest

from flowmetal.bytecode.code import Program
from flowmetal.compiler.linker import link
from flowmetal.errors import CompileError
from flowmetal.source import Source
from tests.compiler.support import Compilation

TABLE = """(ns lib.table (:require [lib.other]))
(def methods (-atom {} nil nil))
(defn add! [k v] (-cell-set! methods (vector k v)))
(defn look [] (-cell-value methods))
(add! :a (fn [] (lib.other/helper)))
(def unused (str 1))
"""
OTHER = "(ns lib.other) (defn helper [] 1) (defn lonely [] (helper)) (defmacro m [] `(helper))"


def linked(text: str, *, entry: str = "demo") -> Program:
    compilation = Compilation()
    compilation.library(OTHER)
    compilation.library(TABLE)
    compilation.module(text)
    return link(compilation.modules, entry)


def names(program: Program, module: str) -> list[str]:
    found = [m for m in program.modules if m.name == module]
    return [d.name.partition("/")[2] for d in found[0].definitions] if found else []


def test_users_namespaces_stay_whole():
    program = linked("(ns demo) (defn main [] 1) (defn- spare [] 2) (defmacro m [] 3)")
    assert names(program, "demo") == ["main", "spare", "m"]


def test_of_the_library_only_what_is_reachable_is_linked():
    program = linked("(ns demo (:require [lib.other :as o])) (defn main [] (o/helper))")
    assert names(program, "lib.other") == ["helper"]
    assert names(program, "lib.table") == []
    assert names(program, "flow.core") == []


def test_a_var_as_a_value_is_reachable_wherever_it_stands():
    program = linked("(ns demo (:require [lib.other])) (def table {:a ['#'lib.other/lonely]})")
    assert names(program, "lib.other") == []
    program = linked("(ns demo (:require [lib.other])) (def table {:a [#'lib.other/lonely]})")
    assert names(program, "lib.other") == ["helper", "lonely"]


def test_what_extends_reachable_state_is_kept_and_nothing_else():
    program = linked("(ns demo (:require [lib.table :as t])) (defn main [] (t/look))")
    assert names(program, "lib.table") == ["methods", "add!", "look", ""]
    assert names(program, "lib.other") == ["helper"]


def test_a_native_that_is_only_called_needs_no_definition():
    program = linked("(ns demo) (defn main [] (str 1))")
    assert names(program, "flow.core") == []
    program = linked("(ns demo) (defn main [] str)")
    assert names(program, "flow.core") == ["str"]


def test_what_only_an_expansion_mentions_is_linked_before_its_users():
    compilation = Compilation()
    compilation.library(OTHER)
    compilation.library("(ns lib.outer (:require [lib.other])) (defmacro m [] `(lib.other/helper))")
    compilation.module("(ns demo (:require [lib.outer :as o])) (defn main [] (o/m))")
    program = link(compilation.modules, "demo")
    assert [m.name for m in program.modules] == ["lib.other", "demo"]


def test_the_machines_own_functions_are_always_there():
    compilation = Compilation()
    compilation.library("(ns flow.core) (defn -realise-all [x] x) (defn -realise-deep [x] x)")
    compilation.module("(ns demo) (defn main [] 1)")
    program = link(compilation.modules, "demo")
    assert names(program, "flow.core") == ["-realise-all", "-realise-deep"]


def test_modules_stand_after_what_they_require():
    loader = Compilation().loader(
        {"b.flow": "(ns b (:require [c])) (def x c/x)", "c.flow": "(ns c) (def x 1)"}
    )
    loader.load(Source("a.flow", "(ns a (:require [b])) (def y b/x)"))
    compilation = Compilation()
    modules = [*compilation.modules, *reversed(loader.modules)]
    assert [m.name for m in link(modules, "a").modules] == ["c", "b", "a"]


def test_a_namespace_that_nobody_requires_is_not_linked():
    compilation = Compilation()
    compilation.module("(ns spare) (defn f [] 1)")
    compilation.module("(ns demo) (defn main [] 1)")
    assert [m.name for m in link(compilation.modules, "demo").modules] == ["demo"]


def test_a_missing_namespace_is_an_error():
    with pytest.raises(CompileError):
        link([], "demo")
