"""What `fmvm serve` says of its options, and its API of requests: FM134x and FM135x.

Of an answer the status and its error are shown, as a client gets them.
"""

from __future__ import annotations

import json
import socket
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

import flowmetal
from flowmetal.server import bodies
from tests.house.sessions import compare, same_every_time, shown_by
from tests.server.serving import Served, serving
from tests.shell import Shell

TOKEN = "0123456789abcdef-token"
SHOP = """(ns shop (:require [flow.event :as event]))
(defforeign draw [path] {:queue "images"})
(defn main [] (event/await-callback! (event/callback!)))
(defn pictures [] (draw "photo.jpg"))
"""

SESSIONS = {
    "FM1340": "fmvm serve --host 0.0.0.0",
    "FM1343": "fmvm serve --public-url flow.example.com",
}


@pytest.mark.parametrize("code", SESSIONS)
def test_an_option_of_the_server_is_worded_as_agreed(code: str, shell: Shell) -> None:
    compare(code, shown_by(shell, SESSIONS[code]))


def test_an_address_that_is_taken(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = shown_by(shell, f"fmvm serve --port {port}")
    compare("FM1341", shown.replace(str(port), "PORT"))


def test_a_server_that_is_not_installed(shell: Shell) -> None:
    for name in [name for name in sys.modules if name.startswith("flowmetal.server.")]:
        shell.monkeypatch.delitem(sys.modules, name)
    shell.monkeypatch.setitem(sys.modules, "starlette.applications", None)
    compare("FM1342", shown_by(shell, "fmvm serve"))


# Requests


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    secrets = tmp_path_factory.mktemp("secrets") / "secrets"
    secrets.write_text(f"whsec_{b64encode(b'0123456789abcdef' * 2).decode()}\n")
    words = {"token": TOKEN, "max_body": 1000, "webhook_secrets": str(secrets)}
    with serving(only=["api,callbacks"], **words) as served:
        served.engine.deploy(flowmetal.compile(SHOP), "shop")
        yield served


def told(answer: httpx.Response) -> str:
    """Return the error of an answer, as a client sees it."""
    error = json.loads(answer.text)["error"]
    shown = {name: value for name, value in error.items() if value}
    head = f"$ {answer.request.method} {answer.request.url.path[:60]}\nHTTP {answer.status_code}\n"
    return same_every_time(head + json.dumps(shown, indent=1, ensure_ascii=False))


AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}
REQUESTS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "FM1350": lambda api: api.post(
        "/v1/runs", headers=AUTHORIZED, json={"program": "shop", "arguments": [17]}
    ),
    "FM1351": lambda api: api.post("/callbacks/x", content=b"a" * 1001),
    "FM1352": lambda api: api.get("/v1/run", headers=AUTHORIZED),
    "FM1353": lambda api: api.get("/v1/runs"),
    "FM1354": lambda api: api.post("/callbacks/x", json={"state": "paid"}),
}


@pytest.mark.parametrize("code", REQUESTS)
def test_a_request_that_is_refused_is_worded_as_agreed(code: str, served: Served) -> None:
    compare(code, told(REQUESTS[code](served.client)))


def test_a_body_that_comes_too_slowly(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.05)
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 5) as slow:
        slow.sendall(
            b"POST /callbacks/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab"
        )
        answered = b"".join(iter(lambda: slow.recv(9000), b""))
    body = answered.partition(b"\r\n\r\n")[2]
    request = httpx.Request("POST", f"{served.url}/callbacks/x")
    compare("FM1355", told(httpx.Response(408, content=body, request=request)))


def test_a_task_that_is_anothers_now(served: Served) -> None:
    served.start(SHOP, entry="pictures")
    served.engine.interpret(until_idle=True)
    claim = {"queue": "images", "worker": "w-1"}
    found = served.client.post("/v1/tasks/claim", json=claim, headers=AUTHORIZED)
    assert found.status_code == 200, found.text
    task = found.json()
    late = {"id": task["id"], "attempt": task["attempt"] + 1, "result": 1}
    answer = served.client.post("/v1/tasks/complete", json=late, headers=AUTHORIZED)
    compare("FM1356", told(answer))


def test_a_mistake_of_our_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def hook(name: str) -> None:
        raise ZeroDivisionError("the disk is made of cheese")

    with serving(only=["callbacks"]) as served:
        served.engine.store.hooks = hook  # type: ignore[attr-defined]
        shown = told(served.client.post("/callbacks/x", json=1))
    assert "cheese" not in shown
    capsys.readouterr()
    compare("FM1357", shown)
