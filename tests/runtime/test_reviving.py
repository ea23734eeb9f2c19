"""Runs that failed go on: the effect again, a value, a restart, another error, or the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowmetal import Engine, compile, foreign
from flowmetal.errors import FlowmetalError, RefusedError, RunError
from flowmetal.runtime.host import Host
from flowmetal.values import Range, Value, keyword, pr_str
from tests.stores import url_of

HEAD = """
(ns p (:require [flow.async :refer [all! chan poll-until! promise! with-timeout! <! >!]] [flow.lock :refer [with-lock!]] [flow.saga :refer [saga! compensate!]] [flow.event :refer [receive!]] [flow.time :refer [ms hours]]))
(defforeign shaky [x])
(def log (atom []))
(defn note [x] (swap! log conj x))
"""


class World:
    """A function that fails until it is mended; it writes down what it was asked under which key."""

    def __init__(self) -> None:
        self.broken = True
        self.asked: list[Value] = []

        @foreign("p/shaky")
        def shaky(x: Value) -> Value:
            self.asked.append(x)
            if self.broken:
                raise RuntimeError("out of order")
            return x

        self.function = shaky


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=["memory", "postgresql"])
def engine(world: World, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = url_of(request.param, request, tmp_path)
    with Engine(url, functions=[world.function]) as engine:
        yield engine


def failed(engine: Engine, body: str) -> str:
    run, _ = engine.start(compile(HEAD + body))
    view = engine.drive(run)
    assert view.state == "failed", view
    return run


def ended(engine: Engine, run: str) -> str:
    assert engine.verify(run).problems == []
    value = engine.result(run)
    assert engine.verify(run).problems == []
    return pr_str(value)


CALLS = "(defn main [] (let [a (count [:x]) b (+ a a)] (try [(- b a) (shaky 7) @log] (finally (note :finally)))))"


def test_the_failed_effect_is_performed_again_under_its_number(
    engine: Engine, world: World
) -> None:
    run = failed(engine, CALLS)
    engine.retry(run)
    assert engine.drive(run).state == "failed"
    world.broken = False
    engine.retry(run)
    assert ended(engine, run) == "[1 7 []]"
    assert world.asked == [7, 7, 7]
    effects = {event.effect for event in engine.events(run) if event.kind == "effect-failed"}
    assert effects == {1}, "it is one effect, asked for once"


def test_no_finally_has_run_while_it_stands(engine: Engine) -> None:
    run = failed(engine, CALLS)
    assert engine.eval(run, "@log") == compile_value("[]")
    assert engine.eval(run, "a", frame=1) == 1


def compile_value(text: str) -> Value:
    with Engine("memory:") as engine:
        return engine.result(engine.start(compile(f"(defn main [] {text})"))[0])


def test_a_value_takes_the_place_of_the_result(engine: Engine) -> None:
    run = failed(engine, CALLS)
    engine.supply(run, 42)
    assert ended(engine, run) == "[1 42 []]"


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ("(defn main [] [(+ 1 nil)])", "[42]"),
        ("(defn main [] [:a (count 5) :b])", "[:a 42 :b]"),
        ('(defn f [x] (throw (ex-info "no" {}))) (defn main [] [(f 1) :after])', "[42 :after]"),
        ("(defn f [x] x) (defn main [] [(apply f [1 2 3]) :after])", "[42 :after]"),
        ('(defn main [] (throw (ex-info "no" {})))', "42"),
        ('(defn main [] (when true (throw (ex-info "no" {}))) :after)', ":after"),
        ('(defn main [] [(if true (throw (ex-info "no" {})) 1) :after])', "[42 :after]"),
        (
            '(defn main [] (loop [n 3] (if (= n 3) (do (throw (ex-info "no" {})) (recur 1)) n)))',
            "1",
        ),
        ("(defn main [] (assert (= 1 2)) :after)", ":after"),
        ("(defn main [] (let [x (case 1 2 3)] [x :after]))", "[42 :after]"),
        ("(defn main [] (try (case (range) 1 2) (finally (note :a))))", "42"),
        ("(defn main [] (vec (map (fn [x] (/ 1 x)) [1 0 2])))", "[1 42 1/2]"),
        ("(defn main [] [(<! (chan)) :after])", "[42 :after]"),
        ("(defn main [] [(>! (chan) 1) :after])", "[42 :after]"),
        ("(defn main [] [(await! (promise!)) :after])", "[42 :after]"),
    ],
)
def test_a_value_takes_the_place_of_what_raised(
    engine: Engine, body: str, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An endless sequence is given up soon: a million elements take seconds.
    monkeypatch.setattr(sys.modules[Range.__module__], "_LONGEST_WALK", 10_000)
    run = failed(engine, body)
    engine.supply(run, 42)
    assert ended(engine, run) == printed


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ("(try (throw e) (finally (note :a)))", "[42 [:a] 0]"),
        ("(try (try (throw e) (finally (note :a))) (finally (note :b)))", "[42 [:a :b] 0]"),
        ("(try (throw e) (catch :other _ 1) (finally (note :a)))", "[42 [:a] 0]"),
        ("(try (f e) (catch :bad other (throw e)) (finally (note :a)))", "[42 [:a] 0]"),
        ("(inc (try (throw e) (finally (note (receive! :go {:timeout #dur \"0s\" :else :a})))))", "[43 [:a] 0]"),
        ("(binding [*d* 5] (throw e))", "[42 [] 0]"),
        ("(binding [*d* 5] (try (throw e) (finally (note *d*))))", "[42 [5] 0]"),
    ],
)  # fmt: skip
def test_a_value_in_place_of_a_throw_leaves_through_finally_blocks_and_bindings(
    engine: Engine, body: str, printed: str
) -> None:
    run = failed(
        engine,
        f"""(def ^:dynamic *d* 0)
           (defn f [e] (throw (ex-info "bad" {{:type :bad}})))
           (defn g [e] {body})
           (defn main [] [(g (ex-info "no" {{}})) @log *d*])""",
    )
    engine.supply(run, 42)
    assert ended(engine, run) == printed


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ("[(with-timeout! (ms 1) (sleep! (hours 1)) :done) @log]", "[7 []]"),
        (
            "[(with-timeout! (ms 1) (try (receive! :x) (finally (sleep! (ms 1)) (note 1)))) @log]",
            "[7 [1]]",
        ),
        ("(with-timeout! (hours 1) [(with-timeout! (ms 1) (all! (sleep! (hours 1))))])", "[7]"),
        ("(with-timeout! (ms 1) [(with-timeout! (hours 1) (sleep! (hours 1)))])", "7"),
        ('(step! "s" {:timeout (ms 1)} (sleep! (hours 1)))', "7"),
        ("(all! (with-timeout! (ms 1) (sleep! (hours 1))) 8)", "[7 8]"),
        ('(with-timeout! (hours 1) [(throw (ex-info "no" {}))])', "[7]"),
    ],
)
def test_a_value_takes_the_place_of_what_was_not_done_in_time(
    engine: Engine, body: str, printed: str
) -> None:
    run = failed(engine, f"(defn main [] {body})")
    engine.supply(run, 7)
    assert ended(engine, run) == printed


ELAPSED = "{:retry {:max-elapsed (ms 1) :backoff (hours 1) :jitter :none}}"


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        (f'[(step! "s" {ELAPSED} (note 1) (throw (ex-info "no" {{}}))) @log]', "[7 [1]]"),
        ("[(poll-until! (fn [] nil) {:every (ms 1) :max-attempts 2})]", "[7]"),
        ("[(poll-until! (fn [] nil) {:every (ms 1) :timeout (ms 1)})]", "[7]"),
        ('(with-lock! "l" [(with-lock! "l" (note 1)) @log])', "[[1] [1]]"),
    ],
)
def test_a_value_takes_the_place_of_what_the_library_has_given_up(
    engine: Engine, body: str, printed: str
) -> None:
    run = failed(engine, f"(defn main [] {body})")
    engine.supply(run, 7)
    assert ended(engine, run) == printed


def test_a_restart_of_the_program_is_chosen_with_arguments(engine: Engine) -> None:
    run = failed(
        engine,
        """(defn main []
      [(with-restart [:use "use this instead" (fn [x] [:used x])] (try (shaky 1) (finally (note :f)))) @log])""",
    )
    view = engine.show(run)
    assert view.fibers[0].restarts == ((":use", "use this instead"),)
    for name, arguments, message in (("use", (), "takes"), ("nope", (1,), "there is no restart")):
        with pytest.raises(RefusedError, match=message):
            engine.restart(run, name, *arguments)
    engine.restart(run, ":use", 5)
    assert ended(engine, run) == "[[:used 5] [:f]]"


def test_another_error_is_raised_in_its_place(engine: Engine) -> None:
    run = failed(
        engine,
        "(defn main [] (try (shaky 1) (catch :my/own e [:caught (ex-message e) (ex-data e)])))",
    )
    engine.throw(run, "my/own", "mine", compile_value("{:x 1}"))
    assert ended(engine, run) == '[:caught "mine" {:x 1}]'


def test_a_failed_run_that_is_cancelled_runs_its_finally_blocks(engine: Engine) -> None:
    run = failed(engine, '(defn main [] (try (shaky 1) (finally (println "undone"))))')
    assert engine.cancel(run, "enough") == "cancelled"
    assert engine.verify(run).problems == []
    assert any(event.kind == "output" for event in engine.events(run))


def test_a_failed_run_that_is_cancelled_now_says_why(engine: Engine) -> None:
    run = failed(engine, CALLS)
    assert engine.cancel(run, "sold out", now=True) == "cancelled"
    view = engine.show(run)
    assert view.reason == "sold out"
    assert [(fiber.waits_for, fiber.restarts) for fiber in view.fibers] == [("", ())]
    assert engine.verify(run).problems == []
    with pytest.raises(RunError) as refused:
        engine.cancel(run, now=True)
    assert refused.value.code == "FM1102"


def test_a_failed_run_that_is_cancelled_now_does_not(engine: Engine) -> None:
    run = failed(engine, '(defn main [] (try (shaky 1) (finally (println "undone"))))')
    assert engine.cancel(run, now=True) == "cancelled"
    assert not any(event.kind == "output" for event in engine.events(run))


def test_an_error_that_is_no_effect_is_not_tried_again(engine: Engine) -> None:
    run = failed(
        engine, '(defn main [] (with-restart [:skip "leave it out" (fn [] nil)] (+ 1 nil)))'
    )
    with pytest.raises(RefusedError, match="did not fail in an effect") as caught:
        engine.retry(run)
    assert caught.value.code == "FM1132"
    assert "--restart NAME` (it offers :skip)" in caught.value.diagnostics[0].help[0]
    assert engine.view(run).state == "failed"


def test_what_a_saga_has_undone_is_not_tried_again(engine: Engine) -> None:
    run = failed(engine, "(defn main [] (saga! (compensate! note 1) (shaky 1)))")
    with pytest.raises(RefusedError, match="was compensated") as caught:
        engine.retry(run)
    assert "fork or start again" in caught.value.diagnostics[0].help[0]


def test_a_saga_that_parks_first_can_be_tried_again(engine: Engine, world: World) -> None:
    run = failed(
        engine, "(defn main [] (saga! {:park true} (compensate! note 1) [(shaky 1) @log]))"
    )
    world.broken = False
    engine.retry(run)
    assert ended(engine, run) == "[1 []]"


def test_other_fibers_wait_while_one_has_failed_and_go_on_with_it(
    engine: Engine, world: World
) -> None:
    run = failed(
        engine, '(defn main [] (all! (receive! :go) (shaky 1) (do (sleep! #dur "1ms") :slept)))'
    )
    world.broken = False
    engine.retry(run)
    engine.interpret(until_idle=True)
    assert engine.view(run).state == "waiting"
    engine.signal(run, "go", 3)
    assert ended(engine, run) == "[3 1 :slept]"


IN_A_HANDLER = "(defn main [] [(try (with-handler [:default (fn [e] (note :asked) {} (note :went-on))] (shaky 7)) (finally (note :end))) @log])"


@pytest.mark.parametrize(
    "body", ["(invoke-restart :nope)", "(now!)", "(with-handler [:default (fn [_] (/ 1 0))] (/ 1 0))"]
)  # fmt: skip
def test_an_effect_whose_error_a_handler_looks_at_is_tried_again_when_the_handler_has_returned(
    engine: Engine, world: World, body: str
) -> None:
    run = failed(engine, IN_A_HANDLER.replace("{}", body))
    stood = engine.show(run).fibers[0]
    assert (stood.failed, stood.looked_at) == (None, (1, "p/shaky"))
    with pytest.raises(RefusedError, match="in a handler for the error of effect #1") as refused:
        engine.retry(run)
    assert "--skip" in refused.value.diagnostics[0].help[0]
    while engine.show(run).fibers[0].failed is None:
        engine.supply(run, None)
        assert engine.drive(run).state == "failed"
    assert engine.show(run).fibers[0].looked_at is None
    assert world.asked == [7]
    world.broken = False
    engine.retry(run)
    assert ended(engine, run) == "[7 [:asked :went-on :end]]"
    assert world.asked == [7, 7]


def test_what_is_thrown_in_a_handler_and_taken_further_out_is_no_effect_any_more(
    engine: Engine, world: World
) -> None:
    run = failed(
        engine,
        """(defn main []
             (try (with-handler [:default (fn [e] (invoke-restart :nope))] (shaky 7))
                  (catch :other e (throw (ex-info "mine" {})))))""",
    )
    engine.throw(run, "other", "no")
    assert engine.drive(run).error.message == "mine"
    stood = engine.show(run).fibers[0]
    assert (stood.failed, stood.looked_at) == (None, None)
    with pytest.raises(RefusedError, match="did not fail in an effect"):
        engine.retry(run)


def test_a_run_that_failed_in_a_handler_is_cancelled_and_what_fails_then_is_no_effect(
    engine: Engine, world: World
) -> None:
    run = failed(
        engine,
        """(defn main []
             (try (with-handler [:default (fn [e] (invoke-restart :nope))] (shaky 7))
                  (finally (throw (ex-info "mine" {})))))""",
    )
    assert engine.cancel(run) == "failed"
    assert engine.show(run).fibers[0].failed is None
    with pytest.raises(RefusedError, match="did not fail in an effect"):
        engine.retry(run)


def test_a_delay_goes_on_from_where_its_body_failed(engine: Engine, world: World) -> None:
    body = "(defn main [] (let [d (delay (note :forced) [:got (shaky 1)])] [(force d) @d @log]))"
    run = failed(engine, body)
    world.broken = False
    engine.retry(run)
    assert ended(engine, run) == "[[:got 1] [:got 1] [:forced]]"


def test_a_delay_has_the_value_that_was_supplied_in_place_of_its_error(engine: Engine) -> None:
    run = failed(engine, "(defn main [] (let [d (delay [:got (/ 1 0)])] [(force d) (force d)]))")
    engine.supply(run, 7)
    assert ended(engine, run) == "[[:got 7] [:got 7]]"


def test_a_run_that_stands_at_the_failure_of_its_last_fiber_is_cancelled(engine: Engine) -> None:
    run = failed(engine, "(defn main [] (spawn! (fn [] (shaky 1))) :done)")
    assert engine.cancel(run, "enough") == "cancelled"
    assert engine.verify(run).problems == []


def test_only_a_failed_run_is_revived(engine: Engine) -> None:
    run, _ = engine.start(compile("(defn main [] 1)"))
    for revive in (engine.retry, lambda run: engine.supply(run, 1)):
        with pytest.raises(RunError, match="only a run that has failed") as caught:
            revive(run)
        assert caught.value.code == "FM1103"
    with pytest.raises(RunError, match="there is no run"):
        engine.retry("none")


def test_only_data_takes_the_place_of_what_failed(engine: Engine) -> None:
    run = failed(engine, CALLS)
    with pytest.raises(FlowmetalError):
        engine.supply(run, World())
    assert engine.view(run).state == "failed"


def test_lists_and_dictionaries_of_python_take_the_place_of_what_failed_as_vectors_and_maps(
    engine: Engine,
) -> None:
    given = {"a": [1, {"b": [2, 3]}]}
    run = failed(engine, "(defn main [] (shaky 7))")
    engine.supply(run, given)
    given["a"].append(4)  # what is in the history stays
    assert ended(engine, run) == '{"a" [1 {"b" [2 3]}]}'
    assert engine.verify(run).problems == []

    run = failed(engine, "(defn main [] (shaky 7))")
    engine.throw(run, "card/declined", "no money", {"amount": [10]})
    view = engine.drive(run)
    assert view.error is not None
    assert pr_str(view.error.data) == '{"amount" [10]}'


@pytest.mark.parametrize(
    "body",
    [
        '(defn main [] (try (throw (ex-info "no" {})) (finally (sleep! #dur "1ms"))))',
        "(defn main [] (all! (receive! :never) (saga! (compensate! note :undone) (shaky 1))))",
        "(defn main [] (all! (receive! :never) (try (shaky 1) (finally (note :end)))))",
    ],
)
def test_a_failed_run_that_is_asked_to_stop_has_a_sound_history_before_anybody_drives_it(
    engine: Engine, body: str
) -> None:
    run = failed(engine, body)
    assert engine.cancel(run, drive=False) == "ready"
    assert engine.verify(run).problems == []
    assert engine.drive(run).state == "cancelled"
    assert engine.verify(run).problems == []


def test_a_revival_can_fail_again_elsewhere_and_be_revived_there(engine: Engine) -> None:
    run = failed(engine, "(defn main [] [(shaky 1) (shaky 2) (+ 1 nil)])")
    for _ in range(3):
        assert engine.drive(run).state == "failed"
        engine.supply(run, keyword("ok"))
    assert ended(engine, run) == "[:ok :ok :ok]"


def test_of_two_operators_who_revive_a_run_at_one_moment_one_does(
    engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = failed(engine, '(defn main [] [(throw (ex-info "no" {})) (receive! :go)])')
    claim = Host.claim

    def claim_after_the_other(*args: object, **words: object) -> object:
        monkeypatch.undo()
        engine.supply(run, 1)
        return claim(*args, **words)

    monkeypatch.setattr(Host, "claim", claim_after_the_other)
    with pytest.raises(RunError) as refused:
        engine.supply(run, 2)
    assert (refused.value.code, refused.value.exit_status) == ("FM1103", 3)
    engine.signal(run, "go", 3)
    assert ended(engine, run) == "[1 3]"
    assert [event.kind for event in engine.events(run)].count("revived") == 1


def failed_at(engine: Engine, happens: Callable[[str], object]) -> str:
    """Return a run that has failed while something happened to it of which it has not heard."""
    source = '(defn main [] (now!) [(throw (ex-info "no" {})) (sleep! (ms 1))])'
    run, _ = engine.start(compile(HEAD + source))

    def once(point: str) -> None:
        if point.startswith("before commit"):
            engine.store.hooks = None
            happens(run)

    engine.store.hooks = once
    assert engine.drive(run).state == "failed"
    return run


def test_a_pause_that_a_run_had_not_heard_of_when_it_failed_is_over_when_it_is_revived(
    engine: Engine,
) -> None:
    run = failed_at(engine, engine.pause)
    engine.supply(run, 7)
    assert ended(engine, run) == "[7 nil]"


def test_a_run_that_was_ended_while_it_failed_says_so_who_would_revive_it(engine: Engine) -> None:
    run = failed_at(engine, lambda run: engine.cancel(run, "enough", now=True, drive=False))
    with pytest.raises(RunError, match="is cancelled, and only a run that has failed"):
        engine.retry(run)
    assert engine.view(run).state == "cancelled"
