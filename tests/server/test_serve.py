"""``fmvm serve`` as a process, and how it is started wrongly."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

import flowmetal
from flowmetal.runtime.grants import RunGrants
from flowmetal.server.serving import Service
from flowmetal.server.settings import checked
from flowmetal.values import keyword
from tests.server.serving import WAITS, Served, serving


@contextmanager
def process(
    store: str, *words: str, files: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    limit = [] if files is None else ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]
    command = [
        *limit,
        sys.executable,
        "-m",
        "flowmetal.cli",
        "fmvm",
        "serve",
        "--store",
        store,
        "--port",
        "0",
    ]
    with subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stderr is not None
            line = started.stderr.readline()
            found = re.search(r"at (http://\S+) on", line)
            assert found, line
            yield started, found[1]
        finally:
            started.kill()


def test_sigterm_answers_what_is_in_flight_and_gives_runs_back(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path}/runs.db"
    with flowmetal.Engine(store) as engine, process(store) as (server, url):
        run = engine.start(flowmetal.compile(WAITS))[0]
        callback = Served.callback(Served(engine, _At(url), None), run)
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), 5) as sock:
            path = callback["url"].removeprefix(url)
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            sock.sendall(f"{head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
            assert sock.recv(9000).startswith(b"HTTP/1.1 100")
            server.send_signal(signal.SIGTERM)
            sock.sendall(b"17")
            assert sock.recv(9000).startswith(b"HTTP/1.1 200")
        assert server.wait(15) == 0
        assert engine.view(run).state in ("ready", "waiting", "completed")
        assert engine.result(run) == 17


def test_idle_connections_leave_files_for_the_store_and_the_runs(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path}/runs.db"
    source = '(ns counts) (defn main [] (dotimes [_ 5] (sleep! #dur "10ms")) (:out (perform :sh/run {:argv ["echo" "1"]})))'
    with flowmetal.Engine(store) as engine, process(store, files=400) as (server, url):
        host, _, port = url.removeprefix("http://").partition(":")
        with contextlib.ExitStack() as idle:
            for _ in range(450):
                idle.enter_context(socket.create_connection((host, int(port)), 5))
            grants = RunGrants(everything=True)
            run = engine.start(flowmetal.compile(source), grants=grants)[0]
            view = Served.until(
                Served(engine, _At(url), None), run, lambda v: v.ended_us is not None
            )
            assert view.result == "1\n"
        server.send_signal(signal.SIGTERM)
        assert "Traceback" not in server.communicate(timeout=15)[1]


class _At:
    def __init__(self, address: str) -> None:
        self.address = address


def test_two_servers_share_a_store(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path}/runs.db"
    with serving(store, only=["callbacks"]) as one, serving(store) as two:
        run = two.start(WAITS)
        token = two.callback(run)["token"]
        assert httpx.post(f"{one.url}/callbacks/{token}", json=3).status_code == 200
        assert two.ended(run).result == 3


def test_a_part_that_takes_no_callbacks_gives_them_no_address_of_its_own() -> None:
    with serving(only=["interpreter"]) as served:
        assert served.callback(served.start(WAITS))["url"] is None
    with serving(only=["interpreter"], public_url="https://flow.example.com") as served:
        url = served.callback(served.start(WAITS))["url"]
        assert url.startswith("https://flow.example.com/callbacks/")


def test_a_server_is_made_for_an_engine_that_has_started_runs_already() -> None:
    with flowmetal.Engine("memory:") as engine:
        run = engine.start(flowmetal.compile(WAITS))[0]
        service = Service(engine, checked(port=0))
        engine.interpret(until_idle=True)
        assert (
            engine.view(run).status.get(keyword("url")).startswith(f"{service.address}/callbacks/")
        )
        service.stop()
        service.run()


def test_a_server_beyond_this_machine_needs_a_token(shell) -> None:
    shown = shell("fmvm", "serve", "--host", "0.0.0.0")
    assert (shown.status, "FM1340" in shown.err) == (2, True)
    assert "FM1340" in shell("fmvm", "serve", "--token", "short").err


def test_an_address_that_is_taken_is_said(shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        shown = shell("fmvm", "serve", "--port", taken.getsockname()[1])
    assert (shown.status, "FM1341" in shown.err) == (2, True)


def test_a_server_that_is_not_installed_says_how(shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("flowmetal.server.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    shown = shell("fmvm", "serve")
    assert (shown.status, "FM1342" in shown.err) == (2, True)
    assert 'pip install "flowmetal[server]"' in shown.err


@pytest.mark.parametrize(
    "words",
    [
        {"public_url": "flow.example.com"},
        {"public_url": "ftp://x"},
        {"public_url": "http://[x"},
        {"public_url": "https://flow.example.com:99999"},
        {"public_url": "https://ann:secret@flow.example.com"},
        {"only": ["api,nothing"]},
        {"webhook_secrets": "/nowhere/at/all"},
        {"token": "0123456789abcdef\n"},
        {"token": "0123456789 abcdef"},
        {"token": "ü" * 16},
    ],
)
def test_options_that_mean_nothing_are_refused(words: dict[str, object]) -> None:
    with pytest.raises(flowmetal.FlowmetalError) as caught:
        checked(**words)
    assert caught.value.code == "FM1343"


def test_a_request_that_is_not_done_when_the_server_ends_is_to_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flowmetal.server.serving.GRACE_S", 0.1)
    with serving() as served:
        url = served.callback(served.start(WAITS))["url"]
        host, _, port = served.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), 5) as connection:
            head = f"POST {url} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9\r\n\r\nhalf"
            connection.sendall(head.encode())
            served.client.get("/health")  # by then it has been read
            served.service.stop()
            said = connection.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"FM1355" in said
