"""Programs made at random mean what a few lines of Python say they mean."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from flowmetal.values import pr_str
from tests.compiler.support import Compilation

SEEDS = 8 if os.environ.get("FLOWMETAL_EVERYTHING") else 3

Env = dict[str, int | None]
Meaning = Callable[[Env], int | None]


class Thrown(Exception):
    pass


class Maker:
    """Makes an expression: its text, and what it should come to given local values."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def make(self, depth: int, names: list[str]) -> tuple[str, Meaning]:
        if depth == 0 or self.random.random() < 0.1:
            return self.leaf(names)
        kinds = [self.if_, self.let, self.and_, self.or_, self.not_, self.do, self.try_, self.loop]
        kinds += [self.case, self.call, self.sum, self.throw, self.finally_, self.closure]
        return self.random.choice(kinds)(depth - 1, names)

    def leaf(self, names: list[str]) -> tuple[str, Meaning]:
        if names and self.random.random() < 0.7:
            name = self.random.choice(names)
            return name, lambda env: env[name]
        constant = self.random.choice([None, 0, 1, 2, 3])
        return ("nil" if constant is None else str(constant)), lambda env: constant

    def if_(self, depth, names):
        (a, fa), (b, fb), (c, fc) = (self.make(depth, names) for _ in range(3))
        return f"(if {a} {b} {c})", lambda env: fb(env) if fa(env) is not None else fc(env)

    def fresh(self) -> str:
        self.names += 1
        return f"v{self.names}"

    def let(self, depth, names):
        name = self.random.choice([*names, self.fresh()])
        a, fa = self.make(depth, names)
        b, fb = self.make(depth, [*names, name])
        return f"(let [{name} {a}] {b})", lambda env: fb({**env, name: fa(env)})

    def and_(self, depth, names):
        (a, fa), (b, fb) = self.make(depth, names), self.make(depth, names)

        def meaning(env):
            return None if fa(env) is None else fb(env)

        return f"(and {a} {b})", meaning

    def or_(self, depth, names):
        (a, fa), (b, fb) = self.make(depth, names), self.make(depth, names)

        def meaning(env):
            first = fa(env)
            return fb(env) if first is None else first

        return f"(or {a} {b})", meaning

    def not_(self, depth, names):
        (a, fa), (b, fb), (c, fc) = (self.make(depth, names) for _ in range(3))
        return f"(if (not {a}) {b} {c})", lambda env: fb(env) if fa(env) is None else fc(env)

    def do(self, depth, names):
        (a, fa), (b, fb) = self.make(depth, names), self.make(depth, names)
        return f"(do {a} {b})", lambda env: (fa(env), fb(env))[1]

    def throw(self, depth, names):
        a, fa = self.make(depth, names)

        def meaning(env):
            if fa(env) == 2:
                raise Thrown
            return 1

        return f'(if (= 2 {a}) (throw (ex-info "" {{}})) 1)', meaning

    def try_(self, depth, names):
        (a, fa), (b, fb) = self.make(depth, names), self.make(depth, names)

        def meaning(env):
            try:
                return fa(env)
            except Thrown:
                return fb(env)

        return f"(try {a} (catch :default e {b}))", meaning

    def finally_(self, depth, names):
        (a, fa), (b, fb) = self.make(depth, names), self.make(depth, names)

        def meaning(env):
            try:
                result = fa(env)
            finally:
                fb(env)
            return result

        return f"(try {a} (finally {b}))", meaning

    def loop(self, depth, names):
        counter, total = self.fresh(), self.fresh()
        start, fstart = self.make(depth, names)
        step, fstep = self.make(depth, [*names, counter, total])

        def meaning(env):
            i, acc = 0, fstart(env)
            while i < 3:
                acc = fstep({**env, counter: i, total: acc})
                i += 1
            return acc

        text = f"(loop [{counter} 0 {total} {start}] (if (< {counter} 3) (recur (inc {counter}) {step}) {total}))"
        return text, meaning

    def case(self, depth, names):
        (a, fa), (b, fb), (c, fc), (d, fd) = (self.make(depth, names) for _ in range(4))

        def meaning(env):
            found = fa(env)
            return fb(env) if found in (1, 2) else fc(env) if found is None else fd(env)

        return f"(case* {a} {d} [[[1 2] {b}] [[nil] {c}]])", meaning

    def call(self, depth, names):
        name = self.fresh()
        a, fa = self.make(depth, names)
        b, fb = self.make(depth, [*names, name])
        return f"((fn [{name}] {b}) {a})", lambda env: fb({**env, name: fa(env)})

    def closure(self, depth, names):
        name = self.fresh()
        a, fa = self.make(depth, names)
        b, fb = self.make(depth, names)

        def meaning(env):
            first = fb(env)
            return fa(env) if first is None else first

        return f"(let [{name} (fn [] {a}) r {b}] (or r ({name})))", meaning

    def sum(self, depth, names):
        (a, fa), (b, fb) = self.make(depth, names), self.make(depth, names)

        def meaning(env):
            first, second = fa(env), fb(env)
            return 3 if first == second else 0

        return f"(if (= {a} {b}) 3 0)", meaning


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_programs_mean_what_they_should(seed):
    maker = Maker(seed)
    made = [maker.make(6, ["x", "y"]) for _ in range(60)]
    functions = "\n".join(f"(defn f{n} [x y] {text})" for n, (text, _) in enumerate(made))
    compilation = Compilation()
    compilation.module(f"(ns demo)\n{functions}")
    for n, (text, meaning) in enumerate(made):
        for x, y in ((None, 1), (2, None)):
            try:
                wanted = pr_str(meaning({"x": x, "y": y}))
            except Thrown:
                wanted = "thrown"
            assert outcome(compilation, f"demo/f{n}", x, y) == wanted, text


def outcome(compilation: Compilation, name: str, *arguments: int | None) -> str:
    guarded = "(ns guard) (defn call [f x y] (try (f x y) (catch :default e :thrown)))"
    if compilation.environment.namespace("guard") is None:
        compilation.module(guarded)
    function = compilation.machine.machine.globals[name]
    result = compilation.machine.call("guard/call", [function, *arguments])
    return pr_str(result).lstrip(":")
