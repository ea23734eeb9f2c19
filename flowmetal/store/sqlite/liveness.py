"""Who among the interpreters lives, and what the dead have left behind.

An interpreter is entered in the table before its first claim, with the boot
that its leases count on, the file that it has open, and a line about its process. It is gone if it was
entered before the machine's last start, or in another file, of which this one is a copy (nobody writes
a file that is not at its path), or if its lock is free. It is also
done for if its lease is over, although a stopped process may still hold the
lock: epochs keep such a one from writing when it comes back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from flowmetal.errors import FlowmetalError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store import rules
from flowmetal.store.clock import Clock
from flowmetal.store.sqlite import rows
from flowmetal.store.sqlite.session import Session


class Liveness:
    """The table of interpreters and their locks. Works inside the caller's transactions."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._execute = session.execute
        self._locks = session.interpreters
        self._clock = clock
        self._recorded: set[InterpreterId] = set()
        self._place = f"{clock.boot_id}{rows.OPEN_FILE}{session.identity}"

    def enter(self, owner: InterpreterId) -> None:
        """Take the interpreter's lock and enter it in the table, if that is not done. No transaction is open."""
        if owner in self._recorded:
            return
        # One of several threads: the others would take each other for another process, and free its runs.
        self._session.hold()
        try:
            if owner not in self._recorded:
                self._enter(owner)
        finally:
            self._session.let_go()

    def _enter(self, owner: InterpreterId) -> None:
        if not self._locks.has(owner):
            self._locks.take(owner)
        with self._session.writing("enter"):
            swept = self._forget_gone()
            self._execute(  # what one of the same name has left when it died
                "UPDATE head SET owner = NULL, lease_boot_us = 0 WHERE owner = ?", (owner,)
            )
            self._execute(
                "INSERT OR REPLACE INTO interpreter VALUES (?, ?, ?, ?)",
                (owner, self._place, _description(), self._clock.now_us()),
            )
        for gone in swept:
            self._locks.sweep(gone)
        self._recorded.add(owner)

    def drives(self, owner: InterpreterId | None, lease_boot_us: int) -> bool:
        """Say whether a run with this owner and lease is in somebody's hands."""
        if owner is None or lease_boot_us <= self._clock.boot_us():
            return False
        return not self._is_gone(owner)

    def describe(self, owner: InterpreterId | None) -> tuple[str, str]:
        """Return the boot, with its file, and the description of an interpreter."""
        if owner is None:
            return "", "nobody"
        select = "SELECT boot_id, description FROM interpreter WHERE id = ?"
        found = self._execute(select, (owner,)).fetchone()
        return ("", f"interpreter {owner}") if found is None else (found[0], found[1])

    def orphans(
        self, claimer: InterpreterId, size: int, snapshot_format: int, attempts: int
    ) -> Iterator[tuple[int, RunId, str]]:
        """Yield number, id and queue of runs that are held by the dead, or whose lease is over.

        What the claimer itself has lost is one more of no queue. They are read ``size`` at a time.
        """
        for owner in self._owners():
            until = rules.END_OF_TIME_US if self._is_gone(owner) else self._clock.boot_us()
            after = -1
            while True:
                page = self._execute(
                    "SELECT number, id, queue FROM head JOIN run USING (number)"
                    " WHERE owner = ? AND owner IS NOT NULL AND lease_boot_us <= ?"
                    " AND state IN ('ready', 'waiting') AND snapshot_format <= ?"
                    " AND attempts <= ? AND number > ? ORDER BY number LIMIT ?",
                    (owner, until, snapshot_format, attempts, after, size),
                ).fetchall()
                for number, run, queue in page:
                    after = number
                    yield number, run, "" if owner == claimer else queue
                if len(page) < size:
                    break

    def abandon(self, owner: InterpreterId) -> None:
        """Let go of the interpreter's lock and nothing else."""
        self._recorded.discard(owner)
        self._locks.let_go(owner)

    def leave(self) -> bool:
        """Give back the runs of this process's interpreters. Says whether that is durable."""
        if not self._recorded:
            return True
        try:
            with self._session.writing("close"):
                for owner in self._recorded:
                    self._execute(
                        "UPDATE head SET owner = NULL, lease_boot_us = 0,"
                        " attempts = max(0, attempts - 1) WHERE owner = ? AND owner IS NOT NULL",
                        (owner,),
                    )
                    self._execute("DELETE FROM interpreter WHERE id = ?", (owner,))
            self._session.announce()
        except FlowmetalError:
            return False  # the free lock will say it
        return True

    def _owners(self) -> list[InterpreterId]:
        """Return who holds runs, by one look at the index for each and not for each run."""
        found = self._execute(
            "WITH RECURSIVE holder (id) AS ("
            " SELECT min(owner) FROM head WHERE owner IS NOT NULL"
            " UNION ALL"
            " SELECT (SELECT min(owner) FROM head WHERE owner IS NOT NULL AND owner > holder.id)"
            " FROM holder WHERE holder.id IS NOT NULL)"
            " SELECT id FROM holder WHERE id IS NOT NULL"
        )
        return [InterpreterId(row[0]) for row in found.fetchall()]

    def _is_gone(self, owner: InterpreterId) -> bool:
        if self._locks.has(owner):
            return False
        place, _ = self.describe(owner)
        return place != self._place or self._locks.is_free(owner)

    def _forget_gone(self) -> list[InterpreterId]:
        """Delete the dead that hold nothing from the table, and return those whose files can go."""
        holding = set(self._owners())
        known = [row[0] for row in self._execute("SELECT id FROM interpreter").fetchall()]
        gone = [name for name in known if name not in holding and self._is_gone(name)]
        for name in gone:
            self._execute("DELETE FROM interpreter WHERE id = ?", (name,))
        return gone + [name for name in self._locks.names() if name not in {*known, *holding}]


def _description() -> str:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"process {os.getpid()} on {os.uname().nodename} since {since}"
