"""Which facts enter, and in which order."""

from __future__ import annotations

import pytest

from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import EffectRequest
from flowmetal.ids import EffectNumber
from flowmetal.runtime.entering import SLEEP, facts_entering
from flowmetal.runtime.options import Options
from flowmetal.runtime.progress import Pending
from flowmetal.runtime.retry import ONCE
from flowmetal.store.protocol import InboxRow, Message
from flowmetal.values import Value, encode_data, keyword
from tests.runtime.programs import args


def sleep(number: int, due_us: int) -> Pending:
    return _pending(number, SLEEP, due_us, args())


def receive(number: int, name: str, due_us: int | None = None, **more: Value) -> Pending:
    return _pending(number, "signal/receive", due_us, args(name=keyword(name), **more))


def _pending(number: int, kind: str, due_us: int | None, given: Value) -> Pending:
    request = EffectRequest(EffectNumber(number), kind, given, str(number))
    return Pending(request, EffectClass.WAITING, Options(None, ONCE, False), 0, due_us)


def signal(number: int, name: str, time_us: int, value: Value = None) -> InboxRow:
    return InboxRow(number, time_us, Message(f"m{number}", "signal", name, encode_data(value)))


def entering(
    waits: list[Pending], signals: list[InboxRow], now_us: int
) -> list[tuple[int, int, Value]]:
    return [
        (
            fact.at_us,
            fact.result.number,
            fact.result.error.type.text if fact.result.error else fact.result.value,
        )
        for fact in facts_entering(waits, signals, now_us)
    ]


def test_nothing_that_is_not_over_enters() -> None:
    assert entering([sleep(1, 100), receive(2, "a", 100)], [], 99) == []


def test_timers_enter_by_due_time_and_ties_by_number() -> None:
    assert entering([sleep(3, 50), sleep(1, 70), sleep(2, 50)], [], 100) == [
        (50, 2, None), (50, 3, None), (70, 1, None),
    ]  # fmt: skip


def test_a_signal_beats_a_timeout_that_is_due_later_whatever_time_it_is() -> None:
    assert entering([receive(1, "a", 50)], [signal(1, "a", 50, "s")], 1000) == [(50, 1, "s")]


def test_a_timeout_beats_a_signal_that_came_later() -> None:
    assert entering([receive(1, "a", 50)], [signal(1, "a", 51, "s")], 1000) == [(50, 1, "timeout")]


def test_the_oldest_wait_takes_the_oldest_signal_and_nobody_another_one_with_it() -> None:
    waits = [receive(2, "a"), receive(1, "a"), receive(3, "b")]
    signals = [
        signal(1, "a", 10, "first"),
        signal(2, "a", 20, "second"),
        signal(3, "a", 30, "third"),
    ]
    assert entering(waits, signals, 100) == [(10, 1, "first")]
    assert entering([waits[0], waits[2]], signals[1:], 100) == [(20, 2, "second")]


def test_a_wait_whose_time_was_up_leaves_the_signal_to_the_next_one() -> None:
    waits = [receive(1, "a", 5, **{"else": "late"}), receive(2, "a")]
    assert entering(waits, [signal(1, "a", 10, "s")], 100) == [(5, 1, "late"), (10, 2, "s")]


def test_messages_enter_as_they_came_though_the_clock_was_set_back_between_them() -> None:
    waits = [receive(1, "b"), receive(2, "a"), sleep(3, 90)]
    signals = [signal(1, "a", 100, "first"), signal(2, "b", 40, "second")]
    assert entering(waits, signals, 100) == [(90, 3, None), (100, 2, "first")]
    waits[1] = receive(2, "a", 200)
    assert entering(waits, signals, 100) == [(90, 3, None), (100, 2, "first")]


def test_a_message_that_came_in_time_by_the_clock_is_not_late_because_of_an_earlier_one() -> None:
    waits = [receive(1, "a"), receive(2, "b", 60)]
    signals = [signal(1, "a", 100, "first"), signal(2, "b", 40, "second")]
    for now_us in (50, 200):
        assert entering(waits, signals, now_us) == [(100, 1, "first")]
        assert entering(waits[1:], signals[1:], now_us) == [(40, 2, "second")]


def test_an_answer_that_tells_of_a_callbacks_end_counts_when_it_ended() -> None:
    def told(at_us: int | None) -> InboxRow:
        said = args(state="expired", at=at_us) if at_us else args(state="completed")
        return InboxRow(2, 90, Message("effect/0.1", "result", "", encode_data(said)))

    waits = [_pending(1, "callback/await", 60, args(id="c")), receive(2, "a"), sleep(3, 50)]
    signals = [signal(1, "a", 70, "s")]
    for at_us, order in ((40, [1, 3, 2]), (55, [3, 1, 2]), (None, [3, 1, 2])):
        facts = facts_entering(waits, signals, 100, {1: told(at_us)})
        assert [fact.result.number for fact in facts] == order
        over = facts[order.index(1)]
        assert (over.at_us, over.message is None) == (at_us or 60, at_us is None)


@pytest.mark.parametrize("at_most_once", [False, True])
def test_what_a_worker_said_late_enters_only_where_nobody_may_ask_again(at_most_once: bool) -> None:
    request = EffectRequest(EffectNumber(1), "t/pay", args(), "1")
    pending = Pending(request, EffectClass.TASK, Options(5, ONCE, at_most_once), 0, 5)
    said = InboxRow(1, 10, Message("effect/0.1", "result", "", b""))
    (fact,) = facts_entering([pending], [], 20, {1: said})
    assert (fact.message is said, fact.at_us) == ((True, 10) if at_most_once else (False, 5))
