"""Answers of operations: maps with keyword keys, and the message that brings one to its run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Final, NamedTuple

from flowmetal.effects.errors import effect_error
from flowmetal.ids import RunId
from flowmetal.store.operations.records import TAB, Records
from flowmetal.store.protocol import Message, RunState
from flowmetal.store.rules import is_kept
from flowmetal.values import ErrorValue, Map, Value, hash_map, keyword
from flowmetal.values.codec import encode_data

RESULT: Final = "result"
"""The kind of message that brings an answer."""

LATE: Final = "late"
"""The kind of message that brings what nobody waits for any more."""

AT_ONCE: Final = "at-once"
"""The name of an answer that came with its question: no time has passed that could be up."""

PREFIX: Final = "effect/"
_LONGEST_NAME = 500

Answer = Map


class Asker(NamedTuple):
    """The run that asks, and the effect under which it gets its answer."""

    run: RunId
    effect: str


def answer(**values: Value) -> Answer:
    """Make an answer."""
    return hash_map((keyword(name), value) for name, value in values.items())


def refuse(code: str, type_text: str, message: str, **data: Value) -> Answer:
    """Make the answer to what cannot be done; the program sees the error at the effect."""
    return answer(error=error_of(code, type_text, message, **data))


def error_of(code: str, type_text: str, message: str, **data: Value) -> ErrorValue:
    return effect_error(code, type_text, message, dict(data))


def bad_name(name: str, what: str) -> Answer | None:
    """Return the refusal of a name that cannot be one, None if it can."""
    if name.isprintable() and 0 < len(name) <= _LONGEST_NAME:
        return None
    return refuse(
        "FM0703",
        "effect/bad-argument",
        f"the name of a {what} is 1 to {_LONGEST_NAME} printable characters, got {name[:40]!r}",
        name=name,
    )


def bad_text(operation: object) -> Answer | None:
    """Return the refusal of an operation in which there is a text that no store can keep, None if there is none."""
    for text in _texts(operation):
        if not is_kept(text):
            return refuse(
                "FM1021",
                "effect/bad-argument",
                f"{text[:40]!a} holds a character that no store can keep: NUL, or half of a surrogate pair",
            )
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(pair)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))


def reply(
    records: Records, run: RunId | str, effect: str, found: Answer, *, at_once: bool = False
) -> None:
    """Bring an answer to a run, unless it has ended. ``at_once``: in the step that asked for it."""
    if effect:
        name = AT_ONCE if at_once else ""
        records.deliver(RunId(run), Message(answer_id(effect), RESULT, name, encode_data(found)))


def tell_late(records: Records, key: str, attempt: int, body: bytes) -> None:
    """Let a run write down how an effect ended that it waits for no more, once.

    ``key`` is RUN tab EFFECT, ``body`` encoded data: {:value} or {:error}.
    """
    run, _, effect = key.partition(TAB)
    standing = records.run(RunId(run))
    if standing is not None and standing.state is not RunState.EXPORTING:
        message = Message(f"{LATE}/{effect}/{attempt}", LATE, effect, body)
        records.deliver(standing.id, message)


def answer_id(effect: str) -> str:
    """Return the id of the message that answers an effect."""
    return f"{PREFIX}{effect}"
