"""Effects that nobody could perform where their run was driven: it waits for an interpreter that can.

A row's key is kind, run, effect. Who claims runs says what it performs (``Store.claim_ready(kinds=...)``), and
gets those with such a row: nothing is due about them, so nobody else takes them. The row goes when the
run was taken up there, when the effect is not waited for any more, or when the run ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from flowmetal.ids import RunId
from flowmetal.store.operations.answers import Answer, Asker, bad_name
from flowmetal.store.operations.records import TAB, Kept, Records, drop, keep, parts_of
from flowmetal.store.operations.ties import wait_at
from flowmetal.store.operations.vocabulary import AwaitServer

UNSERVED: Final = "unserved"
"""The kind of ties of effects that wait so."""

ANY: Final = "/*"
"""The end of the name of all kinds of a namespace."""


@dataclass(slots=True)
class Unserved(Kept):
    """Key: kind, run, effect."""

    SPACE: ClassVar[str] = UNSERVED
    since_us: int


def await_server(records: Records, asker: Asker, operation: AwaitServer) -> Answer | None:
    wrong = bad_name(operation.kind, "kind of effects")
    if wrong is not None:
        return wrong
    key = TAB.join((operation.kind, asker.run, asker.effect))
    keep(records, key, Unserved(records.now_us()))
    wait_at(records, asker, UNSERVED, key)
    return None


def withdraw(records: Records, key: str) -> None:
    """Somebody performs it, or nobody waits for it any more."""
    drop(records, Unserved, key)


def prefix_of(kind: str) -> str:
    """Return what the keys of a kind begin with, or those of all kinds of a namespace (``mail/*``)."""
    return kind[:-1] if kind.endswith(ANY) else f"{kind}{TAB}"


def run_of(key: str) -> RunId:
    """Return the run that a key is of."""
    return RunId(parts_of(key, 3)[1])
