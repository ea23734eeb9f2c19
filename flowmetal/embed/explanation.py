"""``fmvm why``: what a run waits for, since when, who could wake it, what was tried. In words."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import NamedTuple

from flowmetal.effects.events import PAUSED, RECOVERED, RETRIED
from flowmetal.effects.kinds import KINDS
from flowmetal.embed.views import RunView, Wait, iso, rough_time, run_view
from flowmetal.ids import RunId, shell_word
from flowmetal.runtime.entering import SLEEP
from flowmetal.runtime.telling import AWAIT
from flowmetal.runtime.waiting import CALL
from flowmetal.store.inputs import begins_us
from flowmetal.store.operations.vocabulary import ShowCall, ShowCallback, ShowPermit, ShowTask
from flowmetal.store.protocol import ENDED, Held, InboxRow, RunRow, RunState, Store
from flowmetal.values import ErrorValue, Map, keyword
from flowmetal.values.codec import decode_data

_MOST_WAITS = 10
_MOST_DEATHS = 100
MOST_LOOKED_AT = 100
_LAST_EVENTS = 50


def why(row: RunRow, inbox: Sequence[InboxRow], store: Store) -> str:
    """Return one paragraph about a run."""
    now_us = store.now_us()
    view = run_view(row)
    driver = None if row.owner is None else store.driver(row.id)
    sentences = [f"Run {row.id} is {row.state.value}{_driver(row, driver)}."]
    match row.state:
        case RunState.COMPLETED | RunState.CANCELLED:
            sentences.append(_ended(view, now_us))
        case RunState.MOVED:
            sentences.append(
                f"It left this store{_ago(view, now_us)}, in the file that `fmvm export` wrote, and"
                " goes on where that is imported: `fmvm import FILE.fms`."
            )
        case RunState.FAILED:
            message = view.error.message if view.error else "its error cannot be read"
            how = "Nobody caught an error, and the stack stands where it was raised"
            if view.error is not None and _was_put_aside(view.error):
                how = "It was put aside, and its stack stands"
            sentences.append(
                f"{how}: {message}. `fmvm show {shell_word(row.id)}` shows every frame."
            )
        case RunState.PAUSED:
            sentences.append(_paused(row, store))
        case RunState.EXPORTING:
            sentences.append(
                f"It is on its way into a file; `fmvm export {shell_word(row.id)}` finishes that, and with"
                " --abandon the run goes on here."
            )
        case _:
            sentences += _living(row, view, store, is_driven=driver is not None)
    if row.owner is not None and any(one.message.kind == "pause" for one in inbox):
        sentences.append(
            "Somebody has paused it: it stops when the at-most-once effect in flight has ended."
        )
    unread = [one.message.name for one in inbox if one.message.kind == "signal"]
    if unread and row.state not in (RunState.COMPLETED, RunState.CANCELLED, RunState.MOVED):
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(unread))
        sentences.append(f"In its inbox, not received yet: {names}.")
    return " ".join(sentences)


def _paused(row: RunRow, store: Store) -> str:
    """Say since when and why; the pause is among the last events, for nobody drives the run since."""
    paused = next(
        (
            event
            for event in reversed(store.events(row.id, max(0, row.seq - _LAST_EVENTS)))
            if event.kind == PAUSED
        ),
        None,
    )
    since = reason = ""
    if paused is not None:
        ago = rough_time((store.now_us() - paused.time_us) / 1e6)
        since = f" at {iso(paused.time_us)} ({ago} ago)"
        said = decode_data(paused.data)
        why_not = said.get(keyword("reason")) if isinstance(said, Map) else None
        reason = f": {why_not}" if why_not else ""
    return f"Somebody paused it{since}{reason}. `fmvm unpause {shell_word(row.id)}` lets it go on; what comes in is kept."


class LongWait(NamedTuple):
    """What a run, or a descendant that it awaits, has waited for since ``since_us``: ``text`` says it."""

    run: str
    effect: int
    text: str


def long_waits(
    row: RunRow, store: Store, since_us: int, told: Container[tuple[str, int]]
) -> Iterator[LongWait]:
    """Yield what may need somebody, for whoever drives a run and sees nothing happen, but for what has been ``told``.

    Who drives it looks every second, and drives nothing meanwhile. So runs that await each other are looked at once,
    and where there is much to look at, it is a part.
    """
    return _long_waits(row, store, since_us, told, {str(row.id)})


def _long_waits(
    row: RunRow,
    store: Store,
    since_us: int,
    told: Container[tuple[str, int]],
    looked_at: set[str],
) -> Iterator[LongWait]:
    for wait in run_view(row).waiting:
        if len(looked_at) > MOST_LOOKED_AT:
            return
        is_young = wait.since_us is None or wait.since_us > since_us
        if is_young or wait.kind == SLEEP or _needs_nobody(wait):
            continue
        if wait.kind != AWAIT:
            if (row.id, wait.effect) not in told:
                looked_at.add(f"{row.id} {wait.effect}")
                yield LongWait(row.id, wait.effect, _wait(wait, row.id, store.now_us(), store))
        elif (name := wait.name or "") not in looked_at:
            looked_at.add(name)
            awaited = store.run(RunId(name))
            if awaited is not None and awaited.state not in ENDED:
                yield from _long_waits(awaited, store, since_us, told, looked_at)


def _needs_nobody(wait: Wait) -> bool:
    """Say whether it is being performed and has not failed, or is held by a fork, which is said when that is resumed."""
    return wait.effect_class == "held" or (wait.effect_class == "connector" and not wait.attempts)


_PUT_ASIDE = ("FM1108", "FM1138")
"""Errors of a run that no instruction raised."""


def _was_put_aside(error: ErrorValue) -> bool:
    # With a :run it is the error of a child, which nobody took.
    return error.code in _PUT_ASIDE and keyword("run") not in error.data


def _driver(row: RunRow, driver: Held | None) -> str:
    if row.owner is None:
        return ""
    if driver is None:
        return f", and interpreter {row.owner}, which drove it, is gone or stands still"
    return f", driven by interpreter {row.owner} ({driver.owner_description})"


def _ended(view: RunView, now_us: int) -> str:
    return f"It ended{_ago(view, now_us)} and waits for nothing."


def _ago(view: RunView, now_us: int) -> str:
    return "" if view.ended_us is None else f" {rough_time((now_us - view.ended_us) / 1e6)} ago"


def _living(row: RunRow, view: RunView, store: Store, *, is_driven: bool) -> list[str]:
    if row.state is RunState.QUEUED:
        return [f"It begins when the queue {row.queue} lets it; nothing of it has run."]
    now_us = store.now_us()
    begins = begins_us(row.input)
    if row.owner is None and not row.snapshot_format and begins > now_us:
        return [
            f"It begins at {iso(begins)}, or when it is cancelled; `fmvm resume {shell_word(row.id)}` begins it at once."
        ]
    sentences = [_wait(wait, row.id, now_us, store) for wait in view.waiting[:_MOST_WAITS]]
    if len(view.waiting) > _MOST_WAITS:
        sentences.append(f"It waits for {len(view.waiting) - _MOST_WAITS} things more.")
    if row.owner is not None and not is_driven:
        sentences.append(
            f"Any `fmvm interpreter` on this store takes it over at once, and so does `fmvm resume {shell_word(row.id)}`."
        )
    elif row.owner is None and not _is_called(row, view) and not view.is_held:
        due = not view.waiting or row.state is RunState.READY
        can = "It can go on at once" if due else "When that has come"
        sentences.append(
            f"{can}: any `fmvm interpreter` on this store takes it, and so does `fmvm resume {shell_word(row.id)}`."
            if due
            else f"{can}, any `fmvm interpreter` on this store goes on with it, and so does `fmvm resume {shell_word(row.id)}`."
        )
    elif row.owner is not None and not view.waiting:
        sentences.append("It computes, and waits for nothing.")
    if view.is_stopping:
        sentences.append(
            f"It was asked to stop, and cleans up or has caught that: `fmvm cancel --now {shell_word(row.id)}` ends it."
        )
    deaths = _deaths(row, store, is_driven=is_driven)
    if deaths > (row.owner is not None and not is_driven):  # which is said above
        sentences.append(f"Who drove it has died {_times(deaths)} since its last step, at least.")
    return sentences


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _deaths(row: RunRow, store: Store, *, is_driven: bool) -> int:
    """Return how often a driver has died since the run got on, as far as its row and its last events tell."""
    deaths = max(0, row.attempts - is_driven)  # the claim of who drives it is none
    for event in reversed(store.events(row.id, max(0, row.seq - _MOST_DEATHS), _MOST_DEATHS)):
        if event.kind != RECOVERED:
            break
        deaths += decode_data(event.data).get(keyword("attempts"), 2) - 1
    return deaths


def _failures(wait: Wait, run: str, store: Store) -> str:
    """Say how often what it waits for has failed, and how the last time; empty if it has not."""
    if not wait.attempts:
        return ""
    row = store.run(RunId(run))
    last = "" if row is None else _last_failure(row, wait.effect, store)
    return f", which failed {_times(wait.attempts)}{last and f', the last time because {last}'}"


def _last_failure(row: RunRow, effect: int, store: Store) -> str:
    """Return the first line of the last error of an effect, as far as the last events tell."""
    for event in reversed(store.events(row.id, max(0, row.seq - _LAST_EVENTS), _LAST_EVENTS)):
        if event.kind == RETRIED and event.effect == effect:
            error = decode_data(event.data).get(keyword("error"))
            said = error.message if isinstance(error, ErrorValue) else None
            first, _, more = (said or "").partition("\n")
            return first + " ..." if more else first
    return ""


def _is_called(row: RunRow, view: RunView) -> bool:
    """Say whether it waits for what other processes perform: one that only drives it would be of no use."""
    return row.state is RunState.WAITING and any(w.effect_class == CALL for w in view.waiting)


def _wait_for_others(wait: Wait, run: str, store: Store) -> str:
    """Explain a wait for what runs share; empty for any other."""
    tell = _TELL.get(wait.kind)
    if tell is None:
        return ""
    now_us = store.now_us()
    since = ""
    if wait.since_us is not None:
        since = f" since {iso(wait.since_us)} ({rough_time((now_us - wait.since_us) / 1e6)})"
    until = f" It waits until {iso(wait.until_us)}." if wait.until_us is not None else ""
    return tell(str(wait.name), since, store) + until


def _lock(name: str, since: str, store: Store) -> str:
    found = store.operate(ShowPermit(name))
    holders = [
        f"run {holder.get(keyword('run'))} (token {holder.get(keyword('token'))}"
        + ("" if (end := holder.get(keyword("expires"))) is None else f", lease until {iso(end)}")
        + ")"
        for holder in found.get(keyword("value"))
    ]
    held = " and ".join(holders) if holders else "nobody"
    line = found.get(keyword("waiting"))
    return f"It waits for the lock `{name}`{since}, held by {held}; {line} in line."


def _child(name: str, since: str, store: Store) -> str:
    row = store.run(RunId(name))
    stands = "which is not in this store" if row is None else f"which is {row.state.value}"
    return f"It waits for the end of run {name}{since}, {stands}; `fmvm why {shell_word(name)}` says more."


def _callback(name: str, since: str, store: Store) -> str:
    found = store.operate(ShowCallback(name))
    expires, title = found.get(keyword("expires")), found.get(keyword("name"))
    end = "" if expires is None else f" It expires at {iso(expires)}."
    shown = f"`{title}`, {name}," if title else name
    return f"It waits for the callback {shown}{since}. `fmvm callback {shell_word(name)} JSON` answers it.{end}"


def _promise(name: str, since: str, store: Store) -> str:
    return f"It waits until some run keeps the shared promise `{name}`{since}."


def _topic(name: str, since: str, store: Store) -> str:
    return f"It waits for the next message of a topic that it has subscribed to{since}."


_TELL: dict[str, Callable[[str, str, Store], str]] = {
    "lock/acquire": _lock,
    "run/await": _child,
    "callback/await": _callback,
    "promise/await": _promise,
    "topic/receive": _topic,
}


def _task(wait: Wait, run: str, store: Store) -> str:
    """Say who may perform a task or is at it, and what was tried."""
    task = store.operate(ShowTask(RunId(run), wait.effect))
    queue, state, attempt, most, ready, worker, lease = (
        task.get(keyword(name))
        for name in ("queue", "state", "attempt", "most", "ready", "worker", "lease")
    )
    if queue is None:  # it has ended since
        return "."
    of_all = f"attempt {attempt}" if most is None else f"attempt {attempt} of {most}"
    if state == "claimed":
        until = "" if lease is None else f"; without a sign of life it is lost at {iso(lease)}"
        return f": worker {worker} of the queue {queue} is at it ({of_all}){until}."
    if state != "open":
        return f": a worker of the queue {queue} has done it, which an interpreter brings on."
    if attempt:
        return f": {of_all} failed, and the queue {queue} offers it again at {iso(ready)}."
    return f": no worker of the queue {queue} has claimed it yet."


def _call(wait: Wait, run: str, store: Store) -> str:
    """Say who performs what another process is to perform, or who may."""
    call = store.operate(ShowCall(RunId(run), wait.effect))
    performer = call.get(keyword("performer"))
    failed = _failures(wait, run, store)
    lost = call.get(keyword("lost"))
    died = f" Who performed it has died {_times(lost)}." if lost else ""
    if performer is not None:
        return f"the answer to {wait.kind} (effect #{wait.effect}){failed}: {performer} performs it.{died}"
    if not call.get(keyword("open")):
        return f"the answer to {wait.kind} (effect #{wait.effect}){failed}."
    who = "`fmvm interpreter --python MODULE` takes it at once if MODULE registers that"
    if wait.kind in KINDS:
        who = "`fmvm serve --only connectors` on this store takes it at once"
    return (
        f"a process that performs {wait.kind}{failed}, and has room for it; the interpreter that drove it does not"
        f" perform it: {who}.{died}"
    )


def _wait(wait: Wait, run: str, now_us: int, store: Store) -> str:
    if wait.effect_class != "held" and (told := _wait_for_others(wait, run, store)):
        return told
    since = ""
    if wait.since_us is not None:
        since = f" since {iso(wait.since_us)} ({rough_time((now_us - wait.since_us) / 1e6)})"
    until = f" It goes on by itself at {iso(wait.until_us)}." if wait.until_us is not None else ""
    match wait.kind:
        case "signal/receive":
            name = shell_word(wait.name or "")
            wake = f" `fmvm signal {shell_word(run)} {name} JSON` sends it."
            return f"It waits for the signal `{wait.name}`{since}.{wake}{until}"
        case "time/sleep":
            return f"It sleeps{since}.{until}"
    if wait.effect_class == "held":
        return (
            f"It holds effect #{wait.effect}, {wait.kind}, which was in flight where it was forked:"
            f" `fmvm resume {shell_word(run)} --perform` performs it, `--result {wait.effect}=JSON` says what it came to."
        )
    if wait.effect_class == "task":
        return f"It waits{since} for somebody to perform {wait.kind}{_task(wait, run, store)}"
    if wait.effect_class == CALL and wait.until_us is None:
        return f"It waits{since} for {_call(wait, run, store)}"
    named = f" `{wait.name}`" if wait.name else ""
    if wait.attempts:
        again = (
            f" The next attempt is at {iso(wait.until_us)}." if wait.until_us is not None else ""
        )
        failed = _failures(wait, run, store)
        return f"It waits for {wait.kind}{named} (effect #{wait.effect}){since}{failed}.{again}"
    return f"It waits for the answer to {wait.kind}{named} (effect #{wait.effect}){since}."
