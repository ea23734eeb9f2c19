"""Which facts enter a machine, and in which order. A pure decision.

By time: a signal counts at its arrival, a timer at its due time, a result at
its arrival; ties go by effect number. That is so after downtime too: a timer that was due
while nobody was there does not lose to a signal that came later. The end of a callback's time is a
timer as well, though the store keeps it and tells of it when somebody attends to it. Messages never overtake one
another, though the store's clock be set back between two of them: what came later counts later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from flowmetal.effects.errors import effect_error
from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import EffectResult
from flowmetal.runtime.progress import Pending
from flowmetal.store.operations.answers import AT_ONCE
from flowmetal.store.protocol import InboxRow
from flowmetal.values import ErrorValue, Keyword, Value, hash_map, keyword
from flowmetal.values.codec import decode_data

EMPTY: Final[Mapping[int, InboxRow]] = {}
_NAME = keyword("name")
_ELSE = keyword("else")
_WHOLE, _ID, _VALUE = keyword("whole"), keyword("id"), keyword("value")
_AT = keyword("at")
_MISSING: Final = object()
RECEIVES: Final = {"signal/receive": "signal", "topic/receive": "topic"}
"""The kinds that take from the inbox, and the kind of messages that each takes."""

SLEEP: Final = "time/sleep"
CALLBACK: Final = "callback/await"


class Entering(NamedTuple):
    """A result on its way in, when it counts, and the message that it came by, if one did."""

    at_us: int
    result: EffectResult
    message: InboxRow | None = None


def facts_entering(
    waits: Iterable[Pending],
    signals: Sequence[InboxRow],
    now_us: int,
    answers: Mapping[int, InboxRow] = EMPTY,
) -> list[Entering]:
    """Return what the waits come to at ``now_us``, in order, up to the first signal. ``signals`` are not yet taken.

    What that leads to may end the wait that would take the next one, and nobody would have it.

    ``answers`` are those of the store, by effect; the result of one is read by answering.py.
    """
    entering: list[Entering] = []
    receives: list[Pending] = []
    for pending in waits:
        answer = answers.get(pending.request.number)
        if pending.request.kind in RECEIVES:
            receives.append(pending)
        elif answer is not None and not _is_late(pending, answer):
            result = EffectResult(pending.request.number)
            entering.append(Entering(_counts_us(pending, answer), result, answer))
        elif is_over(pending, now_us):
            assert pending.due_us is not None
            entering.append(Entering(pending.due_us, _when_over(pending)))
    receives.sort(key=lambda pending: pending.request.number)
    # Who takes a later signal matters only where a wait may be over otherwise.
    are_all_open = not any(is_over(pending, now_us) for pending in receives)
    for row in signals:
        if not receives:
            break
        taker = _taker(receives, row)
        if taker is not None:
            receives.remove(taker)
            value = decode_data(row.message.body) if row.message.body else None
            if taker.request.args.get(_WHOLE) is True:
                value = hash_map(((_ID, row.message.id), (_VALUE, value)))
            result = EffectResult(taker.request.number, value)
            entering.append(Entering(row.time_us, result, row))
            if are_all_open:
                break
    for pending in receives:
        if is_over(pending, now_us):
            assert pending.due_us is not None
            entering.append(Entering(pending.due_us, _when_over(pending)))
    entering = _as_they_came(entering, signals, answers)
    entering.sort(key=lambda entry: (entry.at_us, entry.result.number))
    first = next((n for n, entry in enumerate(entering, 1) if _is_signal(entry)), len(entering))
    return entering[:first]


def _is_signal(entry: Entering) -> bool:
    return entry.message is not None and entry.message.message.kind in RECEIVES.values()


def _as_they_came(
    entering: list[Entering], signals: Sequence[InboxRow], answers: Mapping[int, InboxRow]
) -> list[Entering]:
    """Let a message count no earlier than those that came before it. ``signals`` are the oldest first.

    One that tells of what was over before it came is left: that counts as a timer does.
    """
    came = {
        entry.message.number
        for entry in entering
        if entry.message is not None and entry.at_us == entry.message.time_us
    }
    last = max(came, default=0)
    before = list(takewhile(lambda row: row.number <= last, signals))
    counts_us = _when_each_counts(before + [row for row in answers.values() if row.number <= last])
    return [
        entry._replace(at_us=counts_us[entry.message.number])
        if entry.message is not None and entry.message.number in came
        else entry
        for entry in entering
    ]


def _when_each_counts(messages: Iterable[InboxRow]) -> dict[int, int]:
    """Return when each message counts, by its number: a message never before one with a smaller number."""
    counts_us: dict[int, int] = {}
    latest = None
    for row in sorted(messages, key=lambda row: row.number):
        latest = row.time_us if latest is None or row.time_us >= latest else latest + 1
        counts_us[row.number] = latest
    return counts_us


def _counts_us(pending: Pending, answer: InboxRow) -> int:
    """Return when an answer counts: at its arrival, or when the callback has expired that it tells of."""
    if pending.request.kind != CALLBACK or answer.message.name == AT_ONCE:
        return answer.time_us
    expired_us = decode_data(answer.message.body).get(_AT)
    return expired_us if type(expired_us) is int else answer.time_us


def _is_late(pending: Pending, answer: InboxRow) -> bool:
    """Say whether the time of a wait was up before its answer came. What is done at most once is known late
    rather than never."""
    if pending.effect_class is EffectClass.TASK and pending.options.at_most_once:
        return False
    return answer.message.name != AT_ONCE and is_over(pending, _counts_us(pending, answer) - 1)


def is_over(pending: Pending, now_us: int) -> bool:
    """Say whether the time of a wait is up."""
    return pending.due_us is not None and pending.due_us <= now_us


def signal_name(value: Value) -> str:
    """Return a signal's name as messages carry it: ``:go`` and "go" are the same."""
    return value.text if isinstance(value, Keyword) else str(value)


def timeout_error(kind: str, effect_class: EffectClass, timeout_us: int | None) -> ErrorValue:
    """Return what an effect ends in when its time is up."""
    namespace = kind.partition("/")[0]
    connector = effect_class is EffectClass.CONNECTOR and namespace in ("http", "sh")
    seconds = "" if timeout_us is None else f" after {timeout_us / 1_000_000:g} s"
    return effect_error(
        "FM0704",
        f"{namespace}/timeout" if connector else "timeout",
        f"{kind} timed out{seconds}",
        {"kind": kind},
        # A request is tried again by itself; elsewhere it is for the program to say whether time is a reason to.
        retryable=True if connector and namespace == "http" else None,
    )


def _taker(receives: Sequence[Pending], row: InboxRow) -> Pending | None:
    """Return the oldest receive that waits for this signal and was not over when it came."""
    for pending in receives:
        if RECEIVES[pending.request.kind] != row.message.kind:
            continue
        if signal_name(pending.request.args.get(_NAME)) != row.message.name:
            continue
        if pending.due_us is None or row.time_us <= pending.due_us:
            return pending
    return None


def _when_over(pending: Pending) -> EffectResult:
    request = pending.request
    if request.kind == SLEEP:
        return EffectResult(request.number)
    otherwise = request.args.get(_ELSE, _MISSING)
    if otherwise is not _MISSING:
        return EffectResult(request.number, otherwise)
    error = timeout_error(request.kind, pending.effect_class, pending.options.timeout_us)
    return EffectResult(request.number, None, error)
