import pytest

from flowmetal.embed.machine import Machine
from flowmetal.values import Map, hash_map, pr_str, vector
from flowmetal.values.errors import flow_error
from flowmetal.values.meter import DEFAULT
from flowmetal.vm.state import MachineStatus
from tests.vm.programs import k, machine, program, run


def test_a_program_asks_and_goes_on_with_the_answer() -> None:
    made = machine('(defn main [] (str "at " (perform :time/now {})))')
    turn = made.run()
    assert turn.status is MachineStatus.WAITING
    (request,) = turn.requests
    assert (request.number, request.kind, request.key) == (1, "time/now", "1")
    made.deliver(1, "noon")
    assert made.run().result == "at noon"


def test_a_turn_tells_new_requests_only() -> None:
    made = machine("(defn main [] (perform :time/now {}) (perform :id/uuid {}))")
    assert [r.kind for r in made.run().requests] == ["time/now"]
    assert made.run().requests == ()
    made.deliver(1, 0)
    assert [(r.number, r.kind) for r in made.run().requests] == [(2, "id/uuid")]


def test_an_answer_that_is_an_error_is_raised_at_the_effect() -> None:
    made = machine(
        '(defn main [] (try (perform :fs/read {:path "a"}) (catch :fs/missing e :none)))'
    )
    made.run()
    made.deliver(1, error=flow_error("FM0700", "fs/missing", "no such file"))
    assert made.run().result is k("none")


def test_an_error_of_an_effect_has_the_frames_of_the_program() -> None:
    made = machine(
        '(defn get-it []\n  (inc (perform :fs/read {:path "a"})))\n(defn main [] (inc (get-it)))'
    )
    made.run()
    made.deliver(1, error=flow_error("FM0700", "fs/missing", "no such file"))
    error = made.run().error
    assert [(name, span.line) for name, span in error.frames] == [
        ("user/get-it", 2),
        ("user/main", 3),
    ]


def test_the_same_answer_twice_changes_nothing() -> None:
    made = machine("(defn main [] [(perform :time/now {}) (perform :time/now {})])")
    made.run()
    made.deliver(1, "first")
    made.deliver(1, "again")
    made.run()
    made.deliver(1, "late")
    made.deliver(2, "second")
    assert made.run().result == vector(["first", "second"])


def test_lazy_sequences_in_the_arguments_are_realised() -> None:
    (request,) = run("(defn main [] (perform :log/write {:data (map inc [1 2])}))").requests
    assert request.args == hash_map([(k("data"), vector([2, 3]))])


def test_functions_and_cells_do_not_leave_the_machine() -> None:
    error = run("(defn main [] (perform :log/write {:data {:f inc}}))").error
    assert (error.code, error.type) == ("FM0311", k("data/not-data"))
    assert run("(defn main [] (perform :log/write {:data (atom 1)}))").error.code == "FM0311"


def test_arguments_that_are_no_map_are_refused() -> None:
    assert run("(defn main [] (let [x [1]] (perform :log/write x)))").error.code == "FM0312"


@pytest.mark.parametrize("given", ["(->Wait 5)", "(sorted-map :timeout 5)"])
def test_arguments_of_any_kind_of_map_are_a_plain_one_for_the_world_and_for_a_snapshot(
    given: str,
) -> None:
    source = program(f"(defrecord Wait [timeout])\n(defn main [] (perform :time/sleep {given}))")
    made = Machine(source)
    (request,) = made.run().requests
    assert type(request.args) is Map
    assert request.args == hash_map([(k("timeout"), 5)])
    back = Machine.restore(made.snapshot(), source)
    back.deliver(1, "woken")
    assert back.run().result == "woken"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ('(let [a (atom 0 :meta (->Wait 5))] (perform :time/now {}) (meta a))', "{:timeout 5}"),
        ("(let [c (chan Long/MAX_VALUE)] (perform :time/now {}) (offer! c 1) (poll! c))", "1"),
        ("(let [c (chan (sliding Long/MAX_VALUE))] (perform :time/now {}) (offer! c 1) (poll! c))", "1"),
        ('(do (defmethod f (keyword "a\\u0000b") [_] 1) (perform :time/now {}) (f (keyword "a\\u0000b")))', "1"),
    ],
)  # fmt: skip
def test_what_the_machine_accepts_its_snapshot_holds(body: str, answer: str) -> None:
    source = program(
        f"""(ns user (:require [flow.async :refer [chan offer! poll! sliding]]))
            (defrecord Wait [timeout]) (defmulti f identity) (defn main [] {body})"""
    )
    made = Machine(source)
    made.run()
    back = Machine.restore(made.snapshot(), source)
    back.deliver(1, None)
    assert pr_str(back.run().result) == answer


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('(atom 0 :meta "x")', "FM0501"),
        ("(atom 0 :meta false)", "FM0501"),
        ('(create-ns (symbol "a\\u0000b"))', "FM0501"),
        ("(bigdec (bit-shift-left 1 100000))", "FM0321"),
    ],
)
def test_what_no_snapshot_could_hold_is_refused(body: str, code: str) -> None:
    made = Machine(program(f"(defn main [] {body})"), limits=DEFAULT.with_changes(bits=200_000))
    assert made.run().error.code == code


def test_the_result_of_a_run_is_realised_and_must_be_data() -> None:
    assert run("(defn main [] (map inc [1 2]))").result == vector([2, 3])
    assert run("(defn main [] {:a [(map inc [1])]})").result == hash_map(
        [(k("a"), vector([vector([2])]))]
    )
    assert run("(defn main [] (atom 1))").error.code == "FM0311"


def test_an_effect_is_refused_where_code_may_run_again() -> None:
    for body in (
        "(first (map (fn [_] (perform :time/now {})) [1]))",
        "(let [a (atom 0)] (swap! a (fn [_] (perform :time/now {}))))",
        "(try (/ 1 0) (catch (fn [e] (perform :time/now {})) e 1))",
        "(sort-by (fn [x] (perform :time/now {}) x) [2 1])",
    ):
        error = run(f"(defn main [] {body})").error
        assert error is not None, body
        if error.type is not k("arithmetic/divide-by-zero"):
            assert error.code == "FM0313", body


def test_a_handler_that_asks_for_an_effect_is_told_that_it_may_not() -> None:
    asks = "(with-handler [:default (fn [e] (perform :time/now {}))] (/ 1 0))"
    error = run(f"(defn main [] {asks})").error
    assert error is not None
    assert error.code == "FM0313"
    assert "inside a handler of with-handler" in error.message


def test_a_mapv_or_doseq_may_perform() -> None:
    made = machine("(defn main [] (mapv (fn [x] [x (perform :time/now {})]) [1 2]))")
    made.run()
    made.deliver(1, "a")
    made.run()
    made.deliver(2, "b")
    assert made.run().result == vector([vector([1, "a"]), vector([2, "b"])])


def test_effects_inside_finally_and_catch_work() -> None:
    text = "(defn main [] (try (/ 1 0) (catch :default e (perform :time/now {})) (finally (perform :id/uuid {}))))"
    made = machine(text)
    assert made.run().requests[0].kind == "time/now"
    made.deliver(1, "t")
    assert made.run().requests[0].kind == "id/uuid"
    made.deliver(2, "u")
    assert made.run().result == "t"


def test_deep_frames_below_an_effect_survive() -> None:
    text = "(defn deep [n] (if (= n 0) (perform :time/now {}) (inc (deep (dec n)))))\n(defn main [] (deep 20000))"
    made = machine(text)
    made.run()
    made.deliver(1, 5)
    assert made.run().result == 20005
