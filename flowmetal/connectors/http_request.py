"""HTTP requests.

Arguments: ``:method`` (get) ``:url`` ``:query`` ``:headers``, one of ``:json :form
:body``, ``:as`` (:auto), ``:auth`` [:bearer token] or [:basic user password], ``:throw?``
(true), ``:follow`` (5). Result: {:status :headers :body :url :elapsed}.

Errors: ``:http/status`` for a status from 400 on (tried again: 408, 425, 429 and
5xx, after ``Retry-After``), ``:http/connect``, ``:http/timeout``, ``:http/failed``.
Every request but GET, HEAD and OPTIONS carries ``Idempotency-Key``. Every hop of a
redirect is judged like a first request (http_places.py), and so is what a ``Host`` header names;
credentials do not go to another origin: no ``:auth``, no header that is a secret and no form or JSON that
holds one (http_writing.py).
Proxies of the environment are not used: behind one, no address could be judged.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpcore2
import httpx2

from flowmetal.connectors.arguments import choice, flag, refuse, why_no_json
from flowmetal.connectors.blocking import Blocking
from flowmetal.connectors.decoding import (
    ACCEPTED,
    Damaged,
    TooBig,
    decoded,
    encodings_of,
    unknown_in,
)
from flowmetal.connectors.http_places import check_grant, shown
from flowmetal.connectors.http_writing import Writer, without_credentials
from flowmetal.connectors.parsing import TooManyParts, beside, parse_json
from flowmetal.connectors.pinned import PinnedTransport
from flowmetal.connectors.retry_after import retry_after_us
from flowmetal.connectors.secrets import hide, hiding_secrets
from flowmetal.effects.errors import connector_failed, effect_error
from flowmetal.effects.requests import Call, EffectFailed, Grants
from flowmetal.values import Duration, Value, hash_map, keyword
from flowmetal.values.charsets import decode_text

LONGEST_BODY: Final = 32 * 1024 * 1024
"""Bytes of a response, decompressed: it is kept in the run's history."""

MOST_CLIENTS: Final = 100
"""Sets of grants whose connections are kept open when nobody makes a request under them."""

_AGAIN: Final = frozenset({408, 425, 429})
_FORMS: Final = ("auto", "json", "text", "bytes")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SILENCE_S = 60.0
_CONNECT_S = 10.0
_RESULT = tuple(keyword(name) for name in ("status", "headers", "body", "url", "elapsed"))
_TEXT_TYPES: Final = (
    "text/",
    "application/xml",
    "application/javascript",
    "application/x-www-form",
)


@dataclass(slots=True)
class _Kept:
    """The connections of a set of grants, and how many requests are made with them just now."""

    client: httpx2.AsyncClient
    users: int = 0


class HttpConnector:
    """Makes requests; keeps connections open between them, apart for each set of grants, of those used last."""

    kinds = frozenset({"http/request"})

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._writer = Writer(environment)
        self._blocking = Blocking()
        self._kept: dict[Grants, _Kept] = {}  # those used last at the end
        self._ssl: ssl.SSLContext | None = None

    @hiding_secrets
    async def perform(self, call: Call) -> Value:
        """Make the request, redirects included, and return the response."""
        kept = self._kept_for(call)
        kept.users += 1
        try:
            return await self._perform(kept.client, call)
        finally:
            kept.users -= 1
            await self._let_go()

    async def _perform(self, client: httpx2.AsyncClient, call: Call) -> Value:
        started = time.monotonic_ns()
        request = self._writer.request(client, call)
        hops = call.args.get(keyword("follow"), 5)
        choice(call, "as", _FORMS, "auto")  # said before anything is sent
        if type(hops) is not int or hops < 0:
            raise refuse(call, ":follow takes a number of redirects")
        try:
            response, body = await self._send(client, call, request)
            while response.status_code in _REDIRECTS and response.next_request is not None:
                if hops == 0:
                    break
                hops -= 1
                request = without_credentials(call, request, response.next_request)
                response, body = await self._send(client, call, request, follows=True)
        except httpx2.InvalidURL as problem:
            raise refuse(call, f"a redirect leads to no URL: {problem}") from None
        elapsed = Duration((time.monotonic_ns() - started) // 1000)
        read = partial(_result, call, response, body, elapsed)
        return await beside(self._blocking, len(body), read)

    async def close(self) -> None:
        """Close the connections."""
        self._blocking.close()
        all_kept = list(self._kept.values())
        self._kept.clear()
        for kept in all_kept:
            await kept.client.aclose()

    async def _let_go(self) -> None:
        """Close the connections of the grants that were used longest ago: each run may have others."""
        while len(self._kept) > MOST_CLIENTS:
            idle = next((grants for grants, kept in self._kept.items() if not kept.users), None)
            if idle is None:
                return
            await self._kept.pop(idle).client.aclose()

    def _kept_for(self, call: Call) -> _Kept:
        found = self._kept.pop(call.grants, None) or _Kept(self._client(call))
        self._kept[call.grants] = found
        return found

    def _client(self, call: Call) -> httpx2.AsyncClient:
        if self._ssl is None:
            self._ssl = _certificates(call)
        return httpx2.AsyncClient(
            transport=PinnedTransport(call.grants, self._ssl),
            trust_env=False,
            # Waiting for a connection of one's own is no failure of the server: nothing was sent yet.
            timeout=httpx2.Timeout(_SILENCE_S, connect=_CONNECT_S, pool=None),
            follow_redirects=False,
            headers={"user-agent": "flowmetal", "accept-encoding": ACCEPTED},
            # What a server set for one run is no other run's: cookies are not kept at all.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def _send(
        self,
        client: httpx2.AsyncClient,
        call: Call,
        request: httpx2.Request,
        *,
        follows: bool = False,
    ) -> tuple[httpx2.Response, bytes]:
        """``follows``: a redirect, behind what a server has done already."""
        check_grant(call, request.url)
        try:
            response = await client.send(request, stream=True)
            try:
                return response, await _body(call, response)
            finally:
                await response.aclose()
        except (httpx2.LocalProtocolError, httpcore2.LocalProtocolError) as problem:
            raise refuse(call, f"this request cannot be written: {problem}") from None
        except (httpx2.TimeoutException, httpcore2.TimeoutException) as problem:
            raise _failed(
                "http/timeout", request, f"timed out ({type(problem).__name__})"
            ) from None
        except (httpx2.ConnectError, httpcore2.ConnectError) as problem:
            raise _failed(
                "http/failed" if follows else "http/connect",
                request,
                f"could not connect: {_said(problem)}",
            ) from None
        except (
            httpx2.TransportError,
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
        ) as problem:
            raise _failed("http/failed", request, f"failed: {_said(problem)}") from None


def _certificates(call: Call) -> ssl.SSLContext:
    """Return which servers are believed to be who they say: by the certificates of the environment, if it names some."""
    try:
        return httpx2.create_ssl_context()
    except OSError as problem:  # those of OpenSSL are such, too
        why = f"the certificates of this interpreter cannot be read: {problem.strerror or problem}"
        remedy = "see SSL_CERT_FILE and SSL_CERT_DIR in its environment"
        raise EffectFailed(connector_failed(call.kind, f"{why}; {remedy}")) from None


async def _body(call: Call, response: httpx2.Response) -> bytes:
    encodings = encodings_of(response.headers.get("content-encoding", ""))
    if unknown_in(encodings) is not None:
        encodings = []  # as it came: ``_parsed`` says who may have it so
    try:
        return await decoded(response.aiter_raw(), encodings, LONGEST_BODY)
    except TooBig:
        message = f"{_asked(response)} answered with more than {LONGEST_BODY >> 20} MiB"
        raise EffectFailed(
            effect_error("FM0715", "http/too-big", message, {"kind": call.kind})
        ) from None
    except Damaged as problem:
        raise _failed("http/failed", response.request, f"failed: {problem}") from None


def _result(call: Call, response: httpx2.Response, body: bytes, elapsed: Duration) -> Value:
    headers = _headers(response)
    status = response.status_code
    fails = status >= 400 and flag(call, "throw?", True)
    content = _parsed(call, response, body, strict=not fails)
    result = hash_map(
        zip(_RESULT, (status, headers, content, shown(response.url), elapsed), strict=True)
    )
    if not fails:
        return result
    again = status in _AGAIN or status >= 500
    reason = response.reason_phrase
    data = {"status": status, "headers": headers, "body": content, "url": shown(response.url)}
    wish = retry_after_us(response.headers.get("retry-after"), int(time.time())) if again else None
    if wish is not None:
        data["retry-after"] = Duration(wish)
    error = effect_error(
        "FM0714",
        "http/status",
        f"{_asked(response)} answered {status}{f' {reason}' if reason else ''}",
        data,
        retryable=again,
    )
    raise EffectFailed(error, wish)


def _headers(response: httpx2.Response) -> Value:
    """Return the headers; one that is there several times is a list in one text. To ask for each by its name
    would take a minute for the 20,000 that a server may send."""
    found: dict[str, list[str]] = {}
    for name, value in response.headers.multi_items():
        found.setdefault(name, []).append(value)
    return hash_map((name, ", ".join(values)) for name, values in found.items())


def _parsed(call: Call, response: httpx2.Response, body: bytes, *, strict: bool) -> Value:
    form = choice(call, "as", _FORMS, "auto")
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = content_type == "application/json" or content_type.endswith("+json")
    if form == "bytes":
        return body
    unknown = unknown_in(encodings_of(response.headers.get("content-encoding", "")))
    if unknown is not None and strict and body:
        message = (
            f"{_asked(response)} answered in the encoding {unknown!a}, which nobody can read here"
        )
        data = {"status": response.status_code, "encoding": unknown}
        raise EffectFailed(effect_error("FM0716", "http/bad-body", message, data))
    if form == "json" or (form == "auto" and is_json and body):
        try:
            return parse_json(body)
        except TooManyParts as problem:
            if strict:
                message = f"{_asked(response)} answered with too much JSON: {problem}"
                data = {"kind": call.kind, "status": response.status_code}
                raise EffectFailed(effect_error("FM0715", "http/too-big", message, data)) from None
            return _text(response, body)
        except Exception as problem:  # whatever the reader of JSON dislikes
            if strict and form == "json":
                message = f"{_asked(response)} did not answer with JSON: {why_no_json(problem)}"
                data = {"status": response.status_code, "body": hide(_text(response, body))[:1000]}
                raise EffectFailed(effect_error("FM0716", "http/bad-body", message, data)) from None
            return _text(response, body)
    if form == "auto" and content_type and not is_json and not content_type.startswith(_TEXT_TYPES):
        return body
    return _text(response, body)


def _text(response: httpx2.Response, body: bytes) -> str:
    try:
        return decode_text(body, response.charset_encoding or "utf-8", "replace")
    except (LookupError, UnicodeError):  # no charset, or one that replaces nothing
        return body.decode("utf-8", "replace")


def _failed(type_text: str, request: httpx2.Request, what: str) -> EffectFailed:
    """Return a failure without a response. Whether it arrived is unknown; the key makes it safe."""
    message = f"{request.method} {shown(request.url)} {what}"
    data = {"url": shown(request.url), "method": request.method}
    return EffectFailed(effect_error("FM0717", type_text, message, data, retryable=True))


def _said(problem: Exception) -> str:
    return str(problem) or type(problem).__name__


def _asked(response: httpx2.Response) -> str:
    return f"{response.request.method} {shown(response.url)}"
