"""Where things are found when nobody says: the store, the source roots, the state folder.

The order is always the same: what was said on the command line or in the call,
else the environment, else a file of the project, else a default.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from flowmetal.embed.checking import checked
from flowmetal.runtime.grants import RunGrants, parse_grants
from flowmetal.store.chain import SHORTEST_KEY, KeyRing
from flowmetal.values.meter import DEFAULT, LEAST, NAMES, UNTRUSTED, Limits

PROJECT_FILE = "flow.edn"


def store_url(given: str | None) -> str:
    """Return the address of the store: ``given``, else $FLOWMETAL_STORE, else the user's state folder."""
    return given or os.environ.get("FLOWMETAL_STORE") or "sqlite:"


def key_ring() -> KeyRing:
    """Return the keys that histories are chained with: lines of the file that $FLOWMETAL_KEYS names.

    Raises UsageError FM1331 for a file that cannot be read, or a key that is too short.
    """
    path = os.environ.get("FLOWMETAL_KEYS", "")
    if not path:
        return KeyRing()
    from flowmetal.errors import UsageError

    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        why = (
            (problem.strerror or str(problem)) if isinstance(problem, OSError) else "it is no text"
        )
        raise UsageError(
            "FM1331",
            f"the keys in {path} cannot be read: {why.lower()}",
            hint="see that $FLOWMETAL_KEYS names a file that this user may read",
        ) from None
    hint = "write one key to a line of the file that $FLOWMETAL_KEYS names: `openssl rand -hex 32`"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError("FM1331", f"there is no key in {path}", hint=hint)
    for number, line in enumerate(lines, 1):
        if len(line) < SHORTEST_KEY:
            message = f"key {number} in {path} has less than {SHORTEST_KEY} characters"
            raise UsageError("FM1331", message, hint=hint)
    return KeyRing(tuple(line.encode() for line in lines))


@checked
def grants(
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
    try:
        folder = file.resolve().parent
    except FileNotFoundError:  # the working folder is gone: it is in no project
        return ()
    found = _project_above(folder)
    if found is None:
        return ()
    from flowmetal.embed.dependencies import roots_of
    from flowmetal.embed.project_file import project_in

    project = project_in(found.parent)
    return roots_of(found.parent) if project.says_paths or project.dependencies else ()


def _project_above(folder: Path) -> Path | None:
    """Return the project file in ``folder`` or above it. One that this user may not reach is not there for them."""
    files = (each / PROJECT_FILE for each in (folder, *folder.parents))
    return next((file for file in files if os.path.isfile(file)), None)


def limits_of(words: Iterable[str] = ()) -> Limits:
    """Return the limits of runs: ``NAME=N`` each, or ``untrusted``. Raises UsageError FM1325.

    What ``words`` do not say is taken from ``:limits`` of ``flow.edn`` in the folder or above it.
    """
    from flowmetal.errors import UsageError

    limits = DEFAULT
    given: list[str] = [*_project_limits(), *words]
    for word in given:
        name, equals, number = word.partition("=")
        if word == "untrusted":
            limits = UNTRUSTED
            continue
        plain = number.replace("_", "")
        least = getattr(LEAST, name) if name in NAMES else 0
        is_number = plain.isascii() and plain.isdigit() and len(plain) <= 18  # within 64 bits
        if not equals or not least or not is_number:
            raise UsageError(
                "FM1325",
                f"`{word[:100]}` is not a limit",
                hint=f"write NAME=N, NAME being {', '.join(NAMES[:-1])} or {NAMES[-1]}; or `untrusted`",
            )
        if int(plain) < least:
            raise UsageError(
                "FM1325",
                f"the limit {name} cannot be {int(plain):,}",
                hint=f"write {least:,} or more",
            )
        limits = limits.with_changes(**{name: int(plain)})
    return limits


def _project_limits() -> list[str]:
    try:
        project = _project_above(Path.cwd())
    except FileNotFoundError:  # the working folder is gone: it is in no project
        return []
    return [] if project is None else _limits_in(project)


def _limits_in(project: Path) -> list[str]:
    from flowmetal.embed.files import read_source
    from flowmetal.errors import UsageError
    from flowmetal.reader import read_all
    from flowmetal.values import Keyword, Map, keyword

    forms = read_all(read_source(str(project)))
    found = forms[0].get(keyword("limits")) if forms and isinstance(forms[0], Map) else None
    if found is None:
        return []
    if not isinstance(found, Map) or not all(
        isinstance(name, Keyword) for name, _ in found.items()
    ):
        raise UsageError(
            "FM1325",
            f"the :limits of {project} are not understood",
            hint="write {:limits {:frames 10000}}",
        )
    return [f"{name.text}={number}" for name, number in found.items()]
