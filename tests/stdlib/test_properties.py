from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flowmetal.values import Value, keyword, vector
from tests.stdlib.world import World

numbers = st.lists(st.integers(-20, 20), max_size=40)
few = settings(max_examples=40)

SOURCE = """
(ns laws (:require [flow.string :as str] [flow.json :as json] [flow.edn :as edn] [flow.walk :as walk]))
(defn main [law xs n]
  (case law
    :sort (vec (sort (fn [a b] (< a b)) xs))
    :stable (mapv second (sort-by first (fn [a b] (compare a b)) (map-indexed (fn [i x] [(mod x 3) i]) xs)))
    :split-at (let [[a b] (split-at n xs)] (into (vec a) b))
    :partition (vec (mapcat identity (partition-all (inc n) xs)))
    :partition-by (vec (apply concat (partition-by odd? xs)))
    :groups (= (set xs) (set (apply concat (vals (group-by (fn [x] (mod x 5)) xs)))))
    :frequencies (reduce + 0 (vals (frequencies xs)))
    :shuffle (vec (sort (shuffle xs)))
    :distinct (vec (distinct xs))
    :roads (let [xf (comp (filter odd?) (map inc) (take n) (partition-all 2))
                 lazily (->> xs (filter odd?) (map inc) (take n) (partition-all 2))]
             (= lazily (sequence xf xs) (into [] xf xs) (transduce xf conj xs) (eduction xf xs)))
    :reduce (= (reduce + 0 xs) (reduce + 0 (map identity xs)) (reduce + 0 (apply list xs)) (apply + xs)
               (last (reductions + 0 xs)))
    :reverse (= xs (reverse (reverse xs)) (into () (reverse xs)))
    :for (= (for [x xs :when (even? x) y (range 2)] [x y])
            (mapcat (fn [x] (map (fn [y] [x y]) (range 2))) (filter even? xs)))
    :nth (= xs (mapv (fn [i] (nth (map identity xs) i)) (range (count xs))))
    :interleave (= xs (vec (take-nth 2 (interleave xs xs))))
    :walk (= xs (walk/postwalk identity xs))
    :split (= xs (str/join "," (str/split xs #"," -1)))
    :json (= xs (json/parse (json/write xs)))
    :edn (= xs (edn/read-string (edn/write xs)) (read-string (pr-str xs)))))
"""


def law(name: str, xs: Value, n: int = 0) -> Value:
    return World().run(SOURCE, keyword(name), xs, n)


@few
@given(numbers)
def test_sort_by_a_predicate_sorts(xs: list[int]) -> None:
    assert list(law("sort", vector(xs))) == sorted(xs)


@few
@given(numbers)
def test_sorting_keeps_the_order_of_equal_items(xs: list[int]) -> None:
    wanted = [i for i, _ in sorted(enumerate(xs), key=lambda pair: pair[1] % 3)]
    assert list(law("stable", vector(xs))) == wanted


@few
@given(numbers, st.integers(0, 50))
def test_what_is_split_can_be_joined(xs: list[int], n: int) -> None:
    for name in ("split-at", "partition", "partition-by"):
        assert list(law(name, vector(xs), n)) == xs, name


@few
@given(numbers)
def test_distinct_keeps_the_first_of_each(xs: list[int]) -> None:
    assert list(law("distinct", vector(xs))) == list(dict.fromkeys(xs))
    assert list(law("shuffle", vector(xs))) == sorted(xs)
    assert law("frequencies", vector(xs)) == len(xs)


@few
@given(numbers, st.integers(0, 20))
def test_all_roads_give_the_same(xs: list[int], n: int) -> None:
    for name in ("roads", "groups", "reduce", "reverse", "for", "nth", "interleave", "walk"):
        assert law(name, vector(xs), n) is True, name


@few
@given(st.text(alphabet="ab,é ", max_size=30))
def test_join_undoes_split(text: str) -> None:
    assert law("split", text) is True


data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4).map(vector),
    max_leaves=20,
)


@few
@given(data)
def test_json_and_edn_come_back_as_they_went(value: Value) -> None:
    assert law("edn", value) is True
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return
    assert law("json", value) is True
