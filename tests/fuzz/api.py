"""Requests of any kind to the application, in this process: what it answers, and what it leaves as it was.

There is a run that waits for a callback, one that has failed, and a deployed program. No interpreter
works while requests come, so whatever changes in the store was changed by a request.
"""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

import httpx2 as httpx

import flowmetal
from flowmetal.server.application import application
from flowmetal.server.desk import Desk
from flowmetal.server.settings import Settings, checked
from tests.fuzz.mutants import Choices
from tests.server.serving import WAITS

SHOP = """(ns shop (:require [flow.event :as event :refer [defquery]]))
(def seen (atom 1))
(defquery total [x] [x @seen])
(defn main [& more] (event/receive! :order))
(defn bad [] (throw (ex-info "no" {:type :shop/no})))
"""
METHODS = ("POST", "GET", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "POST")
_RUNS = ("nobody", "", "%00", "..", "%2e%2e", "a/b", "\u00e9", "x" * 300, "%ff", "*")
_VERBS = ("", "/why", "/events", "/signals", "/cancel", "/pause", "/unpause", "/retry", "/supply", "/restart",
          "/queries/total", "/queries/shop/total", "/queries/", "/nothing")  # fmt: skip
_QUERIES = ("", "?wait=0", "?wait=x", "?limit=0", "?limit=5", "?limit=\u0665", "?after=99999999999999999999", "?tag=a=b", "?tag==",
            "?state=failed", "?state=", "?wait=-1", "?a", "?%00=%ff", "?after=1&after=2")  # fmt: skip
_HEADERS = (
    {}, {"content-type": "application/json"}, {"content-type": "application/json"}, {"content-type": "application/json; charset=utf-16"},
    {"content-type": "text/plain; charset=rot13"}, {"content-type": "text/plain; charset=unicode_escape"},
    {"content-type": "text/plain; charset=idna"}, {"content-type": "text/plain; charset=\x00"}, {"content-type": "application/x+json"},
    {"idempotency-key": "a"}, {"idempotency-key": "\xff" * 300}, {"webhook-id": "b"}, {"content-length": "99999999999"},
    {"host": "evil.example"}, {"host": "[::1"}, {"host": ""}, {"origin": "http://evil.example"}, {"origin": "http://["},
    {"accept": "text/event-stream", "last-event-id": "9" * 40}, {"authorization": "Bearer x"}, {"transfer-encoding": "gzip"},
    {"expect": "100-continue"}, {"content-encoding": "gzip", "content-type": "application/json"},
)  # fmt: skip
_FIELDS = ("program", "entry", "args", "input", "id", "tags", "runs", "name", "value", "queue", "worker", "names", "attempt",
           "result", "error", "reason", "now", "token")  # fmt: skip
_VALUES: tuple[Any, ...] = (
    "shop", "main", "", "order", [], [1, "a"], {}, {"a": "b"}, {"a": 1}, None, True, 0, -1, 1 << 80, 1e308, "waits", "x" * 500,
    "\ud800", "\x00", {"$set": [1, 1]}, {"$bytes": "?"}, {"$": {}}, {"$instant": "x"}, [[[[[[1]]]]]], [{"id": "many"}], [{}], ["total"],
    "no/such", "flow.core/inc", "bad", "../../x", {"": ""}, [{"id": 7}],
)  # fmt: skip
_RAW = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 3000, b"1e999", b'"\\ud800"', b"\x00" * 10, b"NaN", b'{"$ref":1}')  # fmt: skip


class World:
    """The engine, the application, and the callback that waits."""

    def __init__(self) -> None:
        self.engine = flowmetal.Engine("memory:")
        self.engine.callback_url = "http://127.0.0.1/callbacks"
        self.engine.deploy(flowmetal.compile(SHOP), "shop")
        self.settings: Settings = checked()
        self.engine.start(flowmetal.compile(SHOP), [], entry="bad", id="failed")
        self.engine.interpret(until_idle=True)
        self.count = 0
        self.callback()

    def callback(self) -> None:
        """Let a run wait for a new callback."""
        self.count += 1
        self.run = f"waits-{self.count}"
        self.engine.start(flowmetal.compile(WAITS), [], id=self.run)
        self.engine.interpret(until_idle=True)
        status = {key.text: value for key, value in self.engine.view(self.run).status.items()}
        self.token = str(status["url"]).rpartition("/")[2]

    def state(self) -> object:
        """Return what a request may change: runs, the events and messages of each, what is deployed."""
        runs = [view.summary_json() for view in self.engine.runs(limit=10_000)]
        names = ("failed", self.run)
        messages = [
            (name, row.number) for name in names for row in self.engine.store.inbox(name, 0)
        ]
        return runs, messages, [one.name for one in self.engine.deployed()]


@cache
def world() -> World:
    return World()


def answered(data: bytes) -> None:
    """Send one request that ``data`` stands for, and check what came of it."""
    here, choose = world(), Choices(data)
    path = _path(here, choose)
    method = METHODS[choose.below(len(METHODS))] if choose.below(4) == 0 else _usual(path, choose)
    headers = dict(_HEADERS[choose.below(len(_HEADERS)) if choose.below(3) == 0 else 1])
    body = _body(path, choose)
    before = here.state()
    response = asyncio.run(_send(here, method, path, headers, body))
    said = (
        f"{method} {path!a} {headers} {body[:200]!r}: {response.status_code} {response.text[:500]}"
    )
    assert response.status_code < 500, said
    assert "Traceback" not in response.text, said
    _check_body(method, response, said)
    good = response.status_code < 300
    if not (good and method in ("POST", "PUT")):
        assert here.state() == before, said
    settles = path.partition("?")[0] in (
        f"/callbacks/{here.token}",
        f"/callbacks/{here.token}/fail",
    )
    if good and settles:
        _check_receipt(here, method, path, headers, body, response)
        here.callback()
    elif settles and method != "POST":
        assert response.status_code in (403, 405), said


def _check_body(method: str, response: httpx.Response, said: str) -> None:
    """Check that errors are diagnostics, and that what is JSON is JSON."""
    if response.status_code >= 400 and method != "HEAD":
        error = response.json()["error"]
        assert error["code"].startswith("FM"), said
        assert error["message"], said
    elif "application/json" in response.headers.get("content-type", "") and method != "HEAD":
        response.json()


def _check_receipt(
    here: World, method: str, path: str, headers: dict[str, str], body: bytes, first: httpx.Response
) -> None:
    """Check that the same delivery has the same receipt, and another one does not count."""
    assert method == "POST"
    assert first.json()["counted"] is True
    again = asyncio.run(_send(here, method, path, headers, body))
    assert again.content == first.content
    other = asyncio.run(_send(here, "POST", path, {"idempotency-key": "another"}, b"1"))
    assert other.json()["counted"] is False


def _path(here: World, choose: Choices) -> str:
    kind = choose.below(8)
    query = _QUERIES[choose.below(len(_QUERIES))]
    if kind < 2:
        token = (here.token, here.token, here.token[:-1], here.token.lower(), "x", here.token + "%00")[choose.below(6)]  # fmt: skip
        return f"/callbacks/{token}{('', '/fail', '/heartbeat', '/', '/../x')[choose.below(5)]}"
    if kind < 6:
        run = (here.run, "failed", *_RUNS)[
            choose.below(2) if choose.below(4) else choose.below(len(_RUNS) + 2)
        ]
        return f"/v1/runs/{run}{_VERBS[choose.below(len(_VERBS))]}{query}"
    return ("/v1/runs", "/v1/programs", "/v1/programs/" + "0" * 64, "/v1/tasks/claim", "/v1/tasks/complete",
            "/v1/tasks/fail", "/v1/tasks/heartbeat", "/health", "/ready", "/", "//", "/v1")[choose.below(12)] + query  # fmt: skip


def _usual(path: str, choose: Choices) -> str:
    """Return the method that an address is for."""
    plain = path.partition("?")[0]
    if plain == "/v1/runs":
        return ("GET", "POST")[choose.below(2)]
    verbs = ("/why", "/events", "/health", "/ready", "/v1/programs")
    is_run = plain.startswith("/v1/runs/") and plain.count("/") == 3
    return "GET" if is_run or plain.endswith(verbs) else "PUT" if "/programs/" in plain else "POST"


_OF_ADDRESS = {
    "/v1/runs": ("program", "entry", "args", "input", "id", "tags", "runs"),
    "/signals": ("name", "value", "id"),
    "/cancel": ("reason", "now"),
    "/pause": ("reason",),
    "/supply": ("value",),
    "/restart": ("name", "args"),
    "/queries/total": ("args",),
    "/claim": ("queue", "worker", "names"),
    "/complete": ("id", "attempt", "result"),
    "/fail": ("id", "attempt", "error"),
    "/heartbeat": ("id", "attempt"),
}


def _body(path: str, choose: Choices) -> bytes:
    kind = choose.below(8)
    if kind == 0:
        return _RAW[choose.below(len(_RAW))]
    plain = path.partition("?")[0]
    known = next((names for end, names in _OF_ADDRESS.items() if plain.endswith(end)), ())
    if known and kind < 6:
        given = {}
        for name in known:
            if choose.below(3):
                usual = {"program": "shop", "name": "order", "attempt": 1, "id": "r"}.get(name)
                odd = usual is None or choose.below(2)
                given[name] = _VALUES[choose.below(len(_VALUES))] if odd else usual
        return json.dumps(given).encode()
    fields = {
        _FIELDS[choose.below(len(_FIELDS))]: _VALUES[choose.below(len(_VALUES))]
        for _ in range(choose.below(5))
    }
    return json.dumps(fields).encode()


async def _send(
    here: World, method: str, path: str, headers: dict[str, str], body: bytes
) -> httpx.Response:
    desk = Desk(here.engine)
    app = application(desk, here.settings, lambda: True)
    transport = httpx.ASGITransport(app=app)
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, content=body, headers=raw)
    finally:
        desk.stop()
        await asyncio.to_thread(desk.close)
