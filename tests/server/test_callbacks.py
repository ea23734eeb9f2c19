from __future__ import annotations

import asyncio
import gc
import gzip
import os
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

import flowmetal
from flowmetal.embed.views import iso
from flowmetal.server.signatures import sign
from tests.server.serving import WAITS, Served, serving


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as served:
        yield served


def test_a_callback_is_answered_by_a_post_to_its_address(served: Served) -> None:
    run = served.start(WAITS)
    callback = served.callback(run)
    assert callback["url"] == f"{served.url}/callbacks/{callback['token']}"
    answered = httpx.post(callback["url"], json={"state": "paid"})
    assert answered.status_code == 200
    receipt = answered.json()
    assert (receipt["run"], receipt["state"], receipt["counted"]) == (run, "completed", True)
    assert served.ended(run).result_json() == {"state": "paid"}


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/vnd.pay+json; charset=utf-8", b"[1]", [1]),
        ("text/plain", "grüß".encode(), "grüß"),
        ("text/plain; charset=latin-1", b"gr\xfc", "grü"),
        ("text/plain; charset=utf-8; format=flowed", "grüß".encode(), "grüß"),
        ('text/plain; delsp=yes; Charset="latin-1"; format=flowed', b"gr\xfc", "grü"),
        ("application/x-www-form-urlencoded", b"a=1", "a=1"),
        ("application/octet-stream", b"\x00\xff", {"$bytes": "AP8="}),
        ("", b"", None),
    ],
)
def test_a_body_is_json_text_or_bytes_by_its_type(
    served: Served, kind: str, body: bytes, value: object
) -> None:
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    headers = {"content-type": kind} if kind else {}
    assert httpx.post(url, content=body, headers=headers).status_code == 200
    assert served.ended(run).result_json() == value


def test_a_body_that_is_not_what_it_says_consumes_nothing(served: Served) -> None:
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    answered = httpx.post(url, content=b"{", headers={"content-type": "application/json"})
    assert (answered.status_code, answered.json()["error"]["code"]) == (400, "FM1350")
    assert httpx.post(url, json=1).json()["counted"]
    assert served.ended(run).result == 1


def test_a_long_body_is_read_for_callbacks_that_there_are(served: Served) -> None:
    """Anybody may send one, and to read it takes seconds: no JSON at all is not noticed."""
    for size, status in ((10, 400), (100_000, 404)):
        json = {"content-type": "application/json"}
        url = f"{served.url}/callbacks/nobody"
        assert httpx.post(url, content=b"[" * size, headers=json).status_code == status


def test_a_charset_of_python_alone_is_refused_and_holds_up_nobody(served: Served) -> None:
    url = served.callback(served.start(WAITS))["url"]
    headers = {"content-type": "text/plain; charset=punycode"}
    answered = httpx.post(url, content=b"-" + b"a" * 1_000_000, headers=headers)
    assert (answered.status_code, answered.json()["error"]["code"]) == (400, "FM1350")


def test_a_body_that_is_compressed_is_refused_and_consumes_nothing(served: Served) -> None:
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    headers = {"content-type": "application/octet-stream", "content-encoding": "gzip"}
    answered = httpx.post(url, content=gzip.compress(b"paid"), headers=headers)
    assert (answered.status_code, answered.json()["error"]["code"]) == (415, "FM1350")
    headers["content-encoding"] = "identity"
    assert httpx.post(url, content=b"paid", headers=headers).json()["counted"]
    assert served.ended(run).result == b"paid"


def test_the_same_delivery_gets_the_same_receipt(served: Served) -> None:
    url = served.callback(served.start(WAITS))["url"]
    first, again = httpx.post(url, json=7), httpx.post(url, json=7)
    other = httpx.post(url, json=8)
    named = httpx.post(url, json=7, headers={"idempotency-key": "d-1"})
    assert again.content == first.content
    assert {one.status_code for one in (first, again, other, named)} == {200}
    assert other.json()["counted"] is named.json()["counted"] is False
    assert other.json()["delivery"] == first.json()["delivery"]


@pytest.mark.parametrize("name", ["Idempotency-Key", "Webhook-Id"])
def test_a_delivery_is_named_by_a_header(served: Served, name: str) -> None:
    url = served.callback(served.start(WAITS))["url"]
    receipt = httpx.post(url, json=1, headers={name: "d-17"}).json()
    assert (receipt["delivery"], receipt["counted"]) == ("d-17", True)


def test_looking_at_a_callback_consumes_nothing(served: Served) -> None:
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        answered = httpx.request(method, url)
        assert (answered.status_code, answered.headers["allow"]) == (405, "POST")
    assert httpx.get(url).json()["error"]["code"] == "FM1352"
    assert served.engine.view(run).state == "waiting"


def test_a_callback_can_be_failed(served: Served) -> None:
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    said = {"type": "card/declined", "message": "no money", "data": {"n": 1}}
    assert httpx.post(f"{url}/fail", json=said).json()["state"] == "failed"
    error = served.until(run, lambda view: view.state == "failed").error
    assert (error.type.text, error.message) == ("callback/failed", "no money")


def test_a_heartbeat_moves_the_end(served: Served) -> None:
    source = WAITS.replace("(or (first options) {})", '{:heartbeat #dur "1h"}')
    callback = served.callback(served.start(source))
    served.engine.store.wait_for_change(0.01)
    expires = httpx.post(f"{callback['url']}/heartbeat").json()["expires"]
    assert expires >= iso(callback["expires"].us)


def test_a_callback_that_nobody_made_is_not_found(served: Served) -> None:
    answered = served.client.post(f"/callbacks/{'0' * 64}", json=1)
    assert (answered.status_code, answered.json()["error"]["code"]) == (404, "FM0730")


def test_a_callback_of_a_run_that_has_ended_is_gone(served: Served) -> None:
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    served.engine.cancel(run)
    served.ended(run)
    answered = httpx.post(url, json=1)
    assert (answered.status_code, answered.json()["error"]["code"]) == (410, "FM0731")


def test_a_callback_of_a_run_that_is_being_moved_is_answered_later(tmp_path: Path) -> None:
    from flowmetal.ids import InterpreterId, RunId
    from flowmetal.store.protocol import Claim, RunState

    with serving(only=["callbacks"]) as served:
        run = served.start(WAITS)
        while served.engine.view(run).state != "waiting":
            served.engine.interpret(until_idle=True)
        url = served.callback(run)["url"]
        from flowmetal.embed.moving import _keeping

        store = served.engine.store
        claim = store.claim(RunId(run), InterpreterId("mover"), 10_000_000)
        assert isinstance(claim, Claim)
        row = store.load(claim).row
        store.commit(claim, _keeping(row, RunState.EXPORTING, (), release=False))
        answered = httpx.post(url, json=1)
        assert (answered.status_code, answered.json()["error"]["code"]) == (503, "FM0737")


def test_a_moved_run_takes_its_callbacks_along(served: Served, tmp_path: Path) -> None:
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    served.engine.export(run, str(tmp_path / "run.fms"))
    assert httpx.post(url, json=1).status_code == 410


def test_a_large_body_is_refused_before_it_is_read() -> None:
    with serving(only=["callbacks"], max_body=100) as served:
        answered = served.client.post("/callbacks/x", content=b"a" * 101)
        assert (answered.status_code, answered.json()["error"]["code"]) == (413, "FM1351")
        pieces = (b"a" * 60 for _ in range(2))
        assert served.client.post("/callbacks/x", content=pieces).status_code == 413


def test_one_delivery_five_times_at_once_counts_once(tmp_path: Path) -> None:
    """Before the wait, during it, after it; the interpreter may be down."""
    source = WAITS.replace(
        "(event/await-callback! callback)",
        "(event/receive! :go) [(event/await-callback! callback) (event/receive! :end)]",
    )
    store = f"sqlite:{tmp_path}/runs.db"

    def five(url: str) -> list[httpx.Response]:
        with ThreadPoolExecutor(5) as pool:
            return list(pool.map(lambda _: httpx.post(url, json={"n": 1}), range(5)))

    with serving(store, only=["callbacks"]) as served:
        run = served.start(source)
        served.engine.interpret(until_idle=True)
        url = served.callback(run)["url"]
        answers = five(url)  # nobody waits yet, and no interpreter runs
        served.engine.signal(run, "go")
        served.engine.interpret(until_idle=True)
        answers += five(url)  # it has been consumed
        served.engine.signal(run, "end")
        served.engine.interpret(until_idle=True)
        answers += five(url)  # the run has ended
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert served.engine.view(run).result_json() == [{"n": 1}, None]


def test_a_waiting_callback_is_answered_with_no_interpreter_and_consumed_by_the_next(
    tmp_path: Path,
) -> None:
    with serving(f"sqlite:{tmp_path}/runs.db", only=["callbacks"]) as served:
        run = served.start(WAITS)
        served.engine.interpret(until_idle=True)
        url = served.callback(run)["url"]
        with ThreadPoolExecutor(5) as pool:
            found = list(pool.map(lambda _: httpx.post(url, json=5), range(5)))
        assert {answer.status_code for answer in found} == {200}
        assert served.engine.result(run) == 5


def _tasks_under_way() -> list[asyncio.Task[object]]:
    found = [one for one in gc.get_objects() if isinstance(one, asyncio.Task)]
    return [one for one in found if not one.done()]


def test_waiting_callbacks_hold_no_thread() -> None:
    with serving() as served:
        program = flowmetal.compile(WAITS)
        before = threading.active_count()
        for _ in range(COUNT):
            served.engine.start(program)
        deadline = time.monotonic() + 20
        while len(waiting := served.engine.runs(states=["waiting"], limit=COUNT)) < COUNT:
            assert time.monotonic() < deadline
            served.engine.store.wait_for_change(0.2)
        assert threading.active_count() <= before + 4  # those that answer requests
        while len(_tasks_under_way()) >= 20:  # runs that were just let go of end theirs at once
            assert time.monotonic() < deadline
            time.sleep(0.05)
        url = served.callback(waiting[COUNT // 2].id)["url"]
        assert httpx.post(url, json=1).status_code == 200
        assert served.ended(waiting[COUNT // 2].id).result == 1


COUNT = 1000 if os.environ.get("FLOWMETAL_EVERYTHING") else 100
SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = tmp_path_factory.mktemp("secrets") / "secrets"
    file.write_text(f"whsec_{b64encode(SECRET).decode()}\n")
    with serving(webhook_secrets=str(file)) as served:
        yield served


def _signature(
    served: Served, body: bytes, *, ago_s: int = 0, secret: bytes = SECRET
) -> dict[str, str]:
    stamp = str(served.engine.now_us() // 1_000_000 - ago_s)
    return {
        "webhook-id": "msg-1",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,bm8= {sign(secret, 'msg-1', stamp, body)}",
        "content-type": "application/json",
    }


def test_a_signed_delivery_counts(signed: Served) -> None:
    run = signed.start(WAITS)
    url = signed.callback(run)["url"]
    assert httpx.post(url, content=b"3", headers=_signature(signed, b"3")).status_code == 200
    assert signed.ended(run).result == 3


@pytest.mark.parametrize("wrong", ["none", "old", "ahead", "secret", "body"])
def test_a_delivery_that_is_not_well_signed_is_refused(signed: Served, wrong: str) -> None:
    url = signed.callback(signed.start(WAITS))["url"]
    headers = {
        "none": {"content-type": "application/json"},
        "old": _signature(signed, b"3", ago_s=302),
        "ahead": _signature(signed, b"3", ago_s=-302),
        "secret": _signature(signed, b"3", secret=b"x" * 32),
        "body": _signature(signed, b"4"),
    }[wrong]
    answered = httpx.post(url, content=b"3", headers=headers)
    assert (answered.status_code, answered.json()["error"]["code"]) == (401, "FM1354")


def test_an_address_may_be_written_as_a_whole_as_to_a_proxy(served: Served) -> None:
    """A 404 says that nobody made this callback, and that it need not be sent again."""
    run = served.start(WAITS)
    url = served.callback(run)["url"]
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        words = f"POST {url}?from=us HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(words.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert served.ended(run).state == "completed"
