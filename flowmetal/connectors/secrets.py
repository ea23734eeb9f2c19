"""From the name of a secret to the secret: here, in a connector, and nowhere else.

``#secret "stripe-key"`` is the variable ``FLOWMETAL_SECRET_STRIPE_KEY`` of the
interpreter, or the file ``stripe-key`` in the folder ``$FLOWMETAL_SECRETS``
(without the line end). The value goes into the request and not into the machine,
the history or a message: where a result or an error repeats it, such as the output of
``env`` or a server that echoes its request, the name stands instead (``hiding_secrets``). So it does where
a secret is repeated as it is written in a form, a URL or JSON (as a number, too), or as we have sent it ourselves (``keep_hidden``).
What is cut or taken apart is freed of secrets before that (``hide``): afterwards nothing would find them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Final, TypeVar
from urllib.parse import quote, quote_plus

from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.effects.secrets import SECRET_VARIABLE
from flowmetal.values import (
    ErrorValue,
    Keyword,
    List,
    Map,
    Secret,
    Set,
    Symbol,
    TaggedLiteral,
    Value,
    Vector,
    encode_data,
    hash_map,
    is_number,
    list_of,
    set_of,
    vector,
)

SHORTEST_HIDDEN: Final = 4
"""Characters. To replace what is shorter would make nonsense of texts and hide nothing."""

_revealed: ContextVar[dict[str, str] | None] = ContextVar("revealed", default=None)
"""What has been revealed in the effect that is being performed: text to name."""

_NUMBER = re.compile("-?(0|[1-9][0-9]{0,400})([.][0-9]{0,400}[1-9])?").fullmatch
"""As numbers are written: to hide 200 because of 0200 would make nonsense of results."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def reveal(value: Value, environment: Mapping[str, str] | None = None) -> Value:
    """Return what a secret stands for, and any other value as it is."""
    if not isinstance(value, Secret):
        return value
    found = _found(value, environment)
    if len(found) >= SHORTEST_HIDDEN:
        for written in spellings(found):
            keep_hidden(written, (value,))
    return found


def keep_hidden(written: str, words: Iterable[Value]) -> None:
    """Hide a text that was made of secrets, and perhaps of other words, in what this effect results in."""
    seen = _revealed.get()
    secret = next((word for word in words if isinstance(word, Secret)), None)
    if seen is not None and secret is not None:
        seen[written] = secret.name


def hide(value: Value) -> Value:
    """Return data without the secrets that this effect has used: before it is cut or taken apart."""
    return without(value, _revealed.get() or {})


def spellings(found: str) -> set[str]:
    """Return how a text is written in a form, in a URL and in JSON."""
    kept = found.encode("utf-8", "surrogatepass")
    spelled = {found, quote(kept, safe=""), quote(kept), quote_plus(kept)}
    return spelled | {json.dumps(found, ensure_ascii=plain)[1:-1] for plain in (True, False)}


def _found(value: Secret, environment: Mapping[str, str] | None) -> str:
    environment = os.environ if environment is None else environment
    remedy = "its name has characters that no secret's has"
    if _NAME.fullmatch(value.name):
        variable = SECRET_VARIABLE + re.sub(r"[^A-Z0-9]", "_", value.name.upper())
        remedy = f"set {variable}, or put it into the file {value.name} in $FLOWMETAL_SECRETS"
        if variable in environment:
            return environment[variable]
        folder = environment.get("FLOWMETAL_SECRETS")
        if folder:
            try:
                with open(os.path.join(folder, value.name), encoding="utf-8") as file:
                    return file.read().rstrip("\r\n")
            except FileNotFoundError:
                pass
            except (OSError, UnicodeDecodeError) as problem:
                why = getattr(problem, "strerror", None) or "it is no text in UTF-8"
                remedy = f"the file {value.name} in $FLOWMETAL_SECRETS cannot be read: {why}"
    raise EffectFailed(
        effect_error(
            "FM0707",
            "secret/missing",
            f"this interpreter does not have the secret {value.name!r}: {remedy}",
            {"name": value.name},
        )
    )


Self = TypeVar("Self")


def hiding_secrets(
    perform: Callable[[Self, Call], Awaitable[Value]],
) -> Callable[[Self, Call], Awaitable[Value]]:
    """Let a connector's ``perform`` return and raise nothing that holds a secret it has used."""

    @wraps(perform)
    async def hidden(self: Self, call: Call) -> Value:
        seen: dict[str, str] = {}
        token = _revealed.set(seen)
        try:
            return without(await perform(self, call), seen)
        except EffectFailed as failed:
            if not seen:
                raise
            raise EffectFailed(without(failed.error, seen), failed.retry_after_us) from None
        except Exception as crash:  # a mistake of a connector; what it says gets into the history
            if not seen:
                raise
            raise RuntimeError(without(f"{type(crash).__name__}: {crash}", seen)) from None
        finally:
            _revealed.reset(token)

    return hidden


def without(value: Value, secrets: Mapping[str, str]) -> Value:
    """Return data in which the names of secrets stand where their texts stood, or the numbers that these are."""
    if not secrets:
        return value
    data = encode_data(value)
    numbers = {_read(text): _shown(name) for text, name in secrets.items() if _NUMBER(text)}
    if not numbers and not any(text.encode("utf-8", "surrogatepass") in data for text in secrets):
        return value  # it need not be walked
    # Longest first: one secret may be a part of another.
    order = sorted(secrets, key=len, reverse=True)
    return _replaced(value, [(text, _shown(secrets[text])) for text in order], numbers)


def _read(number: str) -> int | float:
    """Return what JSON reads a number as."""
    return float(number) if "." in number else int(number)


def _shown(name: str) -> str:
    return f"#secret {name}"


def _replaced(value: Value, texts: list[tuple[str, str]], numbers: dict[int | float, str]) -> Value:
    if isinstance(value, str):
        for secret, name in texts:
            value = value.replace(secret, name)
        return value
    if numbers and is_number(value):
        return numbers.get(value, value)
    if isinstance(value, (Keyword, Symbol)):
        text = _replaced(value.text, texts, numbers)
        return value if text == value.text else text
    if isinstance(value, bytes):
        for secret, name in texts:
            value = value.replace(secret.encode("utf-8", "surrogatepass"), name.encode())
        return value
    if isinstance(value, Map):
        return hash_map(
            (_replaced(k, texts, numbers), _replaced(v, texts, numbers)) for k, v in value.items()
        )
    if isinstance(value, Vector):
        return vector([_replaced(item, texts, numbers) for item in value])
    if isinstance(value, List):
        return list_of([_replaced(item, texts, numbers) for item in value])
    if isinstance(value, Set):
        return set_of([_replaced(item, texts, numbers) for item in value])
    if isinstance(value, TaggedLiteral):
        return TaggedLiteral(value.tag, _replaced(value.form, texts, numbers))
    if isinstance(value, ErrorValue):
        return ErrorValue(
            value.type,
            _replaced(value.message, texts, numbers),
            _replaced(value.data, texts, numbers),
            _replaced(value.cause, texts, numbers),
            value.frames,
            value.retryable,
            value.code,
        )
    return value
