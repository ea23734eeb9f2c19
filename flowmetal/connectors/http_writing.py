"""From the arguments of an effect to the request that is sent. Secrets are put in place here.

They go where they do not stay: into ``:auth``, headers, forms and JSON, never into a URL, which logs keep.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

import httpx2

from flowmetal.connectors.arguments import choice, items, pairs, refuse, text
from flowmetal.connectors.http_places import check_host_header, check_scheme, same_origin, shown
from flowmetal.connectors.secrets import keep_hidden, reveal
from flowmetal.effects.requests import Call
from flowmetal.values import DataError, Keyword, Secret, Value, display, keyword, to_json
from flowmetal.values.json_mapping import Json, SecretForm, json_text

METHODS: Final = ("get", "head", "options", "post", "put", "patch", "delete")

_WITHOUT_KEY: Final = ("GET", "HEAD", "OPTIONS")
_HEADER_NAME: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # RFC 9110: a token
_HEADER_VALUE: Final = re.compile(r"([!-~]([\t -~]*[!-~])?)?")


class Writer:
    """Writes requests with the secrets of an environment."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self._environment = environment

    def request(self, client: httpx2.AsyncClient, call: Call) -> httpx2.Request:
        """Return the request. Raises EffectFailed for what is none."""
        try:
            return self._request(client, call)
        except (httpx2.InvalidURL, DataError, UnicodeError, ValueError) as problem:
            why = getattr(problem, "message", problem)
            raise refuse(call, f"this request cannot be written: {why}") from None

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
            raise refuse(call, f"{why}; :headers, :auth, :form and :json take it")
        url = httpx2.URL(text(call, "url"))
        if query:
            words = [(name, self._word(call, name, one)) for name, one in query]
            url = url.copy_merge_params(httpx2.QueryParams([*url.params.multi_items(), *words]))
        check_scheme(call, url)
        check_host_header(call, url, headers)
        return client.build_request(method, url, headers=headers, content=content)

    def _header(self, call: Call, name: str, value: Value) -> str:
        if not _HEADER_NAME.fullmatch(name):
            raise refuse(call, f"{name!a} cannot be the name of a header")
        written = self._word(call, name, value)
        if not _HEADER_VALUE.fullmatch(written):
            raise refuse(call, f"the header {name} holds what a header cannot")
        return written

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
            written = b64encode(":".join(words).encode()).decode()
            keep_hidden(written, rest)
            return [("authorization", f"Basic {written}")]
        raise refuse(call, ":auth takes [:bearer token] or [:basic user password]")

    def _content(self, call: Call) -> tuple[bytes | None, str]:
        args = call.args
        given = [name for name in ("json", "form", "body") if keyword(name) in args]
        if len(given) > 1:
            raise refuse(call, f":{given[0]} and :{given[1]} are two contents for one request")
        if "json" in given:
            found = self._in_place(to_json(args.get(keyword("json"))))
            return json_text(found).encode(), "application/json"
        if "form" in given:
            form = [
                (name, self._word(call, name, one))
                for name, v in pairs(call, "form")
                for one in items(v)
            ]
            return urlencode(form).encode(), "application/x-www-form-urlencoded"
        body = args.get(keyword("body"))
        if body is None:
            return None, ""
        if isinstance(body, bytes):
            return body, "application/octet-stream"
        if isinstance(body, str):
            return body.encode(), "text/plain; charset=utf-8"
        raise refuse(call, ":body takes a string or bytes; :json takes any data")

    def _word(self, call: Call, name: str, value: Value) -> str:
        """Return the text of a value, or of what a secret stands for."""
        found = reveal(value, self._environment)
        if isinstance(found, str):
            return found
        if found is None:
            return ""
        if isinstance(found, Keyword):
            return found.text
        if _holds_secret(to_json(found)):  # whose name would be sent
            raise refuse(call, f"{name} takes a secret alone, not one in a collection")
        return display(found)

    def _in_place(self, found: Json) -> Json:
        """Return JSON with what its secrets stand for."""
        if isinstance(found, SecretForm):
            return reveal(Secret(found["$secret"]), self._environment)
        if isinstance(found, list):
            return [self._in_place(item) for item in found]
        if isinstance(found, dict):
            return {name: self._in_place(item) for name, item in found.items()}
        return found


def without_credentials(
    call: Call, asked: httpx2.Request, following: httpx2.Request
) -> httpx2.Request:
    """Take the secrets off a request that a redirect leads to another origin.

    What ``:auth`` made is gone already: the client takes it off.
    """
    if same_origin(asked.url, following.url):
        if (
            "cookie" in asked.headers
        ):  # the client takes it off, for it has cookies of its own elsewhere
            following.headers["cookie"] = asked.headers["cookie"]
        return following
    for name, value in pairs(call, "headers"):
        if isinstance(value, Secret) and name in following.headers:
            del following.headers[name]
    if following.method == asked.method:  # else it has no content any more
        form = [one for _, v in pairs(call, "form") for one in items(v)]
        holding = {
            "form": any(isinstance(one, Secret) for one in form),
            "json": _holds_secret(to_json(call.args.get(keyword("json")))),
        }
        for name in (name for name, holds in holding.items() if holds):
            where = f"a redirect leads to {shown(following.url)}, another origin"
            raise refuse(call, f"{where}: the secret in :{name} does not go there")
    return following


def _holds_secret(found: Json) -> bool:
    if isinstance(found, dict):
        return isinstance(found, SecretForm) or any(map(_holds_secret, found.values()))
    return isinstance(found, list) and any(map(_holds_secret, found))


def _ascii(key: str) -> str:
    """Return a key as a header can hold it: the id of a run may have any letters."""
    return key if key.isascii() else quote(key, safe="/:;,@&=+$!*'()[]{}<>|~?#")
