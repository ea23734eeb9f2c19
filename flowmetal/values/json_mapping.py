"""The one mapping between JSON and values, for the commands, the API and workers.

``docs/json.md`` is its description for users. In short: what both sides have
is itself; an object key is a keyword where it reads as one; what JSON has not
is an object with one key, its *written form*, such as ``{"$ratio": "1/3"}``. A
user's object that looks exactly like a written form gets one more ``$``, so
that it comes back as what it was.

Keywords that are values, lists, and metadata lose what they are: ``:paid`` is
written as ``"paid"``, a list as an array. Only where that would make two
different things equal, among the members of a set and the keys of a map, are
keywords written as ``{"$keyword": "paid"}``.

Secrets and vars are written and never read: text from outside must not name a
secret that a connector then resolves, nor code that is then called.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from flowmetal.values import kinds
from flowmetal.values.equality import MISSING
from flowmetal.values.errors import DataError, ErrorValue, FlowError
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.lazy import Unrealised
from flowmetal.values.map import hash_map
from flowmetal.values.names import Keyword, VarRef, keyword, reads_as_keyword, symbol
from flowmetal.values.number_text import (
    integer_text,
    number_text,
    parse_digits,
    parse_long,
    parse_number,
)
from flowmetal.values.numbers import checked
from flowmetal.values.printing import describe
from flowmetal.values.scalars import Ratio, Regex, RunRef, Secret, TaggedLiteral, char
from flowmetal.values.set import set_of
from flowmetal.values.time_text import (
    duration_text,
    instant_text,
    parse_duration,
    parse_instant,
)
from flowmetal.values.vector import vector
from flowmetal.values.walking import elements_of

EXACT: Final = 2**53  # beyond, a reader that has only floats would change the number
DEPTH: Final = 300  # levels of nesting: Python's json uses the Python stack
Json = Value


class SecretForm(dict[str, Json]):
    """The written form of a secret. A map with that one entry, which anybody may have sent, is a plain dict."""


def to_json(value: Value) -> Json:
    """Return what Python's ``json`` writes for a value: dicts, lists, strings, numbers.

    Raises DataError FM0330 for what is not data, FM0332 for more than ``DEPTH`` levels.
    """
    try:
        return _to_json(value, DEPTH)
    except Unrealised:
        raise DataError("FM0330", "an unrealised lazy sequence is not data") from None


def from_json(found: Json) -> Value:
    """Return the value of what Python's ``json`` reads or writes; DataError FM0332 for anything else."""
    return _from_json(found, DEPTH)


def json_dumps(value: Value, pretty: bool = False) -> str:
    """Return a value as JSON text, on one line or, if ``pretty``, with an indent of two."""
    return json_text(to_json(value), pretty)


def json_text(found: Json, pretty: bool = False) -> str:
    """Return what ``to_json`` returned as JSON text."""
    if pretty:
        text = json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False)
    else:
        text = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A lone half of a surrogate pair has no UTF-8; as an escape it passes through any channel.
    return _escape_surrogates(text)


def json_loads(text: str) -> Value:
    """Return the value of a JSON text; DataError FM0332, with the place, for any other text."""
    return from_json(read_json(text))


def read_json(text: str) -> Json:
    """Return what ``from_json`` makes a value of; DataError FM0332, with the place, for what is not JSON."""
    try:
        found: Json = json.loads(
            text, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        what = error.msg.removesuffix(" at")  # as in "Unterminated string starting at"
        raise _bad(f"{what[:1].lower()}{what[1:]} at {place}") from None
    except RecursionError:
        raise _too_deep() from None
    except FlowError as error:
        raise _bad(str(error)) from None
    return found


def _bad(what: str) -> DataError:
    return DataError("FM0332", f"this is not JSON: {what}")


def _too_deep() -> DataError:
    return DataError("FM0332", f"JSON is nested deeper than {DEPTH} levels")


def _no_constant(name: str) -> NoReturn:
    raise _bad(f"{name} is no JSON number")


def _parse_int(text: str) -> int:
    return -parse_digits(text[1:]) if text.startswith("-") else parse_digits(text)


def _parse_float(text: str) -> float:
    """Python's reading of 1e999 is infinity, which nobody has written there."""
    number = float(text)
    if math.isinf(number):
        raise _bad(f"{text[:40]} is larger than any float")
    return number


def _escape_surrogates(text: str) -> str:
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", text)


# Writing. ``exact`` is set where keywords must stay apart from strings.


def _to_json(value: Value, depth: int, exact: bool = False) -> Json:
    kind = KINDS[type(value)]
    if kind in (kinds.STRING, kinds.NIL, kinds.BOOLEAN):
        return value
    if kind == kinds.KEYWORD:
        return {"$keyword": value.text} if exact else value.text
    if kind == kinds.INTEGER:
        return value if -EXACT <= value <= EXACT else {"$int": integer_text(value)}
    if kind == kinds.FLOAT:
        return value if math.isfinite(value) else {"$float": _float_name(value)}
    if depth == 0:
        raise _too_deep()
    if kind == kinds.MAP:
        return _map_to_json(value, depth - 1, exact)
    if kind == kinds.SEQUENCE:
        return [_to_json(item, depth - 1, exact) for item in elements_of(value)]
    if kind == kinds.SET:
        exact = exact or _is_ambiguous(value)
        return {"$set": [_to_json(item, depth - 1, exact) for item in value]}
    if kind == kinds.PARTS:
        return _parts_to_json(value, depth - 1, exact)
    written = _WRITERS[kind](value) if kind in _WRITERS else _named_to_json(value)
    return SecretForm((written,)) if type(value) is Secret else dict((written,))


def _is_ambiguous(members: Iterable[Value]) -> bool:
    """Say whether members could become equal by keywords being written as strings."""
    found = {KINDS[type(member)] for member in members}
    return max(found, default=0) > kinds.LAST_SCALAR or {kinds.STRING, kinds.KEYWORD} <= found


def _map_to_json(value: Value, depth: int, exact: bool) -> Json:
    made: dict[str, Json] = {}
    for key, item in value.items():
        text = _key_text(key, exact)
        if text is None or text in made:
            return _pairs_to_json(value, depth, exact)
        made[text] = _to_json(item, depth, exact)
    if len(made) == 1:
        ((text, payload),) = made.items()
        if _looks_written(text, payload):
            return {f"${text}": payload}
    return made


def _key_text(key: Value, exact: bool) -> str | None:
    """Return the text of an object key that reads back as ``key``, None if there is none."""
    if type(key) is Keyword:
        return key.text if not exact or reads_as_keyword(key.text) else None
    if type(key) is str:
        return key if not exact or not reads_as_keyword(key) else None
    return None


def _pairs_to_json(value: Value, depth: int, exact: bool) -> Json:
    if depth == 0:
        raise _too_deep()
    inner = exact or _is_ambiguous(key for key, _ in value.items())
    pairs = [
        [_to_json(key, depth - 1, inner), _to_json(item, depth - 1, exact)]
        for key, item in value.items()
    ]
    return {"$map": pairs}


def _looks_written(text: str, payload: Json) -> bool:
    """Say whether an object of this one entry would be read as something else than a map."""
    tag = text.lstrip("$")
    if not text.startswith("$") or tag not in _READERS:
        return False
    return text.startswith("$$") or _READERS[tag](payload, DEPTH) is not MISSING


def _parts_to_json(value: Value, depth: int, exact: bool) -> Json:
    if type(value) is TaggedLiteral:
        return {"$tagged": [value.tag.text, _to_json(value.form, depth, exact)]}
    if type(value) is not ErrorValue:
        raise _no_data(value)
    fields: dict[str, Json] = {
        "type": value.type.text,
        "message": value.message,
        "data": _to_json(value.data, depth, exact),
    }
    if value.cause is not None:
        fields["cause"] = _to_json(value.cause, depth, exact)
    if value.retryable is not None:
        fields["retryable?"] = value.retryable
    if value.code is not None:
        fields["code"] = value.code
    return {"$error": fields}


def _named_to_json(value: Value) -> tuple[str, Json]:
    if type(value) is Regex:
        return "$regex", [value.pattern, value.flags] if value.flags else value.pattern
    if type(value) is Secret:
        return "$secret", value.name
    if type(value) is RunRef:
        return "$run", value.id
    if type(value) is VarRef:
        return "$var", value.name
    raise _no_data(value)


def _no_data(value: Value) -> DataError:
    return DataError("FM0330", f"{describe(value)} is not data")


def _float_name(number: float) -> str:
    if number != number:
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


_WRITERS: Final[dict[int, Callable[[Value], tuple[str, Json]]]] = {
    kinds.RATIO: lambda value: ("$ratio", number_text(value)),
    kinds.DECIMAL: lambda value: ("$decimal", str(value)),
    kinds.BYTES: lambda value: ("$bytes", b64encode(value).decode("ascii")),
    kinds.CHAR: lambda value: ("$char", value.text),
    kinds.SYMBOL: lambda value: ("$symbol", value.text),
    kinds.INSTANT: lambda value: ("$inst", instant_text(value)),
    kinds.DURATION: lambda value: ("$dur", duration_text(value)),
    kinds.UUID: lambda value: ("$uuid", str(value)),
}


# Reading. Loops, where a comprehension would be one more frame of Python for each level.


def _from_json(found: Json, depth: int) -> Value:
    cls = type(found)
    if found is None or cls is str or cls is bool or cls is float:
        return found
    if cls is int:
        return _whole(found)
    if depth == 0:
        raise _too_deep()
    if isinstance(found, (list, tuple)):
        items = []
        for item in found:
            items.append(_from_json(item, depth - 1))
        return vector(items)
    if not isinstance(found, dict):
        return _plain(found)
    if not all(type(text) is str for text in found):
        found = {_key_of(text): item for text, item in found.items()}
    if len(found) == 1:
        ((text, payload),) = found.items()
        tag = text.lstrip("$")
        if text.startswith("$") and tag in _READERS:
            if text.startswith("$$"):
                return hash_map([(keyword(text[1:]), _from_json(payload, depth - 1))])
            value = _READERS[tag](payload, depth - 1)
            if value is not MISSING:
                return value
    entries = []
    for text, item in found.items():
        entries.append((_key(text), _from_json(item, depth - 1)))
    return hash_map(entries)


def _plain(found: Json) -> Value:
    """Return what Python's ``json`` takes a subclass for: that of a library, or of an enumeration."""
    if isinstance(found, str):
        return str.__str__(found)
    if isinstance(found, int):
        return _whole(int.__int__(found))
    if isinstance(found, float):
        return float.__float__(found)
    raise DataError(
        "FM0332",
        f"this is not JSON: a value of the Python type {type(found).__name__} has no form in JSON",
        hint=_WRITTEN.get(type(found).__name__, "make it of dicts, lists, texts and numbers"),
    )


_WRITTEN: Final = {
    # by the name of the type: to load the modules of them all takes longer than most programs run
    "datetime": 'write {"$inst": value.isoformat()}',
    "timedelta": 'write {"$dur": f"{value.total_seconds()}s"}',
    "Decimal": 'write {"$decimal": str(value)}',
    "UUID": 'write {"$uuid": str(value)}',
    "bytes": 'write {"$bytes": base64.b64encode(value).decode()}',
    "set": 'write {"$set": list(value)}',
    "frozenset": 'write {"$set": list(value)}',
    "generator": "write list(value)",
    "range": "write list(value)",
}
"""How a value of Python that JSON has no form for is written (docs/json.md)."""


def _whole(number: int) -> int:
    """Return an integer that is no larger than one that JSON text may have."""
    try:
        return checked("parse-long", number)
    except FlowError as error:
        raise _bad(str(error)) from None


def _key_of(found: Json) -> str:
    if not isinstance(found, str):
        raise _bad(f"the key {found!r:.100} is not a string")
    return str.__str__(found)


def _key(text: str) -> Value:
    return keyword(text) if reads_as_keyword(text) else text


# A reader returns MISSING for a payload that no writer writes: such an object is a plain map.


def _of_text(read: Callable[[str], Value]) -> Callable[[Json, int], Value]:
    def read_payload(payload: Json, depth: int) -> Value:
        if type(payload) is not str:
            return MISSING
        try:
            value = read(payload)
        except (ValueError, FlowError):
            return MISSING
        return MISSING if value is None else value

    return read_payload


def _read_ratio(text: str) -> Value:
    number = parse_number(text)
    return number if type(number) is Ratio else None


def _read_decimal(text: str) -> Value:
    return parse_number(f"{text}M") if text[:1] in "+-0123456789" else None


def _read_uuid(text: str) -> Value:
    from uuid import UUID

    value = UUID(text)
    return value if str(value) == text.lower() else None


def _read_regex(payload: Json, depth: int) -> Value:
    if type(payload) is str:
        return Regex(payload)
    good = type(payload) is list and [type(item) for item in payload] == [str, str]
    return Regex(*payload) if good else MISSING


def _read_set(payload: Json, depth: int) -> Value:
    if type(payload) is not list:
        return MISSING
    members = []
    for item in payload:
        members.append(_from_json(item, depth))
    return set_of(members)


def _read_map(payload: Json, depth: int) -> Value:
    if type(payload) is not list or any(type(p) is not list or len(p) != 2 for p in payload):
        return MISSING
    if depth == 0:
        raise _too_deep()
    entries = []
    for key, item in payload:
        entries.append((_from_json(key, depth - 1), _from_json(item, depth - 1)))
    return hash_map(entries)


def _read_tagged(payload: Json, depth: int) -> Value:
    if type(payload) is not list or len(payload) != 2 or type(payload[0]) is not str:
        return MISSING
    return TaggedLiteral(symbol(payload[0]), _from_json(payload[1], depth))


def _read_error(payload: Json, depth: int) -> Value:
    if type(payload) is not dict or not payload.keys() <= _ERROR_FIELDS:
        return MISSING
    data = _from_json(payload.get("data", {}), depth)
    cause = _from_json(payload.get("cause"), depth)
    good = (
        type(payload.get("type")) is str
        and type(payload.get("message")) in (str, type(None))
        and KINDS[type(data)] == kinds.MAP
        and type(cause) in (ErrorValue, type(None))
        and type(payload.get("retryable?")) in (bool, type(None))
        and type(payload.get("code")) in (str, type(None))
    )
    if not good:
        return MISSING
    return ErrorValue(
        keyword(payload["type"]),
        payload.get("message"),
        data,
        cause,
        retryable=payload.get("retryable?"),
        code=payload.get("code"),
    )


_ERROR_FIELDS: Final = frozenset({"type", "message", "data", "cause", "retryable?", "code"})

_READERS: Final[dict[str, Callable[[Json, int], Value]]] = {
    "int": _of_text(parse_long),
    "float": _of_text({"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get),
    "ratio": _of_text(_read_ratio),
    "decimal": _of_text(_read_decimal),
    "bytes": _of_text(lambda text: b64decode(text, validate=True)),
    "char": _of_text(lambda text: char(text) if len(text) == 1 else None),
    "keyword": _of_text(keyword),
    "symbol": _of_text(symbol),
    "inst": _of_text(parse_instant),
    "dur": _of_text(parse_duration),
    "uuid": _of_text(_read_uuid),
    "run": _of_text(RunRef),
    "regex": _read_regex,
    "set": _read_set,
    "map": _read_map,
    "tagged": _read_tagged,
    "error": _read_error,
}
