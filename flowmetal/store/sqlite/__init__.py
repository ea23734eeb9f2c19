"""The store in one SQLite file: the embedded default, shared by the processes of one machine.

``file`` opens and makes the file, ``locks`` says who may write and who is
alive, ``bell`` wakes the others, ``rows`` turns rows into what the protocol
speaks of, ``store`` does the transactions. The tables are in ``schema.sql``.
"""

from flowmetal.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
