"""HTTP requests.

Arguments: ``:method`` (get) ``:url`` ``:query`` ``:headers``, one of ``:json :form
:body``, ``:as`` (:auto), ``:auth`` [:bearer token] or [:basic user password], ``:throw?``
(true), ``:follow`` (5). Result: {:status :headers :body :url :elapsed}.

Errors: ``:http/status`` for a status from 400 on (tried again: 408, 425, 429 and
5xx, after ``Retry-After``), ``:http/connect``, ``:http/timeout``, ``:http/failed``.
Every request but GET, HEAD and OPTIONS carries ``Idempotency-Key``. Every hop of a
redirect is judged like a first request, and so is what a ``Host`` header names; credentials do not go to another origin: no
``:auth``, no header that is a secret and no form that holds one.
Proxies of the environment are not used: behind one, no address could be judged.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpcore2
import httpx2

from flowmetal.connectors.arguments import choice, flag, items, pairs, refuse, text, why_no_json
from flowmetal.connectors.pinned import PinnedTransport
from flowmetal.connectors.retry_after import retry_after_us
from flowmetal.connectors.secrets import hiding_secrets, reveal
from flowmetal.effects.errors import effect_error, refused
from flowmetal.effects.requests import Call, EffectFailed, Grants
from flowmetal.values import (
    Duration,
    Keyword,
    Secret,
    Value,
    display,
    hash_map,
    json_dumps,
    json_loads,
    keyword,
)

METHODS: Final = ("get", "head", "options", "post", "put", "patch", "delete")
LONGEST_BODY: Final = 32 * 1024 * 1024
"""Bytes of a response, decompressed: it is kept in the run's history."""

_WITHOUT_KEY: Final = ("GET", "HEAD", "OPTIONS")
_AGAIN: Final = frozenset({408, 425, 429})
_HEADER_NAME: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # RFC 9110: a token
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[-._0-9A-Za-z]+)(:[0-9]{1,5})?")
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


class HttpConnector:
    """Makes requests; keeps connections open between them, apart for each set of grants."""

    kinds = frozenset({"http/request"})

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._clients: dict[Grants, httpx2.AsyncClient] = {}
        self._ssl = httpx2.create_ssl_context()

    @hiding_secrets
    async def perform(self, call: Call) -> Value:
        """Make the request, redirects included, and return the response."""
        started = time.monotonic_ns()
        client = self._client(call.grants)
        try:
            request = self._request(client, call)
        except (httpx2.InvalidURL, UnicodeError, ValueError) as problem:
            raise refuse(call, f"this request cannot be written: {problem}") from None
        hops = call.args.get(keyword("follow"), 5)
        if type(hops) is not int or hops < 0:
            raise refuse(call, ":follow takes a number of redirects")
        try:
            response, body = await self._send(client, call, request)
            while response.status_code in _REDIRECTS and response.next_request is not None:
                if hops == 0:
                    break
                hops -= 1
                request = _without_credentials(call, request, response.next_request)
                response, body = await self._send(client, call, request)
        except httpx2.InvalidURL as problem:
            raise refuse(call, f"a redirect leads to no URL: {problem}") from None
        elapsed = Duration((time.monotonic_ns() - started) // 1000)
        return _result(call, response, body, elapsed)

    async def close(self) -> None:
        """Close the connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    def _client(self, grants: Grants) -> httpx2.AsyncClient:
        found = self._clients.get(grants)
        if found is None:
            found = self._clients[grants] = httpx2.AsyncClient(
                transport=PinnedTransport(grants, self._ssl),
                trust_env=False,
                # Waiting for a connection of one's own is no failure of the server: nothing was sent yet.
                timeout=httpx2.Timeout(_SILENCE_S, connect=_CONNECT_S, pool=None),
                follow_redirects=False,
                headers={"user-agent": "flowmetal"},
                # What a server set for one run is no other run's: cookies are not kept at all.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        return found

    def _request(self, client: httpx2.AsyncClient, call: Call) -> httpx2.Request:
        method = choice(call, "method", METHODS, "get").upper()
        headers = [
            (name, self._header(call, name, value)) for name, value in pairs(call, "headers")
        ]
        named = {name.lower() for name, _ in headers}
        content, content_type = self._content(call)
        size = len(content or b"")
        for name, value in headers:
            if name.lower() == "content-length" and value != str(size):
                why = f"the header {name} says {value}, the content has {size} bytes"
                raise refuse(call, f"{why}; it is sent without being asked for")
        if content_type and "content-type" not in named:
            headers.append(("content-type", content_type))
        if method not in _WITHOUT_KEY and "idempotency-key" not in named:
            key = _ascii(call.idempotency_key)
            headers.append(("idempotency-key", self._header(call, "idempotency-key", key)))
        if "authorization" not in named:
            headers += self._authorization(call)
        query = [(name, one) for name, v in pairs(call, "query") for one in items(v)]
        if any(isinstance(one, Secret) for _, one in query):
            why = ":query takes no secret: what is in a URL stays in logs"
            raise refuse(call, f"{why}; :headers, :auth and :form take it")
        url = httpx2.URL(text(call, "url"))
        if query:
            words = [(name, _word(one)) for name, one in query]
            url = url.copy_merge_params(httpx2.QueryParams([*url.params.multi_items(), *words]))
        _check_scheme(call, url)
        _check_host_header(call, url, headers)
        return client.build_request(method, url, headers=headers, content=content)

    async def _send(
        self, client: httpx2.AsyncClient, call: Call, request: httpx2.Request
    ) -> tuple[httpx2.Response, bytes]:
        _check_grant(call, request.url)
        try:
            response = await client.send(request, stream=True)
            try:
                return response, await _body(call, response)
            finally:
                await response.aclose()
        except (httpx2.TimeoutException, httpcore2.TimeoutException) as problem:
            raise _failed(
                "http/timeout", request, f"timed out ({type(problem).__name__})"
            ) from None
        except (httpx2.ConnectError, httpcore2.ConnectError) as problem:
            raise _failed("http/connect", request, f"could not connect: {problem}") from None
        except (
            httpx2.TransportError,
            httpx2.DecodingError,
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
        ) as problem:
            raise _failed(
                "http/failed", request, f"failed: {problem or type(problem).__name__}"
            ) from None

    def _header(self, call: Call, name: str, value: Value) -> str:
        if not _HEADER_NAME.fullmatch(name):
            raise refuse(call, f"{name!a} cannot be the name of a header")
        shown = _word(reveal(value, self._environment))
        if not shown.isascii() or any(c in shown for c in "\r\n\0"):
            raise refuse(call, f"the header {name} holds what a header cannot")
        return shown

    def _authorization(self, call: Call) -> list[tuple[str, str]]:
        given = call.args.get(keyword("auth"))
        if given is None:
            return []
        scheme, *rest = items(given)
        words = [reveal(word, self._environment) for word in rest]
        name = scheme.name if isinstance(scheme, Keyword) else scheme
        if not all(isinstance(word, str) for word in words):
            raise refuse(call, ":auth takes strings or secrets")
        if name == "bearer" and len(words) == 1:
            return [("authorization", f"Bearer {self._header(call, 'authorization', words[0])}")]
        if name == "basic" and len(words) == 2:
            from base64 import b64encode

            return [("authorization", "Basic " + b64encode(":".join(words).encode()).decode())]
        raise refuse(call, ":auth takes [:bearer token] or [:basic user password]")

    def _content(self, call: Call) -> tuple[bytes | None, str]:
        args = call.args
        given = [name for name in ("json", "form", "body") if keyword(name) in args]
        if len(given) > 1:
            raise refuse(call, f":{given[0]} and :{given[1]} are two contents for one request")
        if "json" in given:
            return json_dumps(args.get(keyword("json"))).encode(), "application/json"
        if "form" in given:
            form = [
                (name, _word(reveal(one, self._environment)))
                for name, v in pairs(call, "form")
                for one in items(v)
            ]
            from urllib.parse import urlencode

            return urlencode(form).encode(), "application/x-www-form-urlencoded"
        body = args.get(keyword("body"))
        if body is None:
            return None, ""
        if isinstance(body, bytes):
            return body, "application/octet-stream"
        if isinstance(body, str):
            return body.encode(), "text/plain; charset=utf-8"
        raise refuse(call, ":body takes a string or bytes; :json takes any data")


def _without_credentials(
    call: Call, asked: httpx2.Request, following: httpx2.Request
) -> httpx2.Request:
    """Take the secrets off a request that a redirect leads to another origin.

    What ``:auth`` made is gone already: the client takes it off.
    """
    if _same_origin(asked.url, following.url):
        return following
    for name, value in pairs(call, "headers"):
        if isinstance(value, Secret) and name in following.headers:
            del following.headers[name]
    form = [one for _, v in pairs(call, "form") for one in items(v)]
    keeps_form = following.method == asked.method
    if keeps_form and any(isinstance(one, Secret) for one in form):
        where = f"a redirect leads to {_shown(following.url)}, another origin"
        raise refuse(call, f"{where}: the secret in :form does not go there")
    return following


def _same_origin(one: httpx2.URL, other: httpx2.URL) -> bool:
    """Say whether credentials may go on: same place, or the same host by https instead of http."""
    if one.host != other.host:
        return False
    here, there = (one.scheme, _port(one)), (other.scheme, _port(other))
    return here == there or (here, there) == (("http", 80), ("https", 443))


def _port(url: httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _check_scheme(call: Call, url: httpx2.URL) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise refuse(call, f"{_shown(url)!r} is not a URL that begins with http:// or https://")


def _check_host_header(call: Call, url: httpx2.URL, headers: list[tuple[str, str]]) -> None:
    """Check what a ``Host`` header asks for: one address often answers for many hosts."""
    for name, value in headers:
        if name.lower() == "host":
            if not _HOST.fullmatch(value):
                raise refuse(call, f"the header {name} holds no host")
            _check_grant(call, httpx2.URL(f"{url.scheme}://{value}"))


def _check_grant(call: Call, url: httpx2.URL) -> None:
    """Check scheme, host and port of one hop."""
    _check_scheme(call, url)
    port = _port(url)
    if port > 65535:
        raise refuse(call, f"{_shown(url)!r} has a port that no host has")
    host = f"[{url.host}]" if ":" in url.host else url.host
    if not call.grants.allows("http", f"{host}:{port}"):
        usual = url.port is None
        what = host if usual else f"{host}:{port}"
        flag_text = f"--allow-http={what}"
        raise EffectFailed(
            refused("http", f"{host}:{port}", flag_text, f"a request to {what} is not granted")
        )


async def _body(call: Call, response: httpx2.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > LONGEST_BODY:
            message = f"{_asked(response)} answered with more than {LONGEST_BODY >> 20} MiB"
            raise EffectFailed(effect_error("FM0715", "http/too-big", message, {"kind": call.kind}))
        parts.append(part)
    return b"".join(parts)


def _result(call: Call, response: httpx2.Response, body: bytes, elapsed: Duration) -> Value:
    headers = hash_map(
        (name, response.headers[name]) for name in dict.fromkeys(response.headers.keys())
    )
    status = response.status_code
    fails = status >= 400 and flag(call, "throw?", True)
    content = _parsed(call, response, body, strict=not fails)
    result = hash_map(
        zip(_RESULT, (status, headers, content, _shown(response.url), elapsed), strict=True)
    )
    if not fails:
        return result
    again = status in _AGAIN or status >= 500
    reason = response.reason_phrase
    data = {"status": status, "headers": headers, "body": content, "url": _shown(response.url)}
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


def _parsed(call: Call, response: httpx2.Response, body: bytes, *, strict: bool) -> Value:
    form = choice(call, "as", ("auto", "json", "text", "bytes"), "auto")
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = content_type == "application/json" or content_type.endswith("+json")
    if form == "bytes":
        return body
    if form == "json" or (form == "auto" and is_json and body):
        try:
            return json_loads(body.decode("utf-8-sig"))
        except Exception as problem:  # whatever the reader of JSON dislikes
            if strict and form == "json":
                message = f"{_asked(response)} did not answer with JSON: {why_no_json(problem)}"
                data = {"status": response.status_code, "body": _text(response, body)[:1000]}
                raise EffectFailed(effect_error("FM0716", "http/bad-body", message, data)) from None
            return _text(response, body)
    if form == "auto" and content_type and not is_json and not content_type.startswith(_TEXT_TYPES):
        return body
    return _text(response, body)


def _text(response: httpx2.Response, body: bytes) -> str:
    try:
        return body.decode(response.charset_encoding or "utf-8", "replace")
    except (LookupError, UnicodeError):  # no charset, or one that replaces nothing
        return body.decode("utf-8", "replace")


def _failed(type_text: str, request: httpx2.Request, what: str) -> EffectFailed:
    """Return a failure without a response. Whether it arrived is unknown; the key makes it safe."""
    message = f"{request.method} {_shown(request.url)} {what}"
    data = {"url": _shown(request.url), "method": request.method}
    return EffectFailed(effect_error("FM0717", type_text, message, data, retryable=True))


def _asked(response: httpx2.Response) -> str:
    return f"{response.request.method} {_shown(response.url)}"


def _shown(url: httpx2.URL) -> str:
    """Return a URL without the password that may be in it."""
    return str(url.copy_with(username=None, password=None)) if url.userinfo else str(url)


def _ascii(key: str) -> str:
    """Return a key as a header can hold it: the id of a run may have any letters."""
    if key.isascii():
        return key
    from urllib.parse import quote

    return quote(key, safe="/:;,@&=+$!*'()[]{}<>|~?#")


def _word(value: Value) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return value.text if isinstance(value, Keyword) else display(value)
