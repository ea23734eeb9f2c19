"""What every store promises of calls: attempts at effects that another process performs.

For a store of your own, subclass ``CallsContract`` with a ``world`` as for ``StoreContract``.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmetal.errors import StoreError
from flowmetal.store.operations.calls import PATIENCE
from flowmetal.store.operations.vocabulary import (
    Asked,
    BeatCalls,
    ClaimCalls,
    EndCall,
    EndCalls,
    GiveBackCall,
    OfferCall,
    RecallCall,
    ShowCall,
    ShowTies,
    Withdraw,
)
from flowmetal.store.protocol import NewEvent, RunState
from flowmetal.values import Map, keyword, vector
from tests.contracts.test_operations import Doer, of, revived
from tests.contracts.test_store import (
    LEASE_US,
    R1,
    R2,
    MemoryWorld,
    PostgresWorld,
    SqliteWorld,
    World,
)
from tests.postgres import Server

SECOND = 1_000_000


def claim(world: World, *kinds: str, limit: int = 9) -> list[Map]:
    asked = ClaimCalls(kinds or ("mail/send",), "process 7 on b", LEASE_US, limit)
    return list(of(world.bob.operate(asked), "value"))  # type: ignore[call-overload]


def offer(doer: Doer, kind: str = "mail/send", **more: object) -> str:
    return doer.ask(OfferCall(kind, b"letter", **more))  # type: ignore[arg-type]


def end(world: World, call: Map, said: bytes = b"sent") -> object:
    return of(told(world, EndCall(of(call, "id"), of(call, "claim"), said)), "value")  # type: ignore[arg-type]


def told(world: World, end: EndCall) -> Map:
    (found,) = world.bob.operate(EndCalls([end])).get(keyword("value"))
    assert isinstance(found, Map)
    return found


class CallsContract:
    """``world`` is a fixture that makes an empty store, with two connections to it."""

    def test_a_call_is_had_by_one_performer_whose_word_is_the_answer(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        (call,) = claim(world)
        assert (of(call, "kind"), of(call, "run"), of(call, "body")) == ("mail/send", R1, b"letter")
        assert of(call, "again") is False
        assert claim(world) == []
        assert doer.answer(effect) is None
        assert end(world, call) is True
        assert of(doer.answer(effect), "body") == b"sent"
        assert end(world, call, b"sent again") is False
        assert of(world.bob.operate(ShowTies(R1)), "ties") == vector([])

    def test_a_performer_has_no_word_in_the_call_of_a_later_run_of_the_same_id(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        offer(doer, number=3)
        (lost,) = claim(world)
        doer.end(RunState.CANCELLED, error=b"e")
        world.ann.forget(R1)
        world.clock.advance(1)
        later = Doer(world, R1)
        effect = offer(later, number=3)
        (call,) = claim(world)
        held = (of(lost, "id"), of(lost, "claim"))
        assert of(world.bob.operate(BeatCalls([held], LEASE_US)), "lost") == vector([held[0]])
        assert end(world, lost, b"wrong") is False
        assert end(world, call) is True
        assert of(later.answer(effect), "body") == b"sent"

    def test_several_words_are_heard_in_one_transaction_each_for_itself(self, world: World) -> None:
        doer = Doer(world, R1)
        effects = [offer(doer), offer(doer)]
        ends = [
            EndCall(of(call, "id"), of(call, "claim"), b"sent")  # type: ignore[arg-type]
            for call in claim(world)
        ]
        stale = EndCall(ends[0].id, ends[0].claim + 1, b"other")
        answers = of(world.bob.operate(EndCalls([stale, *ends])), "value")
        assert [of(each, "value") for each in answers] == [False, True, True]  # type: ignore[attr-defined]
        assert [of(doer.answer(effect), "body") for effect in effects] == [b"sent", b"sent"]

    def test_calls_go_to_who_performs_their_kind_the_oldest_first(self, world: World) -> None:
        doer = Doer(world, R1)
        for kind in ("mail/send", "mail/list", "sms/send"):
            offer(doer, kind)
            world.clock.advance(1)
        assert claim(world, "mail/sen", "mail/sendx", "mai/*", "sms/list") == []
        assert [of(call, "kind") for call in claim(world, "sms/send", "mail/*", limit=2)] == [
            "mail/send",
            "mail/list",
        ]
        assert [of(call, "kind") for call in claim(world, "sms/*", "mail/*")] == ["sms/send"]

    @pytest.mark.parametrize("looked", [True, False])
    def test_a_performer_that_died_is_replaced_in_time_though_the_clock_was_set_back(
        self, world: World, looked: bool
    ) -> None:
        world.clock.advance(7200 * SECOND)
        offer(Doer(world, R1))
        (lost,) = claim(world)
        if looked:
            world.bob.attend()
        world.clock.time_us -= 3600 * SECOND
        world.bob.attend()
        assert claim(world) == []
        world.clock.advance(LEASE_US)
        world.bob.attend()
        (call,) = claim(world)
        assert (of(call, "id"), of(call, "again")) == (of(lost, "id"), True)

    def test_a_call_that_two_patterns_name_is_had_once(self, world: World) -> None:
        doer = Doer(world, R1)
        offer(doer)
        offer(doer)
        calls = claim(world, "mail/send", "mail/*", limit=3)
        assert [of(call, "id") for call in calls] == ["run-1\t0.1", "run-1\t0.2"]
        assert [end(world, call) for call in calls] == [True, True]

    def test_a_look_says_whether_there_are_calls(self, world: World) -> None:
        assert not world.bob.has_calls(["mail/*"])
        offer(Doer(world, R1))
        assert world.bob.has_calls(["a/b", "mail/*"])
        assert world.bob.has_calls(["mail/send"])
        assert not world.bob.has_calls(["mail/sen", "mails/*"])
        assert not world.bob.has_calls([])
        claim(world)
        assert not world.bob.has_calls(["mail/*"])

    def test_the_next_attempt_of_an_effect_has_an_answer_of_its_own(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        end(world, claim(world)[0], b"no")
        (row,) = world.ann.inbox(R1, 0)
        again = Asked(effect, OfferCall("mail/send", b"letter"))
        doer.end(RunState.WAITING, consumed=(row.number,), operations=(again,))
        end(world, claim(world)[0], b"yes")
        assert of(doer.answer(effect), "body") == b"yes"

    def test_who_performs_an_earlier_attempt_has_no_word_in_the_next_one(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        effect = offer(doer, number=3)
        (frozen,) = claim(world)
        world.clock.advance(LEASE_US)
        world.ann.attend()
        end(world, claim(world)[0], b"no")
        (row,) = world.ann.inbox(R1, 0)
        again = Asked(effect, OfferCall("mail/send", b"letter", number=4))
        doer.end(RunState.WAITING, consumed=(row.number,), operations=(again,))
        (call,) = claim(world)
        assert of(call, "claim") > of(frozen, "claim")  # type: ignore[operator]
        held = (of(frozen, "id"), of(frozen, "claim"))
        beat = world.bob.operate(BeatCalls((held,), LEASE_US))  # type: ignore[arg-type]
        assert of(beat, "lost") == vector([of(frozen, "id")])
        given = GiveBackCall(*held)  # type: ignore[arg-type]
        assert of(world.bob.operate(given), "value") is False
        assert end(world, frozen, b"late") is False
        assert end(world, call, b"yes") is True
        assert of(doer.answer(effect), "body") == b"yes"

    # Performers that are lost

    def test_a_call_is_kept_by_heartbeats(self, world: World) -> None:
        offer(Doer(world, R1))
        (call,) = claim(world)
        held = (of(call, "id"), of(call, "claim"))
        for _ in range(3):
            world.clock.advance(LEASE_US - 1)
            world.bob.attend()
            beat = world.bob.operate(BeatCalls((held,), LEASE_US))  # type: ignore[arg-type]
            assert of(beat, "lost") == vector([])
        assert end(world, call) is True

    def test_a_performer_that_gives_no_sign_of_life_loses_its_call(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        (lost,) = claim(world)
        world.clock.advance(LEASE_US)
        assert world.ann.attend()
        beat = BeatCalls(((of(lost, "id"), of(lost, "claim")),), LEASE_US)  # type: ignore[arg-type]
        assert of(world.bob.operate(beat), "lost") == vector([of(lost, "id")])
        assert end(world, lost, b"late") is False
        (again,) = claim(world)
        assert of(again, "again") is True
        assert end(world, lost, b"later") is False
        assert end(world, again) is True
        assert of(doer.answer(effect), "body") == b"sent"

    def test_a_word_that_comes_before_anybody_has_noticed_is_heard(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        (call,) = claim(world)
        world.clock.advance(LEASE_US + SECOND)
        assert end(world, call) is True
        assert not world.ann.attend()
        assert of(doer.answer(effect), "body") == b"sent"

    def test_what_is_at_most_once_is_in_doubt_when_its_performer_is_lost(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        effect = offer(doer, at_most_once=True)
        claim(world)
        world.clock.advance(LEASE_US)
        world.ann.attend()
        found = doer.answer(effect)
        assert (of(found, "lost"), of(found, "doubt")) == (1, True)
        assert claim(world) == []

    def test_performers_that_are_lost_one_after_the_other_end_a_call(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        for _ in range(PATIENCE):
            assert doer.answer(effect) is None
            claim(world)
            world.clock.advance(LEASE_US)
            world.ann.attend()
        found = doer.answer(effect)
        assert (of(found, "lost"), of(found, "doubt")) == (PATIENCE, False)

    def test_calls_whose_performers_died_twice_are_given_one_at_a_time(self, world: World) -> None:
        doer = Doer(world, R1)
        for kind in ("mail/send", "mail/send", "http/request"):
            offer(doer, kind)
            world.clock.advance(SECOND)

        def taken(*, tries: bool = True) -> list[tuple[object, object]]:
            kinds = ("mail/send", "http/request")
            asked = ClaimCalls(kinds, "b", LEASE_US, 9, ["http/request"], tries)
            found = of(world.bob.operate(asked), "value")
            return [(of(call, "id"), of(call, "suspect")) for call in found]  # type: ignore[attr-defined]

        def lose() -> None:
            world.clock.advance(LEASE_US)
            world.ann.attend()

        for _ in range(2):
            (one, _), (two, _), (ours, _) = taken()
            lose()
        assert taken() == [(one, True), (ours, False)]
        assert taken(tries=False) == []
        lose()
        assert taken() == [(two, True), (ours, False)]
        lose()
        assert taken(tries=False) == [(ours, False)]
        assert taken() == [(one, True)]

    def test_what_is_given_back_is_had_by_others_at_once(self, world: World) -> None:
        doer = Doer(world, R1)
        effect, once = offer(doer), offer(doer, "sms/send", at_most_once=True)
        for call in claim(world, "mail/send", "sms/send"):
            given = GiveBackCall(of(call, "id"), of(call, "claim"))  # type: ignore[arg-type]
            assert of(world.bob.operate(given), "value") is True
            assert of(world.bob.operate(given), "value") is False
        assert of(doer.answer(once), "doubt") is True
        assert doer.answer(effect) is None
        (again,) = claim(world)
        assert of(again, "again") is True

    # Who asks

    def test_a_call_that_nobody_begins_in_its_time_is_over(self, world: World) -> None:
        doer = Doer(world, R1)
        late = offer(doer, timeout_us=2 * SECOND, at_most_once=True)
        begun = offer(doer, "sms/send", timeout_us=2 * SECOND)
        claim(world, "sms/send")
        world.clock.advance(2 * SECOND)
        world.ann.attend()
        assert of(doer.answer(late), "late") is True
        assert doer.answer(begun) is None  # who performs it sees to its time
        assert claim(world) == []

    def test_a_call_that_nobody_has_begun_can_be_taken_back(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        doer.end(RunState.RUNNING, operations=(Asked(effect, RecallCall()),))
        found = doer.answer(effect)
        assert (of(found, "recalled"), of(found, "again")) == (True, False)
        assert claim(world) == []

    def test_a_call_that_somebody_performs_cannot_be_taken_back(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        (call,) = claim(world)
        doer.end(RunState.RUNNING, operations=(Asked(effect, RecallCall()),))
        assert doer.answer(effect) is None
        assert end(world, call) is True
        assert of(doer.answer(effect), "body") == b"sent"

    def test_who_performs_what_nobody_waits_for_any_more_loses_it(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        effect, _ = offer(one), offer(two)
        calls = claim(world)
        one.end(RunState.WAITING, operations=(Asked("", Withdraw(effect)),))
        two.end(RunState.CANCELLED, error=b"e")
        held = [(of(call, "id"), of(call, "claim")) for call in calls]
        beat = world.bob.operate(BeatCalls(held, LEASE_US))  # type: ignore[arg-type]
        assert set(of(beat, "lost")) == {id for id, _ in held}  # type: ignore[call-overload]
        assert [end(world, call) for call in calls] == [False, False]

    def test_a_word_that_nobody_waits_for_is_told_to_the_run_once_to_be_written_down(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        (call,) = claim(world)
        doer.end(RunState.WAITING, operations=(Asked("", Withdraw(effect)),))
        assert [end(world, call), end(world, call)] == [False, False]
        (late,) = (row.message for row in world.ann.inbox(R1, 0) if row.message.kind == "late")
        assert (late.name, late.body) == (effect, b"sent")
        assert doer.answer(effect) is None

    def test_nobody_gets_what_nobody_waits_for_any_more(self, world: World) -> None:
        one, two = Doer(world, R1), Doer(world, R2)
        effect, _ = offer(one), offer(two)
        one.end(RunState.WAITING, operations=(Asked("", Withdraw(effect)),))
        two.end(RunState.CANCELLED, error=b"e")
        assert claim(world) == []

    def test_nothing_begins_for_a_run_that_stands_still_and_its_time_stands_too(
        self, world: World
    ) -> None:
        doer = Doer(world, R1)
        effect = offer(doer, timeout_us=2 * SECOND)
        doer.end(RunState.FAILED, error=b"e")
        assert claim(world) == []
        world.clock.advance(9 * SECOND)
        world.ann.attend()
        assert doer.answer(effect) is None
        revived(world, R1).end(RunState.WAITING)
        assert len(claim(world)) == 1

    def test_a_parked_run_gets_what_was_performed_meanwhile(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer)
        (call,) = claim(world)
        doer.end(RunState.FAILED, error=b"e")
        assert end(world, call) is True
        assert of(doer.answer(effect), "body") == b"sent"

    def test_no_word_is_taken_while_a_run_is_written_to_a_file(self, world: World) -> None:
        doer = Doer(world, R1)
        effect = offer(doer, at_most_once=True)
        (call,) = claim(world)
        doer.end(RunState.WAITING)
        event = NewEvent("exported", "", 0, b"")
        world.ann.set_state(R1, (RunState.WAITING,), RunState.EXPORTING, event)
        said = EndCall(of(call, "id"), of(call, "claim"), b"sent")  # type: ignore[arg-type]
        assert of(told(world, said), "away") is True
        given = GiveBackCall(of(call, "id"), of(call, "claim"))  # type: ignore[arg-type]
        assert of(world.bob.operate(given), "away") is True
        world.clock.advance(LEASE_US)
        world.ann.attend()
        assert list(of(world.ann.operate(ShowTies(R1)), "doubtful")) == [effect]  # type: ignore[call-overload]
        world.ann.set_state(R1, (RunState.EXPORTING,), RunState.READY, event)
        assert of(told(world, said), "value") is True
        assert of(doer.answer(effect), "body") == b"sent"

    def test_a_call_says_how_it_stands(self, world: World) -> None:
        doer = Doer(world, R1)
        number = int(offer(doer).rpartition(".")[2])
        shown = world.ann.operate(ShowCall(R1, number))
        assert (of(shown, "open"), of(shown, "performer")) == (True, None)
        claim(world)
        shown = world.ann.operate(ShowCall(R1, number))
        assert (of(shown, "open"), of(shown, "performer")) == (False, "process 7 on b")
        assert of(world.ann.operate(ShowCall(R1, number + 1)), "open") is None


class TestPostgresStore(CallsContract):
    @pytest.fixture
    def world(self, postgres: Server) -> Iterator[World]:
        with postgres.empty_store(frozen=True) as url:
            opened = PostgresWorld(url)
            yield opened
            opened.close()


class TestMemoryStore(CallsContract):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()


class TestSqliteStore(CallsContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        opened = SqliteWorld(tmp_path)
        yield opened
        opened.close()

    def test_a_damaged_call_does_not_hide_that_the_clock_was_set_back(self, world: World) -> None:
        world.clock.advance(7200 * SECOND)
        offer(Doer(world, R1))
        offer(Doer(world, R2))
        assert len(claim(world)) == 2
        damage = "UPDATE record SET fields = '{' WHERE space = 'call' AND key LIKE ?"
        with contextlib.closing(sqlite3.connect(world.path)) as file, file:  # type: ignore[attr-defined]
            assert file.execute(damage, (f"{R1}%",)).rowcount == 1
        world.clock.time_us -= 3600 * SECOND
        with pytest.raises(StoreError, match="damaged"):
            world.bob.attend()
        world.bob.attend()
        world.clock.advance(LEASE_US)
        world.bob.attend()
        assert [of(call, "run") for call in claim(world)] == [R2]

    def test_a_damaged_call_holds_up_no_other(self, world: World) -> None:
        offer(Doer(world, R1))
        offer(Doer(world, R2))
        damage = "UPDATE record SET fields = '{' WHERE space = 'call' AND key LIKE ?"
        with contextlib.closing(sqlite3.connect(world.path)) as file, file:  # type: ignore[attr-defined]
            assert file.execute(damage, (f"{R1}%",)).rowcount == 1
        assert [of(call, "run") for call in claim(world)] == [R2]
