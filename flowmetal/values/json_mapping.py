"""The one mapping between JSON and values, for the commands, the API and workers.

``docs/json.md`` is its description for users. In short: what both sides have
is itself; an object key is a keyword where it reads as one; what JSON has not
is an object with one key, its *written form*, such as ``{"$ratio": "1/3"}``. A
user's object that looks exactly like a written form gets one more ``$``, so
that it comes back as what it was.

Keywords and symbols that are values, lists, and metadata lose what they are:
``:paid`` is written as ``"paid"``, a list as an array.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Final, NoReturn

from flowmetal.values import kinds
from flowmetal.values.errors import DataError, ErrorValue, FlowError
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.lazy import Unrealised
from flowmetal.values.map import Map, hash_map
from flowmetal.values.names import Keyword, VarRef, keyword, symbol
from flowmetal.values.number_text import integer_text, parse_digits, parse_number
from flowmetal.values.scalars import Char, Ratio, Regex, RunRef, Secret, TaggedLiteral, char
from flowmetal.values.seq import is_endless
from flowmetal.values.set import set_of
from flowmetal.values.time_text import (
    duration_text,
    instant_text,
    parse_duration,
    parse_instant,
)
from flowmetal.values.vector import Vector, vector

EXACT: Final = 2**53  # beyond, a reader that has only floats would change the number
DEPTH: Final = 400  # levels: Python's json uses the Python stack
_SEQ_LIMIT: Final = 1_000_000
_NAME: Final = r"[A-Za-z*!_?<>=$%&+.-][\w*!?<>=$%&+.'-]*"
_KEYWORD_KEY: Final = re.compile(rf"{_NAME}(?:/{_NAME})?")

Json = Value


def to_json(value: Value) -> Json:
    """Return what Python's ``json`` writes for a value: dicts, lists, strings, numbers.

    Raises DataError FM0310 for what is not data, FM0312 for more than ``DEPTH`` levels.
    """
    try:
        return _to_json(value, DEPTH)
    except Unrealised:
        raise DataError("FM0310", "an unrealised lazy sequence is not data") from None


def from_json(found: Json) -> Value:
    """Return the value of what Python's ``json`` read; DataError FM0312 for what it never reads."""
    return _from_json(found, DEPTH)


def json_dumps(value: Value, pretty: bool = False) -> str:
    """Return a value as JSON text, on one line or, if ``pretty``, with an indent of two."""
    found = to_json(value)
    if pretty:
        return json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False)
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A lone half of a surrogate pair has no UTF-8; as an escape it passes through any channel.
    return _escape_surrogates(text)


def json_loads(text: str) -> Value:
    """Return the value of a JSON text; DataError FM0312, with the place, for any other text."""
    try:
        found = json.loads(text, parse_int=_parse_int, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _bad(f"{error.msg[:1].lower()}{error.msg[1:]} at {place}") from None
    except RecursionError:
        raise _too_deep() from None
    except FlowError as error:
        raise _bad(str(error)) from None
    return from_json(found)


def reads_as_keyword(text: str) -> bool:
    """Say whether an object key with this text becomes a keyword."""
    return _KEYWORD_KEY.fullmatch(text) is not None


def _bad(what: str) -> DataError:
    return DataError("FM0312", f"this is not JSON: {what}")


def _too_deep() -> DataError:
    return DataError("FM0312", f"JSON is nested deeper than {DEPTH} levels")


def _no_constant(name: str) -> NoReturn:
    raise _bad(f"{name} is no JSON number")


def _parse_int(text: str) -> int:
    return -parse_digits(text[1:]) if text.startswith("-") else parse_digits(text)


def _escape_surrogates(text: str) -> str:
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", text)


# Writing


def _to_json(value: Value, depth: int) -> Json:
    kind = KINDS[type(value)]
    if kind in (kinds.STRING, kinds.NIL, kinds.BOOLEAN):
        return value
    if kind == kinds.INTEGER:
        return value if -EXACT <= value <= EXACT else {"$int": integer_text(value)}
    if kind == kinds.FLOAT:
        return value if math.isfinite(value) else {"$float": _float_name(value)}
    if kind == kinds.KEYWORD:
        return value.text
    if depth == 0:
        raise _too_deep()
    if kind == kinds.MAP:
        return _map_to_json(value, depth - 1)
    if kind == kinds.SEQUENCE:
        return [_to_json(item, depth - 1) for item in _items(value)]
    if kind == kinds.SET:
        return {"$set": [_exact_to_json(item, depth - 1) for item in value]}
    if kind == kinds.PARTS:
        return _parts_to_json(value, depth - 1)
    writer = _WRITERS.get(kind)
    if writer is None:
        from flowmetal.values.printing import describe

        raise DataError("FM0310", f"{describe(value)} is not data")
    return writer(value)


def _items(value: Value) -> Value:
    known = value.known_count
    if is_endless(value) or (known is not None and known > _SEQ_LIMIT and type(value) is not Vector):
        raise DataError("FM0310", f"a sequence of more than {_SEQ_LIMIT:,} elements is not data")
    return value
