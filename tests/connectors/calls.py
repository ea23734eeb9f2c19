"""Calls for tests of connectors."""

from __future__ import annotations

import asyncio
from typing import Any

from flowmetal.effects.requests import Call, Connector, EffectFailed
from flowmetal.ids import RunId
from flowmetal.runtime.grants import RunGrants
from flowmetal.values import ErrorValue, Value, from_json, hash_map, keyword

ALL = RunGrants(everything=True)


def call(
    kind: str, grants: RunGrants = ALL, *, key: str = "r/0/1", again: bool = False, **args: Any
) -> Call:
    pairs = (
        (keyword(name.replace("_p", "?").replace("_", "-")), _value(v)) for name, v in args.items()
    )
    return Call(RunId("r"), kind, hash_map(pairs), key, 1, grants, again)


def _value(value: Any) -> Value:
    return from_json(value) if isinstance(value, (dict, list)) else value


def perform(connector: Connector, call: Call) -> Value:
    async def once() -> Value:
        try:
            return await connector.perform(call)
        finally:
            await connector.close()

    return asyncio.run(once())


def failure(connector: Connector, call: Call) -> ErrorValue:
    try:
        value = perform(connector, call)
    except EffectFailed as failed:
        return failed.error
    raise AssertionError(f"it did not fail: {value!r}")
