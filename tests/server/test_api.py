from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowmetal
from flowmetal.bytecode.file import write_program
from flowmetal.server import bodies, runs
from tests.server.serving import Served, serving

ROOT = Path(__file__).parents[2]
SHOP = """(ns shop (:require [flow.event :as event :refer [defquery]]))
(def orders (atom []))
(defquery total [currency] {:sum (reduce + 0 @orders) :currency currency})
(defquery opaque [] (fn []))
(defquery breaks [] (sleep! #dur "1s"))
(defn main [& prices]
  (loop []
    (let [price (event/receive! :order)]
      (if (= price "end") @orders (do (swap! orders conj price) (recur))))))
(defn bad [x] (throw (ex-info "no" {:type :shop/no :x x})))
(defn till []
  (let [request (event/receive-request! :sell)]
    (event/reply! request (* 2 (:value request)))
    (event/reject! (event/receive-request! :sell) (ex-info "closed" {:type :till/closed}))))
"""
WORK = """(ns work)
(defforeign resize [path] {:queue "images"})
(defn main [path] (resize path))
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as served:
        served.engine.deploy(flowmetal.compile(SHOP), "shop")
        yield served


def start(served: Served, **fields: Any) -> str:
    answered = served.client.post("/v1/runs", json={"program": "shop", **fields})
    assert answered.status_code == 201, answered.text
    return answered.json()["id"]


def refused(answered: Any, status: int, code: str) -> None:
    assert (answered.status_code, answered.json()["error"]["code"]) == (status, code), answered.text


def test_a_run_is_started_signalled_and_waited_for(served: Served) -> None:
    run = start(served, tags={"customer": "42"})
    for price in (3, 4, "end"):
        sent = served.client.post(
            f"/v1/runs/{run}/signals", json={"name": "order", "value": price, "id": f"s-{price}"}
        )
        assert sent.status_code == 200
    ended = served.client.get(f"/v1/runs/{run}", params={"wait": 10}).json()
    assert (ended["state"], ended["result"], ended["tags"]) == (
        "completed",
        [3, 4],
        {"customer": "42"},
    )
    assert served.client.get(f"/v1/runs/{run}").json() == served.engine.show(run).as_json()


def test_a_start_that_is_sent_again_is_answered_as_before_whatever_was_deployed_since(
    served: Served,
) -> None:
    served.engine.deploy(flowmetal.compile("(ns brief) (defn go [] 1)"), "brief")
    one = {"program": "brief", "entry": "go", "id": "brief-1"}
    many = {"program": "brief", "entry": "go", "runs": [{"id": "brief-2"}, {"id": "brief-3"}]}
    first = served.client.post("/v1/runs", json=one)
    assert (first.status_code, first.json()) == (201, {"id": "brief-1", "made": True})
    assert served.client.post("/v1/runs", json=many).status_code == 201
    for change in ("arity", "entry", "undeployed"):
        if change == "undeployed":
            served.engine.undeploy("brief")
        else:
            now = "(ns brief) (defn go [x] x)" if change == "arity" else "(ns brief) (def a 1)"
            served.engine.deploy(flowmetal.compile(now), "brief")
        again = served.client.post("/v1/runs", json=one)
        assert (again.status_code, again.json()) == (200, {"id": "brief-1", "made": False})
        assert again.headers["location"] == first.headers["location"]
        again = served.client.post("/v1/runs", json=many)
        assert again.status_code == 200
        assert again.json() == {"runs": [{"id": f"brief-{n}", "made": False} for n in (2, 3)]}
        status, code = {
            "arity": (400, "FM1121"),
            "entry": (400, "FM1120"),
            "undeployed": (404, "FM0732"),
        }[change]
        more = {**many, "runs": [*many["runs"], {"id": "brief-4"}]}
        refused(served.client.post("/v1/runs", json=more), status, code)
        refused(served.client.post("/v1/runs", json={**one, "id": "brief-5"}), status, code)


def test_a_signal_may_wait_for_the_reply_of_the_run(served: Served) -> None:
    run = start(served, entry="till")
    asked = {"name": "sell", "value": 21, "id": "a"}
    for _ in range(2):
        sent = served.client.post(f"/v1/runs/{run}/signals", params={"wait": 10}, json=asked)
        assert (sent.status_code, sent.json()) == (
            200,
            {"run": run, "name": "sell", "id": "a", "reply": 42},
        )
    more = {"name": "sell", "id": "b"}
    rejected = served.client.post(f"/v1/runs/{run}/signals", params={"wait": 10}, json=more)
    assert (rejected.status_code, rejected.json()["error"]["message"]) == (422, "closed")


@pytest.mark.parametrize("params", [{}, {"wait": 1}])
@pytest.mark.parametrize(
    "id_", ["", "a\tb", "a\x00b", "\ud800", "x" * 256, "effect/0.4", "cancel/it", "late/1"]
)
def test_the_id_of_a_signal_is_one_that_can_be_replied_to_and_is_not_of_the_store(
    served: Served, params, id_: str
) -> None:
    """A run that replied to such a signal failed; one of the store's own kept an answer from its run."""
    run = start(served)
    asked = json.dumps({"name": "sell", "id": id_})
    sent = served.client.post(f"/v1/runs/{run}/signals", params=params, content=asked, headers=JSON)
    refused(sent, 400, "FM1320")


def test_an_id_as_long_as_it_may_be_is_replied_to(served: Served) -> None:
    run = start(served, entry="till", id="r" * 200)
    asked = {"name": "sell", "value": 21, "id": "x" * 255}
    sent = served.client.post(f"/v1/runs/{run}/signals", params={"wait": 10}, json=asked)
    assert (sent.status_code, sent.json()["reply"]) == (200, 42)


def test_a_request_that_is_not_replied_to_in_time_is_accepted(served: Served) -> None:
    run = start(served)
    asked = {"name": "nothing", "id": "a"}
    sent = served.client.post(f"/v1/runs/{run}/signals", params={"wait": 1}, json=asked)
    assert (sent.status_code, sent.json()) == (202, {"run": run, "name": "nothing", "id": "a"})


def test_the_same_id_is_the_same_run(served: Served) -> None:
    first = served.client.post("/v1/runs", json={"program": "shop", "id": "order-17"})
    again = served.client.post("/v1/runs", json={"program": "shop", "id": "order-17"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"id": "order-17", "made": False}
    assert first.headers["location"] == "/v1/runs/order-17"


@pytest.mark.parametrize("id_", ["order/17", "a?b#c", "50%", "%2F", "日本", "x/why"])
def test_a_run_is_found_at_its_address_whatever_it_is_called(served: Served, id_: str) -> None:
    made = served.client.post("/v1/runs", json={"program": "shop", "id": id_})
    assert made.status_code == 201, made.text
    where = made.headers["location"]
    assert served.client.get(where).json()["id"] == id_
    assert served.client.get(f"{where}/why").json()["run"] == id_
    sent = served.client.post(f"{where}/signals", json={"name": "order", "value": "end"})
    assert sent.json()["run"] == id_
    served.ended(id_)
    asked = served.client.post(f"{where}/queries/shop%2Ftotal", json={"args": ["EUR"]})
    assert asked.status_code == 200, asked.text


def test_many_runs_are_started_by_one_request(served: Served) -> None:
    one, two = {"id": "many-1", "tags": {"many": "1"}}, {"id": "many-2", "args": [1, 2]}
    body = {"program": "shop", "runs": [one, two]}
    first = served.client.post("/v1/runs", json=body)
    assert first.status_code == 201
    assert first.json() == {
        "runs": [{"id": "many-1", "made": True}, {"id": "many-2", "made": True}]
    }
    again = served.client.post("/v1/runs", json=body)
    assert (again.status_code, [one["made"] for one in again.json()["runs"]]) == (200, [False] * 2)
    assert served.engine.view("many-1").tags == {"many": "1"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"runs": [{"id": "m-1"}], "id": "m-2"},
        {"runs": [{"id": "m-1"}, 7]},
        {"runs": [{"id": "m-1"}, {"nmae": "x"}]},
        {"runs": {"id": "m-1"}},
    ],
)
def test_of_many_runs_none_is_started_if_the_request_is_wrong(served: Served, wrong: Any) -> None:
    refused(served.client.post("/v1/runs", json={"program": "shop", **wrong}), 400, "FM1350")
    assert served.client.get("/v1/runs/m-1").status_code == 404


def test_runs_are_listed_by_state_and_tag(served: Served) -> None:
    run = start(served, tags={"list": "me"})
    served.until(run, lambda view: view.state == "waiting")
    found = served.client.get("/v1/runs", params={"tag": "list=me", "state": "waiting"}).json()
    assert [one["id"] for one in found] == [run]
    assert served.client.get("/v1/runs?tag=list=me&state=failed").json() == []


def test_a_query_is_answered(served: Served) -> None:
    run = start(served)
    served.engine.signal(run, "order", 5)
    served.until(run, lambda view: view.state == "waiting")
    answered = served.client.post(f"/v1/runs/{run}/queries/total", json={"args": ["EUR"]})
    assert answered.json()["value"] == {"sum": 5, "currency": "EUR"}
    refused(served.client.post(f"/v1/runs/{run}/queries/totl"), 404, "FM1332")
    assert served.client.post(f"/v1/runs/{run}/queries/breaks").status_code == 422


def test_events_are_listed_and_followed_to_the_end(served: Served) -> None:
    run = start(served)
    seen: list[dict[str, Any]] = []
    ended: list[str] = []

    def follow() -> None:
        headers = {"accept": "text/event-stream"}
        with served.client.stream("GET", f"/v1/runs/{run}/events", headers=headers) as stream:
            lines = list(stream.iter_lines())
        data = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        seen.extend(data[:-1])
        ended.append(data[-1]["state"])

    reader = threading.Thread(target=follow)
    reader.start()
    served.engine.signal(run, "order", "end")
    reader.join(10)
    listed = served.client.get(f"/v1/runs/{run}/events").json()
    assert (seen, ended) == (listed, ["completed"])
    assert [one["seq"] for one in listed] == list(range(1, len(listed) + 1))
    after = served.client.get(f"/v1/runs/{run}/events?after=1&limit=1").json()
    assert [one["seq"] for one in after] == [2]


def test_a_stream_goes_on_after_the_last_event_that_was_seen(served: Served) -> None:
    run = start(served)
    served.engine.signal(run, "order", "end")
    served.ended(run)
    headers = {"accept": "text/event-stream", "last-event-id": "2"}
    text = served.client.get(f"/v1/runs/{run}/events", headers=headers).text
    assert text.startswith("id: 3\n")


def test_a_stream_ends_when_the_store_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(only=["api"]) as served:
        run = served.start(SHOP)
        assert served.client.get("/ready").status_code == 200
        headers = {"accept": "text/event-stream"}
        with served.client.stream("GET", f"/v1/runs/{run}/events", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "id: 1"
            served.engine.store.close()
            assert not any("end" in line for line in lines if line.startswith("event"))
        assert served.client.get("/ready").status_code == 503
    assert "internal error" not in capsys.readouterr().err


def test_a_run_is_paused_unpaused_and_cancelled(served: Served) -> None:
    run = start(served)
    served.until(run, lambda view: view.state == "waiting")
    assert served.client.post(f"/v1/runs/{run}/pause", json={"reason": "lunch"}).json()["state"] == "paused"  # fmt: skip
    assert served.client.post(f"/v1/runs/{run}/unpause").status_code == 200
    assert (
        served.client.post(f"/v1/runs/{run}/cancel", json={"reason": "enough"}).status_code == 200
    )
    assert served.ended(run).reason == "enough"
    refused(served.client.post(f"/v1/runs/{run}/unpause"), 409, "FM1103")


def test_a_failed_run_is_given_a_value(served: Served) -> None:
    run = start(served, entry="bad", args=[1])
    served.until(run, lambda view: view.state == "failed")
    shown = served.client.get(f"/v1/runs/{run}").json()
    assert shown["error"]["type"] == "shop/no"
    assert served.client.post(f"/v1/runs/{run}/supply", json={"value": 7}).status_code == 200
    assert served.until(run, lambda view: view.state == "completed").result == 7


def test_what_cannot_be_done_where_a_run_stands_is_a_conflict(served: Served) -> None:
    run = start(served, entry="bad", args=[1])
    served.until(run, lambda view: view.state == "failed")
    for verb, fields in (("retry", {}), ("restart", {"name": "use"})):
        refused(served.client.post(f"/v1/runs/{run}/{verb}", json=fields), 409, "FM1132")


def test_a_query_whose_answer_is_no_data_is_no_mistake_of_who_asks(served: Served) -> None:
    run = start(served)
    served.until(run, lambda view: view.state == "waiting")
    refused(served.client.post(f"/v1/runs/{run}/queries/opaque"), 422, "FM0330")


def test_why_is_one_paragraph(served: Served) -> None:
    run = start(served)
    served.until(run, lambda view: view.state == "waiting")
    assert "order" in served.client.get(f"/v1/runs/{run}/why").json()["why"]


def test_a_program_is_uploaded_under_its_hash_and_starts_without_grants(served: Served) -> None:
    program = flowmetal.compile('(ns up)\n(defn main [] (perform :env/get {:name "HOME"}))')
    data = write_program(program)
    assert served.client.put(f"/v1/programs/{program.hash}", content=data).status_code == 201
    assert served.client.put(f"/v1/programs/{program.hash}", content=data).status_code == 200
    refused(served.client.put(f"/v1/programs/{'0' * 64}", content=data), 400, "FM1350")
    refused(served.client.put(f"/v1/programs/{program.hash}", content=b"x"), 400, "FM0801")
    run = start(served, program=program.hash)
    assert served.until(run, lambda view: view.state == "failed").error.code == "FM1201"


def test_deployed_programs_are_listed(served: Served) -> None:
    found = served.client.get("/v1/programs").json()
    assert [one["name"] for one in found] == ["shop"]


def test_a_worker_claims_beats_and_completes(served: Served) -> None:
    program = flowmetal.compile(WORK)
    run = served.engine.start(program, ["a.png"])[0]
    asked = {"queue": "images", "worker": "w-1", "wait": 10}
    task = served.client.post("/v1/tasks/claim", json=asked).json()
    assert (task["name"], task["args"], task["attempt"]) == ("work/resize", ["a.png"], 1)
    attempt = {"id": task["id"], "attempt": task["attempt"]}
    assert served.client.post("/v1/tasks/heartbeat", json=attempt).json() == {"ok": True}
    done = served.client.post("/v1/tasks/complete", json={**attempt, "result": {"width": 10}})
    assert done.status_code == 200
    again = served.client.post("/v1/tasks/complete", json={**attempt, "result": {"width": 10}})
    assert again.status_code == 200  # its answer may have been lost
    assert served.ended(run).result_json() == {"width": 10}
    refused(served.client.post("/v1/tasks/complete", json=attempt), 409, "FM1356")


def test_what_a_worker_says_is_what_json_md_says_that_it_is(served: Served) -> None:
    """Over HTTP as by SQL and from Python: written forms are read once, by the program."""
    source = """(ns says) (defforeign ask {:queue "says"} [n])
                (defn main [] [(pr-str (ask 1)) (try (ask 2) (catch :pay/no e (pr-str (ex-data e))))])"""
    run = served.engine.start(flowmetal.compile(source))[0]
    result = (
        '[{"$keyword":"paid"},{"$map":[["a",1]]},{"$set":[{"$keyword":"a"},"a"]},'
        '{"$$keyword":"x"},{"$decimal":"1.50"},12345678901234567890,"\\ud800"]'
    )
    error = '{"type":{"$keyword":"pay/no"},"message":"no","data":{"state":{"$keyword":"open"}}}'
    for field, said in (("result", result), ("error", error)):
        asked = {"queue": "says", "worker": "w-1", "wait": 10}
        task = served.client.post("/v1/tasks/claim", json=asked).json()
        body = f'{{"id":{json.dumps(task["id"])},"attempt":{task["attempt"]},"{field}":{said}}}'
        verb = "complete" if field == "result" else "fail"
        json_type = {"content-type": "application/json"}
        ended = served.client.post(f"/v1/tasks/{verb}", content=body, headers=json_type)
        assert ended.status_code == 200, ended.text
    done, data = served.ended(run).result
    assert done == '[:paid {"a" 1} #{:a "a"} {:$keyword "x"} 1.50M 12345678901234567890 "\\ud800"]'
    assert data.startswith("{:state :open")


def test_a_worker_that_has_gone_claims_nothing(served: Served) -> None:
    """It waited for a task when it was stopped; the next task is for those that are there."""
    body = json.dumps({"queue": "images", "worker": "gone", "wait": 10}).encode()
    head = b"POST /v1/tasks/claim HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 5) as sock:
        sock.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        served.client.get("/ready")  # by then it waits
    run = served.engine.start(flowmetal.compile(WORK), ["a.png"])[0]
    asked = {"queue": "images", "worker": "here", "wait": 10}
    task = served.client.post("/v1/tasks/claim", json=asked).json()
    assert (task["run"], task["attempt"]) == (run, 1)


@pytest.mark.parametrize("line", ["GET /v1/runs/{}", "POST /v1/runs/{}/signals"])
def test_nobody_looks_for_a_client_that_has_gone(
    served: Served, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(served)
    served.until(run, lambda view: view.state == "waiting")
    body = b'{"name": "nobody-listens"}'
    head = (
        f"{line.format(run)}?wait=60 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    )
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 5) as sock:
        sock.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        time.sleep(0.2)
    looks: list[str] = []
    read = served.engine.store.run
    monkeypatch.setattr(served.engine.store, "run", lambda id: looks.append(id) or read(id))
    for _ in range(10):
        looks.clear()
        time.sleep(0.8)  # who waits looks twice a second
        if run not in looks:
            return
    raise AssertionError("it is still looked at")


def test_why_says_how_a_task_stands(served: Served) -> None:
    source = """(ns again) (defforeign resize {:queue "photos" :retry {:max-attempts 2 :backoff #dur "1h"}} [path])
                (defn main [] (resize "a.png"))"""
    run = served.engine.start(flowmetal.compile(source))[0]
    served.until(run, lambda view: view.state == "waiting")

    def why() -> str:
        return served.client.get(f"/v1/runs/{run}/why").json()["why"]

    assert "no worker of the queue photos has claimed it yet" in why()
    asked = {"queue": "photos", "worker": "w-1"}
    task = served.client.post("/v1/tasks/claim", json=asked).json()
    assert "worker w-1 of the queue photos is at it (attempt 1 of 2); without" in why()
    attempt = {"id": task["id"], "attempt": 1, "error": {"type": "no/paper", "message": "no paper"}}
    served.client.post("/v1/tasks/fail", json=attempt)
    assert "attempt 1 of 2 failed, and the queue photos offers it again at 2" in why()


def test_a_worker_of_a_run_that_has_moved_is_told_so(served: Served, tmp_path: Path) -> None:
    run = served.engine.start(flowmetal.compile(WORK), ["a.png"])[0]
    asked = {"queue": "images", "worker": "w-1", "wait": 10}
    task = served.client.post("/v1/tasks/claim", json=asked).json()
    served.until(run, lambda view: view.state == "waiting")
    served.engine.export(run, str(tmp_path / "run.fms"))
    attempt = {"id": task["id"], "attempt": task["attempt"]}
    for verb in ("heartbeat", "complete", "fail"):
        refused(served.client.post(f"/v1/tasks/{verb}", json=attempt), 410, "FM1356")


def looks(served: Served, requests: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return what the store is asked while requests wait for something that does not come."""
    asked: list[str] = []
    store, operate, send = (
        served.engine.store,
        served.engine.store.operate,
        served.engine.store.send,
    )

    def wait(path: str, body: dict[str, Any]) -> None:
        with httpx.Client(base_url=served.url, timeout=20) as client:
            assert client.post(path, json=body).status_code in (202, 204)

    threads = [threading.Thread(target=wait, args=request) for request in requests]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "operate", lambda op: asked.append(type(op).__name__) or operate(op))
        patch.setattr(store, "send", lambda *at: asked.append("send") or send(*at))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return asked


def test_requests_that_wait_do_not_look_all_the_time(served: Served) -> None:
    run = start(served)
    served.until(run, lambda view: view.state == "waiting")
    claim = {"queue": "nothing", "worker": "w", "wait": 1}
    claims = looks(served, [("/v1/tasks/claim", claim)] * 2)
    assert set(claims) == {"FindTask"}
    assert len(claims) < 20
    ask = {"name": "nobody-listens", "value": 1}
    replies = looks(served, [(f"/v1/runs/{run}/signals?wait=1", ask)] * 2)
    assert replies.count("send") == 2  # each says it once
    assert len(replies) < 20


@pytest.mark.parametrize(
    ("module", "function", "method", "path"),
    [(bodies, "read_json", "POST", "/signals"), (runs, "answer", "GET", "")],
)
def test_nobody_waits_for_the_body_or_the_answer_of_another(
    served: Served, module: ModuleType, function: str, method: str, path: str
) -> None:
    """Others are answered while a body is read, or an answer made: it takes until they are, here."""
    begun, healthy = threading.Event(), threading.Event()
    works = getattr(module, function)

    def takes_long(*given: Any) -> Any:
        begun.set()
        assert healthy.wait(20)
        return works(*given)

    run, body = start(served), {"name": "order", "value": 1} if method == "POST" else None
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as beside:
        patch.setattr(module, function, takes_long)
        asked = beside.submit(served.client.request, method, f"/v1/runs/{run}{path}", json=body)
        assert begun.wait(20)
        assert httpx.get(f"{served.url}/health", timeout=10).status_code == 200
        healthy.set()
        assert asked.result().status_code == 200


def test_no_task_is_no_content(served: Served) -> None:
    asked = {"queue": "nothing", "worker": "w-1"}
    assert served.client.post("/v1/tasks/claim", json=asked).status_code == 204


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"program": "nobody"}, 404, "FM0732"),
        ({"program": "shop", "entry": "nope"}, 400, "FM1120"),
        ({"program": "shop", "id": "a b"}, 400, "FM1311"),
        ({"program": "shop", "args": 5}, 400, "FM1350"),
        ({"program": "shop", "args": [], "input": 1}, 400, "FM1350"),
        ({"program": "shop", "tags": {"a": 1}}, 400, "FM1350"),
        ({"program": "shop", "grants": {"sh": ["rm"]}}, 400, "FM1350"),
        ({}, 400, "FM1350"),
    ],
)
def test_a_start_that_cannot_be_is_refused(served: Served, fields, status: int, code: str) -> None:
    refused(served.client.post("/v1/runs", json=fields), status, code)


def test_a_body_has_to_be_json_by_its_type(served: Served) -> None:
    """A form of a stranger's page cannot send this type."""
    refused(served.client.post("/v1/runs", content=b'{"program": "shop"}'), 415, "FM1350")


def test_pages_of_other_origins_may_not_use_the_api(served: Served) -> None:
    headers = {"origin": "https://evil.example.com"}
    refused(served.client.get("/v1/runs", headers=headers), 403, "FM1353")
    assert served.client.get("/v1/runs", headers={"origin": served.url}).status_code == 200


def test_another_port_of_the_same_name_is_another_origin(served: Served) -> None:
    """A page of any server of this machine could cancel runs: a POST without a body is not asked about."""
    host, _, port = served.url.rpartition(":")
    for origin in (host, f"{host}:{int(port) - 1}", f"{host}:x", "null"):
        refused(served.client.post("/v1/runs/x/cancel", headers={"origin": origin}), 403, "FM1353")


def test_the_page_of_the_public_address_may_use_the_api_whatever_a_proxy_says() -> None:
    with serving(public_url="https://flow.example.com:8443/flow") as served:
        headers = {"host": "flow.example.com", "origin": "https://flow.example.com:8443"}
        assert served.client.get("/v1/runs", headers=headers).status_code == 200
        headers["origin"] = "https://flow.example.com"
        assert served.client.get("/v1/runs", headers=headers).status_code == 200


def test_a_server_of_callbacks_alone_has_no_api() -> None:
    with serving(only=["callbacks"]) as served:
        refused(served.client.get("/v1/runs"), 404, "FM1352")


PATHS = (
    "/v1/runs", "/v1/runs/x", "/v1/runs/x/signals", "/v1/runs/x/cancel", "/v1/runs/x/pause", "/v1/runs/x/events",
    "/v1/runs/x/queries/y", "/v1/runs/x/retry", "/v1/programs/x", "/v1/tasks/claim", "/v1/tasks/complete",
    "/callbacks/x", "/callbacks/x/fail", "/callbacks/x/heartbeat", "/v1/runs/%00%ff", "/%2e%2e",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(["program", "args", "input", "entry", "id", "tags", "name", "value", "queue", "worker", "wait", "attempt", "result"]),
    VALUES | st.sampled_from(["shop", 0, "\ud800", {"$set": [1]}]),
    max_size=5,
)  # fmt: skip


@settings(max_examples=300 if os.environ.get("FLOWMETAL_EVERYTHING") else 40)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
    path=st.sampled_from(PATHS),
    body=st.binary(max_size=30) | FIELDS.map(lambda fields: json.dumps(fields).encode()),
    kind=st.sampled_from(
        ["application/json", "text/plain", "text/plain; charset=x", "", "\xff/json"]
    ),
    query=st.sampled_from(
        ["", "?wait=x", "?limit=-1", "?limit=99999999999999999999", "?tag==", "?a=b", "?state=%ff"]
    ),
)
def test_nothing_that_is_sent_gives_an_error_of_ours(served: Served, method, path, body, kind, query) -> None:  # fmt: skip
    if body.find(b'"wait"') >= 0:
        body = body.replace(b'"wait"', b'"wait "')
    headers = {"content-type": kind.encode("latin-1")} if kind else {}
    answered = served.client.request(method, path + query, content=body, headers=headers)
    assert answered.status_code < 500, answered.text
    if answered.status_code >= 400 and method != "HEAD":
        assert answered.json()["error"]["code"].startswith("FM")


def test_the_shapes_of_the_api_are_those_of_the_golden_file(served: Served) -> None:
    run = start(served, id="golden", tags={"a": "b"})
    served.until(run, lambda view: view.state == "waiting")
    found = {
        "GET /v1/runs": served.client.get("/v1/runs?tag=a=b").json(),
        "GET /v1/runs/RUN": served.client.get(f"/v1/runs/{run}").json(),
        "GET /v1/runs/RUN/events": served.client.get(f"/v1/runs/{run}/events?limit=1").json(),
        "GET /v1/programs": served.client.get("/v1/programs").json(),
        "POST /v1/runs": served.client.post("/v1/runs", json={"program": "shop", "id": run}).json(),
        "POST /v1/runs/RUN/signals": served.client.post(
            f"/v1/runs/{run}/signals", json={"name": "order", "value": 1}
        ).json(),
        "POST /v1/runs/RUN/queries/NAME": served.client.post(
            f"/v1/runs/{run}/queries/total", json={"args": ["EUR"]}
        ).json(),
        "POST /v1/runs/RUN/cancel": served.client.post(f"/v1/runs/{run}/cancel").json(),
        "an error": served.client.get("/v1/runs/nobody").json(),
    }
    golden = ROOT / "tests" / "golden" / "http.json"
    shapes = json.dumps({name: _shape(one) for name, one in found.items()}, indent=1) + "\n"
    if not golden.exists():  # pragma: no cover
        golden.write_text(shapes)
    assert shapes == golden.read_text()


def _shape(document: Any) -> Any:
    """Return names and types of a document: an array is like its first element."""
    if isinstance(document, dict):
        return {name: _shape(value) for name, value in document.items()}
    if isinstance(document, list):
        return [_shape(one) for one in document[:1]]
    return "null" if document is None else type(document).__name__


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"], ids=["nul", "half"])
def test_a_name_that_postgresql_cannot_keep_is_the_fault_of_who_sent_it(postgres, text: str) -> None:  # fmt: skip
    """Neither 503, which says that another try may help, nor an error of ours."""
    with serving(postgres.new_store(), only=["api"]) as served:
        served.engine.deploy(flowmetal.compile(SHOP), "shop")
        sent = [
            ("/v1/runs", {"program": text}),
            ("/v1/runs", {"program": "shop", "tags": {"customer": text}}),
            ("/v1/tasks/claim", {"queue": text, "worker": "w"}),
            ("/v1/tasks/complete", {"id": text, "attempt": 1}),
        ]
        for path, fields in sent:
            refused(
                served.client.post(path, content=json.dumps(fields), headers=JSON), 400, "FM1021"
            )
        if text.isascii():
            refused(served.client.get("/v1/runs?tag=a=b%00"), 400, "FM1021")
            refused(served.client.get("/v1/runs/%00"), 400, "FM1021")


JSON = {"content-type": "application/json"}
