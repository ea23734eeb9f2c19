"""Natives of flow.base64 and flow.hash: texts and bytes to other texts, and back.

A string stands for its UTF-8 wherever bytes are meant. The modules that compute
digests are loaded by the first digest: they would cost every start milliseconds.
"""

from __future__ import annotations

import base64 as standard
from typing import Final

from flowmetal.stdlib.natives.arguments import need_text, wrong
from flowmetal.stdlib.natives.options import need_options
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Value, fail, keyword, show

base64 = Table("flow.base64")
hashes = Table("flow.hash")

_AS, _TEXT, _BYTES = keyword("as"), keyword("text"), keyword("bytes")
_DIGESTS: Final = ("md5", "sha1", "sha256", "sha512")


@base64("encode")
def encode(x: Value) -> str:
    return standard.b64encode(need_bytes("encode", 1, x)).decode("ascii")


@base64("encode-url")
def encode_url(x: Value) -> str:
    """Return base64 with - and _ and without padding, as tokens have it."""
    return standard.urlsafe_b64encode(need_bytes("encode-url", 1, x)).decode("ascii").rstrip("=")


@base64("decode")
def decode(text: Value, options: Value = None) -> Value:
    return _decoded("decode", need_text("decode", 1, text), options, b"+/")


@base64("decode-url")
def decode_url(text: Value, options: Value = None) -> Value:
    """Decode base64 with - and _; the padding may be there or not."""
    found = need_text("decode-url", 1, text).rstrip("=")
    return _decoded("decode-url", found + "=" * (-len(found) % 4), options, b"-_")


def _decoded(function: str, text: str, options: Value, altchars: bytes) -> Value:
    wanted = need_options(function, 2, options, {_AS: (_TEXT, _BYTES)}).get(_AS, _TEXT)
    try:
        if altchars == b"-_" and not {"+", "/"}.isdisjoint(text):
            raise ValueError
        found = standard.b64decode(text, altchars, validate=True)
    except ValueError:
        fail("FM0507", "parse/base64", f"`{function}` needs base64, argument 1 is {show(text)}")
    if wanted is _BYTES:
        return found
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError:
        fail(
            "FM0507",
            "parse/base64",
            f"`{function}` found bytes that are no UTF-8 text: ask for them with {{:as :bytes}}",
        )


def _enter_digest(name: str) -> None:
    def digest(x: Value) -> str:
        import hashlib

        return hashlib.new(name, need_bytes(name, 1, x), usedforsecurity=False).hexdigest()

    hashes.add(name, digest)


for _name in _DIGESTS:
    _enter_digest(_name)


@hashes("hmac-sha256")
def hmac_sha256(key: Value, x: Value) -> str:
    import hmac

    made = hmac.new(need_bytes("hmac-sha256", 1, key), need_bytes("hmac-sha256", 2, x), "sha256")
    return made.hexdigest()


@hashes("same?")
def same(first: Value, second: Value) -> bool:
    """Compare in a time that does not tell how much is equal."""
    import hmac

    return hmac.compare_digest(need_bytes("same?", 1, first), need_bytes("same?", 2, second))


def need_bytes(function: str, position: int, value: Value) -> bytes:
    """Return bytes, or a string as UTF-8."""
    if type(value) is bytes:
        return value
    if type(value) is not str:
        raise wrong(function, "a string or bytes", position, value)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise wrong(function, "text that can be written as UTF-8", position, value) from None
