"""The tags that every reader knows; each function raises ValueError with a sentence."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from flowmetal.values.errors import ErrorValue
from flowmetal.values.kinds import Value
from flowmetal.values.map import EMPTY_MAP, Map
from flowmetal.values.names import Keyword, keyword
from flowmetal.values.scalars import Duration, Instant, RunRef, Secret
from flowmetal.values.time_text import parse_duration, parse_instant

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


def _inst(form: Value) -> Instant:
    instant = parse_instant(_text(form))
    if instant is None:
        raise ValueError("an instant looks like 2026-11-22T06:10:00Z")
    return instant


def _dur(form: Value) -> Duration:
    duration = parse_duration(_text(form))
    if duration is None:
        raise ValueError("a duration looks like 1h30m, 200ms or PT5M")
    return duration


def _uuid(form: Value) -> Value:
    from uuid import UUID  # 12 ms, which most texts do not need

    text = _text(form)
    if not _UUID.match(text):
        raise ValueError("a uuid looks like 123e4567-e89b-12d3-a456-426614174000")
    return UUID(text)


def _secret(form: Value) -> Secret:
    return Secret(_text(form))


def _bytes(form: Value) -> bytes:
    try:
        return base64.b64decode(_text(form), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("bytes are written in base64") from None


def _run(form: Value) -> RunRef:
    return RunRef(_text(form))


def _error(form: Value) -> ErrorValue:
    if not isinstance(form, Map):
        raise ValueError("an error is written as a map with :type and :message")
    kind, message, data, cause, retryable = (
        form.get(keyword(key), default)
        for key, default in (
            ("type", keyword("user")),
            ("message", None),
            ("data", EMPTY_MAP),
            ("cause", None),
            ("retryable?", None),
        )
    )
    # fmt: off
    fits = (
        ("type",       "a keyword",         isinstance(kind, Keyword)),
        ("message",    "a string or nil",   message is None or isinstance(message, str)),
        ("data",       "a map",             isinstance(data, Map)),
        ("cause",      "an error or nil",   cause is None or isinstance(cause, ErrorValue)),
        ("retryable?", "a boolean or nil",  retryable is None or isinstance(retryable, bool)),
    )
    # fmt: on
    for key, expected, is_right in fits:
        if not is_right:
            raise ValueError(f":{key} of an error is {expected}")
    return ErrorValue(kind, message, data, cause, (), retryable)


def _text(form: Value) -> str:
    if not isinstance(form, str):
        raise ValueError("a string is expected after this tag")
    return form


BUILT_IN_TAGS: dict[str, Callable[[Value], Value]] = {
    "inst": _inst,
    "dur": _dur,
    "uuid": _uuid,
    "secret": _secret,
    "bytes": _bytes,
    "flow/run": _run,
    "error": _error,
}
