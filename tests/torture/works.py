"""What runs do in a storm, what they end with, and what they must have done to the world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAIN = """
(defn main [run n]
  (loop [i 0 sum 0]
    (if (< i n)
      (recur (inc i) (+ sum (step run i)))
      sum)))
"""
ALONE = """
(ns torture (:require [flow.async :refer [all!]]))
(defforeign quick [run i])
(defforeign slow [run i])
(defn step [run i]
  (case (mod i 10)
    3 (slow run i)
    5 (do (sleep! #dur "1ms") (quick run i))
    7 (reduce + (all! (quick run i) (slow run i)))
    (quick run i)))
"""
SHARED = """
(ns torture (:require [flow.lock :as lock]))
(defforeign quick [run i])
(defforeign locked [run i name token])
(defn child [run i] (quick run i))
(defn step [run i]
  (if (even? i)
    (await! (start! child [run i]))
    (let [name (str "lock-" (mod i 3))]
      (lock/with-lock! name (locked run i name (lock/token))))))
"""


@dataclass(frozen=True)
class Work:
    """``of`` returns what a step of a number comes to, ``things`` how much it does to the world.

    ``check`` gets the lines of the world's journal: key, run, what.
    """

    source: str
    of: Callable[[int], int]
    things: Callable[[int], int]
    check: Callable[[Sequence[Sequence[str]]], None]

    def result(self, steps: int) -> int:
        return sum(map(self.of, range(steps)))


def _check_nothing(lines: Sequence[Sequence[str]]) -> None:
    pass


def _check_locks(lines: Sequence[Sequence[str]]) -> None:
    """A token has one holder, and what is done under it is done after what was done under smaller ones.

    (Again it may be done later: whoever was stopped in the middle goes on with it, under its old key.)
    """
    holders, order = defaultdict(set), defaultdict(list)
    for _, run, what in lines:
        if what.startswith("locked "):
            _, i, name, token = what.split(" ")
            if not holders[name, token]:
                order[name].append(int(token))
            holders[name, token].add((run, i))
    assert holders
    assert all(len(found) == 1 for found in holders.values()), holders
    assert all(tokens == sorted(tokens) for tokens in order.values()), order


WORKS = {
    "alone": Work(
        ALONE + MAIN,
        lambda i: 2 * i if i % 10 == 7 else i,
        lambda i: 2 if i % 10 == 7 else 1,
        _check_nothing,
    ),
    "shared": Work(SHARED + MAIN, lambda i: i, lambda i: 1, _check_locks),
}
