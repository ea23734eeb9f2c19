"""The store's errors: the store cannot be opened, read or written (FM10xx).

How to read a row: code, what happened in one line, what to do about it.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

# fmt: off
CODES = (
    ErrorCode("FM1001", "The store's file is damaged or is not a database",
              "The bytes in the file are not what SQLite wrote. Nothing was changed. Restore the file (with its `-wal` file) from a backup, or name another path."),
    ErrorCode("FM1002", "The file is a database of another application",
              "It is a sound SQLite database, but its tables are not Flowmetal's. Nothing was added to it. Name another path; a store is made on first use."),
    ErrorCode("FM1003", "The folder of the store does not exist",
              "A store's file is made on first use, its folder is not, so that a typing mistake does not start a second store. Make the folder with `mkdir -p`."),
    ErrorCode("FM1004", "The path of the store is not a file",
              "It is a folder, a device or a pipe. Name a file inside the folder, such as `sqlite:FOLDER/flowmetal.db`."),
    ErrorCode("FM1005", "The store may not be opened by this user",
              "The file, the files beside it (`-wal`, `-shm`) and the folder `STORE-locks` must be readable and writable for whoever uses the store. A store is made for its owner alone; `chmod` and `chgrp` share it."),
    ErrorCode("FM1006", "The store is read-only",
              "The file or its file system cannot be written, or the PostgreSQL server is a replica. Every interpreter writes, and SQLite's write-ahead log needs a writable folder even for reading."),
    ErrorCode("FM1007", "The disk is full",
              "The step was not written and has no effect; what was there before is intact. Make room: the store works again as soon as there is some, without a restart."),
    ErrorCode("FM1008", "The disk reports an error",
              "Reading or writing the store failed in the operating system. The outcome of the step is unknown until the run is claimed again. Look at the system's log and the state of the disk."),
    ErrorCode("FM1009", "The store is locked by another process",
              "Another process has been writing for longer than the time-out. `fuser STORE` shows who has the file open; a stopped (Ctrl-Z) interpreter or an open transaction in a database shell is the usual cause."),
    ErrorCode("FM1010", "The store was made by a newer Flowmetal",
              "Its schema asks for a newer reader or writer than this one. Upgrade Flowmetal; old and new versions share a store only as long as the store says so."),
    ErrorCode("FM1011", "The store is on a network file system",
              "Locks on network file systems do not keep two writers apart, and SQLite's write-ahead log does not work there. Use a local disk, or a PostgreSQL store for several machines."),
    ErrorCode("FM1012", "The address of the store is not understood",
              "A store is named by `sqlite:PATH`, `sqlite:` (the user's state folder), `postgresql://USER@HOST/DATABASE`, `memory:` or the scheme of an installed package (entry-point group `flowmetal.stores`)."),
    ErrorCode("FM1013", "The library for PostgreSQL is not installed",
              "A PostgreSQL store needs psycopg, which comes with `pip install \"flowmetal[postgres]\"`. Stores in SQLite need nothing more."),
    ErrorCode("FM1014", "Somebody else has advanced the run",
              "A commit names the epoch and the sequence number that it stands on; the store has others. The machine in memory is out of date and has had no effect. Claim the run again."),
    ErrorCode("FM1015", "The run was saved by a newer Flowmetal",
              "Its snapshot has a layout that this version does not read. Interpreters of the newer version go on with it; this one leaves it alone."),
    ErrorCode("FM1016", "An exported run does not check out",
              "A part is missing, superfluous or damaged. Nothing was imported. Export the run again, or copy the file again."),
    ErrorCode("FM1017", "The store is closed",
              "It was closed, or it was opened before this process was forked: a connection does not survive `fork`. Open the store again in this process."),
    ErrorCode("FM1018", "SQLite cannot keep a write-ahead log here",
              "The store needs `journal_mode=WAL` and did not get it. The usual causes are a file system without shared memory and an in-memory database."),
    ErrorCode("FM1019", "The interpreter's id cannot be used",
              "An interpreter id is held by one process at a time. In SQLite it names a lock file: 1 to 100 letters, digits, `.`, `_` and `-`, not beginning with a dot."),
    ErrorCode("FM1020", "The store's file was moved or deleted while in use",
              "What is written now would be lost, so nothing is written. Put the file back, or stop the processes that still use it and start them again."),
    ErrorCode("FM1021", "A value cannot be kept in the store",
              "It is too big (SQLite keeps up to 1 GB in one piece), or a name holds bytes that are not text. Nothing was written."),
    ErrorCode("FM1022", "The server of the store cannot be reached",
              "It is down, starting or cut off, or the address is wrong. What was being written has an unknown outcome until the run is claimed again; nothing is written twice. `pg_isready` says whether the server accepts connections. An interpreter goes on by itself when it does."),
    ErrorCode("FM1023", "The server of the store refuses the user",
              "User, password or the rules in the server's pg_hba.conf do not fit. The password comes from the address, from `PGPASSWORD` or from `~/.pgpass`."),
    ErrorCode("FM1024", "The database of the store does not exist",
              "The tables of a store are made on first use, its database is not, so that a typing mistake does not start a second store. Make it with `createdb NAME`."),
    ErrorCode("FM1025", "The server of the store has no room for this",
              "It has as many connections as it allows, or no memory. An interpreter needs three. Raise `max_connections`, or put a pooler in between (docs/operations.md)."),
    ErrorCode("FM1026", "The server of the store is not one that Flowmetal works with",
              "PostgreSQL 14 or newer and a database with the encoding UTF8 are needed."),
    ErrorCode("FM1030", "There is no store yet",
              "A store is made by the first run in it. A verb about runs that are there does not make one: it would only say that there is none.",
              "fmvm ps --store sqlite:typo.db", "fmvm ps --store sqlite:orders.db"),
)
# fmt: on
