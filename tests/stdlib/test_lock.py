"""flow.lock where the order of what several runs do decides."""

from __future__ import annotations

from flowmetal.effects.requests import EffectRequest
from flowmetal.values import Value, keyword
from tests.stdlib.world import World, args_of

_VALUE, _VERSION = keyword("value"), keyword("if-version")


class Keys:
    """One shared key. Another run writes it as soon as it has been read, so often."""

    def __init__(self, others: int) -> None:
        self.others = others
        self.value: Value = None
        self.version = 0

    def put(self, request: EffectRequest) -> Value:
        self.value = request.args.get(_VALUE)
        self.version += 1
        return args_of(version=self.version)

    def get(self, request: EffectRequest) -> Value:
        found = args_of(value=self.value, version=self.version)
        if self.others:
            self.others -= 1
            self.value, self.version = "of the other run", self.version + 1
        return found

    def delete(self, request: EffectRequest) -> Value:
        if request.args.get(_VERSION, self.version) != self.version:
            return args_of(value=False, version=self.version, conflict=True)
        self.value = None
        return args_of(value=True)

    def world(self) -> World:
        return World({"state/put": self.put, "state/get": self.get, "state/delete": self.delete})


DEBOUNCE = """(ns main (:require [flow.lock :as lock]))
(defn main [] (lock/debounce! "save" #dur "1s" (fn [] :called)))"""


def test_a_debounce_that_nobody_repeats_calls() -> None:
    keys = Keys(others=0)
    assert keys.world().run(DEBOUNCE) is keyword("called")
    assert keys.value is None


def test_a_debounce_leaves_the_call_to_one_that_comes_at_the_last_moment() -> None:
    keys = Keys(others=1)
    assert keys.world().run(DEBOUNCE) is keyword("superseded")
    assert keys.value == "of the other run"
