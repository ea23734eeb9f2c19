from __future__ import annotations

import threading
from pathlib import Path

import pytest

import flowmetal
from flowmetal.errors import RefusedError, RunError, UsageError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.protocol import Claim

SQUARE = "(ns square)\n\n(defn main [x] (* x x))\n"
WAITS = "(ns waits (:require [flow.event :refer [receive!]]))\n\n(defn main [] (receive! :go))\n"


@pytest.fixture
def engine():
    with flowmetal.Engine("memory:") as engine:
        yield engine


def test_a_run_has_its_result(engine) -> None:
    run, made = engine.start(flowmetal.compile(SQUARE), [12])
    assert made
    assert engine.result(run) == 144
    assert engine.view(run).state == "completed"


def test_the_same_id_is_the_same_run(engine) -> None:
    program = flowmetal.compile(SQUARE)
    assert engine.start(program, [2], id="r") == ("r", True)
    assert engine.start(program, [3], id="r") == ("r", False)
    assert engine.result("r") == 4


def test_many_runs_are_started_together(engine) -> None:
    program = flowmetal.compile(SQUARE)
    engine.start(program, [9], id="r-2")
    beginnings = [flowmetal.Beginning([n], f"r-{n}", {"n": str(n)}) for n in range(1, 4)]
    made = [("r-1", True), ("r-2", False), ("r-3", True)]
    assert engine.start_many(program, beginnings) == made
    assert [engine.result(run) for run, _ in made] == [1, 81, 9]
    assert engine.view("r-3").tags == {"n": "3"}


def test_runs_that_are_there_are_started_again_whatever_their_program_asks_for_now(engine) -> None:
    engine.start(flowmetal.compile(SQUARE), [3], id="r-2")
    now = flowmetal.compile("(ns square) (defn main [x y] (* x y))")
    beginnings = [flowmetal.Beginning([1, 2], "r-1"), flowmetal.Beginning([3], "r-2")]
    beginnings += [flowmetal.Beginning([2, 3], "r-3")]
    assert engine.start_many(now, beginnings) == [("r-1", True), ("r-2", False), ("r-3", True)]
    assert [engine.result(f"r-{n}") for n in (1, 2, 3)] == [2, 9, 6]
    with pytest.raises(RunError) as refused:
        engine.start_many(now, [*beginnings, flowmetal.Beginning([1])])
    assert refused.value.diagnostics[0].notes == ("it is number 4 of 4",)


def test_of_many_runs_none_is_started_if_one_could_not_begin(engine) -> None:
    program = flowmetal.compile(SQUARE)
    with pytest.raises(RunError) as refused:
        engine.start_many(program, [flowmetal.Beginning([1]), flowmetal.Beginning([1, 2])])
    assert refused.value.code == "FM1121"
    diagnostic = refused.value.diagnostics[0]
    assert diagnostic.notes == ("it is number 2 of 2",)
    assert "main [x]" in diagnostic.help[0]
    assert engine.runs() == []


def test_a_run_without_a_result_says_why(engine) -> None:
    program = flowmetal.compile('(ns bad)\n(defn main [] (throw (ex-info "no" {:type :x/y})))')
    run, _ = engine.start(program)
    with pytest.raises(flowmetal.RunFailed) as caught:
        engine.result(run)
    assert caught.value.view.error.type.text == "x/y"
    assert caught.value.view.id == run
    assert caught.value.code == "FM1110"


def test_a_run_that_is_not_there_has_no_history(engine) -> None:
    with pytest.raises(RunError, match="FM1101"):
        list(engine.events("nobody"))
    run, _ = engine.start(flowmetal.compile("(defn main [] 1)"))
    assert list(engine.events(run, engine.last_event(run))) == []


def test_an_entry_that_is_not_there_leaves_no_run(engine) -> None:
    with pytest.raises(RunError):
        engine.start(flowmetal.compile(SQUARE), [1], entry="nope")
    assert engine.runs() == []


def test_an_argument_that_is_no_data_leaves_no_run(engine) -> None:
    from flowmetal.values import Atom

    with pytest.raises(flowmetal.FlowmetalError):
        engine.start(flowmetal.compile(SQUARE), [Atom(1)])
    assert engine.runs() == []


def test_what_runs_print_and_log_is_passed_on() -> None:
    seen: list[tuple[str, str]] = []
    source = '(ns p (:require [flow.log :as log]))\n(defn main [] (println "hi") (log/info! "charged" {:n 1}))'
    with flowmetal.Engine(
        "memory:",
        on_output=lambda run, text: seen.append(("out", text)),
        on_log=lambda run, line: seen.append(("log", line.split(" ", 1)[1])),
    ) as engine:
        engine.drive(engine.start(flowmetal.compile(source))[0])
    assert seen == [("out", "hi\n"), ("log", "info charged {:n 1}")]


def test_a_line_of_the_log_is_one_line_whatever_is_in_it() -> None:
    """What came from outside could write lines of its own into the log."""
    lines: list[str] = []
    source = r"""(ns p (:require [flow.log :as log]))
    (defn main [] (log/warn! "from ada\r\n2026-01-01T00:00:00.000Z info paid" {:n 1}))"""
    with flowmetal.Engine("memory:", on_log=lambda run, line: lines.append(line)) as engine:
        engine.drive(engine.start(flowmetal.compile(source))[0])
    (line,) = lines
    assert line.split(" ", 1)[1] == r"warn from ada\r\n2026-01-01T00:00:00.000Z info paid {:n 1}"


def test_an_engine_whose_process_dies_is_followed_by_another(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/runs.db"
    with flowmetal.Engine(url) as first:
        run, _ = first.start(flowmetal.compile(WAITS))
        first.signal(run, "go", 5)
    with flowmetal.Engine(url) as second:
        assert second.find(run[:6]) == run
        assert second.result(run) == 5


def test_a_paused_run_stays_paused_until_its_cancellation_is_durable() -> None:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(WAITS))
        engine.pause(run)

        def die(moment: str) -> None:
            if moment == "before send":
                raise KeyboardInterrupt

        engine.store.hooks = die
        with pytest.raises(KeyboardInterrupt):
            engine.cancel(run)
        engine.store.hooks = None
        assert engine.view(run).state == "paused"
        assert engine.cancel(run) == "cancelled"


def test_a_run_that_was_paused_twice_while_it_was_driven_is_unpaused_once() -> None:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(WAITS))
        claim = engine.store.claim(RunId(run), InterpreterId("somebody"), 10_000_000)
        assert isinstance(claim, Claim)
        assert [engine.pause(run), engine.pause(run)] == ["running", "running"]
        engine.store.release(claim)
        assert engine.drive(run).state == "paused"
        engine.signal(run, "go", 5)
        engine.unpause(run)
        assert engine.result(run) == 5


def test_a_run_that_is_cancelled_before_its_pause_is_heard_does_not_stay_paused() -> None:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(WAITS))
        claim = engine.store.claim(RunId(run), InterpreterId("somebody"), 10_000_000)
        assert isinstance(claim, Claim)
        assert engine.pause(run) == "running"
        engine.cancel(run, drive=False)
        engine.store.release(claim)
        engine.interpret(until_idle=True)
        assert engine.view(run).state == "cancelled"


def test_functions_of_the_host_are_effects() -> None:
    calls: list[str] = []

    @flowmetal.foreign("p/twice")
    def twice(n: int, idempotency_key: str) -> int:
        calls.append(idempotency_key)
        return 2 * n

    source = "(ns p)\n(defforeign twice [n])\n(defn main [] (+ (twice 1) (twice 10)))"
    with flowmetal.Engine("memory:", functions=[twice]) as engine:
        assert engine.result(engine.start(flowmetal.compile(source))[0]) == 22
    assert len(set(calls)) == 2


def test_a_function_that_is_not_marked_is_refused() -> None:
    with (
        pytest.raises(UsageError) as caught,
        flowmetal.Engine("memory:", functions=[len]) as engine,
    ):
        engine.start(flowmetal.compile(SQUARE), [1])
    assert caught.value.code == "FM1313"


def test_a_run_is_asked_for_only_what_it_was_granted() -> None:
    source = '(ns p (:require [flow.env :refer [env!]]))\n(defn main [] (env! "HOME"))'
    with flowmetal.Engine("memory:") as engine:
        refused = engine.drive(engine.start(flowmetal.compile(source))[0])
        assert refused.state == "failed"
        granted, _ = engine.start(flowmetal.compile(source), grants=flowmetal.grants(env=["HOME"]))
        assert isinstance(engine.result(granted), str)


def test_a_run_driven_elsewhere_is_refused_with_what_to_do(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/runs.db"
    with flowmetal.Engine(url) as here, flowmetal.Engine(url) as there:
        run, _ = here.start(flowmetal.compile(WAITS))
        assert there.store.claim(RunId(run), InterpreterId(there.name), 10_000_000)
        with pytest.raises(RefusedError) as caught:
            here.drive(run, attach=False)
        assert f"fmvm wait {run}" in caught.value.diagnostics[0].help


def test_importing_flowmetal_loads_nothing_else() -> None:
    import subprocess
    import sys

    code = "import sys, flowmetal; print([m for m in sys.modules if m.startswith('flowmetal.')])"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout == "['flowmetal._version']\n"


def test_every_public_name_is_there() -> None:
    assert [name for name in flowmetal.__all__ if not hasattr(flowmetal, name)] == []
    with pytest.raises(AttributeError):
        flowmetal.nonexistent  # noqa: B018


def test_a_service_stops_what_interprets_in_a_thread_and_its_runs_go_on_elsewhere(
    tmp_path: Path,
) -> None:
    program = flowmetal.compile('(defn main [] (sleep! #dur "1ms") (flow.event/receive! :go))')
    errors: list[BaseException] = []

    def interpret(engine: flowmetal.Engine) -> None:
        try:
            engine.interpret()
        except BaseException as error:
            errors.append(error)

    with flowmetal.Engine(f"sqlite:{tmp_path}/runs.db") as engine:
        run, _ = engine.start(program)
        driving = [threading.Thread(target=interpret, args=(engine,)) for _ in range(2)]
        for thread in driving:
            thread.start()
        engine.stop()
        late = threading.Thread(target=interpret, args=(engine,))
        late.start()
        for thread in (*driving, late):
            thread.join(30)
            assert not thread.is_alive()
        assert engine.view(run).state not in ("running", "failed")
    assert errors == []
    with flowmetal.Engine(f"sqlite:{tmp_path}/runs.db") as engine:
        engine.signal(run, "go", 7)
        assert engine.result(run) == 7


def test_an_interpreter_without_room_does_not_look_for_what_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    @flowmetal.foreign("p/work", slow=True)
    def work() -> None:
        begun.set()
        may_end.wait(20)

    program = flowmetal.compile("(ns p) (defforeign work []) (defn main [] (work) (work) 7)")
    with flowmetal.Engine("memory:", functions=[work]) as engine:
        runs = [engine.start(program)[0] for _ in range(2)]
        looks = []
        look = engine.store.next_wake_us

        def counted(**options: int) -> int | None:
            looks.append(begun.is_set())
            return look(**options)

        monkeypatch.setattr(engine.store, "next_wake_us", counted)
        thread = threading.Thread(target=engine.interpret, kwargs={"concurrency": 1})
        thread.start()
        try:
            assert begun.wait(20)
            assert engine.wait(runs[1], 300_000) is None  # it is due, and there is no room
            assert sum(looks) < 10
            may_end.set()
            for run in runs:
                assert engine.wait(run, 20_000_000).result == 7
        finally:
            may_end.set()
            engine.stop()
            thread.join()
