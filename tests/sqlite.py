"""A SQLite file that is opened beside a store: its own context manager commits, and does not close."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def opened(path: Path | str) -> Iterator[sqlite3.Connection]:
    """A connection for the length of a block, whose changes are kept if it ends well."""
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection
