"""Where things are found when nobody says: the store, the source roots, the state folder.

The order is always the same: what was said on the command line or in the call,
else the environment, else a file of the project, else a default.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from flowmetal.runtime.grants import RunGrants, parse_grants

PROJECT_FILE = "flow.edn"


def store_url(given: str | None) -> str:
    """Return the address of the store: ``given``, else $FLOWMETAL_STORE, else the user's state folder."""
    return given or os.environ.get("FLOWMETAL_STORE") or "sqlite:"


def grants_of(
    *,
    http: Iterable[str] = (),
    sh: Iterable[str] = (),
    env: Iterable[str] = (),
    fs: Iterable[str] = (),
    everything: bool = False,
) -> RunGrants:
    """Return what a run may do to the world. Nothing, unless it is named. Raises UsageError FM1310."""
    return parse_grants(http=http, sh=sh, env=env, fs=fs, everything=everything)


def source_roots(file: Path, given: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return the folders in which ``require`` looks; empty: those that FILE's namespace implies.

    ``given`` (--path), else $FLOW_PATH, else ``:paths`` of the nearest ``flow.edn``
    above ``file``, relative to that file, and those of its ``:deps``.
    """
    if given:
        return tuple(Path(root) for root in given)
    from_environment = os.environ.get("FLOW_PATH", "")
    if from_environment:
        return tuple(Path(root) for root in from_environment.split(os.pathsep) if root)
    for folder in file.resolve().parents:
        if (folder / PROJECT_FILE).is_file():
            from flowmetal.embed.dependencies import roots_of
            from flowmetal.embed.project_file import project_in

            project = project_in(folder)
            return roots_of(folder) if project.says_paths or project.dependencies else ()
    return ()
