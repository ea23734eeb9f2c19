"""What runs do to each other and to shared durable things, inside of the store.

An **operation** is a frozen value of ``vocabulary.py``: start a run, take a
permit, put a key. It is performed by the store inside the very transaction that
commits the request (``Commit.operations``), after the compare-and-swap, or in a
transaction of its own for whoever is no run (``Store.operate``).

Its **answer** is a map. A run gets it as a message in its own inbox, of kind
``result`` and with the id ``effect/GENERATION.NUMBER``: in the same transaction, or
in the one of whoever lets the wait end (a permit is released, a child ends, a
callback is completed). So three promises of the inbox do the work here too: an
id comes in once (no second answer), what is unseen wakes its run (no lost
wake-up), and what is acknowledged is durable. A run that waits costs a row.

The logic is written once, over ``records.py``: rows in named spaces that every
store keeps in its own way. Rules that must stay true:

- An operation does not raise: what the program got wrong is an answer with ``:error``.
  What is raised is the world's or our own fault, and undoes the transaction.
- Whatever a run holds or waits for hangs on it by a **tie** (``ties.py``). ``end_run``
  cuts all ties in the commit that ends the run: nothing is held by the dead.
- What is due (leases, expiries, delays) is done by whoever comes first: by an
  operation on the same thing, or by ``attend``, which interpreters call. Nothing
  depends on somebody being there in time.
- Rows of one thing begin with its name and a tab, so that names are printable text.

Every store imports this file and most runs never ask for an operation: what performs them
is loaded when there is one to perform, a tie to cut or a row that is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.store.clock import NOTABLE_US
from flowmetal.store.operations.records import Noting, Records
from flowmetal.store.operations.ties import ties

if TYPE_CHECKING:
    from flowmetal.store.operations.answers import Answer
    from flowmetal.store.operations.vocabulary import Asked, Operation

MOST_AT_ONCE: Final = 100
"""Rows that one call of ``attend`` looks at: its transaction is not to keep others waiting long."""

_BY_THE_CLOCK: Final = ("permit", "queue", "call")
"""Spaces whose rows know what to make of a clock that was set back."""

_OF_LEASES: Final = ("permit-holder", "queue", "call")
"""Spaces whose rows show that it was."""

PUT_OFF_US: Final = 3_600_000_000
"""So long nobody looks at a damaged row again: each time it is said."""


def perform_all(records: Records, run: RunId, asked: Sequence[Asked]) -> None:
    """Perform the operations of a step, in order, and answer those that can be answered now."""
    if asked:
        from flowmetal.store.operations import performing

        performing.perform_all(records, run, asked)


def is_a_look(operation: Operation) -> bool:
    """Say whether an operation only reads: then it needs no transaction that writes."""
    from flowmetal.store.operations import performing

    return isinstance(operation, performing.LOOKS)


def operate(records: Records, operation: Operation) -> tuple[Answer, bool]:
    """Perform an operation for somebody who is no run; return the answer, and whether anything was written."""
    from flowmetal.store.operations import performing

    noting = Noting(records)
    return performing.operate(noting, operation), noting.written


def operate_all(records: Records, operations: Sequence[Operation]) -> None:
    """Perform operations for somebody who is no run, and who does not need their answers."""
    for operation in operations:
        operate(records, operation)


def end_run(records: Records, run: RunId) -> None:
    """Cut the ties of a run that has just ended, and the one by which it hangs on its parent: the row already says so."""
    hanging = list(ties(records, run))
    standing = records.run(run)
    assert standing is not None
    if hanging or standing.parent is not None:
        from flowmetal.store.operations import performing

        performing.cut_ties(records, standing, hanging)


def revive_run(records: Records, run: RunId) -> None:
    """Let a parked run stand in line again, at the end."""
    from flowmetal.store.operations import performing

    performing.revive_run(records, run)


class Unattended(StoreError):
    """What is due at a row cannot be done, and it is the row's fault. The transaction is to be undone."""

    def __init__(self, space: str, key: str, trouble: StoreError) -> None:
        super().__init__(trouble.code, trouble.message)
        self.diagnostics = trouble.diagnostics
        self.space, self.key = space, key


def attend(records: Records) -> bool:
    """Do what is due; say whether there was anything. Raises Unattended: then ``put_off`` that row."""
    due = records.due(records.now_us(), MOST_AT_ONCE)
    if due:
        from flowmetal.store.operations import performing

        performing.attend_to(records, due)
    return bool(due)


def is_behind(records: Records) -> bool:
    """Say whether something was written later than now: the clock was set back, perhaps when nobody was there to see it."""
    if records.latest_us() > records.now_us() + NOTABLE_US:
        return True
    if not any(records.scan(space, "", "", 1) for space in _OF_LEASES):
        return False
    from flowmetal.store.operations import performing

    return performing.is_anything_late(records)


def look_again(records: Records) -> None:
    """Let locks, queues and calls be looked at now, and runs go on: the clock was set back, so that what they wait for would be late."""
    records.hasten()
    for space in _BY_THE_CLOCK:
        after = ""
        while page := records.scan(space, "", after, MOST_AT_ONCE):
            for record in page:
                if record.due_us is not None:
                    records.put(space, record._replace(due_us=0))
            after = page[-1].key


def put_off(records: Records, row: Unattended) -> None:
    """Look at a damaged row later, for others are due behind it."""
    found = records.get(row.space, row.key)
    if found is not None:
        records.put(row.space, found._replace(due_us=records.now_us() + PUT_OFF_US))
