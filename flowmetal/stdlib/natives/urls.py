"""Natives of flow.url, after RFC 3986: parts are maps, and what is no URL is refused, never mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flowmetal.stdlib.natives.arguments import library_error, need_map, need_text, wrong
from flowmetal.stdlib.natives.options import refused
from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.walking import items_of
from flowmetal.stdlib.natives.words import need_words, words_of
from flowmetal.values import (
    Keyword,
    Map,
    Value,
    Vector,
    fail,
    hash_map,
    keyword,
    show,
    vector,
)
from flowmetal.values.limits import allow_characters
from flowmetal.values.meter import charge
from flowmetal.values.names import reads_as_keyword

native = Table("flow.url")

_SCHEME, _USER, _HOST, _PORT = (keyword(name) for name in ("scheme", "user", "host", "port"))
_PATH, _QUERY, _FRAGMENT = (keyword(name) for name in ("path", "query", "fragment"))
_PARTS: Final = (_SCHEME, _USER, _HOST, _PORT, _PATH, _QUERY, _FRAGMENT)

_URL: Final = (
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):|(?![A-Za-z][A-Za-z0-9+.-]*:))"
    r"(?://(?:([^/?#@]*)@)?(\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]]*)(?::([0-9]*))?(?=[/?#]|$)|(?!//))"
    r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?"
)
_NOT_IN_URLS: Final = r"[\x00-\x20\x7f<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})"
_IN_PATHS: Final = "/%:@!$&'()*+,;="
"""Characters that stand for themselves in a path and a fragment; % because it is escaped already."""


@native("encode")
def encode(x: Value) -> str:
    return _quoted(need_words("encode", 1, x))


@native("decode")
def decode(text: Value) -> str:
    return _unquoted("decode", need_text("decode", 1, text))


@native("query-string")
def query_string(query: Value) -> str:
    """Return name=value&...; nil leaves a name out, a sequence repeats it."""
    pairs, size = [], 0
    for name, value in _pairs(need_map("query-string", 1, query)):
        pairs.append(f"{_quoted(name)}={_quoted(value)}")
        charge(8)
        size += len(pairs[-1]) + 1
        allow_characters("query-string", size)
    return "&".join(pairs)


def _pairs(query: Map) -> Iterator[tuple[str, str]]:
    for key, value in query.items():
        name = need_words("query-string", 1, key)
        several = words_of(value) is None and value is not None
        for one in items_of("query-string", value) if several else (value,):
            if one is not None:
                yield name, need_words("query-string", 1, one)


@native("parse-query")
def parse_query(text: Value) -> Value:
    """Return a map of a query string; a name that occurs again has a vector."""
    found: dict[Value, Value] = {}
    charge(len(need_text("parse-query", 1, text)))
    for pair in text.removeprefix("?").split("&"):
        if pair:
            name, _, value = (
                _unquoted("parse-query", part.replace("+", " ")) for part in pair.partition("=")
            )
            key = keyword(name) if reads_as_keyword(name) else name
            if key not in found:
                found[key] = value
            elif isinstance(found[key], Vector):
                found[key] = found[key].conj(value)
            else:
                found[key] = vector((found[key], value))
    return hash_map(found.items())


@native("parse")
def parse(url: Value) -> Value:
    """Return the parts that a URL has; the query as a map, the path as it is written."""
    text = need_text("parse", 1, url)
    if re.search(_NOT_IN_URLS, text) or (found := re.fullmatch(_URL, text, re.DOTALL)) is None:
        fail("FM0507", "parse/url", f"`parse` needs a URL, argument 1 is {show(text)}")
    scheme, user, host, port, path, query, fragment = found.groups()
    port = port and (port.lstrip("0") or "0")
    if port and (len(port) > 5 or int(port) > 65535):
        fail("FM0507", "parse/url", f"`parse` needs a port up to 65535, it is {port[:20]}")
    parts = (
        scheme and scheme.lower(),
        user and _unquoted("parse", user),
        host and host.lower(),
        int(port) if port else None,
        path or None,
        None if query is None else parse_query(query),
        fragment and _unquoted("parse", fragment),
    )
    return hash_map((k, part) for k, part in zip(_PARTS, parts, strict=True) if part is not None)


@native("build")
def build(parts: Value) -> str:
    """Return the URL that has these parts."""
    given = need_map("build", 1, parts)
    for key, _ in given.items():
        if key not in _PARTS:
            raise refused(f"`build` has no part {show(key)}: it takes {_names_of_parts()}")
    scheme, host, path = _part(given, _SCHEME), _part(given, _HOST), _part(given, _PATH) or ""
    if scheme is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise _no_part(_SCHEME, scheme)
    made = f"{scheme}:" if scheme is not None else ""
    if host is not None:
        made += "//" + _authority(given, host)
        path = path if path.startswith("/") or not path else f"/{path}"
    elif scheme is None and ":" in path.partition("/")[0]:
        path = f"./{path}"  # or its beginning would be read as a scheme
    if host is None and (
        path.startswith("//") or given.get(_USER) is not None or given.get(_PORT) is not None
    ):
        raise refused(f"`build` needs a :host for {show(parts)}")
    made += _quoted(path, _IN_PATHS)
    query = given.get(_QUERY)
    if query is not None:
        text = query_string(query)
        made += f"?{text}" if text else ""
    fragment = _part(given, _FRAGMENT)
    return made if fragment is None else f"{made}#{_quoted(fragment, _IN_PATHS[2:])}"


def _authority(given: Map, host: str) -> str:
    if not re.fullmatch(r"\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]\\%\x00-\x20\"<>^`{|}]*", host):
        raise _no_part(_HOST, host)
    user, port = _part(given, _USER), given.get(_PORT)
    if port is not None and (type(port) is not int or not 0 < port <= 65535):
        raise _no_part(_PORT, port)
    before = "" if user is None else f"{_quoted(user, ':')}@"
    return f"{before}{host}" + ("" if port is None else f":{port}")


def _part(given: Map, key: Keyword) -> str | None:
    value = given.get(key)
    if value is None or type(value) is str:
        return value
    if isinstance(value, Keyword):
        return value.text
    raise _no_part(key, value)


def _no_part(key: Keyword, value: Value) -> Exception:
    return refused(f"`build` cannot make a URL with {show(value)} as {show(key)}")


def _names_of_parts() -> str:
    return ", ".join(show(part) for part in _PARTS)


def _quoted(text: str, safe: str = "") -> str:
    from urllib.parse import quote

    charge(len(text) >> 4)
    try:
        return quote(text, safe)
    except UnicodeEncodeError:
        raise wrong("encode", "text that can be written as UTF-8", 1, text) from None


def _unquoted(function: str, text: str) -> str:
    from urllib.parse import unquote

    charge(len(text) >> 4)
    try:
        if re.search(r"%(?![0-9A-Fa-f]{2})", text) is None:
            return unquote(text, errors="strict")
        why = "escapes such as %20"
    except UnicodeDecodeError:
        why = "escapes of UTF-8"
    raise library_error("FM0507", "parse/url", f"`{function}` needs {why}, it found {show(text)}")
