"""Compiling texts in tests, over a few natives that are enough for the compiler's own macros."""

from __future__ import annotations

from collections.abc import Iterator

from flowmetal.bytecode.code import Definition, Function, Module
from flowmetal.bytecode.verifier import verify
from flowmetal.compiler.compile import compile_module
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.loader import Loader
from flowmetal.compiler.options import CompileOptions
from flowmetal.compiler.resolution import FormNames
from flowmetal.embed.evaluator import SealedMachine
from flowmetal.errors import CompileError, Diagnostic
from flowmetal.reader import ReadOptions, read_forms
from flowmetal.source import Source, Span
from flowmetal.stdlib.natives import all_natives
from flowmetal.values import Value
from flowmetal.vm.intrinsics import INTRINSICS

CORE = """
(ns flow.core)
(defnative + {:inline "ADD"} [] [x] [x y] [x y & more])
(defnative - {:inline "SUB"} [x] [x y] [x y & more])
(defnative * {:inline "MUL"} [] [x] [x y] [x y & more])
(defnative < {:inline "LT"} [x] [x y] [x y & more])
(defnative > {:inline "GT"} [x] [x y] [x y & more])
(defnative = {:inline "EQ"} [x] [x y] [x y & more])
(defnative inc {:inline "INC"} [x])
(defnative dec {:inline "DEC"} [x])
(defnative not {:inline "NOT"} [x])
(defnative nil? {:inline "IS_NIL"} [x])
(defnative get [coll k] [coll k not-found])
(defnative nth [coll i] [coll i not-found])
(defnative nthnext [coll n])
(defnative seq [coll])
(defnative seq? [x])
(defnative first [coll])
(defnative next [coll])
(defnative hash-map [& kvs])
(defnative list [& xs])
(defnative list* [x] [x & more])
(defnative conj [coll & xs])
(defnative -repeat-for-ever [x])
(defnative vector [& xs])
(defnative vec [coll])
(defnative cons [x coll])
(defnative str [& xs])
(defnative -pr-text [xs length level])
(defn pr-str [& xs] (-pr-text xs nil nil))
(defnative with-meta [x m])
(defnative ex-info [message data])
(defnative -error [type message data code])
(defnative -atom [value meta validator])
(defnative -cell-value [cell])
(defnative -cell-set! [cell value])
(defnative int? [x])
(defnative pos? [x])
(defnative map? [x])
(defn -run-restart [offered e] e)
(defn concat [& colls]
  (loop [out [] colls (seq colls)]
    (if colls
      (recur (loop [out out s (seq (first colls))] (if s (recur (conj out (first s)) (next s)) out))
             (next colls))
      (seq out))))
(defn apply ([f xs] (apply f xs)) ([f x xs] (apply f x xs)))
(defmacro when [test & body] (list 'if test (cons 'do body)))
(defmacro and ([] true) ([x] x) ([x & more] `(let [and# ~x] (if and# (and ~@more) and#))))
(defmacro or ([] nil) ([x] x) ([x & more] `(let [or# ~x] (if or# or# (or ~@more)))))
"""


MORE = "(ns flow.more) (def state (-atom {} nil nil)) (defn helper [] state) (defn- secret [] 1)"


def read(source: Source, names: FormNames) -> Iterator[tuple[Value, Span]]:
    options = ReadOptions(
        resolve_alias=names.resolve_alias,
        resolve_symbol=names.resolve_symbol,
    )
    return iter(read_forms(source, options))


class Compilation:
    """A small library, and what is compiled over it."""

    def __init__(self, *, core: str = CORE, contracts: bool = True) -> None:
        self.options = CompileOptions(contracts=contracts)
        self.environment = Environment()
        self.machine = SealedMachine({**all_natives(), **INTRINSICS})
        self.modules: list[Module] = []
        self.library(core)
        self.library(MORE)
        self.library("(ns flow.string)")

    def library(self, text: str) -> None:
        made = compile_module(
            Source("flow/core.flow", text),
            environment=self.environment,
            evaluator=self.machine,
            read=read,
            options=CompileOptions(library=True),
        )
        self.modules.append(made)

    def module(self, text: str, path: str = "demo.flow") -> Module:
        made = compile_module(
            Source(path, text),
            environment=self.environment,
            evaluator=self.machine,
            read=read,
            options=self.options,
        )
        self.modules.append(made)
        check(made)
        return made

    def value(self, text: str) -> Value:
        """Return the value of the last form, which is run in the machine."""
        self.module(f"(ns demo) (defn -it [] {text}\n)")
        return self.machine.call("demo/-it", [])

    def loader(self, files: dict[str, str]) -> Loader:
        def find(path: str) -> Source | None:
            return Source(path, files[path]) if path in files else None

        return Loader(
            find,
            environment=self.environment,
            evaluator=self.machine,
            read=read,
            options=self.options,
        )


def check(module: Module) -> None:
    """Let the verifier look at everything that was compiled."""
    functions = {function.hash: function for function in module.functions}
    for function in module.functions:
        verify(function, functions.get)


def value(text: str) -> Value:
    return Compilation().value(text)


def definition(module: Module, name: str) -> Definition:
    return next(d for d in module.definitions if d.name == f"{module.name}/{name}")


def function(module: Module, name: str) -> Function:
    code = definition(module, name).function
    return next(f for f in module.functions if f.hash == code)


def code(text: str, name: str = "f") -> list[str]:
    """Return the instructions of the first body of a function, without operands' texts."""
    body = function(Compilation().module(text), name).bodies[0]
    return [op.name if not op_has_operand(op) else f"{op.name} {k}" for op, k in body.instructions]


def op_has_operand(op: object) -> bool:
    return op.operand.value != "none"  # type: ignore[attr-defined]


def problems(text: str, path: str = "demo.flow") -> tuple[Diagnostic, ...]:
    """Return what is wrong with a text."""
    try:
        Compilation().module(text, path)
    except CompileError as error:
        return error.diagnostics
    raise AssertionError("this compiles")


def problem(text: str) -> Diagnostic:
    found = problems(text)
    assert len(found) == 1, [each.message for each in found]
    return found[0]
