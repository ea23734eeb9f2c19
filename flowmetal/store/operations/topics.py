"""Topics: what is published reaches every subscriber's inbox, once, in order.

A message that a run gets has kind ``topic``, the subscription as its name and
``topic/SUBSCRIPTION/NUMBER`` as its id. What was published is kept for a week, for those who
subscribe from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from flowmetal.ids import RunId
from flowmetal.store.operations.answers import Answer, Asker, answer, bad_name
from flowmetal.store.operations.records import (
    TAB,
    Kept,
    Records,
    drop,
    each,
    find,
    keep,
    parts_of,
)
from flowmetal.store.operations.ties import Tie, bind, unbind
from flowmetal.store.operations.vocabulary import Publish, Subscribe, Unsubscribe
from flowmetal.store.protocol import Message

TOPIC: Final = "topic"
KEPT_US = 7 * 86_400_000_000
_PAGE = 100


@dataclass(slots=True)
class Topic(Kept):
    """``number`` was published last."""

    SPACE: ClassVar[str] = "topic"
    number: int


@dataclass(slots=True)
class Published(Kept):
    """Key: topic, number. The body is the record's."""

    SPACE: ClassVar[str] = "published"
    time_us: int


@dataclass(slots=True)
class Once(Kept):
    """What was published under an id. Key: topic, id."""

    SPACE: ClassVar[str] = "published-once"
    number: int
    told: int


@dataclass(slots=True)
class Subscription(Kept):
    """Key: topic, run, subscription."""

    SPACE: ClassVar[str] = "subscription"
    since_us: int


def publish(records: Records, operation: Publish) -> Answer:
    wrong = bad_name(operation.topic, "topic")
    if wrong is not None:
        return wrong
    once = TAB.join((operation.topic, operation.id))
    known = find(records, Once, once) if operation.id else None
    if known is not None:
        return answer(number=known.number, told=known.told)
    topic = find(records, Topic, operation.topic) or Topic(0)
    topic.number += 1
    keep(records, operation.topic, topic)
    now = records.now_us()
    place = _place(operation.topic, topic.number)
    keep(records, place, Published(now), operation.body, now + KEPT_US)
    told = 0
    for key, _ in each(records, Subscription, f"{operation.topic}{TAB}"):
        _, run, subscription = parts_of(key, 3)
        _tell(records, run, subscription, topic.number, operation.body)
        told += 1
    if operation.id:
        keep(records, once, Once(topic.number, told), due_us=now + KEPT_US)
    return answer(number=topic.number, told=told)


def subscribe(records: Records, asker: Asker, operation: Subscribe) -> Answer:
    wrong = bad_name(operation.topic, "topic")
    if wrong is not None:
        return wrong
    key = TAB.join((operation.topic, asker.run, operation.id))
    keep(records, key, Subscription(records.now_us()))
    bind(records, asker.run, TOPIC, key, Tie(TOPIC, key))
    if operation.from_start:
        _tell_all(records, asker.run, operation)
    topic = find(records, Topic, operation.topic)
    return answer(id=operation.id, number=0 if topic is None else topic.number)


def _tell_all(records: Records, run: RunId, operation: Subscribe) -> None:
    """Bring everything that is kept of a topic to a new subscriber."""
    prefix = f"{operation.topic}{TAB}"
    after = ""
    while page := records.scan(Published.SPACE, prefix, after, _PAGE):
        for record in page:
            number = int(record.key.rpartition(TAB)[2], 16)
            _tell(records, run, operation.id, number, record.body or b"")
        after = page[-1].key


def unsubscribe(records: Records, asker: Asker, operation: Unsubscribe) -> Answer:
    key = TAB.join((operation.topic, asker.run, operation.id))
    unbind(records, asker.run, TOPIC, key)
    return answer(value=drop(records, Subscription, key))


def end_subscription(records: Records, key: str) -> None:
    drop(records, Subscription, key)


def forget(records: Records, key: str) -> None:
    """What was published is kept no longer."""
    drop(records, Published, key)


def forget_once(records: Records, key: str) -> None:
    """What was published under an id is kept no longer, and so is the id."""
    drop(records, Once, key)


def _tell(records: Records, run: str, subscription: str, number: int, body: bytes) -> None:
    records.deliver(
        RunId(run), Message(f"topic/{subscription}/{number}", TOPIC, subscription, body)
    )


def _place(topic: str, number: int) -> str:
    return f"{topic}{TAB}{number:016x}"
