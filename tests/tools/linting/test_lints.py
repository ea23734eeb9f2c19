"""What each lint finds, and above all what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmetal.errors import CompileError, ReadError
from flowmetal.source import Source
from flowmetal.tools.linting import NAMES, lint_source
from flowmetal.tools.sources import read_source_file, source_names

ROOT = Path(__file__).parents[3]


def lints(text: str) -> list[str]:
    """Return "lint text" for each finding: the name of the lint and what it points at."""
    lines = text.split("\n")
    found = []
    for each in lint_source(Source("a.flow", text)):
        span = each.span
        assert span is not None
        assert each.level == "warning"
        end = span.end_col - 1 if span.end_line == span.line else None
        found.append(f"{NAMES[each.code]} {lines[span.line - 1][span.col - 1 : end]}")
    return found


HTTP = "(ns a (:require [flow.http :as http]))\n"

# fmt: off
FOUND = [
    # effects in lazy sequences
    (HTTP + "(defn main [xs] (map http/get! xs))", ["effect-in-lazy-seq http/get!"]),
    (HTTP + "(defn main [xs] (doall (map #(http/get! %) xs)))", ["effect-in-lazy-seq #(http/get! %)"]),
    (HTTP + "(defn main [xs] (->> xs (filter some?) (map http/get!)))", ["effect-in-lazy-seq http/get!"]),
    (HTTP + "(defn main [xs] (for [x xs] (http/get! x)))", ["effect-in-lazy-seq (http/get! x)"]),
    ("(defn main [] (lazy-seq (cons (now!) nil)))", ["effect-in-lazy-seq (now!)"]),
    ("(defn main [] (repeatedly now!))", ["effect-in-lazy-seq now!"]),
    ("(defn main [] (repeatedly 3 now!))", ["effect-in-lazy-seq now!"]),
    ("(defn main [] (map (fn [_] (perform :time/now {})) [1]))", ["effect-in-lazy-seq (perform :time/now {})"]),
    ("(defn ask! [] (now!))\n(defn main [] (map (fn [_] (ask!)) [1]))", ["effect-in-lazy-seq (ask!)"]),
    # effects in sealed functions
    ("(defn main [a] (swap! a (fn [_] (now!))))", ["effect-in-swap (now!)"]),
    ("(defn main [a] (swap-vals! a (fn [_] (uuid!))))", ["effect-in-swap (uuid!)"]),
    ("(defn key! [x] [x (now!)])\n(defn main [xs] (sort-by key! xs))", ["effect-in-swap key!"]),
    # names
    ("(defn ask [] (now!))", ["missing-bang ask"]),
    ("(defn two [xs] (take 2 xs))\n(defn current [cell] @cell)", []),
    ("(defn ask! [] (now!))\n(defn other [] (ask!))", ["missing-bang other"]),
    ("(def ask (fn [] (now!)))", ["missing-bang ask"]),
    # durations
    ("(defn main [] (sleep! 1.5))", ["number-as-duration 1.5"]),
    (HTTP + '(defn main [] (http/get! "u" {:timeout 5}))', ["number-as-duration 5"]),
    ("(ns a (:require [flow.retry :as r]))\n(defn main [] (r/policy {:backoff (r/linear 1 2) :max-elapsed 3}))",
     ["number-as-duration 3", "number-as-duration 1", "number-as-duration 2"]),
    ("(defn main [f] (step! \"a\" {:timeout 3} (f)))", ["number-as-duration 3"]),
    ("(ns a (:require [flow.sh :as sh]))\n(defn main [] (sh/sh! \"ls\" {:timeout 3}))", ["number-as-duration 3"]),
    (HTTP + "(defn main [] (http/request! {:timeout 5}))", ["number-as-duration 5"]),
    ("(ns a (:require [flow.state :as state]))\n(defn main [] (state/put! :k {:max 3} {:ttl 4}))", ["number-as-duration 4"]),
    ("(ns a (:require [flow.log :as log]))\n(defn main [] (log/info! \"m\" {:wait 3}))", []),
    ("(defn report! [m] (sleep! m))\n(defn main [] (report! {:max 10 :every 5}))", []),
    # bindings
    ("(defn main [] (let [[a b] [1 2]] a))", ["unused-binding b"]),
    ("(defn main [{:keys [a x/b] :strs [c]}] a)", ["unused-binding x/b", "unused-binding c"]),
    ("(defn main [{a :a {b :b} :c}] a)", ["unused-binding b"]),
    ("(defn main [] (loop [i 0] (recur 1)))", ["unused-binding i"]),
    ("(defn main [xs] (doseq [[k v] xs] (println k)))", ["unused-binding v"]),
    ("(defn main [xs] (mapv (fn [x y] x) xs xs))", ["unused-binding y"]),
    ("(defn main [] (letfn [(f [] 1)] 2))", ["unused-binding f"]),
    ("(defn main [] (let [a 1 a (inc a)] 2))", ["unused-binding a"]),
    # namespaces
    ("(ns a (:require [flow.string :refer [trim]]))", ["unused-require flow.string"]),
    ("(ns a (:require [clojure.string :as s :refer [trim]]))\n(def b s/join)", ["unused-refer trim"]),
    ("(def ^:private a 1)", ["unused-private a"]),
    ("(defn- f [x] (f x))", ["unused-private f"]),
    # shadows
    ("(defn map [x] x)", ["shadowed-core map"]),
    ("(defmacro when [x] x)", ["shadowed-core when"]),
    ("(defn f [x] (= x nil))\n(defn = [x y] x)", ["compared-with-nil (= x nil)", "shadowed-core ="]),
    ("(defn = [x y] x)\n(defn f [x] (= x nil))", ["shadowed-core ="]),
    ("(defn main [] (let [count 1] (count [1])))", ["shadowed-core count"]),
    # calls
    ("(defn main [] (letfn [(f ([x] x) ([x y & z] [x y z]))] (f)))", ["wrong-arity (f)"]),
    ("(defn main [] ((fn [x] x)))", ["wrong-arity ((fn [x] x))"]),
    ("(defn main [f] (let [g #(f %1 %2)] (g 1)))", ["wrong-arity (g 1)"]),
    # conditions
    ('(defn main [x] (when "a" x))', ['constant-condition "a"']),
    ("(defn main [x] (if-not [] x 1))", ["constant-condition []"]),
    ("(defn main [x] (while false (x)))", ["constant-condition false"]),
    ("(defn main [x] (cond true x :else 1))", ["constant-condition true"]),
    ("(defn main [x] (cond (x) 1 :else 2 (x 1) 3))", ["constant-condition :else"]),
    ("(defn main [x] (when (fn [] x) 1))", []),
    ("(defn main [x] (when #(x) 1))", ["constant-condition #(x)"]),
    # shapes
    ("(defn main [x] (do x))", ["redundant-do (do x)", "redundant-do do"]),
    ("(defn main [x] (do))", ["redundant-do (do)", "redundant-do do"]),
    ("(defn main ([] (do (println) 1)) ([x] x))", ["redundant-do do"]),
    ("(defn main [] (let [] 1))", ["redundant-let (let [] 1)"]),
    ("(defn main [x] (mapv #(= nil %) x))", ["compared-with-nil #(= nil %)"]),
    ("(defn main [x] (not= x nil))", ["compared-with-nil (not= x nil)"]),
    ("(defn f [] (fn [] (defn g [] 1)))", ["inner-def (defn g [] 1)"]),
    # values
    ('(defn main [x] "s" x)', ['misplaced-docstring "s"']),
    ("(defn main [x] x 1)", ["unused-value x"]),
    ("(defn main [m] (assoc m :a 1) m)", ["unused-value (assoc m :a 1)"]),
    ("(defn main [m] (let [x 1] (inc x) m))", ["unused-value (inc x)"]),
    ("(defn main [xs] (doseq [x xs] (str x) (println x)))", ["unused-value (str x)"]),
    ("(defn ^:deprecated f [] 1)\n(defn main [] (f))", ["deprecated f"]),
    ("(defn ^:deprecated f [x] x)\n(defn main [xs] (mapv f xs))", ["deprecated f"]),
    ("(defmacro ^:deprecated m [x] x)\n(defn main [] (m 1))", ["deprecated m"]),
    ("(defn main [f] (throw (ex-info \"\" {})) (f))", ['unreachable-code (throw (ex-info "" {}))']),
]

LEFT_ALONE = [
    # effects where they may be
    HTTP + "(defn main [xs] (mapv http/get! xs) (run! http/get! xs) (doseq [x xs] (http/get! x)))",
    HTTP + "(defn main [xs] (into [] (map http/get!) xs))",
    HTTP + "(defn main [xs] (map (fn [x] (fn [] (http/get! x))) xs))",
    HTTP + "(defn main [xs] (map (fn [x] (comp inc (fn [] (http/get! x)))) xs))",
    HTTP + "(defn main [x] (let [r (http/get! x)] (map (fn [y] [y r]) [1])))",
    "(defn main [a] (let [t (now!)] (swap! a conj t) (swap! a assoc :t (now!))))",
    # names
    "(defn- ask [] (now!))\n(defn main [] (ask))",
    "(defn -ask [] (now!))",
    "(defn main [] (now!))",
    "(defn info [] (:id (run-info)))",
    "(defmacro ask [] `(now!))",
    "(memoize inc :limit 3)",
    # durations
    '(defn main [] (sleep! #dur "5s") (println {:timeout 5}))',
    "(defn f [o] o)\n(defn main [] (f {:timeout 5}))",
    # bindings
    "(defn main [a b & c] 1)",
    "(defmacro m [a & b] 1)",
    "(defn main [[_ a] {:keys [_b c] :as d}] [a c d])",
    "(defn main [xs] (for [x xs :let [y x] :when y] y))",
    "(defn main [xs] (loop [[x & more] xs n 0] (if x (recur more (inc n)) n)))",
    "(defmacro both [x] `(do ~x ~x))\n(defn main [] (both (let [y 1] (inc y))))",
    "(defmacro one [x y] x)\n(defn main [] (let [a 1] (one a b)))",
    "(defmacro m [x] `(let [y# ~x z# 1] y#))\n(defn main [x] (m x))",
    "(defmacro m [x] `(let [~'it 1] ~x))\n(defn main [] (m 2))",
    "(defn main [] (let [f (fn f [x] (f x))] (f 1)))",
    "(defn main [f] (try (f) (catch :default e 1)))",
    "(defn main [{:keys [a] :or {a 1}}] a)",
    # namespaces
    "(ns a (:require [flow.string]))",
    "(ns a (:require [flow.string :refer :all]))",
    "(ns a (:require [flow.string :as str]))\n(comment (str/join [1]))",
    "(ns a (:require [flow.string :as str]))\n(defmacro m [] `(str/join [1]))",
    "(ns a (:require [flow.string :as str]))\n(def b ::str/c)",
    "(ns a (:require [flow.string :as str]))\n(def b #::str{:c 1})",
    "(ns a (:require [flow.string :as str]))\n(def b #'str/join)",
    "(ns a (:require [clojure.string :as str]))\n(def b clojure.string/join)",
    "(ns a (:require [flow.string :refer [trim] :rename {trim cut}]))\n(def b cut)",
    "(def ^:private a 1)\n(def b a)",
    "(def ^:private _a 1)",
    "(def ^:private a 1)\n(defmacro m [] `a)",
    # shadows
    "(ns a (:refer-clojure :exclude [map]))\n(defn map [x] x)",
    "(defn main [name count] [name count])",
    "(let [inc (fn [x] x)] (inc 1))",
    "(defn main [] (let [name \"a\"] (str name)))",
    # calls
    "(defn main [] (let [f (fn [x & y] [x y])] (f 1) (f 1 2 3)))",
    "(defn main [] (let [f (fn [x] x)] (-> 1 f) (->> 1 (f))))",
    # conditions
    "(defn main [x] (while true (x)))",
    "(defn main [x] (cond (x) 1 :else 2))",
    "(defn main [x] (cond (x) 1 true 2))",
    "(defn main [x] (cond (swap! x inc) 1 (swap! x inc) 2))",
    "(defn main [x] (if x nil true))",
    "(defn main [x] (condp = x 1 1 1 2))",
    # shapes
    "(defn main [x] (if x (do (println) 1) 2))",
    "(defn main [x] (mapv #(do [% 1]) x))",
    "(defn main [x] (let [a x] (println a) (let [b a] b)))",
    "(defn main [{:keys [a]}] (let [b a] b))",
    "(defn main [x] (= x 1))",
    "(let [n 1] (defn f [] n))",
    "(def f (let [n 1] (fn [] n)))",
    # values
    '(defn main "doc" [x] x)',
    '(defn main [x] "only a string")',
    "(defn main [x] (println x) (swap! x inc) (assert x) (doall x) nil)",
    "(defn main [x] (doto x (assoc 1 2)))",
    "(defn main [x] (-> x (assoc :a 1)))",
    "(defn main [x] (comment a b) x)",
    "(defn main [x] (when x (throw (ex-info \"\" {}))) x)",
    "(defn main [x] (if x (throw (ex-info \"\" {})) x))",
    "(defn ^{:deprecated false} f [] 1)\n(defn main [] (f))",
    "nil",
    "",
]
# fmt: on


@pytest.mark.parametrize(("text", "wanted"), FOUND, ids=[text[-60:] for text, _ in FOUND])
def test_is_found(text: str, wanted: list[str]) -> None:
    assert sorted(lints(text)) == sorted(wanted)


@pytest.mark.parametrize("text", LEFT_ALONE, ids=[text[-60:] for text in LEFT_ALONE])
def test_is_left_alone(text: str) -> None:
    assert lints(text) == []


@pytest.mark.parametrize(
    "path", source_names([str(ROOT / "flowmetal" / "stdlib" / "flow"), str(ROOT / "examples")])
)
def test_nothing_is_found_in_the_library_and_the_examples(path: str) -> None:
    found = lint_source(read_source_file(path).source, Path(path))
    assert [f"{each.span} {each.message}" for each in found] == []


def test_findings_come_in_the_order_of_the_text() -> None:
    found = lint_source(
        Source("a.flow", "(defn- f [x] (= x nil))\n(defn main [] (let [a 1] (do 1)))")
    )
    places = [(each.span.line, each.span.col) for each in found if each.span is not None]
    assert places == sorted(places)
    assert len(places) > 3


def test_a_source_that_is_no_program_is_an_error() -> None:
    with pytest.raises(CompileError):
        lint_source(Source("a.flow", "(defn main [] (unknown-name))"))
    with pytest.raises(ReadError):
        lint_source(Source("a.flow", "(defn main ["))


def test_deep_nesting_has_no_limit() -> None:
    text = "(defn main [x] " + "(inc " * 3_000 + "x" + ")" * 3_000 + ")"
    assert lints(text) == []


SWITCHED_OFF = [
    ";; lint: ignore unused-private\n(def ^:private a 1)",
    ";; lint: ignore\n(def ^:private a 1)",
    "; lint:ignore FM0559, deprecated\n(def ^:private a 1)",
    "#_{:lint/ignore [:unused-private]}\n(def ^:private a 1)",
    "#_{:lint/ignore []}\n(def ^:private a 1)",
    "(defn main []\n  ;; lint: ignore unused-binding\n  (let [a 1] 2))",
    "(defn main []\n  (let [#_{:lint/ignore [:unused-binding]} a 1] 2))",
    ";; lint: ignore unused-private\n\n;; about a\n^:private\n(def ^:private a 1)",
]


@pytest.mark.parametrize("text", SWITCHED_OFF)
def test_a_lint_is_switched_off_for_the_next_form(text: str) -> None:
    assert lints(text) == []


STILL_FOUND = [
    (";; lint: ignore unused-private\n1\n(def ^:private a 1)", ["unused-private a"]),
    (";; lint: ignore deprecated\n(def ^:private a 1)", ["unused-private a"]),
    (";; lint: ignore unused-privat\n(def ^:private a 1)", ["unknown-lint unused-privat", "unused-private a"]),
    ("#_{:lint/ignore [:nope]}\n(def ^:private a 1)", ["unknown-lint nope", "unused-private a"]),
    ("#_{:lint/other [:unused-private]}\n(def ^:private a 1)", ["unused-private a"]),
    ('(def b "; lint: ignore")\n(def ^:private a 1)', ["unused-private a"]),
    ("(def ^:private a 1)\n;; lint: ignore", ["unused-private a"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), STILL_FOUND)
def test_nothing_else_is_switched_off(text: str, wanted: list[str]) -> None:
    assert lints(text) == wanted
