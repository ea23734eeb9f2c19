"""A native that meets a sequence which is not realised runs again when it is: nobody notices.

Every function of the library that takes a collection is called with a list and with a lazy sequence
of the same items (and with items that are lazy themselves), in all shapes of calls below. Both
calls must come to the same: the value or the error, what was printed, how often functions were
called and with how many arguments, what became of atoms. And no item is made twice.

Each landing makes a sample of the calls; FLOWMETAL_EVERYTHING=1 makes all of them, in some minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from zlib import crc32

import pytest

from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.values import Value, keyword, pr_str
from tests.lang.test_lang import Session

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
FUEL = 60_000  # for one call; what goes on for ever is compared by its error

DRIVER = """
(ns trial (:require [flow.string] [flow.set] [flow.walk] [flow.data]))

(def calls (atom []))
(def made (atom 0))
(def cell (atom []))

(def functions
  {:same identity
   :inc (fn ([] 0) ([x & _] (if (number? x) (inc x) x)))
   :odd (fn [x & _] (and (number? x) (odd? x)))
   :vector vector
   :compare (fn [a b] (compare a b))})

(defn counted [f]
  (fn [& args] (swap! calls conj (count args)) (apply f args)))

(defn sequence-of [lazy? xs]
  (if lazy?
    (map (fn [x] (swap! made inc) x) xs)
    (apply list xs)))

(def items
  {:numbers (fn [lazy?] (sequence-of lazy? [3 1 2 1]))
   :pairs (fn [lazy?] (sequence-of lazy? [[:b 1] [:a 2]]))
   :texts (fn [lazy?] (sequence-of lazy? ["b" "a"]))
   :lists (fn [lazy?] (sequence-of lazy? [(sequence-of lazy? [2 1]) (sequence-of lazy? [1])]))
   :none (fn [lazy?] (sequence-of lazy? []))})

(def shapes
  {"f xs" (fn [f xs] [f xs])
   "xs" (fn [f xs] [xs])
   "1 xs" (fn [f xs] [1 xs])
   "xs 1" (fn [f xs] [xs 1])
   "2 1 xs" (fn [f xs] [2 1 xs])
   "xs f" (fn [f xs] [xs f])
   "xs xs" (fn [f xs] [xs xs])
   "f 0 xs" (fn [f xs] [f 0 xs])
   "f xs xs" (fn [f xs] [f xs xs])
   "2 f xs" (fn [f xs] [2 f xs])
   "f f xs" (fn [f xs] [f f xs])
   "text xs" (fn [f xs] ["-" xs])
   "map xs" (fn [f xs] [{:a 1} xs])
   "vector xs" (fn [f xs] [[9] xs])
   "set xs" (fn [f xs] [#{9} xs])
   "atom xs" (fn [f xs] [cell xs])
   "atom f xs" (fn [f xs] [cell f xs])
   "sorted-map xs" (fn [f xs] [(sorted-map-by f) xs])
   "sorted-set xs" (fn [f xs] [(sorted-set-by f) xs])
   "xf xs" (fn [f xs] [(map f) xs])
   "[] xf xs" (fn [f xs] [[] (map f) xs])
   "xf f xs" (fn [f xs] [(filter f) + xs])})

(defn shown [x]
  (pr-str (if (seq? x) (doall (take 12 x)) x)))

(defn trial [f shape function xs lazy?]
  (reset! calls [])
  (reset! made 0)
  (reset! cell [])
  (let [args ((get shapes shape) (counted (get functions function)) ((get items xs) lazy?))
        value (atom nil)
        printed (with-out-str
                  (reset! value (try (shown (apply f args)) (catch :default e [:error (:type e)]))))]
    [[@value printed @calls (shown @cell)] @made]))

(defn made-at-most [xs]
  (reset! made 0)
  (doseq [x ((get items xs) true)] (when (seq? x) (dorun x)))
  @made)

(defn public []
  (for [space '[flow.core flow.string flow.set flow.walk flow.data]
        [name v] (ns-publics space)
        :when (not (or (:macro (meta v)) (= "-" (subs (str name) 0 1))))
        :when (and (bound? v) (ifn? (deref v)))]
    [(str space "/" name) (deref v)]))
"""

UNLIKE = frozenset(
    {
        *("flow.core/rand", "flow.core/rand-int", "flow.core/rand-nth", "flow.core/shuffle"),
        *("flow.core/random-sample", "flow.core/random-uuid", "flow.core/gensym"),
        "flow.core/hash-combine",  # the hash of a function is another one each time
        "flow.core/add-watch",  # the items become functions that watch the atom of the trial
        *("flow.core/class", "flow.core/type", "flow.core/list?", "flow.core/counted?"),
        *("flow.core/realized?", "flow.core/future-done?", "flow.core/bounded-count"),
        *("flow.core/peek", "flow.core/pop"),
    }
)
"""Functions that do not do the same twice, and those that tell a list from a lazy sequence."""

ITEMS = ("numbers", "pairs", "texts", "lists", "none")
FUNCTIONS = ("same", "inc", "odd", "vector", "compare")


@pytest.fixture(scope="module")
def session() -> Session:
    made = Session()
    made.compile(DRIVER)
    return made


def trials(session: Session) -> Iterator[tuple[str, Value, str, str, str]]:
    """Yield all calls that are to be made: name, function, shape, function and items in it."""
    shapes = list(session.machine.machine.globals["trial/shapes"])
    for name, function in map(list, session.machine.call("trial/public", ())):
        if name in UNLIKE:
            continue
        for shape in (entry.nth(0) for entry in shapes):
            chosen = crc32(f"{name} {shape}".encode())
            for number, items in enumerate(ITEMS):
                used = FUNCTIONS if "f" in shape or "sorted" in shape else FUNCTIONS[:1]
                for index, called in enumerate(used):
                    if EVERYTHING or (chosen + number * 5 + index) % 41 == 0:
                        yield name, function, shape, called, items


def test_a_function_does_with_a_lazy_sequence_what_it_does_with_a_list(session: Session) -> None:
    machine = session.machine
    trial = machine.machine.globals["trial/trial"]

    def outcome(*arguments: Value) -> tuple[str, int]:
        try:
            told, made = machine.apply(trial, arguments, FUEL)
        except EvaluationFailed as failed:
            return f"failed {failed.error.type.text}", 0
        return pr_str(told), made

    most = {name: machine.call("trial/made-at-most", (keyword(name),)) for name in ITEMS}
    wrong = []
    count = 0
    for name, function, shape, called, items in trials(session):
        count += 1
        words = (function, shape, keyword(called), keyword(items))
        eager, _ = outcome(*words, False)
        lazy, made = outcome(*words, True)
        if lazy != eager or made > most[items]:
            wrong.append(f"({name} {shape}) with {called}, {items}: {eager} | {lazy}, {made} made")
    assert not wrong, "\n".join(wrong)
    assert count > 3_000
