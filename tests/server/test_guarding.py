from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from flowmetal.server import bodies
from flowmetal.server.patience import PatientProtocol
from tests.server.serving import Served, serving

TOKEN = "0123456789abcdef-token"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(
        token=TOKEN, public_url="https://flow.example.com/", allow_hosts=["other"]
    ) as served:
        yield served


def test_health_needs_no_token(served: Served) -> None:
    assert served.client.get("/health").json()["status"] == "ok"
    assert served.client.get("/ready").status_code == 200


@pytest.mark.parametrize(
    "given", ["", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ü"]
)
def test_the_api_needs_the_token(served: Served, given: str) -> None:
    headers = {"authorization": given.encode()} if given else {}
    answered = served.client.get("/v1/runs", headers=headers)
    assert (answered.status_code, answered.json()["error"]["code"]) == (401, "FM1353")
    assert answered.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "host", ["flow.example.com", "other:80", "LOCALHOST", "10.0.0.1:7460", "[::1]:80"]
)
def test_the_server_answers_to_its_names_and_to_addresses(served: Served, host: str) -> None:
    assert served.client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example.com", "flow.example.com.evil.net", "localhost.evil"]
)
def test_other_names_are_refused(served: Served, host: str) -> None:
    answered = served.client.get("/health", headers={"host": host})
    assert (answered.status_code, answered.json()["error"]["code"]) == (403, "FM1353")


def test_callbacks_begin_with_the_public_address(served: Served) -> None:
    assert served.engine.callback_url == "https://flow.example.com/callbacks"


def test_an_address_that_is_not_there_says_so(served: Served) -> None:
    answered = served.client.get("/nothing")
    assert (answered.status_code, answered.json()["error"]["code"]) == (404, "FM1352")


@pytest.mark.parametrize("path", ["/callbacks/x/", "/health/", "/v1/runs/"])
def test_no_address_leads_to_another_one(served: Served, path: str) -> None:
    """Behind a proxy that speaks TLS a redirection would send tokens over http."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    answered = served.client.post(path, json=1, headers=headers, follow_redirects=False)
    assert (answered.status_code, answered.json()["error"]["code"]) == (404, "FM1352")


def test_a_wrong_method_is_told_all_that_the_address_takes(served: Served) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answered = served.client.delete("/v1/runs", headers=headers)
    assert (answered.status_code, answered.headers["allow"]) == (405, "GET, HEAD, POST")
    assert answered.json()["error"]["help"] == ["use GET, HEAD, POST"]


def test_a_server_on_all_addresses_answers_to_the_name_that_it_gives_to_callbacks() -> None:
    with serving(host="0.0.0.0", token=TOKEN) as served:
        host = served.engine.callback_url.removeprefix("http://").partition("/")[0]
        local = f"http://127.0.0.1:{host.rpartition(':')[2]}"
        answered = httpx.get(f"{local}/health", headers={"host": host})
        assert answered.status_code == 200, answered.text


def test_refusals_take_no_threads(served: Served) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: httpx.get(f"{served.url}/nothing").status_code, range(40)))
    assert set(found) == {404}
    made = {thread.name for thread in threading.enumerate()} - before
    assert not {name for name in made if "AnyIO" in name}


def test_a_body_that_comes_too_slowly_is_given_up(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.1)
    with _connected(served) as sock:
        sock.sendall(
            b"POST /callbacks/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab"
        )
        answered = b"".join(iter(lambda: sock.recv(9000), b""))  # until it closes
        assert answered.startswith(b"HTTP/1.1 408 ")
        assert b"FM1355" in answered


def test_headers_that_come_too_slowly_are_given_up(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientProtocol, "headers_s", 0.1)
    for begun in (b"", b"GET /health HTTP/1.1\r\nHost: lo"):
        with _connected(served) as sock:
            sock.sendall(begun)
            assert sock.recv(9000) == b""


def test_our_own_mistake_is_told_by_an_id_and_not_by_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def hook(name: str) -> None:
        raise ZeroDivisionError("the disk is made of cheese")

    with serving(only=["callbacks"]) as served:
        served.engine.store.hooks = hook
        answered = served.client.post("/callbacks/x", json=1)
    assert (answered.status_code, answered.json()["error"]["code"]) == (500, "FM1357")
    assert "cheese" not in answered.text
    assert capsys.readouterr().err.count("ZeroDivisionError:") == 1


def _connected(served: Served) -> socket.socket:
    host, _, port = served.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), 5)
