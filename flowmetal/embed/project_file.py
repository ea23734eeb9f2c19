"""``flow.edn``: where the sources of a project are, and on which other projects it stands.

```
{:paths ["src" "test"]
 :deps  {shop/prices {:local/root "../prices"}
         acme/units  {:git/url "https://git.acme.example/units" :git/sha "<40 digits>" :deps/root "lisp"}}
 :config {...}}                       ; connectors/config.py
```

Read here, with the place of everything for errors; what stands behind a
dependency is found by ``dependencies.py``. Without ``:paths`` a project has its
sources in ``src`` if there is such a folder, else beside the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from flowmetal.compiler.forms import Syntax, children
from flowmetal.errors import UsageError
from flowmetal.errors.suggestions import did_you_mean
from flowmetal.reader import ReadOptions, read_all_with_spans
from flowmetal.source import Span
from flowmetal.values import Keyword, Map, Symbol, Value, Vector, pr_str

PROJECT_FILE: Final = "flow.edn"

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COORDINATE_KEYS = ("local/root", "git/url", "git/sha", "deps/root")


@dataclass(frozen=True, slots=True)
class LocalRoot:
    """A project in a folder, relative to the file that names it."""

    folder: Path


@dataclass(frozen=True, slots=True)
class GitCommit:
    """A project in one commit of a repository, perhaps in a folder ``below`` its root."""

    url: str
    sha: str
    below: str


Coordinate: TypeAlias = LocalRoot | GitCommit


@dataclass(frozen=True, slots=True)
class Dependency:
    """A library that a project stands on, and where flow.edn says so."""

    name: str
    coordinate: Coordinate
    span: Span


@dataclass(frozen=True, slots=True)
class Project:
    """A project file. ``paths`` are folders; ``file`` is None where there is no file."""

    folder: Path
    paths: tuple[Path, ...]
    dependencies: tuple[Dependency, ...]
    says_paths: bool


def project_in(folder: Path) -> Project:
    """Read the project in a folder; one without a file has its sources in usual places.

    Raises UsageError FM1317, with the place in the file, or what reading it raises.
    """
    file = folder / PROJECT_FILE
    if not os.path.isfile(file):
        return Project(folder, _usual_paths(folder), (), False)
    from flowmetal.embed.files import read_source

    source = read_source(str(file))
    forms = read_all_with_spans(source, ReadOptions(edn=True))
    if len(forms) != 1 or not isinstance(forms[0].form, Map):
        at = forms[1].span if len(forms) > 1 else forms[0].span if forms else _start(source.path)
        raise _wrong(f"{source.path} is not one map", at, 'write {:paths ["src"]} into it')
    whole = Syntax(forms[0].form, forms[0].span)
    entries = dict(_entries(whole))
    paths = entries.get("paths")
    deps = entries.get("deps")
    return Project(
        folder,
        _usual_paths(folder) if paths is None else _paths(folder, paths),
        () if deps is None else tuple(_dependencies(folder, deps)),
        paths is not None,
    )


def _usual_paths(folder: Path) -> tuple[Path, ...]:
    source = folder / "src"
    return (source if os.path.isdir(source) else folder,)


def _start(path: str) -> Span:
    return Span(path, 1, 1, 1, 1)


def _entries(syntax: Syntax) -> Iterator[tuple[str, Syntax]]:
    """Yield the keys of a map that are keywords, with what stands under them."""
    parts = children(*syntax)
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        if isinstance(key.form, Keyword):
            yield key.form.text, value


def _paths(folder: Path, paths: Syntax) -> tuple[Path, ...]:
    items = children(*paths) if isinstance(paths.form, Vector) else []
    wrong = [item for item in items if not isinstance(item.form, str) or "\0" in item.form]
    if wrong or not isinstance(paths.form, Vector):
        at = (wrong or [paths])[0].span
        raise _wrong("`:paths` does not say where sources are", at, 'write {:paths ["src"]}')
    return tuple(folder / item.form for item in items)


def _dependencies(folder: Path, deps: Syntax) -> Iterator[Dependency]:
    if not isinstance(deps.form, Map):
        hint = 'write {:deps {shop/prices {:local/root "../prices"}}}'
        raise _wrong("`:deps` is a map of libraries", deps.span, hint)
    parts = children(*deps)
    for name, where in zip(parts[::2], parts[1::2], strict=True):
        if not isinstance(name.form, Symbol):
            raise _wrong("the name of a library is a symbol", name.span, "such as shop/prices")
        yield Dependency(name.form.text, _coordinate(folder, name.form.text, where), where.span)


def _coordinate(folder: Path, name: str, where: Syntax) -> Coordinate:
    said = dict(_said(name, where))
    if "local/root" in said:
        root = said.pop("local/root")
        for extra in said.values():
            raise _wrong("a library has one place, a folder or a commit", extra.span)
        return LocalRoot(folder / _text(root, ":local/root"))
    if "git/url" not in said or "git/sha" not in said:
        missing = "git/sha" if "git/url" in said else "git/url" if "git/sha" in said else ""
        hint = 'write {:local/root "../lib"} or {:git/url "https://..." :git/sha "..."}'
        message = f"`{name}` has no :{missing}" if missing else f"where is `{name}`?"
        raise _wrong(message, where.span, hint)
    url, sha = said["git/url"], said["git/sha"]
    address, digits = _text(url, ":git/url"), _text(sha, ":git/sha")
    if address.startswith("-"):
        raise _wrong("this is no address of a repository", url.span)
    if not _SHA.fullmatch(digits):
        hint = "`git rev-parse HEAD` shows all of it; names and beginnings can change their meaning"
        raise _wrong("`:git/sha` is a whole commit hash, 40 digits", sha.span, hint)
    below = _text(said["deps/root"], ":deps/root") if "deps/root" in said else ""
    if Path(below).is_absolute() or ".." in Path(below).parts:
        raise _wrong("`:deps/root` is a folder inside of the repository", said["deps/root"].span)
    return GitCommit(address, digits, below)


def _said(name: str, where: Syntax) -> Iterator[tuple[str, Syntax]]:
    if not isinstance(where.form, Map):
        raise _wrong(f"where is `{name}`?", where.span, 'write {:local/root "../lib"}')
    parts = children(*where)
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        text = key.form.text if isinstance(key.form, Keyword) else pr_str(key.form, 40)
        if text not in _COORDINATE_KEYS:
            guess = did_you_mean(text, _COORDINATE_KEYS)
            known = ", ".join(f":{known}" for known in _COORDINATE_KEYS)
            raise _wrong(
                f"`:{text}` says nothing about a library", key.span, guess or f"there are {known}"
            )
        yield text, value


def _text(item: Syntax, what: str) -> str:
    form: Value = item.form
    if not isinstance(form, str) or not form or "\0" in form:
        raise _wrong(f"`{what}` is a string", item.span)
    return form


def _wrong(message: str, span: Span, hint: str | None = None) -> UsageError:
    return UsageError("FM1317", message, span, hint=hint)
