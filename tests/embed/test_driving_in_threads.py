"""One engine, several threads that drive runs of it at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.retention import Retention
from flowmetal.errors import RefusedError, RunError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.grants import RunGrants
from flowmetal.store.protocol import Claim, Commit, RunState
from flowmetal.store.sqlite.locks import InterpreterLocks

SOURCE = """(ns p (:require [flow.http :as http]))
(defn main [url]
  [(:body (http/get! url {:retry :none})) (:body (http/get! url {:retry :none}))])
"""


class Server(BaseHTTPRequestHandler):
    """Answers at once, and ``/long`` when it may."""

    protocol_version = "HTTP/1.1"
    begun, may_answer = threading.Event(), threading.Event()

    def do_GET(self) -> None:
        if self.path == "/long":
            self.begun.set()
            assert self.may_answer.wait(20)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_thread_that_has_driven_its_run_closes_no_connection_of_another() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    program = flowmetal.compile(SOURCE)
    try:
        with flowmetal.Engine("memory:") as engine, ThreadPoolExecutor(1) as pool:
            grants = RunGrants(everything=True)
            long, short = (
                engine.start(program, [f"{url}{path}"], grants=grants)[0]
                for path in ("/long", "/short")
            )
            other = pool.submit(engine.result, long)
            assert Server.begun.wait(20)
            assert list(engine.result(short)) == ["ok", "ok"]
            Server.may_answer.set()
            assert list(other.result(20)) == ["ok", "ok"]
    finally:
        Server.may_answer.set()
        server.shutdown()
        server.server_close()


def test_threads_that_begin_to_drive_at_one_moment_are_one_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each took the others for another process that has its name, or freed the runs that they had claimed."""
    take = InterpreterLocks.take

    def takes_its_time(self: InterpreterLocks, interpreter: InterpreterId) -> None:
        time.sleep(0.05)
        take(self, interpreter)
        time.sleep(0.05)

    monkeypatch.setattr(InterpreterLocks, "take", takes_its_time)
    program = flowmetal.compile('(ns p) (defn main [n] (sleep! #dur "1ms") (* 2 n))')
    with (
        flowmetal.Engine(f"sqlite:{tmp_path}/runs.db") as engine,
        ThreadPoolExecutor(4) as pool,
    ):
        runs = [engine.start(program, [n])[0] for n in range(4)]
        assert list(pool.map(engine.result, runs)) == [0, 2, 4, 6]


TWICE = "(ns p) (defforeign f [n]) (defn main [n] [(f n) (f (inc n))])"


class Function:
    """A function of the host that is under way until it may end, and knows how often it was called."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.begun, self.may_end = threading.Event(), threading.Event()

        @flowmetal.foreign("p/f", slow=True)
        def f(n: int, idempotency_key: str) -> int:
            self.keys.append(idempotency_key)
            self.begun.set()
            assert self.may_end.wait(20)
            return n

        self.f = f


@contextmanager
def service(engine: flowmetal.Engine, function: Function) -> Iterator[str]:
    """Interpret in a thread, and yield a run that is under way in ``function``, which was called for it alone."""
    thread = threading.Thread(target=engine.interpret)
    thread.start()
    try:
        run = engine.start(flowmetal.compile(TWICE), [1])[0]
        assert function.begun.wait(20)
        yield run
    finally:
        function.may_end.set()
        engine.stop()
        thread.join()
    assert function.keys == [f"{run}/0/1", f"{run}/0/2"]


STORES = pytest.mark.parametrize("store", ["memory:", "sqlite:{}/runs.db"])


@STORES
def test_threads_that_wait_for_one_run_perform_its_effects_once(store: str, tmp_path: Path) -> None:
    """Each took the run out of the hands of the one before: one effect was performed 79 times."""
    function = Function()
    with (
        flowmetal.Engine(store.format(tmp_path), functions=[function.f]) as engine,
        ThreadPoolExecutor(4) as pool,
    ):
        run = engine.start(flowmetal.compile(TWICE), [1])[0]
        waiting = [pool.submit(engine.result, run) for _ in range(4)]
        assert function.begun.wait(20)
        time.sleep(0.3)
        function.may_end.set()
        assert [list(each.result(20)) for each in waiting] == [[1, 2]] * 4
    assert function.keys == [f"{run}/0/1", f"{run}/0/2"]


@STORES
def test_who_asks_for_what_a_service_drives_waits_for_it(store: str, tmp_path: Path) -> None:
    function = Function()
    with (
        flowmetal.Engine(store.format(tmp_path), functions=[function.f]) as engine,
        service(engine, function) as run,
    ):
        with pytest.raises(RefusedError, match="driven by another thread of this process"):
            engine.drive(run, attach=False)
        threading.Timer(0.3, function.may_end.set).start()
        assert list(engine.result(run)) == [1, 2]


@STORES
def test_what_another_thread_drives_is_not_moved_upgraded_or_trimmed_meanwhile(
    store: str, tmp_path: Path
) -> None:
    """The run was taken out of its hands, and what it had begun was performed a second time, or in two places."""
    function = Function()
    with (
        flowmetal.Engine(store.format(tmp_path), functions=[function.f]) as engine,
        service(engine, function) as run,
    ):
        for act in (
            lambda: engine.export(run, f"{tmp_path}/run.fms"),
            lambda: engine.upgrade(run, flowmetal.compile(TWICE.replace("inc", "dec"))),
            lambda: engine.abandon_export(run),
        ):
            with pytest.raises(RefusedError, match="driven by another thread of this process"):
                act()
        with pytest.raises(RunError, match="only a run that has failed"):
            engine.retry(run)
        assert engine.collect(Retention(history_us=0)).busy == [run]
        function.may_end.set()
        assert list(engine.wait(run, 20_000_000).result) == [1, 2]


@STORES
def test_a_run_that_waits_is_moved_though_who_drove_it_has_not_quite_left(
    store: str, tmp_path: Path
) -> None:
    """The store has it back already: whoever saw that was refused for a moment."""
    program = flowmetal.compile("(defn main [] (flow.event/receive! :go))")
    with flowmetal.Engine(store.format(tmp_path)) as engine:
        run = engine.start(program)[0]
        engine.interpret(until_idle=True)
        entered, left = threading.Event(), threading.Event()

        def lag() -> None:
            assert engine.host.enter(RunId(run))
            entered.set()
            left.wait(20)
            engine.host.leave(RunId(run))

        lags = threading.Thread(target=lag)
        lags.start()
        assert entered.wait(20)
        threading.Timer(0.05, left.set).start()
        engine.export(run, f"{tmp_path}/run.fms")
        lags.join()
        assert engine.view(run).state == "moved"


@pytest.mark.parametrize(
    ("store", "mover"),
    [("memory:", "a thread"), ("sqlite:{}/runs.db", "a thread"), ("sqlite:{}/runs.db", "another")],
)
def test_a_run_that_waits_is_moved_though_it_is_about_to_be_given_back(
    store: str, mover: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is often committed once before it is given back; who saw that was refused."""
    program = flowmetal.compile(
        "(defn main [] (flow.event/await-callback! (flow.event/callback!)))"
    )
    path = store.format(tmp_path)
    with flowmetal.Engine(path) as engine, ExitStack() as others:
        moves = engine if mover == "a thread" else others.enter_context(flowmetal.Engine(path))
        run = engine.start(program)[0]
        waits = threading.Event()
        commit = engine.store.commit

        def slow(claim: Claim, step: Commit) -> Claim:
            committed = commit(claim, step)
            row = engine.store.run(RunId(run))
            if row is not None and row.state is RunState.WAITING and row.owner is not None:
                waits.set()
                time.sleep(0.1)
            return committed

        monkeypatch.setattr(engine.store, "commit", slow)
        interpreter = threading.Thread(target=engine.interpret)
        interpreter.start()
        try:
            assert waits.wait(20)
            moves.export(run, f"{tmp_path}/run.fms")
        finally:
            engine.stop()
            interpreter.join(20)
        assert moves.view(run).state == "moved"


@pytest.mark.parametrize("act", ["waits for", "moves"])
def test_a_function_that_waits_for_its_own_run_or_moves_it_is_refused(
    act: str, tmp_path: Path
) -> None:
    """It would wait for itself for ever."""
    found: list[str] = []

    @flowmetal.foreign("p/f")
    def f(n: int) -> int:
        with pytest.raises(RefusedError) as caught:
            engine.result("me") if act == "waits for" else engine.export("me", f"{tmp_path}/me.fms")
        found.append(caught.value.message)
        return n

    with flowmetal.Engine("memory:", functions=[f]) as engine:
        engine.start(flowmetal.compile(TWICE), [1], id="me")
        assert list(engine.result("me")) == [1, 2]
    assert found == ["run me is being driven by the thread that asks for it"] * 2
