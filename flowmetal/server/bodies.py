"""Bodies of requests: read within a limit of size and time, and what is in them.

Nothing here trusts a header: what is counted is the bytes that come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

from starlette.requests import ClientDisconnect, Request

from flowmetal.server.answers import HttpError, bad_request
from flowmetal.values import DataError, Value
from flowmetal.values.charsets import decode_text
from flowmetal.values.json_mapping import Json, from_json, json_text, read_json

BODY_S: Final = 30.0


async def read_body(request: Request, most: int) -> bytes:
    """Return the body.

    Raises HttpError: 413 for one that is too large, 408 for one that is too slow, 415 for one that is
    compressed: nobody here would know what it says.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise HttpError(
            415,
            "FM1350",
            f"the body is compressed ({encoding[:40]})",
            hint="send it without Content-Encoding",
            headers={"accept-encoding": "identity"},
        )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > most:
        raise _too_large(most)
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                found += chunk
                if len(found) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise HttpError(
            408,
            "FM1355",
            f"the body was not there after {BODY_S:g} s",
            hint="send the request again",
            headers=_CLOSE,
        ) from None
    except ClientDisconnect:
        raise bad_request("the body ends before its time") from None
    return bytes(found)


_CLOSE = {"connection": "close"}


def _too_large(most: int) -> HttpError:
    return HttpError(
        413,
        "FM1351",
        f"the body has more than {most:,} bytes",
        hint="send where it is kept instead; --max-body of the server is the limit",
        headers=_CLOSE,
    )


def parse_json(data: bytes) -> Value:
    """Return the value of a JSON text. Raises HttpError 400."""
    return _value(_written(data))


def _written(data: bytes) -> Json:
    """Return what a JSON text has, as it is written there."""
    try:
        return read_json(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise bad_request(f"the body is not JSON: byte {error.start} is not UTF-8") from None
    except DataError as error:
        raise bad_request(f"the body is not JSON: {error.message}") from None


def _value(written: Json) -> Value:
    try:
        return from_json(written)
    except DataError as error:
        raise bad_request(f"the body is not JSON: {error.message}") from None


def value_of(data: bytes, content_type: str) -> Value:
    """Return what a body of any type says: JSON, text, or bytes; nil for none."""
    kind, *parameters = content_type.lower().split(";")
    kind = kind.strip()
    if not data:
        return None
    if kind == "application/json" or kind.endswith("+json"):
        return parse_json(data)
    if kind.startswith("text/") or kind == "application/x-www-form-urlencoded":
        charset = _charset(parameters)
        try:
            return decode_text(data, charset)
        except (LookupError, ValueError):
            raise bad_request(f"the body is not {charset[:40]}") from None
    return data


def _charset(parameters: Iterable[str]) -> str:
    """Return the charset among the parameters of a type; there may be others, as in ``format=flowed``."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip(' "') or "utf-8"
    return "utf-8"


class Fields:
    """The fields of a JSON object; each is asked for with its type, and no other may be there."""

    def __init__(self, written: dict[str, Json], known: Collection[str]) -> None:
        """Raises HttpError 400 for a field that is not among the ``known`` ones."""
        for name in written:
            if name not in known:
                raise bad_request(
                    f"there is no field `{name[:80]}`", f"the fields are {', '.join(sorted(known))}"
                )
        self._written = written

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string. Without a default it has to be there."""
        value = self._written.get(name, default)
        if value is None:
            raise bad_request(f"`{name}` is missing")
        if not isinstance(value, str):
            raise bad_request(f"`{name}` is not a string")
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self._written.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        value = self._written.get(name, False)
        if not isinstance(value, bool):
            raise bad_request(f"`{name}` is neither true nor false")
        return value

    def number(
        self, name: str, default: int | None = None, least: int = 0, most: int = 1 << 31
    ) -> int:
        """Return an integer within bounds."""
        value = self._written.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise bad_request(f"`{name}` is not an integer from {least} to {most}")
        return value

    def items(self, name: str) -> tuple[Value, ...]:
        """Return an array; () if it is not there."""
        return tuple(map(_value, self._array(name)))

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._array(name)
        if not all(isinstance(item, str) for item in found):
            raise bad_request(f"`{name}` is not an array of strings")
        return tuple(found)

    def objects(self, name: str, known: Collection[str]) -> tuple[Fields, ...]:
        """Return an array of objects, each with fields of its own."""
        found = self._array(name)
        if not all(isinstance(item, dict) for item in found):
            raise bad_request(f"`{name}` is not an array of objects")
        return tuple(Fields(item, known) for item in found)

    def _array(self, name: str) -> list[Json]:
        found = self._written.get(name)
        if found is None:
            return []
        if not isinstance(found, list):
            raise bad_request(f"`{name}` is not an array")
        return found

    def tags(self, name: str) -> dict[str, str]:
        """Return an object of strings."""
        found = self._written.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise bad_request(f"`{name}` is not an object")
        if not all(key and isinstance(text, str) for key, text in found.items()):
            raise bad_request(f"`{name}` is not an object of strings")
        return found

    def value(self, name: str) -> Value:
        return _value(self._written.get(name))

    def json(self, name: str) -> str:
        """Return the JSON of a value as it is written in the body: whoever reads it makes the same of it."""
        self.value(name)  # it is one
        return json_text(self._written.get(name))

    def has(self, name: str) -> bool:
        return name in self._written


async def read_object(request: Request, most: int) -> bytes:
    """Return the body of a request that takes a JSON object; ``fields_in`` reads it. Raises HttpError."""
    data = await read_body(request, most)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if data and kind != "application/json":
        raise HttpError(
            415,
            "FM1350",
            f"the body is {kind or 'of no type'}",
            hint="send Content-Type: application/json",
        )
    return data


def fields_in(data: bytes, known: Collection[str]) -> Fields:
    """Return the fields of a body that is a JSON object; an empty body has none. Raises HttpError.

    To read a large one takes up to some seconds: not in the event loop, nor what its fields are asked for.
    """
    written = _written(data) if data else {}
    if not isinstance(written, dict):
        raise bad_request("the body is not a JSON object")
    return Fields(written, known)
