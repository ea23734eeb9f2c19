"""``fmvm serve --only connectors``: what touches the world is one process, what drives runs another."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from flowmetal.embed import Engine, compile
from flowmetal.runtime.grants import RunGrants
from tests.postgres import Server

PROGRAM = """
(ns apart (:require [flow.http :as http] [flow.secret :refer [secret]]))
(defn main [url] (:body (http/post! url {:json {:n 1} :auth [:bearer (secret :apart-key)]})))
"""
GRANTED = RunGrants(everything=True)

CONNECTORS = """
import asyncio, ctypes, sys
ctypes.CDLL(None).prctl(1, 9)  # however the tests end
from flowmetal.embed import Engine
from flowmetal.runtime.interpreting import Interpreter
with Engine(sys.argv[1]) as engine:
    engine.host.lease_us = 1_000_000
    asyncio.run(Interpreter(engine.host, drives=False).run())
"""
"""What ``--only connectors`` is, with a short lease."""


class Site:
    """A server that says who asked. While ``held`` is not set, it does not answer."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.left = threading.Event()  # a client went away before its answer
        self.answers = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                site.asked.append({name.lower(): value for name, value in self.headers.items()})
                while not site.answers.wait(0.02):
                    self.connection.settimeout(0.01)
                    with contextlib.suppress(TimeoutError):
                        if not self.connection.recv(1, socket.MSG_PEEK):
                            site.left.set()
                            return
                body = json.dumps({"asked": len(site.asked)}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # who asked was killed
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.answers.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path}/store.db"
        return
    server: Server = request.getfixturevalue("postgres")
    with server.empty_store() as made:
        yield made


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with Engine(url) as opened:
        yield opened


@contextlib.contextmanager
def serving(url: str, part: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process with one part of a server, which has come up."""
    code = (
        "import ctypes; ctypes.CDLL(None).prctl(1, 9);"
        "import sys; sys.argv[0] = 'fmvm'; from flowmetal.cli.fmvm import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--only", part, "--port", "0"],
        env={**os.environ, "FLOWMETAL_STORE": url, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(f"{part} at ")
        yield process
    finally:
        process.kill()
        process.communicate()


def until(good: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def connectors(url: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "FLOWMETAL_SECRET_APART_KEY": "s3cret-key"}
    process = subprocess.Popen([sys.executable, "-c", CONNECTORS, url], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def start(engine: Engine, site: Site) -> None:
    engine.start(compile(PROGRAM), [site.url], id="r", grants=GRANTED)


def has_ended(engine: Engine) -> bool:
    return engine.view("r").ended_us is not None


def test_requests_are_made_where_the_connectors_and_their_secrets_are(
    engine: Engine, url: str, site: Site
) -> None:
    site.answers.set()
    with serving(url, "interpreter"):
        start(engine, site)
        until(lambda: "a process that performs http/request" in engine.why("r"))
        assert site.asked == []
        with serving(url, "connectors", FLOWMETAL_SECRET_APART_KEY="s3cret-key"):
            until(lambda: has_ended(engine))
    view = engine.view("r")
    assert view.error is None, view.error
    (headers,) = site.asked
    assert headers["authorization"] == "Bearer s3cret-key"
    assert headers["idempotency-key"]


def test_a_request_of_connectors_that_were_killed_is_made_again_by_others(
    engine: Engine, url: str, site: Site
) -> None:
    start(engine, site)
    with serving(url, "interpreter"), connectors(url) as first:
        until(lambda: site.asked)
        assert f"process {first.pid} on" in engine.why("r")
        with connectors(url):
            first.send_signal(SIGKILL)
            site.answers.set()
            until(lambda: has_ended(engine))
    assert engine.view("r").error is None
    keys = [headers["idempotency-key"] for headers in site.asked]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_connectors_that_are_told_to_stop_end_what_they_have_begun(
    engine: Engine, url: str, site: Site
) -> None:
    start(engine, site)
    with serving(url, "interpreter"):
        with serving(url, "connectors", FLOWMETAL_SECRET_APART_KEY="s3cret-key") as process:
            until(lambda: site.asked)
            process.send_signal(SIGTERM)
            time.sleep(0.2)
            site.answers.set()
            assert process.wait(10) == 0
        until(lambda: has_ended(engine))
    assert engine.view("r").error is None
    assert len(site.asked) == 1


def test_a_request_that_nobody_waits_for_any_more_is_broken_off(
    engine: Engine, url: str, site: Site
) -> None:
    start(engine, site)
    with serving(url, "interpreter"), connectors(url):
        until(lambda: site.asked)
        engine.cancel("r", drive=False)
        until(site.left.is_set)
        until(lambda: has_ended(engine))
    assert engine.view("r").state == "cancelled"
