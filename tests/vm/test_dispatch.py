"""Dispatch over tables of vars, in linked programs."""

from __future__ import annotations

import pytest

from flowmetal import compile
from flowmetal.embed.natives import natives
from flowmetal.errors import CompileError
from flowmetal.ids import RunId
from flowmetal.snapshot import encode
from flowmetal.values import ErrorValue, Value, pr_str
from flowmetal.vm.link import Image
from flowmetal.vm.machine import run, start
from flowmetal.vm.state import Machine, MachineStatus


def ran(text: str) -> Machine:
    program = compile(f"(ns a)\n{text}")
    machine = start(Image(program, natives()), "a/main", (), RunId("r"))
    run(machine)
    return machine


def result_of(text: str) -> str:
    machine = ran(text)
    assert machine.status is MachineStatus.COMPLETED, machine.fibers[1].error
    return pr_str(machine.fibers[1].result)


def error_of(text: str) -> ErrorValue:
    error: Value = ran(text).fibers[1].error
    assert type(error) is ErrorValue
    return error


def test_a_function_changes_code_in_test_programs_only() -> None:
    text = "(defn f [] 1) (defn main [] (with-redefs [f (fn [] 2)] (f)))"
    assert error_of(text).code == "FM0519"
    text = "(defn f [] 1) (defn main [] (alter-var-root #'f identity))"
    assert error_of(text).code == "FM0519"
    assert error_of("(defn main [] (intern 'a 'x 1))").code == "FM0519"


def test_a_program_that_has_all_of_the_library_is_no_test_program_by_that() -> None:
    text = "(defn f [] 1) (defn main [] (resolve 'f) (alter-var-root #'f identity))"
    assert error_of(text).code == "FM0519"


def test_a_program_that_never_prints_by_methods_does_not_have_them() -> None:
    machine = ran("(defrecord R [x]) (defn main [] (pr-str [(->R 1)]))")
    assert "flow.core/print-method" not in machine.globals
    assert machine.fibers[1].result == "[#a.R{:x 1}]"
    assert list(machine.defined) == []


def test_a_linked_program_prints_by_its_methods() -> None:
    text = """(defrecord R [x])
    (defmethod print-method R [r out] (print (str "r" (:x r))))
    (defn main [] (pr-str [(->R 1) (print-str (->R 2))]))"""
    assert result_of(text) == '"[r1 \\"r2\\"]"'


def test_a_linked_program_has_to_string_of_its_records() -> None:
    text = '(defrecord R [x] Object (toString [_] (str "r" x))) (defn main [] (str (->R 1) 2))'
    assert result_of(text) == '"r12"'


def test_a_linked_program_finds_methods_in_metadata() -> None:
    text = """(defprotocol P :extend-via-metadata true (m [x]))
    (extend-protocol P Object (m [_] :default))
    (defn main [] [(m {}) (m (with-meta {} {`m (fn [_] :meta)}))])"""
    assert result_of(text) == "[:default :meta]"


def test_a_linked_program_looks_by_its_comparators() -> None:
    text = "(def m (sorted-map-by > 1 2 3 4)) (defn main [] [(first m) (get m 1) (m 3)])"
    assert result_of(text) == "[[3 4] 2 4]"


def test_a_linked_program_reads_its_records() -> None:
    text = '(defrecord R [x]) (defn main [] (= (->R 1) (read-string "#a/R{:x 1}")))'
    assert result_of(text) == "true"


def test_what_is_defined_while_it_runs_is_state() -> None:
    text = """(defmulti f identity)
    (defmethod f :a [_] 1)
    (defn main [] (doseq [k [:b :c]] (defmethod f k [_] k)) (map f [:a :b :c]))"""
    machine = ran(text)
    assert pr_str(machine.fibers[1].result) == "(1 :b :c)"
    assert list(machine.defined) == ["a/f@:b", "a/f@:c"]
    assert encode(machine).data


@pytest.mark.parametrize(
    "text",
    [
        "(extend-type Foo P (m [x] 1))",
        "(extend-type String Foo (m [x] 1))",
        "(defprotocol P (m [x])) (extend-type String P (n [x] 1))",
        "(def P 1) (extend-type String P (m [x] 1))",
        "(defn f [x] x) (defmethod f :a [x] 1)",
        "(defrecord R [x] Runnable (run [_] 1))",
        "(defrecord R [x]) #a/R 5",
    ],
)
def test_what_a_table_cannot_take_is_an_error_of_the_compiler(text: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile(f"(ns a)\n{text}\n(defn main [] 1)")
    assert {d.code for d in caught.value.diagnostics} <= {"FM0131", "FM0102", "FM0105"}
