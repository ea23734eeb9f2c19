"""HTTP against a server of our own on this machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import gzip
import json
import socket
import threading
import time
from collections.abc import Awaitable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flowmetal.connectors import http_request, pinned
from flowmetal.connectors.http_request import HttpConnector
from flowmetal.effects.requests import EffectFailed
from flowmetal.runtime.grants import RunGrants, parse_grants
from flowmetal.values import Duration, Secret, Value, hash_map, keyword, vector
from tests.connectors.calls import call, failure, perform


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        route, _, _ = self.path.partition("?")
        if route == "/status/429":
            self._send(429, b"slow down", ("retry-after", "7"))
        elif route.startswith("/status/"):
            self._send(int(route.rsplit("/", 1)[1]), b"no")
        elif route == "/redirect":
            self._send(302, b"", ("location", "/echo"))
        elif route == "/redirect-out":
            self._send(302, b"", ("location", f"http://localhost:{self.server.server_port}/echo"))
        elif route == "/moved-out":
            self._send(307, b"", ("location", f"http://localhost:{self.server.server_port}/echo"))
        elif route == "/done":
            self._send(303, b"", ("location", "http://127.0.0.1:1/receipt"))
        elif route == "/moved":
            self._send(307, b"", ("location", "/echo"))
        elif route == "/slow":
            time.sleep(0.4)
            self._send(200, b"ok")
        elif route == "/loop":
            self._send(302, b"", ("location", "/loop"))
        elif route == "/bytes":
            self._send(200, b"\x00\xff", ("content-type", "application/octet-stream"))
        elif route.startswith("/charset/"):
            name = route.rsplit("/", 1)[1]
            self._send(200, b"a\xff.", ("content-type", f"text/plain; charset={name}"))
        elif route == "/bad-json":
            self._send(200, b"{", ("content-type", "application/json"))
        elif route == "/many-parts":
            self._send(
                200, b"[" + b",".join([b"[]"] * 600_000) + b"]", ("content-type", "text/json")
            )
        elif route == "/many-commas":
            self._send(200, b'["' + b"," * 1_100_000 + b'"]', ("content-type", "text/json"))
        elif route.startswith("/encoded/"):
            name = route.rsplit("/", 1)[1]
            data = gzip.compress(b"whole" * 100)
            data = data[:-10] if name == "cut" else data
            self._send(200, data, ("content-encoding", "gzip" if name == "cut" else name))
        elif route == "/many-headers":
            many = ((f"x-{n}", str(n)) for n in range(2_000))
            self._send(200, b"ok", *many, ("warning", "one"), ("warning", "two"))
        elif route == "/cookie":
            self._send(200, b"ok", ("set-cookie", "session=1"))
        else:
            seen = {
                "method": self.command,
                "path": self.path,
                "headers": {k.lower(): v for k, v in self.headers.items()},
                "body": body.decode(),
            }
            self._send(200, json.dumps(seen).encode(), ("content-type", "application/json"))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def request(url: str, grants: RunGrants | None = None, **args: Any) -> Value:
    return perform(
        HttpConnector({}), call("http/request", *([grants] if grants else []), url=url, **args)
    )


def body(result: Value, *path: str) -> Value:
    found = result.get(keyword("body"))
    for name in path:
        found = found.get(keyword(name))
    return found


def granted(*hosts: str) -> RunGrants:
    return parse_grants(http=hosts)


def test_a_response_is_a_map_with_parsed_json(server: str) -> None:
    result = request(
        f"http://{server}/echo?a=1", query={"b": [2, 3], "c": "ü"}, headers={"X-One": "1"}
    )
    assert result.get(keyword("status")) == 200
    assert body(result, "path") == "/echo?a=1&b=2&b=3&c=%C3%BC"
    assert body(result, "headers", "x-one") == "1"
    assert result.get(keyword("headers")).get("content-type") == "application/json"
    assert result.get(keyword("elapsed")).us > 0


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_whatever_may_change_something_carries_the_idempotency_key(
    server: str, method: str
) -> None:
    result = request(f"http://{server}/echo", method=keyword(method), json={"n": 1})
    assert body(result, "headers", "idempotency-key") == "r/0/1"
    assert body(result, "body") == '{"n":1}'
    assert body(result, "headers", "content-type") == "application/json"


def test_a_get_carries_no_idempotency_key(server: str) -> None:
    assert body(request(f"http://{server}/echo"), "headers", "idempotency-key") is None


def test_forms_texts_and_credentials(server: str) -> None:
    result = request(f"http://{server}/echo", method=keyword("post"), form={"a": "1 2", "b": "ü"})
    assert body(result, "body") == "a=1+2&b=%C3%BC"
    result = request(f"http://{server}/echo", method=keyword("post"), body="text")
    assert body(result, "body") == "text"
    connector = HttpConnector({"FLOWMETAL_SECRET_MY_KEY": "s3cret"})
    bearer = vector([keyword("bearer"), Secret("my-key")])
    result = perform(connector, call("http/request", url=f"http://{server}/echo", auth=bearer))
    assert body(result, "headers", "authorization") == "Bearer #secret my-key"  # it was there


def test_a_secret_that_is_missing_is_named_and_nothing_is_sent(server: str) -> None:
    auth = vector([keyword("bearer"), Secret("none")])
    error = failure(HttpConnector({}), call("http/request", url=f"http://{server}/echo", auth=auth))
    assert error.type is keyword("secret/missing")


@pytest.mark.parametrize(
    ("status", "again"),
    [(404, False), (400, False), (408, True), (429, True), (500, True), (503, True)],
)
def test_an_error_status_throws_and_says_whether_to_try_again(
    server: str, status: int, again: bool
) -> None:
    error = failure(HttpConnector({}), call("http/request", url=f"http://{server}/status/{status}"))
    assert error.type is keyword("http/status")
    assert error.retryable is again
    assert error.data.get(keyword("status")) == status


def test_retry_after_is_passed_on(server: str) -> None:
    with pytest.raises(EffectFailed) as failed:
        request(f"http://{server}/status/429")
    assert failed.value.retry_after_us == 7_000_000
    assert failed.value.error.data.get(keyword("retry-after")) == Duration(7_000_000)


def test_reading_headers_costs_the_same_for_each(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each was looked for among all: 20,000 of them held the interpreter up for a minute."""
    asked = []
    get = httpx2.Headers.__getitem__
    monkeypatch.setattr(
        httpx2.Headers, "__getitem__", lambda self, key: asked.append(key) or get(self, key)
    )
    value = request(f"http://{server}/many-headers")
    headers = value.get(keyword("headers"))
    assert (headers.get("x-1999"), headers.get("warning")) == ("1999", "one, two")
    assert len(asked) < 100


def test_without_throw_every_status_is_a_result(server: str) -> None:
    assert request(f"http://{server}/status/500", throw_p=False).get(keyword("status")) == 500


def test_redirects_are_followed_as_often_as_asked(server: str) -> None:
    assert body(request(f"http://{server}/redirect"), "path") == "/echo"
    assert request(f"http://{server}/redirect", follow=0).get(keyword("status")) == 302
    assert request(f"http://{server}/loop").get(keyword("status")) == 302


def test_a_redirect_is_judged_like_a_first_request(server: str) -> None:
    grants = granted(server)
    assert request(f"http://{server}/redirect", grants).get(keyword("status")) == 200
    error = failure(
        HttpConnector({}), call("http/request", grants, url=f"http://{server}/redirect-out")
    )
    assert error.type is keyword("effect/refused")
    assert "--allow-http=localhost:" in (error.message or "")


def test_no_secret_follows_a_redirect_to_another_origin(server: str) -> None:
    connector = HttpConnector({"FLOWMETAL_SECRET_KEY": "hush-hush"})
    secret = hash_map([("X-Api-Key", Secret("key")), ("X-Trace", "17")])
    args: dict[str, Any] = {"headers": secret, "method": keyword("post"), "body": "b"}

    def headers(route: str) -> Value:
        url = f"http://{server}/{route}"
        return body(perform(connector, call("http/request", url=url, **args)), "headers")

    near, far = headers("moved"), headers("moved-out")
    assert near.get(keyword("x-api-key")) == "#secret key"
    assert far.get(keyword("x-api-key")) is None
    assert far.get(keyword("x-trace")) == "17"


def test_a_form_with_a_secret_is_not_sent_to_another_origin(server: str) -> None:
    connector = HttpConnector({"FLOWMETAL_SECRET_KEY": "hush-hush"})
    form = hash_map([("key", Secret("key"))])

    def asked(route: str) -> Any:
        url = f"http://{server}/{route}"
        return call("http/request", url=url, method=keyword("post"), form=form)

    assert body(perform(connector, asked("moved")), "body") == "key=#secret key"
    assert "another origin" in (failure(connector, asked("moved-out")).message or "")
    assert body(perform(connector, asked("redirect-out")), "body") == "", "a GET has no form"


def test_secrets_in_json_are_put_in_place_and_hidden_in_the_answer(server: str) -> None:
    connector = HttpConnector({"FLOWMETAL_SECRET_KEY": 'hush "hush"'})
    told = hash_map([("$secret", "key")])  # as anybody outside could have written it: a map
    data = hash_map([("keys", vector([Secret("key")])), ("told", told)])
    result = perform(
        connector, call("http/request", method="post", url=f"http://{server}/", json=data)
    )
    assert body(result, "body") == '{"keys":["#secret key"],"told":{"$secret":"key"}}'
    assert body(result, "headers", "content-length") == str(
        len(r'{"keys":["hush \"hush\""],"told":{"$secret":"key"}}')
    )


@pytest.mark.parametrize(
    "args",
    [
        {"headers": hash_map([("x-key", vector([Secret("key")]))])},
        {"form": hash_map([("key", hash_map([("inner", Secret("key"))]))])},
        {"query": hash_map([("key", vector([vector([Secret("key")])]))])},
    ],
)
def test_a_secret_in_a_collection_is_refused_instead_of_its_name_sent(
    server: str, args: dict[str, Any]
) -> None:
    connector = HttpConnector({"FLOWMETAL_SECRET_KEY": "s3cret-key"})
    error = failure(connector, call("http/request", url=f"http://{server}/echo", **args))
    assert error.type.text == "effect/bad-argument"
    assert "takes a secret alone" in (error.message or "")


def test_a_cookie_of_the_program_goes_along_within_an_origin_and_not_to_another(
    server: str,
) -> None:
    """The client took it off at every redirect."""
    cookie = hash_map([("cookie", "session=1")])
    result = request(f"http://{server}/redirect", headers=cookie)
    assert body(result, "headers", "cookie") == "session=1"
    result = request(f"http://{server}/redirect-out", headers=cookie)
    assert body(result, "headers").get(keyword("cookie")) is None


def test_what_the_protocol_cannot_write_is_refused_and_not_tried_again(server: str) -> None:
    """A request that could not even begin was tried ten times."""
    coded = hash_map([("transfer-encoding", "gzip")])
    error = failure(
        HttpConnector({}), call("http/request", url=f"http://{server}/echo", headers=coded)
    )
    assert (error.type.text, error.retryable) == ("effect/bad-argument", False)


def test_json_with_a_secret_is_not_sent_to_another_origin(server: str) -> None:
    url = f"http://127.0.0.1:{server.partition(':')[2]}/moved-out"
    data = hash_map([("key", Secret("key"))])
    error = failure(
        HttpConnector({"FLOWMETAL_SECRET_KEY": "hush-hush"}),
        call("http/request", method="post", url=url, json=data),
    )
    assert error.type is keyword("effect/bad-argument")
    assert "the secret in :json does not go there" in (error.message or "")


def test_a_secret_is_hidden_as_it_is_written_in_a_form_and_in_basic_credentials(
    server: str,
) -> None:
    connector = HttpConnector({"FLOWMETAL_SECRET_KEY": "hush / hush"})
    secret = Secret("key")
    result = perform(
        connector,
        call(
            "http/request",
            method="post",
            url=f"http://{server}/",
            form=hash_map([("key", secret)]),
            auth=vector([keyword("basic"), "me", secret]),
        ),
    )
    assert body(result, "body") == "key=#secret key"
    assert body(result, "headers", "authorization") == "Basic #secret key"
    assert base64.b64encode(b"me:hush / hush").decode() not in str(result)


@pytest.mark.parametrize("text", [" hush-hush", "hush-hush ", "hush\x0bhush", "hush\x7fhush"])
def test_a_secret_that_no_header_can_hold_is_not_in_the_error(server: str, text: str) -> None:
    connector = HttpConnector({"FLOWMETAL_SECRET_KEY": text})
    headers = hash_map([("x-key", Secret("key"))])
    error = failure(connector, call("http/request", url=f"http://{server}/", headers=headers))
    assert error.type is keyword("effect/bad-argument")
    assert "hush" not in (error.message or "")


@pytest.mark.parametrize(
    ("granted_host", "url_host"),
    [
        ("xn--bcher-kva.invalid", "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.invalid"),
        ("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.invalid", "xn--bcher-kva.invalid"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("::1", "[0:0::1]"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("127.0.0.1", "[::ffff:7f00:1]"),
    ],
    ids=range(6),
)
def test_a_grant_covers_a_host_however_it_is_spelled(granted_host: str, url_host: str) -> None:
    error = failure(
        HttpConnector({}), call("http/request", granted(granted_host), url=f"http://{url_host}:1/")
    )
    assert error.type is keyword("http/connect")


@pytest.mark.parametrize("grant", ["127.0.0.1", "127.0.0.1:PORT", "127.0.0.0/8"])
def test_a_grant_that_names_loopback_reaches_it(server: str, grant: str) -> None:
    grants = granted(grant.replace("PORT", server.split(":")[1]))
    assert request(f"http://{server}/echo", grants).get(keyword("status")) == 200


def test_a_grant_of_localhost_reaches_it_by_that_name(server: str) -> None:
    port = server.split(":")[1]
    assert (
        request(f"http://localhost:{port}/echo", granted("localhost")).get(keyword("status")) == 200
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0x7f000001",
        "127.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "localhost",
        "0.0.0.0",
    ],
)
def test_a_grant_of_everything_public_does_not_reach_this_machine(server: str, host: str) -> None:
    port = server.split(":")[1]
    error = failure(
        HttpConnector({}), call("http/request", granted("*"), url=f"http://{host}:{port}/echo")
    )
    assert error.type in (
        keyword("effect/refused"),
        keyword("http/connect"),
        keyword("effect/bad-argument"),
    )


def test_connections_are_kept_for_the_grants_used_last_alone(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_request, "MOST_CLIENTS", 3)

    def clients() -> int:
        return sum(type(each) is httpx2.AsyncClient for each in gc.get_objects())

    async def asks() -> None:
        connector = HttpConnector({})
        gc.collect()
        before = clients()

        def ask(number: int, route: str) -> Awaitable[Value]:
            grants = parse_grants(http=[server, f"h{number}.example.com"])
            return connector.perform(call("http/request", grants, url=f"http://{server}{route}"))

        slow = [asyncio.ensure_future(ask(number, "/slow")) for number in range(5)]
        for number in range(10, 20):
            await ask(number, "/echo")
        for one in slow:
            assert (await one).get(keyword("status")) == 200
        gc.collect()
        assert clients() - before == 3
        await connector.close()

    asyncio.run(asks())


@pytest.mark.parametrize(
    "grants", [RunGrants(), granted("api.example.com"), granted("127.0.0.1:1")]
)
def test_a_host_that_is_not_granted_is_refused_with_the_flag(
    server: str, grants: RunGrants
) -> None:
    error = failure(HttpConnector({}), call("http/request", grants, url=f"http://{server}/echo"))
    assert error.type is keyword("effect/refused")
    assert error.code == "FM1201"
    assert f"--allow-http={server}" in (error.message or "")


def test_a_host_header_reaches_no_host_that_is_not_granted(server: str) -> None:
    def asked(host: str) -> Any:
        grants = parse_grants(http=[server, "shop.example.com"])
        headers = hash_map([("Host", host)])
        return call("http/request", grants, url=f"http://{server}/echo", headers=headers)

    connector = HttpConnector({})
    seen = body(perform(connector, asked("shop.example.com")), "headers")
    assert seen.get(keyword("host")) == "shop.example.com"
    error = failure(connector, asked("pay.example.com"))
    assert error.type is keyword("effect/refused")
    assert "--allow-http=pay.example.com" in (error.message or "")
    for no_host in ("", "shop.example.com/@pay.example.com", "shop.example.com, pay.example.com"):
        assert failure(connector, asked(no_host)).type is keyword("effect/bad-argument")


def test_what_an_answer_is_to_be_read_as_is_checked_before_anything_is_sent(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Handler, "answer", lambda handler: asked.append(handler.path))
    wrong = call(
        "http/request", url=f"http://{server}/", method=keyword("post"), **{"as": keyword("yaml")}
    )
    assert failure(HttpConnector({}), wrong).type is keyword("effect/bad-argument")
    assert asked == []


def test_every_idempotency_key_can_be_sent(server: str) -> None:
    def asked(key: str) -> Any:
        return call("http/request", key=key, url=f"http://{server}/echo", method=keyword("post"))

    seen = body(perform(HttpConnector({}), asked("größe-7/0/1")), "headers")
    assert seen.get(keyword("idempotency-key")) == "gr%C3%B6%C3%9Fe-7/0/1"
    error = failure(HttpConnector({}), asked("a\r\nX-Other: 1"))
    assert error.type is keyword("effect/bad-argument")
    assert error.retryable is not True


def test_behind_a_redirect_nobody_knows_that_nothing_was_done(server: str) -> None:
    """The first server may have done it all: no policy is told that the request never arrived."""
    error = failure(
        HttpConnector({}), call("http/request", method="post", url=f"http://{server}/done")
    )
    assert error.type is keyword("http/failed")


def test_nothing_listens_is_a_connect_error_that_may_be_tried_again() -> None:
    error = failure(HttpConnector({}), call("http/request", url="http://127.0.0.1:1/"))
    assert error.type is keyword("http/connect")
    assert error.retryable is True


@pytest.mark.parametrize(
    "args",
    [
        {"url": "ftp://127.0.0.1/"},
        {"url": "no url"},
        {"url": 5},
        {"url": "http://h/", "method": keyword("brew")},
        {"url": "http://h/", "json": 1, "body": "x"},
        {"url": "http://h/", "headers": {"x": "a\r\nb: c"}},
        {"url": "http://h/", "headers": {"x\r\nb": "c"}},
        {"url": "http://h/", "headers": {"": "c"}},
        {"url": "http://h/", "headers": {"Content-Length": "5"}},
        {"url": "http://h/", "headers": {"content-length": "5"}, "body": "1234"},
        {"url": "http://h/", "follow": "x"},
        {"url": "http://h/", "auth": "token"},
        {"url": "http://h/", "auth": ["basic", "u", "\udcff"]},
        {"url": "http://h/", "body": "\udcff"},
        {"url": "http://h/", "form": {"a": "\udcff"}},
    ],
)
def test_what_cannot_be_a_request_is_refused_before_anything_is_sent(args: dict[str, Any]) -> None:
    assert failure(HttpConnector({}), call("http/request", **args)).type is keyword(
        "effect/bad-argument"
    )


def test_a_secret_in_a_query_is_refused_instead_of_its_name_sent(server: str) -> None:
    query = hash_map([("q", "x"), ("key", vector([Secret("key")]))])
    error = failure(
        HttpConnector({"FLOWMETAL_SECRET_KEY": "hush-hush"}),
        call("http/request", url=f"http://{server}/echo", query=query),
    )
    assert error.type is keyword("effect/bad-argument")
    assert ":headers, :auth, :form and :json take it" in (error.message or "")


def test_a_port_beyond_all_ports_is_named() -> None:
    error = failure(HttpConnector({}), call("http/request", url="http://127.0.0.1:65536/"))
    assert error.type is keyword("effect/bad-argument")
    assert "'http://127.0.0.1:65536/' has a port that no host has" in (error.message or "")


def test_bodies_come_as_asked(server: str) -> None:
    assert request(f"http://{server}/bytes").get(keyword("body")) == b"\x00\xff"
    assert request(f"http://{server}/bad-json").get(keyword("body")) == "{"
    error = failure(
        HttpConnector({}),
        call("http/request", url=f"http://{server}/bad-json", **{"as": keyword("json")}),
    )
    assert error.type is keyword("http/bad-body")
    assert isinstance(
        request(f"http://{server}/echo", **{"as": keyword("text")}).get(keyword("body")), str
    )


@pytest.mark.parametrize("name", ["latin-1", "idna", "rot13", "of-no-one"])
def test_a_text_of_any_charset_is_a_body(server: str, name: str) -> None:
    text = request(f"http://{server}/charset/{name}").get(keyword("body"))
    assert text == ("aÿ." if name == "latin-1" else "a\ufffd.")


def test_a_charset_that_is_none_does_not_hold_up_the_interpreter(server: str) -> None:
    assert body(request(f"http://{server}/charset/punycode")) == "a\N{REPLACEMENT CHARACTER}."


def test_json_of_too_many_parts_is_refused_before_it_is_read(server: str) -> None:
    url = f"http://{server}/many-parts"
    error = failure(HttpConnector({}), call("http/request", url=url, **{"as": keyword("json")}))
    assert error.type is keyword("http/too-big")
    assert "more than 1,000,000 parts" in (error.message or "")
    assert len(body(request(url, **{"as": keyword("text")}))) > 1_000_000


def test_what_stands_in_strings_of_json_is_no_part(server: str) -> None:
    found = body(request(f"http://{server}/many-commas", **{"as": keyword("json")}))
    assert found == vector(["," * 1_100_000])


def test_a_compressed_body_is_whole_or_an_error(server: str) -> None:
    assert body(request(f"http://{server}/encoded/gzip")) == "whole" * 100
    error = failure(HttpConnector({}), call("http/request", url=f"http://{server}/encoded/cut"))
    assert (error.type, error.retryable) == (keyword("http/failed"), True)
    assert "ends before its end" in (error.message or "")


def test_an_encoding_that_nobody_asked_for_is_said_and_comes_as_bytes(server: str) -> None:
    url = f"http://{server}/encoded/br"
    error = failure(HttpConnector({}), call("http/request", url=url))
    assert error.type is keyword("http/bad-body")
    assert "'br'" in (error.message or "")
    raw = body(request(url, **{"as": keyword("bytes")}))
    assert gzip.decompress(raw) == b"whole" * 100


def test_a_request_waits_for_its_connection_however_long_others_take(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned, "CONNECTIONS", 1)
    monkeypatch.setattr(http_request, "_SILENCE_S", 0.7)

    async def three() -> list[Value]:
        connector = HttpConnector({})
        asked = call("http/request", url=f"http://{server}/slow")
        try:
            return await asyncio.gather(*(connector.perform(asked) for _ in range(3)))
        finally:
            await connector.close()

    assert [one.get(keyword("status")) for one in asyncio.run(three())] == [200, 200, 200]


def test_cookies_of_one_request_are_not_sent_with_another(server: str) -> None:
    import asyncio

    async def both() -> Value:
        connector = HttpConnector({})
        await connector.perform(call("http/request", url=f"http://{server}/cookie"))
        result = await connector.perform(call("http/request", url=f"http://{server}/echo"))
        await connector.close()
        return result

    assert body(asyncio.run(both()), "headers", "cookie") is None


def test_a_password_in_a_url_is_not_shown(server: str) -> None:
    result = request(f"http://user:pass@{server}/echo")
    assert "pass" not in result.get(keyword("url"))
    assert hash_map(()) is not None


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_certificates_that_cannot_be_read_fail_the_request_and_no_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "certificates"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    error = failure(HttpConnector({}), call("http/request", url="https://example.com/"))
    assert error.type.text == "connector/failed"
    assert "see SSL_CERT_FILE" in (error.message or "")


@pytest.fixture
def silent(server: str) -> Iterator[list[str]]:
    """Addresses of this machine that do not answer, at the port of the server: their queues are full."""
    port = int(server.rpartition(":")[2])
    addresses = [f"127.0.0.{n}" for n in range(2, 6)]
    with contextlib.ExitStack() as opened:
        for address in addresses:
            listening = opened.enter_context(socket.socket())
            listening.bind((address, port))
            listening.listen(0)
            for _ in range(3):
                waiting = opened.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((address, port))
        yield addresses


def resolve(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    def found(host: str, port: int, *_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr("socket.getaddrinfo", found)


def test_an_address_that_does_not_answer_holds_up_no_other(
    server: str, silent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them was waited for for ten seconds before the next one was tried."""
    resolve(monkeypatch, [*silent, "127.0.0.1"])
    url = f"http://shop.example:{server.rpartition(':')[2]}/echo"
    before = time.monotonic()
    assert request(url).get(keyword("status")) == 200
    assert time.monotonic() - before < 10


def test_all_addresses_of_a_name_have_the_time_of_one(
    server: str, silent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_request, "_CONNECT_S", 3.0)
    resolve(monkeypatch, silent)
    url = f"http://shop.example:{server.rpartition(':')[2]}/echo"
    before = time.monotonic()
    assert failure(HttpConnector({}), call("http/request", url=url)).type.text == "http/timeout"
    assert time.monotonic() - before < 11


def test_an_address_that_refuses_is_followed_by_the_next(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, ["127.0.0.9", "127.0.0.1"])
    url = f"http://shop.example:{server.rpartition(':')[2]}/echo"
    assert request(url).get(keyword("status")) == 200
