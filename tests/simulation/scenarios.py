"""The scenarios: which runs are started, what people do to them, and what they must come to."""

from __future__ import annotations

import asyncio
from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.embed.moving import export_run, import_run
from flowmetal.embed.upgrading import upgrade
from flowmetal.ids import RunId
from flowmetal.runtime.reviving import CancelParked, Retry, revive
from flowmetal.store.operations.vocabulary import (
    BeatTask,
    ClaimTask,
    CompleteCallback,
    EndTask,
    GetState,
    Publish,
    SettlePromise,
    ShowTies,
)
from flowmetal.store.protocol import Message, NewEvent, RunQuery, RunState
from flowmetal.values import decode_data, encode_data, hash_map, keyword, pr_str
from tests.simulation.outside import Outside, Play
from tests.simulation.programs import NEW_SOURCE


async def effects(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("effects", me, me), "completed 20")


async def slowly(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("slowly", me, me), "completed [1 2 3]")


async def fibers(outside: Outside, me: str) -> None:
    result = "[[1 2 3] [10 11 12 13] :won :late]"
    await outside.expect(await outside.start("fibers", me, me), f"completed {result}")


async def timers(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("timers", me, me), "completed [0 1 2 3]")


async def signals(outside: Outside, me: str) -> None:
    run = await outside.start("signals", me, me)
    for i in range(5):
        await outside.signal(run, "go", i, f"{me}/{i}")
        await asyncio.sleep(outside.chance.choice((0, 0.001, 1)))
    await outside.expect(run, "completed [[0 1 2 3 4] :nobody]")


async def children(outside: Outside, me: str) -> None:
    run = await outside.start("children", me, me)
    said = f"run {me}.5 was cancelled: enough"
    await outside.expect(run, f'completed [[0 10 2 30] "{said}"]')


async def callbacks(outside: Outside, me: str) -> None:
    run = await outside.start("callbacks", me, me)
    id_ = await outside.told(me, keyword("call-back"))
    deliveries = [f"{me}/{i}" for i in range(3)]

    async def answer(delivery: str) -> None:
        answer = CompleteCallback(str(id_), encode_data("answer"), delivery=delivery)
        await outside.said("callback", lambda: outside.store.operate(answer))

    await asyncio.gather(*map(answer, deliveries))
    await outside.expect(run, 'completed ["answer" 1]')


async def counters(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("counters", me, me), "completed :counted")
    outside.counted += 1


async def queued(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("queued", me, me), "completed [0 1 4]")


async def sagas(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("sagas", me, me), "completed [true true]")


async def steps(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("steps", me, me), "completed 6")


async def at_most_once(outside: Outside, me: str) -> None:
    await _once(outside, await outside.start("at-most-once", me, me))


async def quick_once(outside: Outside, me: str) -> None:
    await _once(outside, await outside.start("once-quickly", me, me))


async def _once(outside: Outside, run: RunId) -> None:
    """Each effect has its value, or nobody knows; the ledger sees what was performed twice."""
    row = await outside.ended(run)
    if row.result is None:
        outside.simulation.ledger.problem(f"run {run} is {row.state.value}")
        return
    for i, value in enumerate(decode_data(row.result)):
        if value not in (i, keyword("in-doubt"), keyword("away")):
            outside.simulation.ledger.problem(f"run {run}: effect {i} gave {pr_str(value)}")


async def topics(outside: Outside, me: str) -> None:
    topic = f"topic-{me}"
    run = await outside.start("topics", me, me, topic)
    await outside.told(me, keyword("subscribed"))
    for i in range(3):
        publish = Publish(topic, encode_data(i))
        before = await _published(outside, run)
        while await _published(outside, run) == before:  # it has no id: look before saying it again
            await outside.tried(lambda publish=publish: outside.store.operate(publish), 1)
    await outside.expect(run, "completed [0 1 2]")


async def _published(outside: Outside, run: RunId) -> int:
    row = outside.simulation.shared.run(run)
    assert row is not None
    topics = [m for m in outside.simulation.shared.inbox(run, 0) if m.message.kind == "topic"]
    taken = [e for e in outside.simulation.shared.events(run) if e.kind == kinds.SIGNALLED]
    return len(topics) + len(taken)


async def handing(outside: Outside, me: str) -> None:
    run = await outside.start("handing", me, me)
    workers = [asyncio.ensure_future(_work(outside, f"w{n}-{me}", run)) for n in range(2)]
    await asyncio.sleep(outside.chance.uniform(0, 2))
    settle = SettlePromise(f"{me}/promise", encode_data(keyword("kept")))
    await outside.said("promise", lambda: outside.store.operate(settle))
    await outside.expect(run, "completed [1 [2 3 :kept]]")
    await asyncio.gather(*workers)


async def _work(outside: Outside, name: str, run: RunId) -> None:
    """A worker outside: it may lose its claim, be late, and say what it did twice."""
    chance, store = outside.chance, outside.store
    while not outside.has_ended(run):
        task = await outside.sure(lambda: store.operate(ClaimTask("work", name)))
        id_, attempt = task.get(keyword("id")), task.get(keyword("attempt"))
        if id_ is None:
            await asyncio.sleep(chance.uniform(0, 0.4))
            continue
        if chance.random() < outside.simulation.faults.linger:
            await asyncio.sleep(chance.uniform(0, 4))
            beat = BeatTask(id_, attempt)
            await outside.sure(lambda beat=beat: store.operate(beat))
        failed = chance.random() < outside.simulation.faults.fail
        args = task.get(keyword("args"))
        result = '{"type": "x", "message": "no"}' if failed else str(_first_of(args))
        end = EndTask(id_, attempt, result, failed)
        await outside.said("task", lambda end=end: store.operate(end))


def _first_of(args: str) -> int:
    import json

    found = json.loads(args)
    while isinstance(found, dict):
        found = next(iter(found.values()))
    while isinstance(found, list):
        found = found[0]
    return int(found)


async def parked(outside: Outside, me: str) -> None:
    """It fails in an effect; somebody sees to the cause and lets it be tried again."""
    run = await outside.start("parked", me, me)
    await outside.ended(run)
    outside.simulation.services.opened.add(pr_str(me))
    while not await outside.tried(lambda: revive(outside.host, run, Retry())):
        if outside.simulation.shared.run(run).state is not RunState.FAILED:
            break
    await _no_longer_failed(outside, run)
    await outside.expect(run, f'completed [1 "{me}" 2]')


async def parked_cancelled(outside: Outside, me: str) -> None:
    run = await outside.start("parked", me, me)
    await outside.ended(run)
    while outside.simulation.shared.run(run).state is RunState.FAILED:
        await outside.tried(lambda: revive(outside.host, run, CancelParked("enough")), 1)
    row = await outside.ended(run)
    if row.state is not RunState.CANCELLED:
        outside.simulation.ledger.problem(f"run {run} is {row.state.value}, not cancelled")


async def _no_longer_failed(outside: Outside, run: RunId) -> None:
    while outside.simulation.shared.run(run).state is RunState.FAILED:
        await outside.tried(lambda: revive(outside.host, run, Retry()), 1)


async def paused(outside: Outside, me: str) -> None:
    """An operator pauses it, and lets it go on."""
    run = await outside.start("long", me, me)
    chance = outside.chance
    for n in range(2):
        await asyncio.sleep(chance.uniform(0, 3))
        message = Message(f"{me}/pause/{n}", "pause", "", encode_data(hash_map(())))
        await outside.send(run, message)
        for _ in range(20):
            await asyncio.sleep(0.3)
            if outside.simulation.shared.run(run).state is RunState.PAUSED:
                break
        await _unpause(outside, run)
    while not outside.has_ended(run):
        if outside.simulation.shared.run(run).state is RunState.PAUSED:
            await _unpause(outside, run)
        await asyncio.sleep(0.5)
    await outside.expect(run, "completed :ended")


async def _unpause(outside: Outside, run: RunId) -> None:
    event = NewEvent(kinds.UNPAUSED, "", 0, encode_data(None))
    await outside.tried(
        lambda: outside.store.set_state(run, (RunState.PAUSED,), RunState.READY, event), 2
    )


async def cancelled(outside: Outside, me: str) -> None:
    """An operator cancels it at some moment: it cleans up, and is cancelled or was ended before."""
    run = await outside.start("long", me, me)
    await asyncio.sleep(outside.chance.uniform(0, 3))
    body = hash_map(((keyword("reason"), "enough"), (keyword("now"), False)))
    await outside.send(run, Message(f"{me}/cancel", "cancel", "", encode_data(body)))
    row = await outside.ended(run)
    if row.state not in (RunState.CANCELLED, RunState.COMPLETED):
        outside.simulation.ledger.problem(f"run {run} is {row.state.value}, not cancelled")


async def upgraded(outside: Outside, me: str) -> None:
    """An operator moves it to new code while it goes on."""
    from tests.simulation.simulation import program_of

    run = await outside.start("long", me, me)
    await asyncio.sleep(outside.chance.uniform(0, 3))
    new, _ = program_of(NEW_SOURCE)
    await outside.tried(lambda: upgrade(outside.host, run, new))
    await outside.expect(run, "completed :ended", "completed :ended-anew")


async def sharing(outside: Outside, me: str) -> None:
    waiting = await outside.start("sharing", f"{me}-w", f"{me}-w", me)
    keeping = await outside.start("sharing", me, me, me)
    await asyncio.gather(
        outside.expect(waiting, "completed 42"), outside.expect(keeping, "completed true")
    )


async def impatient(outside: Outside, me: str) -> None:
    """A signal comes at the very time when the wait for it is over."""
    run = await outside.start("impatient", me, me)
    await asyncio.sleep(outside.chance.choice((0.9, 1.0, 1.0, 1.2)))
    await outside.signal(run, "go", keyword("gone"), f"{me}/0")
    await outside.expect(run, "completed [:gone :none]", "completed [:late :gone]")


async def expiring(outside: Outside, me: str) -> None:
    """A callback is answered when it expires: what was acknowledged is what the run gets."""
    run = await outside.start("expiring", me, me)
    id_ = await outside.told(me, keyword("call-back"))
    await asyncio.sleep(outside.chance.uniform(0, 4))
    answer = CompleteCallback(str(id_), encode_data(keyword("answer")), delivery=me)
    receipt = await outside.sure(lambda: outside.store.operate(answer))
    taken = receipt.get(keyword("error")) is None
    await outside.expect(run, "completed :answer" if taken else "completed :timeout")


async def fostering(outside: Outside, me: str) -> None:
    run = await outside.start("fostering", me, me)
    await outside.expect(run, "completed :gone")
    row = await outside.ended(RunId(f"{me}-child"))
    if row.state is not RunState.CANCELLED:
        outside.simulation.ledger.problem(f"{row.id} is {row.state.value}, not cancelled")


async def growing(outside: Outside, me: str) -> None:
    run = await outside.start("growing", me, me)
    await outside.expect(run, f"completed [96 {sum(k * k for k in range(90)) + 15}]")


async def channels(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("channels", me, me), "completed [0 1 2 3 4]")


async def leased(outside: Outside, me: str) -> None:
    """Two runs want one lock with a lease: each has a token of its own, and keeps it."""
    runs = [await outside.start("leased", f"{me}.{i}", f"{me}.{i}") for i in range(2)]
    for run in runs:
        await outside.expect(run, "completed :left")
    told = [list(words) for words in outside.simulation.services.told]
    tokens = [{words[0] for words in told if len(words) == 3 and words[1] == run} for run in runs]
    if not all(len(each) == 1 for each in tokens) or tokens[0] == tokens[1]:
        outside.simulation.ledger.problem(f"runs had these tokens of a lock: {tokens}")


async def asking(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("asking", me, me), "completed [[1 2 3] 6]")


async def families(outside: Outside, me: str) -> None:
    await outside.expect(await outside.start("families", me, me, 2), "completed 4")


async def cut_short(outside: Outside, me: str) -> None:
    """Waits of every kind are given up at once; nothing is left behind."""
    run = await outside.start("cut-short", me, me)
    await outside.expect(run, "completed [:late 2]", "completed [1 2]")
    ties = outside.simulation.shared.operate(ShowTies(run)).get(keyword("ties"))
    if len(ties):
        outside.simulation.ledger.problem(f"run {run} has ended and still has {pr_str(ties)}")


async def moved(outside: Outside, me: str) -> None:
    """An operator writes it to a file, and takes it in again from there."""
    run = await outside.start("long", me, me)
    await asyncio.sleep(outside.chance.uniform(0, 3))
    path = str(outside.simulation.places.folder / f"{me}.fms")
    if await outside.tried(lambda: export_run(outside.host, run, path, False)):
        state = RunState.MOVED
    else:
        state = outside.simulation.shared.run(run).state
    if state is RunState.EXPORTING:  # the operator was cut off in the middle, and begins again
        await outside.tried(lambda: export_run(outside.host, run, path, False), 1000)
    if outside.simulation.shared.run(run).state is RunState.MOVED:
        await asyncio.sleep(outside.chance.uniform(0, 2))
        await outside.tried(lambda: _imported(outside, run, path), 1000)
    await outside.expect(run, "completed :ended")


def _imported(outside: Outside, run: RunId, path: str) -> None:
    """Take a run in, unless it is there: an import of which nobody knew what became of it was made."""
    if outside.simulation.shared.run(run).state is RunState.MOVED:
        import_run(outside.host, path)


SCENARIOS: Final[tuple[Play, ...]] = (
    effects, slowly, fibers, timers, signals, children, callbacks, counters, counters, queued, sagas,
    steps, at_most_once, quick_once, topics, handing, parked, parked_cancelled, paused, cancelled,
    upgraded, sharing, impatient, expiring, fostering, growing, channels, leased, families, cut_short,
    moved, asking,
)  # fmt: skip


def drawn(outside: Outside) -> list[Play]:
    """Draw the scenarios of a seed: a few, so that half of the time there are few runs."""
    count = outside.chance.choice((1, 2, 3, 5))
    drawn = [outside.chance.choice(SCENARIOS) for _ in range(count)]
    return [*drawn, at_most_once] if outside.simulation.is_apart else drawn


async def check_counters(outside: Outside) -> None:
    """What runs counted under a lock is as much as they did. One that was put aside has given its lock back, and may
    have written over what another had counted then."""
    for key, each in (("n", 2), ("m", 1)):
        found = outside.simulation.shared.operate(GetState(key)).get(keyword("body"))
        count = 0 if found is None else decode_data(found)
        most = each * outside.counted
        if count > most or (count < most and not (key == "n" and _was_put_aside(outside))):
            outside.simulation.ledger.problem(
                f"{key} is {count} after {outside.counted} runs that counted {each}"
            )


def _was_put_aside(outside: Outside) -> bool:
    """Say whether a run that counts was put aside, as it may be by interpreters that die while they perform."""
    store = outside.simulation.shared
    histories = (store.events(row.id, 0, 10_000) for row in store.runs(RunQuery(limit=1000)))
    return any(
        event.kind == kinds.FAILED and event.name == "run/poisoned"
        for events in histories
        if events and events[0].name == "sim/counters"
        for event in events
    )
