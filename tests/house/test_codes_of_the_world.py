"""Errors that the world makes: each is a value with its code, raised by the real thing."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import flowmetal
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import NewRun
from flowmetal.values import ErrorValue
from flowmetal.vm.unwinding import too_deep

HEAD = """(ns p (:require [flow.fs :as fs] [flow.http :as http] [flow.sh :refer [sh!]]
                [flow.event :refer [receive!]]))
(defn main [] %s)
"""


def error_of(expression: str) -> ErrorValue:
    """Run an expression with every grant and return the error that it ends in."""
    program = flowmetal.compile(HEAD % expression)
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(program, grants=flowmetal.grants(everything=True))
        error = engine.drive(run).error
    assert error is not None
    return error


@pytest.fixture
def address() -> Iterator[str]:
    """A server that answers with text, and without end at /big."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            length = 10**12 if self.path == "/big" else 4
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(b"text")
            with contextlib.suppress(OSError):  # the client has had enough
                while self.path == "/big":
                    self.wfile.write(bytes(1 << 20))

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


# fmt: off
WORLD = {
    "FM0703": ('(perform :http/request {:url 5})',                                "effect/bad-argument"),
    "FM0704": ('(receive! :never {:timeout #dur "1ms"})',                         "timeout"),
    "FM0707": ('(http/get! "http://127.0.0.1:9/" {:auth [:bearer #secret "nobody-has-it"] :retry :none})', "secret/missing"),
    "FM0710": ('(sh! "no-such-program-anywhere" {:retry :none})',                 "sh/not-found"),
    "FM0711": ('(sh! "head" "-c" "100000000" "/dev/zero" {:retry :none})',        "sh/too-much-output"),
    "FM0712": ('(sh! "echo" "no json" {:as :json :retry :none})',                 "sh/bad-output"),
    "FM0713": ('(sh! "false" {:retry :none})',                                    None),
    "FM0717": ('(http/get! "http://127.0.0.1:1/" {:retry :none})',                None),
    "FM0720": ('(fs/slurp! "")',                                                  "fs/bad-path"),
    "FM0721": ('(fs/slurp! "/no/such/file")',                                     "fs/not-found"),
}
# fmt: on


@pytest.mark.parametrize("code", WORLD)
def test_an_error_of_the_world_is_a_value_with_its_code(code: str) -> None:
    expression, type_text = WORLD[code]
    error = error_of(expression)
    assert error.code == code, error
    assert type_text in (None, error.type.text)


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfd")
    assert error_of(f'(fs/slurp! "{tmp_path}/bytes")').code == "FM0722"


def test_a_file_that_is_too_big_is_an_error(tmp_path: Path) -> None:
    with open(tmp_path / "big", "wb") as file:
        file.truncate(1 << 40)
    assert error_of(f'(fs/slurp! "{tmp_path}/big")').code == "FM0723"


def test_a_response_that_is_too_big_or_no_json_is_an_error(address: str) -> None:
    assert error_of(f'(http/get! "{address}/big" {{:retry :none}})').code == "FM0715"
    assert error_of(f'(http/get! "{address}/" {{:as :json :retry :none}})').code == "FM0716"


def test_a_cancelled_run_has_the_error_that_it_was_stopped_with() -> None:
    program = flowmetal.compile(HEAD % "(receive! :never)")
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(program)
        engine.cancel(run, "ordered twice")
        error = engine.view(run).error
    assert error is not None
    assert (error.code, error.message) == ("FM0702", "ordered twice")


def test_an_effect_that_may_have_happened_is_in_doubt() -> None:
    from flowmetal.effects.errors import IN_DOUBT
    from flowmetal.effects.requests import EffectRequest
    from flowmetal.ids import EffectNumber
    from flowmetal.runtime.opening import in_doubt
    from flowmetal.values import EMPTY_MAP

    error = in_doubt(EffectRequest(EffectNumber(1), "p/pay", EMPTY_MAP, "1"))
    assert (error.code, error.type) == ("FM0706", IN_DOUBT)


def new_run(program: str, **fields: object) -> NewRun:
    given: dict[str, object] = {"input": b"", "grants": b""} | fields
    return NewRun(RunId("r"), ProgramHash(program), **given)  # type: ignore[arg-type]


def test_a_store_that_has_lost_a_program_says_so() -> None:
    with flowmetal.Engine("memory:") as engine:
        engine.store.create_run(new_run("0" * 64))
        with pytest.raises(flowmetal.FlowmetalError) as caught:
            engine.drive("r")
    assert caught.value.code == "FM1105"


def test_an_input_that_is_damaged_is_not_run() -> None:
    program = flowmetal.compile(HEAD % "1")
    with flowmetal.Engine("memory:") as engine:
        engine.start(program, id="whole")
        engine.store.create_run(new_run(program.hash, input=b"noise"))
        with pytest.raises(flowmetal.FlowmetalError) as caught:
            engine.drive("r")
    assert caught.value.code == "FM1106"


def test_a_run_that_kills_its_interpreters_is_put_aside() -> None:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(HEAD % "1"))
        store = engine.store
        assert isinstance(store, MemoryStore)
        for number in range(6):
            owner = InterpreterId(f"victim-{number}")
            store.claim(RunId(run), owner, 10_000_000)
            store.abandon(owner)
        engine.interpret(until_idle=True)
        error = engine.view(run).error
        assert error is not None
        assert error.code == "FM1108"
        assert engine.result(run) == 1  # whoever resumes it himself tries once more


def test_a_sqlite_that_is_too_old_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 30, 0))
    with pytest.raises(flowmetal.FlowmetalError) as caught:
        flowmetal.Engine(f"sqlite:{tmp_path}/runs.db")
    assert caught.value.code == "FM1018"


def test_what_is_nested_too_deeply_for_an_operation_has_its_code() -> None:
    assert too_deep().error.code == "FM0307"
