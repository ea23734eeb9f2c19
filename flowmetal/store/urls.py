"""From the name of a store to the store: the only place that knows the schemes.

A scheme is built in (``sqlite``, ``postgresql``, ``memory``) or comes from a package that
registers ``open(url: str) -> Store`` under the entry-point group
``flowmetal.stores``. Implementations are imported when they are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flowmetal.errors import StoreError
from flowmetal.store.protocol import Store

ENTRY_POINT_GROUP = "flowmetal.stores"


def open_store(url: str, *, must_exist: bool = False) -> Store:
    """Open the store that ``url`` names; a SQLite store is made if it is not there.

    ``must_exist``: it is not. Raises StoreError FM1012 for a scheme that nobody serves,
    FM1030 for a store that is not there, and whatever the store itself has to complain about.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise StoreError("FM1012", f"`{url}` does not name a store", hint=f"write sqlite:{url}")
    match scheme:
        case "sqlite":
            from flowmetal.store.sqlite import SqliteStore

            path = _sqlite_path(rest, make=not must_exist)
            if must_exist and not path.exists():
                raise StoreError(
                    "FM1030",
                    f"there is no store at {path} yet",
                    hint="`fmvm run` makes it with the first run; --store names another one",
                )
            return SqliteStore(path)
        case "memory":
            from flowmetal.store.memory import MemoryStore

            return MemoryStore()
        case "postgresql" | "postgres":
            from flowmetal.store.postgres import PostgresStore

            return PostgresStore(url)
    return _open_plugin(scheme, url)


def _sqlite_path(rest: str, *, make: bool = True) -> Path:
    """Return the file that a ``sqlite:`` address names; ``sqlite:///x`` is the absolute path /x."""
    if rest.startswith("//"):
        rest = rest[2:]
    if rest:
        return Path(rest).expanduser()
    folder = default_folder()
    if make:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "flowmetal.db"


def default_folder() -> Path:
    """Return the user's state folder (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path("~/.local/state").expanduser()
    return base / "flowmetal"


def _open_plugin(scheme: str, url: str) -> Store:
    from importlib.metadata import entry_points

    for found in entry_points(group=ENTRY_POINT_GROUP, name=scheme):
        try:
            open_plugin: Callable[[str], Store] = found.load()
        except Exception as problem:  # whatever a stranger's package raises when it is imported
            raise StoreError(
                "FM1012",
                f"the package that serves stores of the kind `{scheme}:` cannot be loaded:"
                f" {type(problem).__name__}: {problem}",
                hint=f"import {found.value.partition(':')[0]} alone to see where it fails",
            ) from None
        return open_plugin(url)
    raise StoreError(
        "FM1012",
        f"nobody here serves stores of the kind `{scheme}:`",
        hint="use sqlite:PATH or postgresql://HOST/DATABASE, or install the package that brings it",
    )
