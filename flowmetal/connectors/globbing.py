"""Which paths below a folder match a pattern, as a shell sees it.

``**`` is any number of folders and follows no symbolic link: one that leads back to where it is makes
the walk endless, three of them make it so within one folder. A pattern is gone through part by part, and no folder
twice for one part, so it takes no longer than its parts and the folders allow.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from glob import has_magic


def matching(root: str, pattern: str) -> set[str]:
    """Return the paths that match, relative to ``root``."""
    *parts, last = pattern.split("/")
    found = {""}
    for part in parts:
        found = _folders(root, found) if part == "**" else set(_next(root, found, part))
    if last == "**":
        folders = _folders(root, found)
        found = folders | {os.path.join(f, e.name) for f in folders for e in _seen(root, f)}
    elif last:
        found = set(_next(root, found, last))
    else:  # a/*/ is folders alone
        found = {path for path in found if os.path.isdir(os.path.join(root, path))}
    return found - {""}


def _next(root: str, folders: Iterable[str], part: str) -> Iterator[str]:
    """Yield what one part of the pattern, not ``**``, matches in folders."""
    for folder in folders:
        if not has_magic(part):
            path = os.path.join(folder, part)
            if os.path.lexists(os.path.join(root, path)):
                yield path
            continue
        for entry in _entries(root, folder):
            shown = not entry.name.startswith(".") or part.startswith(".")
            if shown and fnmatchcase(entry.name, part):
                yield os.path.join(folder, entry.name)


def _folders(root: str, starts: Iterable[str]) -> set[str]:
    """Return folders and all folders below them, each once."""
    found: set[str] = set()
    left = list(starts)
    while left:
        folder = left.pop()
        if folder not in found:
            found.add(folder)
            inner = (entry for entry in _seen(root, folder) if entry.is_dir(follow_symlinks=False))
            left.extend(os.path.join(folder, entry.name) for entry in inner)
    return {folder for folder in found if os.path.isdir(os.path.join(root, folder))}


def _seen(root: str, folder: str) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _entries(root, folder) if not entry.name.startswith("."))


def _entries(root: str, folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing if it may not be looked into, or is none."""
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            return list(entries)
    except OSError:
        return []
