"""Reading the arguments of an effect: each mistake is an error that names the argument."""

from __future__ import annotations

from collections.abc import Iterator

from flowmetal.effects.errors import bad_argument
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.values import Keyword, Map, Value, Vector, iterate_seq, keyword, pr_str


def refuse(call: Call, message: str) -> EffectFailed:
    """Return the failure for arguments that the effect cannot take."""
    return EffectFailed(bad_argument(call.kind, message))


def text(call: Call, name: str, default: str | None = None) -> str:
    """Return a string argument, which must be there if it has no default."""
    value = call.args.get(keyword(name))
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise refuse(call, f":{name} takes a string, got {pr_str(value, 80)}")
    return value


def flag(call: Call, name: str, default: bool) -> bool:
    """Return a boolean argument."""
    value = call.args.get(keyword(name), default)
    return value is not None and value is not False


def choice(call: Call, name: str, choices: tuple[str, ...], default: str) -> str:
    """Return which of some keywords an argument is."""
    value = call.args.get(keyword(name))
    if value is None:
        return default
    found = value.name if isinstance(value, Keyword) else value
    if found not in choices:
        wanted = " ".join(f":{one}" for one in choices)
        raise refuse(call, f":{name} is one of {wanted}, got {pr_str(value, 80)}")
    return str(found)


def pairs(call: Call, name: str) -> Iterator[tuple[str, Value]]:
    """Yield the entries of a map argument, names as text."""
    value = call.args.get(keyword(name))
    if value is None:
        return
    if not isinstance(value, Map):
        raise refuse(call, f":{name} takes a map, got {pr_str(value, 80)}")
    for key, item in value.items():
        if isinstance(key, Keyword):
            key = key.text
        if not isinstance(key, str):
            raise refuse(call, f":{name} has the key {pr_str(key, 80)}, not a name")
        yield key, item


def items(value: Value) -> list[Value]:
    """Return the items of a sequential value; a single value is a list of its own."""
    if isinstance(value, Vector):
        return list(value)
    if isinstance(value, (str, bytes, Map)) or value is None:
        return [value]
    try:
        return list(iterate_seq(value))
    except Exception:  # not sequential: natives say so in several ways
        return [value]


def why_no_json(problem: Exception) -> str:
    """Return what the reader of JSON dislikes, for a sentence that says whose text it is."""
    return str(getattr(problem, "message", problem)).removeprefix("this is not JSON: ")
