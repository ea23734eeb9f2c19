"""Namespaces: ns forms, requires, loading, what a module holds."""

from __future__ import annotations

import pytest

import flowmetal
from flowmetal.bytecode.code import DefinitionKind
from flowmetal.bytecode.file import write_program
from flowmetal.compiler.compile import compile_more
from flowmetal.compiler.linker import link
from flowmetal.compiler.loader import namespace_of, paths_of, root_depth
from flowmetal.errors import CompileError
from flowmetal.source import Source
from flowmetal.values import keyword, pr_str
from tests.compiler.support import Compilation, definition, problem, problems, read


def test_a_source_without_ns_is_namespace_user():
    assert Compilation().module("(def x 1)").name == "user"


def test_the_kinds_of_definitions():
    module = Compilation().module(
        "(declare later) (defn f [x] x) (def c {:a [1 'x]}) (def i (str 1)) (str 2) (def later 1)"
    )
    assert [(d.name, d.kind) for d in module.definitions] == [
        ("user/f", DefinitionKind.FUNCTION),
        ("user/c", DefinitionKind.CONSTANT),
        ("user/i", DefinitionKind.INITIALISER),
        ("", DefinitionKind.EXPRESSION),
        ("user/later", DefinitionKind.CONSTANT),
    ]


def test_metadata_of_definitions_is_data():
    module = Compilation().module(
        '(def ^{:doc "d" :tag String :since 1} x 1) (defn- ^:sealed f "says" {:a \'b} [x] x)'
        " (defmacro m [a & b] nil)"
    )
    assert [pr_str(d.meta) for d in module.definitions] == [
        '{:doc "d", :since 1}',
        '{:sealed true, :doc "says", :a b, :private true, :arglists ([x])}',
        "{:macro true, :arglists ([a & b])}",
    ]


def test_a_sealed_function_says_so():
    module = Compilation().module("(defn ^:sealed f [x] x) (def g (fn [] ^:sealed (fn [] 1)))")
    assert [(f.name, set(f.flags)) for f in module.functions] == [
        ("user/f", {"sealed"}),
        ("user/g/fn-1", {"sealed"}),
        ("user/g", set()),
    ]


def test_do_at_the_top_level_defines_macros_for_its_later_forms():
    module = Compilation().module("(do (defmacro m [] 1) (def x (m)))")
    assert definition(module, "x").value == 1


def test_the_same_source_gives_the_same_bytes():
    text = "(defn f [[a b] & {:keys [c]}] (or (and a b) (fn [x] (case* c 1 [[[2] 3]]))))"
    first, second = Compilation(), Compilation()
    second.module("(ns other) (defn g [[a]] (or a 2))")
    second.modules.pop()
    for compilation in (first, second):
        compilation.module(f"(ns demo) {text}")
    programs = [link(compilation.modules, "demo") for compilation in (first, second)]
    assert write_program(programs[0]) == write_program(programs[1])


def test_aliases_refers_and_renames():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn a [] 1) (defn b [] 2) (defn- c [] 3)")
    module = compilation.module(
        "(ns demo (:require [lib.x :as x :refer [a] :rename {a aa}]))"
        " (ns demo (:use [lib.x :only [b]])) (defn f [] [(x/a) (aa) (b)])"
    )
    assert module.aliases == (("x", "lib.x"),)
    assert dict(module.refers) == {"aa": "lib.x/a", "b": "lib.x/b"}
    assert module.requires == ("flow.core", "lib.x")
    assert pr_str(compilation.machine.call("demo/f", [])) == "[1 1 2]"


def test_a_bare_alias_loads_nothing():
    module = Compilation().module(
        "(ns demo (:require [shop.order :as-alias order])) (def id ::order/id) (def m #::order{:n 1})"
    )
    assert module.aliases == (("order", "shop.order"),)
    assert module.requires == ("flow.core",)
    assert [pr_str(d.value) for d in module.definitions] == [":shop.order/id", "{:shop.order/n 1}"]
    text = "(ns demo (:require [shop.order :as-alias order])) (defn f [] (order/create))"
    assert problem(text).code == "FM0102"


def test_a_bare_alias_beside_another_name_loads():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn a [] 1)")
    module = compilation.module("(ns demo (:require [lib.x :as x :as-alias y])) (def k ::y/k)")
    assert module.aliases == (("x", "lib.x"), ("y", "lib.x"))
    assert module.requires == ("flow.core", "lib.x")
    module = Compilation().module("(ns demo (:require [clojure.string :as-alias s])) (def k ::s/k)")
    assert module.aliases == (("s", "flow.string"),)


def test_bare_aliases_make_no_circle():
    files = {
        "a.flow": "(ns a (:require [b]))",
        "b.flow": "(ns b (:require [a :as-alias a])) (def k ::a/k)",
    }
    loader = Compilation().loader(files)
    loader.load(Source("a.flow", files["a.flow"]), "a")
    assert [module.name for module in loader.modules] == ["b", "a"]


def test_what_clojure_script_says_of_macros_is_let_pass():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn a [] 1)")
    module = compilation.module("(ns demo (:require [lib.x :as x :include-macros true]))")
    assert module.requires == ("flow.core", "lib.x")


def test_what_a_macro_puts_into_the_metadata_of_a_var_and_is_no_data_is_left_out():
    text = "(defmacro m [] (list 'def (with-meta 'x {:a inc :b [1]}) 1)) (m)"
    assert pr_str(definition(Compilation().module(f"(ns demo) {text}"), "x").meta) == "{:b [1]}"


def test_a_name_is_referred_from_one_namespace():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn a [] 1)")
    compilation.library("(ns lib.y) (defn a [] 2)")
    twice = "(:require [lib.x :refer [a]] [lib.y :refer [a]])"
    with pytest.raises(CompileError) as caught:
        compilation.module(f"(ns demo {twice}) (defn f [] (a))")
    (only,) = caught.value.diagnostics
    assert (only.code, only.message) == ("FM0206", "`a` already means lib.x/a")
    again = (
        "(:require [lib.x :refer [a] :as x] [lib.x :refer [a]] [lib.y :refer [a] :rename {a b}])"
    )
    compilation.module(f"(ns demo {again}) (defn f [] [(a) (b)])")
    assert pr_str(compilation.machine.call("demo/f", [])) == "[1 2]"


def test_refer_all_brings_publics_only():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn a [] 1) (defn- c [] 3)")
    module = compilation.module("(ns demo (:require [lib.x :refer :all]))")
    assert module.refers == (("a", "lib.x/a"),)


def test_names_of_core_can_be_left_out_and_defined_anew():
    compilation = Compilation()
    compilation.module(
        "(ns demo (:refer-clojure :exclude [inc])) (defn inc [x] [x]) (defn f [] (inc 1))"
    )
    assert pr_str(compilation.machine.call("demo/f", [])) == "[1]"
    assert problem("(ns demo (:refer-clojure :exclude [inc])) (def x (inc 1))").code == "FM0102"
    assert problem("(ns demo (:refer-clojure :only [inc])) (def x (inc (dec 1)))").code == "FM0102"
    Compilation().module("(ns demo (:refer-flow :rename {inc plus-one})) (def x (plus-one 1))")


def test_a_namespace_may_define_a_name_of_core_without_saying_so():
    compilation = Compilation()
    compilation.module(
        "(ns demo) (defn str [x] [x]) (defn let [x] x) (defn f [] [(str 1) (let 2)])"
    )
    assert pr_str(compilation.machine.call("demo/f", [])) == "[[1] 2]"


def test_clojure_namespaces_are_other_names_for_ours():
    compilation = Compilation()
    compilation.library("(ns flow.string) (defn join [x] x)")
    module = compilation.module(
        "(ns demo (:require [clojure.string :as s])) (defn f [] (s/join 1))"
    )
    assert module.requires == ("flow.core", "flow.string")


def test_a_user_may_have_a_namespace_called_clojure_something():
    loader = Compilation().loader({"clojure/mine.flow": "(ns clojure.mine) (def x 1)"})
    module = loader.load(
        Source("demo.flow", "(ns demo (:require [clojure.mine :as m])) (def y m/x)")
    )
    assert module.requires == ("flow.core", "clojure.mine")


def test_required_namespaces_are_compiled_first_and_once():
    loader = Compilation().loader(
        {
            "a/b_c.flow": "(ns a.b-c (:require [d])) (defn f [] d/x)",
            "d.cljc": "(ns d) (def x #?(:flow 1 :clj 2))",
        }
    )
    loader.load(Source("main.flow", "(ns main (:require [a.b-c :as b] [d])) (defn g [] (b/f) d/x)"))
    assert [module.name for module in loader.modules] == ["d", "a.b-c", "main"]


def test_a_namespace_called_user_is_compiled_once_too():
    loader = Compilation().loader(
        {"user.flow": "(ns user) (def x 1)", "b.flow": "(ns b (:require [user])) (def y user/x)"}
    )
    loader.load(Source("main.flow", "(ns main (:require [user] [b])) (def z [user/x b/y])"))
    assert [module.name for module in loader.modules] == ["user", "b", "main"]


def test_a_cycle_of_requires_is_printed():
    files = {
        "a.flow": "(ns a (:require [b]))",
        "b.flow": "(ns b (:require [c]))",
        "c.flow": "(ns c (:require [a]))",
    }
    with pytest.raises(CompileError) as caught:
        Compilation().loader(files).load(Source("a.flow", files["a.flow"]), "a")
    first = caught.value.diagnostics[0]
    assert first.code == "FM0204"
    assert first.message == "namespaces require each other in a circle: a -> b -> c -> a"
    assert str(first.span) == "c.flow:1:18"
    with pytest.raises(CompileError) as caught:
        Compilation().loader(files).load(Source("a.flow", files["a.flow"]))
    assert caught.value.diagnostics[0].message.endswith("a -> b -> c -> a")


def test_a_namespace_that_requires_itself_is_a_cycle():
    with pytest.raises(CompileError) as caught:
        Compilation().loader({}).load(Source("a.flow", "(ns a (:require [a :as me]))"), "a")
    assert caught.value.code == "FM0204"


def test_a_missing_namespace_says_where_it_was_looked_for():
    with pytest.raises(CompileError) as caught:
        Compilation().loader({}).load(
            Source("a.flow", "(ns a (:require [shop.stock-list :as s])) (def x s/y) (s/z 1)")
        )
    (only,) = caught.value.diagnostics
    assert (only.code, str(only.span)) == ("FM0203", "a.flow:1:18")
    assert only.notes == ("no source root has shop/stock_list.flow or shop/stock_list.cljc",)


def test_mistakes_in_a_required_namespace_are_reported_from_there():
    loader = Compilation().loader({"b.flow": "(ns b)\n(def x (if))"})
    with pytest.raises(CompileError) as caught:
        loader.load(Source("a.flow", "(ns a (:require [b :refer [x y]])) (def z (b/w x y))"))
    assert [(d.code, str(d.span)) for d in caught.value.diagnostics] == [("FM0101", "b.flow:2:8")]


def test_a_namespace_with_mistakes_is_compiled_once_whoever_requires_it():
    read = []

    class Files(dict[str, str]):
        def __getitem__(self, path: str) -> str:
            read.append(path)
            return super().__getitem__(path)

    files = Files({"b0.flow": "(ns b0) (def x (if))"})
    for n in range(1, 6):
        before = " ".join(f"b{m}" for m in range(n))
        files[f"b{n}.flow"] = f"(ns b{n} (:require {before}))"
    loader = Compilation().loader(files)
    for _ in range(2):  # whoever tries again may have mended it
        with pytest.raises(CompileError) as caught:
            loader.load(Source("a.flow", "(ns a (:require b5 b4 b3))"))
        assert [str(d.span) for d in caught.value.diagnostics] == ["b0.flow:1:16"]
    assert sorted(read) == sorted([*files] * 2)


def test_a_file_must_hold_the_namespace_that_its_path_says():
    loader = Compilation().loader({"b.flow": "(ns c)"})
    with pytest.raises(CompileError) as caught:
        loader.load(Source("a.flow", "(ns a (:require [b]))"))
    assert caught.value.code == "FM0205"


def test_a_source_that_fails_leaves_no_trace():
    compilation = Compilation()
    with pytest.raises(CompileError):
        compilation.module("(ns demo) (def x 1) (def y (if))")
    assert compilation.environment.namespace("demo") is None
    assert compilation.module("(ns demo) (def y 1)").definitions[0].name == "demo/y"


def test_paths_and_names_of_namespaces():
    assert paths_of("shop.stock-list") == ("shop/stock_list.flow", "shop/stock_list.cljc")
    assert namespace_of("shop/stock_list.flow") == "shop.stock-list"
    assert root_depth("shop.stock-list", "/src/shop/stock_list.flow") == 1
    assert root_depth("shop.stock-list", "/src/other.flow") is None


def test_a_repl_goes_on_where_it_was():
    compilation = Compilation()
    namespace = "user"
    for text in ("(def x 1)", "(defn f [] x)", "(ns other)", "(def y 2)", "(in-ns 'user)", "(f)"):
        addition = compile_more(
            Source("repl", text),
            namespace=namespace,
            environment=compilation.environment,
            evaluator=compilation.machine,
            read=read,
        )
        namespace = addition.namespace
    assert namespace == "user"
    assert addition.module.definitions[0].kind is DefinitionKind.EXPRESSION
    assert compilation.environment.var("other/y") is not None


def test_declared_kinds_may_be_performed():
    compilation = Compilation()
    text = '(defforeign resize "Makes it small." [url width] {:queue "images" :timeout #dur "5m"})'
    module = compilation.module(f"(ns demo) {text} (defn f [] (perform :demo/resize {{}}))")
    assert [(k.kind, pr_str(k.options)) for k in module.kinds] == [
        ("demo/resize", '{:queue "images", :timeout #dur "5m"}')
    ]
    meta = definition(module, "resize").meta
    assert meta.get(keyword("doc")) == "Makes it small."
    compilation.module("(ns more (:require [demo])) (defn f [] (perform :demo/resize {}))")


def test_a_foreign_function_asks_with_the_options_that_are_declared():
    program = flowmetal.compile(
        """(defforeign resize [url & more]
             {:queue "q" :heartbeat 1 :timeout #dur "5m" :retry {:max-attempts 3} :at-most-once true})
           (defn main [] (resize "u" 1 2))"""
    )
    (request,) = flowmetal.Machine(program).run().requests
    assert pr_str(request.args) == (
        '{:args ["u" 1 2], :timeout #dur "5m", :retry {:max-attempts 3}, :at-most-once true}'
    )


@pytest.mark.parametrize(
    ("parameters", "call", "args"),
    [
        ("[a :- int? b]", "(f 1 2)", "[1 2]"),
        ("[{:keys [a]} b]", "(f {:a 1} 2)", "[{:a 1} 2]"),
        ("[[a] & more]", "(f [1] 2 3)", "[[1] 2 3]"),
        ("[a & {:keys [b]}]", "(f 1 :b 2)", "[1 :b 2]"),
    ],
)
def test_a_foreign_function_is_sent_each_argument_as_it_was_given(parameters, call, args):
    program = flowmetal.compile(f"(defforeign f {parameters}) (defn main [] {call})")
    (request,) = flowmetal.Machine(program).run().requests
    assert pr_str(request.args) == f"{{:args {args}}}"


def test_the_parameters_of_a_foreign_function_have_contracts_and_patterns():
    text = "(defforeign f [a :- int? {:keys [b]}] {:verify (fn [] [a b])})"
    meta = definition(flowmetal.compile(f"{text} (defn main [] (f 1 {{}}))").modules[-1], "f").meta
    assert pr_str(meta.get(keyword("arglists"))) == "([a {:keys [b]}])"
    turn = flowmetal.Machine(flowmetal.compile(f'{text} (defn main [] (f "1" {{}}))')).run()
    assert turn.error.code == "FM0340"


def test_effects_are_inferred_through_calls():
    module = Compilation().module(
        """(declare c)
        (defn a [] (perform :time/now {}))
        (defn b [x] (a) (c x))
        (defn c [x] (if x (b nil) (fn [] (perform :id/uuid {}))))
        (defn d [] 1)"""
    )
    effects = {d.name: pr_str((d.meta).get(keyword("effects"))) for d in module.definitions}
    both = '["id/uuid" "time/now"]'
    assert effects == {"user/a": '["time/now"]', "user/b": both, "user/c": both, "user/d": "nil"}


def test_effects_are_known_across_namespaces():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn a! [] (perform :time/now {}))")
    module = compilation.module("(ns demo (:require [lib.x :as x])) (defn f [] (x/a!))")
    assert pr_str(module.definitions[0].meta.get(keyword("effects"))) == '["time/now"]'


def test_several_files_are_one_namespace():
    compilation = Compilation()
    sources = [
        Source("x/a.flow", "(ns lib.x) (def a 1)"),
        Source("x/b.flow", "(ns lib.x) (def b a)"),
    ]
    loader = compilation.loader({})
    assert [d.name for d in loader.load(sources).definitions] == ["lib.x/a", "lib.x/b"]


def test_two_namespaces_in_one_file_are_refused():
    assert [d.code for d in problems("(def x 1) (ns demo)")] == ["FM0208"]


def test_a_referred_name_is_defined_only_if_the_library_lends_it():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn a [] 1)")
    with pytest.raises(CompileError) as caught:
        compilation.module("(ns demo (:require [lib.x :refer [a]])) (defn a [] 2)")
    (only,) = caught.value.diagnostics
    assert (only.code, only.message) == ("FM0206", "`a` already means lib.x/a")
    assert str(only.span) == "demo.flow:1:47"
    compilation.module("(ns demo (:require [lib.x :refer :all])) (defn a [] 2)")


def test_equal_code_under_one_name_keeps_the_places_of_each():
    text = "(ns demo)\n(defn f []\n  [(fn g [] (h 1))\n   (fn g [] (h 1))])\n(defn h [x] x)\n(h 2)\n(h 2)"
    made = Compilation().module(text.replace("(ns demo)\n", "(ns demo) (declare h)\n"))
    places = [(f.name, f.bodies[0].positions[0].line) for f in made.functions]
    assert sorted(place for place in places if place[0] in ("demo/f/g", "top level")) == [
        ("demo/f/g", 3), ("demo/f/g", 4), ("top level", 6), ("top level", 7),
    ]  # fmt: skip
