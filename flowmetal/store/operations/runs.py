"""Runs and runs: starting children, waiting for an end, messages.

A child hangs on its parent by a ``child`` tie with its policy; whoever waits for a run hangs on
that run by a ``watch`` tie. Both are cut when that run ends.

What children came to in a store that their parent has left is kept with it, as their **ends**: it is what the parent
gets that waits for such a run here, unless it has started one of that name here later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from flowmetal.ids import RunId
from flowmetal.store import rules
from flowmetal.store.inputs import fitted, in_place_of, replaces
from flowmetal.store.operations.answers import (
    Answer,
    Asker,
    answer,
    bad_name,
    refuse,
    reply,
)
from flowmetal.store.operations.records import (
    TAB,
    Kept,
    Records,
    Standing,
    drop,
    find,
    keep,
    parts_of,
    read,
)
from flowmetal.store.operations.ties import Tie, bind, unbind, wait_at, waits_no_more
from flowmetal.store.operations.vocabulary import (
    AwaitRun,
    Enqueue,
    IfExists,
    OnParentEnd,
    RestoreEnds,
    SendMessage,
    StartRun,
)
from flowmetal.store.protocol import ENDED, Message, NewRun, RunState
from flowmetal.values import hash_map, keyword
from flowmetal.values.codec import encode_data

WATCH = "watch"
CHILD = "child"
END = "end"
_ANEW = 1000
_CREATED = keyword("created")
_FORGETTING_US = 24 * 3_600_000_000


@dataclass(slots=True)
class End(Kept):
    """Key: parent, child. The body is the result or the error."""

    SPACE: ClassVar[str] = END
    state: str
    created_us: int = 0  # of the child


@dataclass(slots=True)
class Replaced(Kept):
    """Key: the id that is asked for again and again. ``latest`` is in its place now, under the number ``count``."""

    SPACE: ClassVar[str] = "replaced"
    latest: str
    count: int


def start_run(records: Records, asker: Asker | None, operation: StartRun) -> Answer:
    def tie(new: NewRun) -> None:
        bind_child(records, new, operation.on_parent_end)

    return make_run(records, asker, operation, operation.new, tie)


def make_run(
    records: Records,
    asker: Asker | None,
    wish: StartRun | Enqueue,
    new: NewRun,
    tie: Callable[[NewRun], None],
) -> Answer:
    """Make a run, which ``tie`` ties to others; if its id is taken, do what the wish says."""
    if asker is not None:
        new = replace(new, parent=asker.run)
    wrong = bad_name(new.id, "run")
    if wrong is not None:
        return wrong
    if asker is not None and wish.again and _succeeded_elsewhere(records, asker.run, new.id):
        return answer(run=new.id, made=False)
    replaced = _replaced(records, new.id) if wish.if_exists is IfExists.CANCEL else None
    if replaced is not None:
        return _start_anew(records, new, wish, tie, replaced)
    if records.create_run(new):
        tie(new)
        return answer(run=new.id, made=True)
    match wish.if_exists:
        case IfExists.ATTACH:
            ours = wish.again
        case IfExists.OURS:
            ours = wish.again and _is_sibling(records, new)
            if not ours:
                return _start_in_place(records, new, tie, again=wish.again)
        case IfExists.FAIL:
            ours = wish.again and _is_the_same(records, new)
            if not ours:
                return refuse("FM1104", "run/exists", f"run {new.id} is there already", run=new.id)
        case IfExists.CANCEL:
            return _start_anew(records, new, wish, tie, Replaced(new.id, 1))
    if ours and _has_failed(records, new):
        return _start_in_place(records, new, tie, again=True)
    return answer(run=new.id, made=False)


def _is_sibling(records: Records, new: NewRun) -> bool:
    """Say whether the run that has the id of a new one is a child of the same parent."""
    standing = records.run(new.id)
    return standing is not None and standing.parent == new.parent


def _has_failed(records: Records, new: NewRun) -> bool:
    """Say whether a child that an earlier attempt has started came to nothing: its parent was told so."""
    standing = records.run(new.id)
    return (
        standing is not None
        and standing.parent == new.parent
        and standing.state in (RunState.FAILED, RunState.CANCELLED)
    )


def _is_the_same(records: Records, new: NewRun) -> bool:
    """Say whether the run with this id is what an earlier attempt of the same step has started."""
    standing = records.run(new.id)
    made = records.again(new.id, new.id, "")
    if standing is None or made is None or standing.parent != new.parent:
        return False
    told, first = made.first_event, new.first_event
    if told is None or first is None or told.kind != first.kind:
        return True  # its history has been cut
    # It has the program, the entry, the arguments and the tags, and no seed.
    return (told.name, told.data) == (first.name, first.data)


def _start_in_place(
    records: Records, new: NewRun, tie: Callable[[NewRun], None], *, again: bool
) -> Answer:
    """Start another child in the place of one that failed, or of a run of somebody else, unless it is asked for
    again and an earlier attempt has done so."""
    for _, candidate in _numbered(new, 2):
        if records.create_run(candidate):
            tie(candidate)
            return answer(run=candidate.id, made=True)
        if again and _is_the_same(records, candidate) and not _has_failed(records, candidate):
            return answer(run=candidate.id, made=False)
    return _too_often(new.id)


def _numbered(new: NewRun, first: int) -> Iterator[tuple[int, NewRun]]:
    input = in_place_of(new.input, new.id)
    for count in range(first, first + _ANEW):
        yield count, replace(new, id=fitted(f"{new.id}-{count}"), input=input)


def _is_in_place(records: Records, candidate: RunId, id: RunId) -> bool:
    """Say whether a run with a number was started in the place of ``id``: others may be called so, too."""
    made = records.again(candidate, candidate, "")
    return made is not None and replaces(made.input, id)


def _start_anew(
    records: Records,
    new: NewRun,
    wish: StartRun | Enqueue,
    tie: Callable[[NewRun], None],
    replaced: Replaced,
) -> Answer:
    """Cancel what has the id, or is in its place, and start under the next free id: an id names one run for ever.

    What an earlier attempt of the same step has started is taken, unless it came to nothing.
    """
    latest = replace(new, id=RunId(replaced.latest))
    for count, candidate in _numbered(new, replaced.count + 1):
        is_last = wish.again and records.run(candidate.id) is None
        if is_last and _is_the_same(records, latest) and not _has_failed(records, latest):
            return answer(run=latest.id, made=False)
        if records.create_run(candidate):
            cancel(records, latest.id, f"replaced by run {candidate.id}")
            tie(candidate)
            _keep_replaced(records, new.id, Replaced(candidate.id, count))
            return answer(run=candidate.id, made=True)
        if _is_in_place(records, candidate.id, new.id):
            latest = candidate
    return _too_often(new.id)


def _replaced(records: Records, id: RunId) -> Replaced | None:
    """Return what is in the place of an id. The one that first had it may be forgotten by then."""
    found = find(records, Replaced, id)
    return None if found is None or records.run(RunId(found.latest)) is None else found


def _keep_replaced(records: Records, id: str, replaced: Replaced) -> None:
    keep(records, id, replaced, due_us=records.now_us() + _FORGETTING_US)


def forget_replaced(records: Records, id: str) -> None:
    """Forget what was in the place of an id when that run is forgotten itself; look again later if it is not."""
    found = _replaced(records, RunId(id))
    if found is None:
        drop(records, Replaced, id)
    else:
        _keep_replaced(records, id, found)


def _too_often(run: RunId) -> Answer:
    return refuse("FM1104", "run/exists", f"run {run} was started {_ANEW} times", run=run)


def bind_child(records: Records, new: NewRun, policy: OnParentEnd) -> None:
    """Hang a new run on its parent, unless it does not care."""
    if new.parent is not None and policy is not OnParentEnd.KEEP:
        bind(records, new.parent, CHILD, new.id, Tie(CHILD, new.id, policy.value))


def await_run(records: Records, asker: Asker, operation: AwaitRun) -> Answer | None:
    standing = _known(records, asker, operation.run)
    if standing is None:
        return refuse(
            "FM1101", "run/unknown", f"there is no run {operation.run}", run=operation.run
        )
    if standing.state in ENDED:
        return outcome(standing)
    if standing.id == asker.run:
        return refuse("FM0703", "effect/bad-argument", "a run cannot wait for its own end")
    bind(records, standing.id, WATCH, f"{asker.run}{TAB}{asker.effect}", Tie(WATCH, asker.run))
    wait_at(records, asker, WATCH, standing.id)
    return None


def _known(records: Records, asker: Asker, run: RunId) -> Standing | None:
    """Return how a run stands for one that waits for it. Its own children are meant before others.

    Of two that had one name the later one is: what it left here when it moved may be here still.
    """
    here, elsewhere = records.run(run), _end_of(records, asker.run, run)
    if here is None or elsewhere is None:
        return here or elsewhere
    is_own = here.parent == asker.run and here.created_us >= elsewhere.created_us
    return here if is_own else elsewhere


def _end_of(records: Records, parent: RunId, child: RunId) -> Standing | None:
    """Return what a child came to in a store that its parent has left."""
    record = records.get(End.SPACE, f"{parent}{TAB}{child}")
    if record is None:
        return None
    end = read(End, record)
    state = RunState(end.state)
    result, error = (record.body, None) if state is RunState.COMPLETED else (None, record.body)
    return Standing(child, state, result, error, parent, end.created_us)


def _succeeded_elsewhere(records: Records, parent: RunId, child: RunId) -> bool:
    end = _end_of(records, parent, child)
    return end is not None and end.state is RunState.COMPLETED


def restore_ends(records: Records, operation: RestoreEnds) -> Answer:
    """Remember what children of a run that comes from another store came to there."""
    for record in operation.records:
        run, state, body = (record.get(keyword(name)) for name in ("run", "state", "body"))
        key = f"{operation.run}{TAB}{run}"
        end, known = End(state, record.get(_CREATED, 0)), find(records, End, key)
        if known is not None and known.created_us > end.created_us:
            continue
        keep(records, key, end, body)
        bind(records, operation.run, END, run, Tie(END, key))
    return answer(value=len(operation.records))


def packed_end(records: Records, key: str) -> Answer:
    """Return what ``restore_ends`` takes a list of."""
    record = records.get(End.SPACE, key)
    if record is None:
        raise rules.damaged(f"what run {key.replace(TAB, ' ')} came to", "it is not there")
    end = read(End, record)
    run = parts_of(key, 2)[1]
    return answer(run=run, state=end.state, body=record.body, created=end.created_us)


def forget_end(records: Records, key: str) -> None:
    drop(records, End, key)


def withdraw(records: Records, asker: Asker, watched: str) -> None:
    unbind(records, watched, WATCH, f"{asker.run}{TAB}{asker.effect}")


def outcome(standing: Standing) -> Answer:
    """Return the answer to whoever waited for the end of a run."""
    body = standing.result if standing.state is RunState.COMPLETED else standing.error
    return answer(run=standing.id, state=standing.state.value, body=body)


def tell_watcher(records: Records, key: str, standing: Standing) -> None:
    """Bring the end of a run to one that waits for it."""
    run, effect = parts_of(key, 2)
    waits_no_more(records, run, effect)
    reply(records, run, effect, outcome(standing))


def end_child(records: Records, child: str, tie: Tie, parent: Standing) -> None:
    """Do with a child what its policy says."""
    policy = OnParentEnd(tie.note)
    if policy is OnParentEnd.CANCEL or parent.state is RunState.CANCELLED:
        cancel(records, RunId(child), f"its parent {parent.id} has ended ({parent.state.value})")


def cancel(records: Records, run: RunId, reason: str) -> None:
    """Ask a run to stop. The id of the message makes that happen once for one reason."""
    records.admit(run)  # a run that has not begun has to begin in order to be cancelled
    records.deliver(run, cancellation(f"cancel/{reason}", reason))


def cancellation(id: str, reason: str) -> Message:
    """Return the message that asks a run to stop."""
    body = hash_map(((keyword("reason"), reason), (keyword("now"), False)))
    return Message(id, "cancel", "", encode_data(body))


def send_message(records: Records, operation: SendMessage) -> Answer:
    standing = records.run(operation.run)
    if standing is None:
        return refuse(
            "FM1101", "run/unknown", f"there is no run {operation.run}", run=operation.run
        )
    if standing.state is RunState.EXPORTING:  # acknowledged here, it would be lost
        return refuse(
            "FM1103",
            "run/moving",
            f"run {operation.run} is being exported and takes no messages now",
            run=operation.run,
        )
    row = records.deliver(operation.run, operation.message)
    if row is None:
        why = f"has ended ({standing.state.value}) and takes no more messages"
        if standing.state is RunState.FAILED:
            why = "has failed and takes no messages as long as somebody has to decide about it"
        return refuse(
            "FM1102",
            "run/ended",
            f"run {operation.run} {why}",
            run=operation.run,
            state=keyword(standing.state.value),
        )
    if operation.message.kind == "cancel":
        records.admit(operation.run)
    return answer(value=row.number)
