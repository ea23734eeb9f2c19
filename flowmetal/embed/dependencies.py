"""The source roots of a project and of all that it stands on, other projects and their commits.

Dependencies are followed depth first, a project's own folders before those of
its libraries, in the order of the file. A library is found once. What the project that one begins
with says of a library, it says for all; if two others disagree, that is an error, as is a
circle. A commit is fetched once, with the ``git`` command, into
``$XDG_CACHE_HOME/flowmetal/git/<sha>``; after that nothing asks the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flowmetal.embed.project_file import (
    Coordinate,
    Dependency,
    GitCommit,
    LocalRoot,
    Project,
    project_in,
)
from flowmetal.errors import Label, UsageError

FETCH_LIMIT_S: Final = 600
"""Seconds that one git command may take."""

_LOOK_AT_FOLDER: Final = "name a folder, relative to that of this flow.edn"
_LOOK_AT_COMMIT: Final = (
    "see that address and hash are right, and that `git fetch` reaches the address"
)

_GIT = (
    "git",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.symlinks=false",  # a link could lead out of the cache
    "-c",
    "fetch.fsckObjects=true",
    "-c",
    "advice.detachedHead=false",
)


def roots_of(folder: Path) -> tuple[Path, ...]:
    """Return the source roots of the project in ``folder`` and of its libraries.

    Raises UsageError FM1317 for a file that is not understood, FM1321 for
    libraries in a circle or in conflict, FM1322 for one that cannot be had.
    """
    project = project_in(folder)
    found = _Found(dict.fromkeys(project.paths))
    for dependency in project.dependencies:
        found.chosen[dependency.name] = dependency
    _follow(project, found, [(os.path.realpath(folder), "this project")])
    return tuple(found.roots)


@dataclass(slots=True)
class _Found:
    """What has been found: roots in order, libraries by name, projects by their folder."""

    roots: dict[Path, None]
    chosen: dict[str, Dependency] = field(default_factory=dict)
    done: dict[str, None] = field(default_factory=dict)


def _follow(project: Project, found: _Found, path: list[tuple[str, str]]) -> None:
    """Add the libraries of a project. ``path``: the projects that led here, folders and names."""
    for dependency in project.dependencies:
        known = found.chosen.setdefault(dependency.name, dependency)
        if _place(known.coordinate) != _place(dependency.coordinate) and len(path) > 1:
            _need_agreement(known, dependency, found, path)
        folder = _folder_of(known)
        key = os.path.realpath(folder)
        if any(key == each for each, _ in path):
            at = next(i for i, (each, _) in enumerate(path) if each == key)
            ring = [*(name for _, name in path[at:]), dependency.name]
            raise UsageError(
                "FM1321",
                "libraries stand on each other in a circle: " + " -> ".join(ring),
                dependency.span,
                hint="move what both need into a third one",
            )
        if key in found.done:
            continue
        found.done[key] = None
        library = project_in(folder)
        found.roots.update(dict.fromkeys(library.paths))
        _follow(library, found, [*path, (key, dependency.name)])


def _need_agreement(
    known: Dependency, other: Dependency, found: _Found, path: list[tuple[str, str]]
) -> None:
    """Let a library be where the project that one begins with says; else refuse two places."""
    if known.span.path == _first_file(path):
        return
    raise UsageError(
        "FM1321",
        f"two libraries want `{other.name}` from different places",
        other.span,
        labels=(Label(known.span, "the other place", primary=False),),
        hint=f"say in flow.edn of this project which `{other.name}` is meant",
    )


def _first_file(path: list[tuple[str, str]]) -> str:
    from flowmetal.embed.files import shown_path

    return shown_path(str(Path(path[0][0]) / "flow.edn"))


def _place(coordinate: Coordinate) -> tuple[str, ...]:
    """Return what two coordinates of one place have in common."""
    if isinstance(coordinate, LocalRoot):
        return ("local", os.path.realpath(coordinate.folder))
    return ("git", coordinate.sha, coordinate.below)


def _folder_of(dependency: Dependency) -> Path:
    """Return the folder of a library. Raises UsageError FM1322."""
    coordinate = dependency.coordinate
    if isinstance(coordinate, LocalRoot):
        folder, what = coordinate.folder, str(coordinate.folder)
    else:
        folder = _checkout(dependency, coordinate) / coordinate.below
        what = f"{coordinate.below} in {coordinate.url}"
    if not os.path.isdir(folder):
        raise _unavailable(dependency, f"there is no folder {os.path.normpath(what)}")
    return folder


# -- git -------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Return where commits are kept (XDG base directories)."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path("~/.cache").expanduser()
    return base / "flowmetal" / "git"


def _checkout(dependency: Dependency, commit: GitCommit) -> Path:
    """Return the folder with the files of a commit, fetching it if it is not there yet."""
    target = cache_folder() / commit.sha
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".fetching-", dir=target.parent))
    except OSError as error:
        why = f"{target.parent} cannot be written: {(error.strerror or str(error)).lower()}"
        raise _unavailable(dependency, why) from None
    try:
        _fetch(dependency, commit, work)
        shutil.rmtree(work / ".git")
        try:
            os.rename(work, target)
        except OSError:  # somebody else was faster
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _fetch(dependency: Dependency, commit: GitCommit, work: Path) -> None:
    _git(dependency, work, "init", "--quiet")
    url = _absolute(dependency, commit.url)
    try:
        _git(dependency, work, "fetch", "--quiet", "--depth=1", "--no-tags", "--", url, commit.sha)
    except UsageError:
        # Servers may refuse to give a commit by its hash; then it is among all there are.
        everything = "+refs/*:refs/fetched/*"
        _git(dependency, work, "fetch", "--quiet", "--no-tags", "--", url, everything)
    _git(dependency, work, "checkout", "--quiet", "--detach", commit.sha)
    found = _git(dependency, work, "rev-parse", "HEAD").strip()
    if found != commit.sha:
        raise _unavailable(dependency, f"git gave commit {found} instead of {commit.sha}")


def _absolute(dependency: Dependency, url: str) -> str:
    """Return a repository's address; one that is a path is relative to the file that names it."""
    if "://" in url or url.partition("/")[0].count(":"):
        return url
    return str((Path(dependency.span.path).resolve().parent / url).resolve())


def _git(dependency: Dependency, work: Path, *words: str) -> str:
    """Run git and return what it says. Raises UsageError FM1322."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",  # ext: would run a command
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    try:
        done = subprocess.run(
            [*_GIT, *words],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=FETCH_LIMIT_S,
            check=False,
        )
    except FileNotFoundError:
        raise _unavailable(dependency, "the command git is needed to fetch it") from None
    except subprocess.TimeoutExpired:
        raise _unavailable(dependency, f"git took more than {FETCH_LIMIT_S} s") from None
    if done.returncode != 0:
        raise _unavailable(dependency, f"git says: {_verdict(done.stderr)}")
    return done.stdout


def _verdict(said: str) -> str:
    """Return the line in which git says what is wrong; advice may follow it."""
    lines = [line for line in said.splitlines() if line.strip()] or ["nothing"]
    return next((line for line in lines if line.startswith("fatal: ")), lines[-1])


def _unavailable(dependency: Dependency, why: str) -> UsageError:
    local = isinstance(dependency.coordinate, LocalRoot)
    return UsageError(
        "FM1322",
        f"the library `{dependency.name}` is not to be had",
        dependency.span,
        label=why,
        hint=_LOOK_AT_FOLDER if local else _LOOK_AT_COMMIT,
    )
