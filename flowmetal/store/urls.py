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

_ELSEWHERE = "name another place: --store sqlite:PATH, or $FLOWMETAL_STORE"


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
            if must_exist and not _is_there(path):
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
        path = _expanded(rest)
        if not path.is_absolute():
            _check_working_folder(path)
        return path
    path = _default_folder() / "flowmetal.db"
    if make:
        _make_folder_of(path)
    return path


def _check_working_folder(path: Path) -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise StoreError(
            "FM1003",
            f"the working folder, in which {path} would be, is gone",
            hint="go into one that is there, or write the path in full: sqlite:/PATH",
        ) from None


def _is_there(path: Path) -> bool:
    from flowmetal.store.sqlite.errors import from_system

    try:
        return path.exists()
    except OSError as error:
        raise from_system(error, path) from error


def _make_folder_of(path: Path) -> None:
    from flowmetal.store.sqlite.errors import from_system

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        pass  # a file is in its place: the store says so of every address
    except OSError as error:
        raise from_system(error, path).with_help(_ELSEWHERE) from error


def _default_folder() -> Path:
    """Return the user's state folder (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else _expanded("~/.local/state")) / "flowmetal"


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = path.partition("/")[0]
        raise StoreError(
            "FM1012", f"nobody knows the home folder that `{user}` stands for", hint=_ELSEWHERE
        ) from None


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
